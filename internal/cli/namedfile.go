package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fernpost/fernpost/internal/diskfile"
)

// openInput opens a file for reading, "-" for standard input. What is read ends with the context.
func (a *app) openInput(ctx context.Context, name string) (io.Reader, func(), error) {
	if name == "-" {
		return a.input, func() {}, nil
	}
	f, err := openFile(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { f.Close() }, nil
}

// openFile opens a file for reading. The error is one of usage, or that of the context.
func openFile(ctx context.Context, name string) (*diskfile.File, error) {
	f, err := diskfile.Open(ctx, name)
	return f, wrongFile(ctx, err)
}

// wrongFile makes an error of opening a file that somebody has named one of usage, unless nobody waits for it any more.
func wrongFile(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return usageError{err}
}

// mostNamed is how large a file may be that is read as a whole, in bytes.
const mostNamed = 16 << 20

// readNamed reads a file as a whole.
func readNamed(ctx context.Context, name string) ([]byte, error) {
	text, err := diskfile.ReadFile(ctx, name, mostNamed)
	if err == nil && len(text) > mostNamed {
		err = fmt.Errorf("%s is longer than %d MiB", name, mostNamed>>20)
	}
	return text, err
}

// write gives what work writes to standard output, or to a new file: all of it, or no file.
func (a *app) write(out string, mode os.FileMode, work func(io.Writer) error) error {
	if out == "" || out == "-" {
		return work(a.stdout)
	}
	return writeNew("out", out, mode, work)
}

// isThere refuses to write over a file.
func isThere(flag, name string) error {
	return hint(usagef("--%s: %s is there already, and is not overwritten", flag, name), "choose another name, or remove the file first")
}

// writeNew gives what work writes to the new file that a flag names: all of it, or no file.
func writeNew(flag, name string, mode os.FileMode, work func(io.Writer) error) error {
	if name == "" || os.IsPathSeparator(name[len(name)-1]) {
		return usagef("--%s: %s names no file", flag, name)
	}
	dir, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return usagef("--%s: %w", flag, err)
	}
	defer dir.Close()
	f, err := diskfile.Create(dir, filepath.Base(name), mode)
	if errors.Is(err, fs.ErrExist) {
		return isThere(flag, name)
	}
	if err != nil {
		return usagef("--%s: %w", flag, err)
	}
	if err := work(f); err != nil {
		return errors.Join(err, f.Drop())
	}
	if err = f.Keep(); errors.Is(err, fs.ErrExist) {
		return isThere(flag, name)
	}
	return err
}

// newFile refuses a file that could not be written at the end: one whose directory is not there, or that is there already.
func newFile(flag, name string) error {
	if dir, err := os.Stat(filepath.Dir(name)); err != nil {
		return usagef("--%s: %w", flag, err)
	} else if !dir.IsDir() {
		return usagef("--%s: %s is no directory", flag, filepath.Dir(name))
	}
	if _, err := os.Lstat(name); err == nil {
		return isThere(flag, name)
	}
	return nil
}
