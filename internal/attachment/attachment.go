// Package attachment reads the files that messages carry, and saves those that came, under safe names and never over another file.
package attachment

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// maxFileName is the longest name of a file, in bytes.
const maxFileName = 255

// RefusedError says why a file cannot be sent.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

func refusedf(format string, args ...any) error { return &RefusedError{fmt.Errorf(format, args...)} }

// Read reads a file that is to be sent. Where its name is wrong, or it is too long, the error is a [*RefusedError].
func Read(ctx context.Context, name string) (record.File, error) {
	f, err := diskfile.Open(ctx, name)
	if err != nil && ctx.Err() == nil {
		err = &RefusedError{err}
	}
	if err != nil {
		return record.File{}, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, record.MaxFile+1))
	if err != nil {
		return record.File{}, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(content) > record.MaxFile {
		return record.File{}, refusedf("%s is longer than %d bytes, the most that one message carries", name, record.MaxFile)
	}
	media := mime.TypeByExtension(filepath.Ext(name))
	if media == "" {
		media = "application/octet-stream"
	}
	base := strings.ToValidUTF8(filepath.Base(name), "_")
	if len(base) > maxFileName {
		return record.File{}, refusedf("the name of %s is longer than %d bytes", name, maxFileName)
	}
	return record.File{Name: base, Media: media, Content: content}, nil
}

// Dir is where files are saved that came in messages.
type Dir struct {
	dir  *os.Root
	name string
}

// OpenDir opens a directory, and makes it if it is not there.
func OpenDir(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("saving files: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("saving files: %w", err)
	}
	return &Dir{root, dir}, nil
}

// Close lets go of the directory.
func (s *Dir) Close() error { return s.dir.Close() }

// Save writes one file and returns under which name, and whether it was there before, to the letter.
func (s *Dir) Save(f record.File) (name string, there bool, err error) {
	for name = range fileNames(f) {
		err := s.write(name, f.Content)
		if errors.Is(err, fs.ErrExist) {
			if s.holds(name, f.Content) {
				return name, true, nil
			}
			continue
		}
		if err != nil {
			return name, false, fmt.Errorf("saving %s: %w", name, err)
		}
		return name, false, nil
	}
	return "", false, fmt.Errorf("saving %s: no name is free", name)
}

// write writes a new file. Killed, it leaves half of one only under a name that nobody takes for it.
func (s *Dir) write(name string, content []byte) error {
	f, err := diskfile.Create(s.dir, name, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Drop())
	}
	return f.Keep()
}

// fileNames yields the names under which a file can be saved, the best first. After nine files of one name comes one
// that the content decides, so that a thousand of them are not tried one by one, nor saved again by each call.
func fileNames(f record.File) iter.Seq[string] {
	base, ext := screen.FileName(f.Name)
	return func(yield func(string) bool) {
		if !yield(base + ext) {
			return
		}
		for i := 2; i < 10; i++ {
			if !yield(fmt.Sprintf("%s-%d%s", base, i, ext)) {
				return
			}
		}
		sum := sha256.Sum256(f.Content)
		// Who knows the content could have taken that name as well, but not one by chance.
		_ = yield(fmt.Sprintf("%s-%x%s", base, sum[:8], ext)) && yield(base+"-"+rand.Text()+ext)
	}
}

// holds reports whether there is a file of that name with that content. Only a regular file is looked into: reading
// from a pipe could take for ever.
func (s *Dir) holds(name string, content []byte) bool {
	info, err := s.dir.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(content)) {
		return false
	}
	old, err := s.dir.ReadFile(name)
	return err == nil && bytes.Equal(old, content)
}
