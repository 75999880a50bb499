// Package diskfile opens files that people name without waiting longer than a context, and writes new ones so that under their name there
// is the whole file at any moment, or none.
package diskfile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// File is a file that is read. A read ends with the context with which the file was opened.
type File struct {
	io.Reader

	file *os.File
	// stop ends what interrupts the reads of a pipe; nil where nothing does.
	stop func() bool
}

// Open opens a file for reading. A pipe that nobody writes to blocks whoever opens or reads it: the error is that of the
// context then. It refuses directories.
func Open(ctx context.Context, name string) (*File, error) {
	if is, err := os.Stat(name); err == nil && is.Mode()&fs.ModeNamedPipe != 0 {
		return openPipe(ctx, name)
	}
	return openAside(ctx, name)
}

// openAside opens what may block whoever opens it in a goroutine, which stays until that is over.
func openAside(ctx context.Context, name string) (*File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	got := make(chan opened)
	go func() {
		f, err := os.Open(name)
		select {
		case got <- opened{f, err}:
		case <-ctx.Done():
			f.Close() // harmless where there is none
		}
	}()
	var o opened
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case o = <-got:
	}
	if o.err != nil {
		return nil, o.err
	}
	f := &File{Reader: Until(ctx, o.file), file: o.file}
	switch is, err := o.file.Stat(); {
	case err == nil && is.IsDir():
		o.file.Close()
		return nil, fmt.Errorf("%s is a directory, and no file", name)
	case err == nil && is.Mode().IsRegular(): // it makes nobody wait
		f.Reader = regular{ctx, o.file}
	}
	return f, nil
}

// ReadFile reads a file of at most so many bytes. A longer one is cut behind the next byte, so that who counts finds out.
func ReadFile(ctx context.Context, name string, most int64) ([]byte, error) {
	f, err := Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

// Close closes the file.
func (f *File) Close() error {
	if f.stop != nil {
		f.stop()
	}
	return f.file.Close()
}

// Stat is [os.File.Stat].
func (f *File) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// Seek is [os.File.Seek].
func (f *File) Seek(offset int64, whence int) (int64, error) { return f.file.Seek(offset, whence) }

// regular reads a regular file.
type regular struct {
	ctx  context.Context
	file *os.File
}

func (r regular) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.file.Read(p)
}

// Until returns a reader whose reads end with the context. What comes to one that was given up is lost, but then the program ends.
func Until(ctx context.Context, in io.Reader) io.Reader { return until{ctx, in} }

type until struct {
	ctx context.Context
	in  io.Reader
}

func (r until) Read(p []byte) (int, error) {
	type result struct {
		b   []byte
		err error
	}
	got := make(chan result, 1)
	go func() {
		// Not into p: its owner may use it for something else once the read was given up.
		b := make([]byte, min(len(p), 64<<10))
		n, err := r.in.Read(b)
		got <- result{b[:n], err}
	}()
	select {
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	case read := <-got:
		return copy(p, read.b), read.err
	}
}

// New is a new file that is being written. It has its name only once it is kept, and until then one that ends with ".part", under which
// it stays if the program is killed.
type New struct {
	*os.File

	dir        *os.Root
	name, part string
}

// Create begins a new file in a directory. The error is [fs.ErrExist] if there is one of that name.
func Create(dir *os.Root, name string, mode fs.FileMode) (*New, error) {
	const longest = 200 // of the name, in bytes: with what stands around it, it is still one
	failed := func(err error) (*New, error) {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err // that of another name
		}
		return nil, &fs.PathError{Op: "create", Path: filepath.Join(dir.Name(), name), Err: err}
	}
	switch _, err := dir.Lstat(name); {
	case err == nil:
		return failed(fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return failed(err)
	}
	// By chance, so that a part which was left behind keeps nobody from the name.
	part := fmt.Sprintf(".%s.%s.part", strings.ToValidUTF8(name[:min(len(name), longest)], ""), rand.Text()[:8])
	f, err := dir.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return failed(err)
	}
	return &New{f, dir, name, part}, nil
}

var link = (*os.Root).Link // tests make it fail

// Keep gives the file its name, once all of it is on the disk. It replaces no other file: the error is [fs.ErrExist] then. (On a file
// system without links one that comes at that very moment is replaced.) Where there is an error, there is no file.
func (n *New) Keep() error {
	if err := errors.Join(n.Sync(), n.Close()); err != nil {
		return errors.Join(err, n.dir.Remove(n.part))
	}
	if err := n.rename(); err != nil {
		return errors.Join(err, n.dir.Remove(n.part))
	}
	if err := n.syncNames(); err != nil { // whoever is told of an error believes that there is no file
		return errors.Join(err, n.dir.Remove(n.name))
	}
	return nil
}

// rename gives the part its name, and takes the other one away.
func (n *New) rename() error {
	err := link(n.dir, n.part, n.name)
	switch {
	case err == nil:
		if err = n.dir.Remove(n.part); err != nil {
			err = errors.Join(err, n.dir.Remove(n.name))
		}
	case !errors.Is(err, fs.ErrExist): // the file system has no links
		if _, err = n.dir.Lstat(n.name); err == nil {
			return fs.ErrExist
		}
		err = n.dir.Rename(n.part, n.name)
	}
	return err
}

// Drop removes the file.
func (n *New) Drop() error { return errors.Join(n.Close(), n.dir.Remove(n.part)) }

func (n *New) syncNames() error {
	d, err := n.dir.Open(".")
	if err != nil {
		return nil // who may write in a directory need not be allowed to read it
	}
	return errors.Join(SyncDir(d), d.Close())
}

// Replace writes a file that gets its name, in place of one that has it, when it is complete and on disk; until then its
// name ends with ".part". Only its owner may read it. Where write fails, the one before is as it was.
func Replace(name string, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.part")
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err = SyncNames(filepath.Dir(name)); errors.Is(err, fs.ErrPermission) {
		return nil // who may write in a directory need not be allowed to read it
	}
	return err
}

// SyncNames waits until the names in a directory are on disk.
func SyncNames(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(SyncDir(d), d.Close())
}

// SyncDir is [SyncNames] for a directory that is open.
func SyncDir(dir *os.File) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be synced there, and the system logs renames
	}
	err := dir.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil // nor on some file systems
	}
	return err
}

// MakeDir makes a directory (mode 0700) with those above it, if it is not there, and waits until their names are on
// disk: a power cut could otherwise take the directory and every file in it.
func MakeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MakeDir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := SyncNames(above); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil // who may write in a directory need not be allowed to read it
}
