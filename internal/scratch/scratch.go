// Package scratch makes temporary directories that do not outlive the process that made them for long: where it was killed, the next one
// that wants a directory of that kind removes what it has left.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fernpost/fernpost/internal/filelock"
)

// lockName is the file in each directory that its process has locked for as long as it lives.
const lockName = ".in-use"

// Dir is a temporary directory.
type Dir struct {
	path string
	lock *os.File // nil where the file system has no locks
}

// New makes a directory of a kind, such as "game", and removes those of that kind whose process is dead.
func New(kind string) (*Dir, error) {
	prefix := "fernpost-" + kind + "-"
	sweep(prefix)
	for {
		path, err := os.MkdirTemp("", prefix)
		if err != nil {
			return nil, err
		}
		d := &Dir{path: path}
		if err := d.take(); err == nil {
			return d, nil
		} else if !errors.Is(err, errSwept) {
			return nil, errors.Join(err, os.RemoveAll(path))
		}
	}
}

// errSwept means that another process has taken the directory for one that was left, before it was locked.
var errSwept = errors.New("the directory was removed by another process")

// take locks the directory. Without locks nobody can tell that its process is dead: it has no lock then, and is never removed.
func (d *Dir) take() error {
	name := filepath.Join(d.path, lockName)
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return errSwept
	} else if err != nil {
		return err
	}
	switch err := filelock.Try(lock); {
	case errors.Is(err, filelock.ErrHeld):
		return errors.Join(errSwept, lock.Close())
	case errors.Is(err, filelock.ErrNoLocks):
		return errors.Join(lock.Close(), os.Remove(name))
	case err != nil:
		return errors.Join(err, lock.Close())
	}
	is, err := lock.Stat()
	there, gone := os.Lstat(name)
	// What was removed before it was locked can be locked all the same.
	if err != nil || gone != nil || !os.SameFile(is, there) {
		return errors.Join(errSwept, filelock.Release(lock))
	}
	d.lock = lock
	return nil
}

// Path is where the directory is.
func (d *Dir) Path() string { return d.path }

// Join is the path of something in the directory.
func (d *Dir) Join(name string) string { return filepath.Join(d.path, name) }

// Remove removes the directory and all that is in it.
func (d *Dir) Remove() error {
	if d.lock == nil {
		return os.RemoveAll(d.path)
	}
	lock := d.lock
	d.lock = nil
	return remove(d.path, lock)
}

// remove removes a directory whose lock is held, and then lets go of that.
func remove(path string, lock *os.File) error {
	err := os.RemoveAll(path)
	if released := filelock.Release(lock); err == nil {
		return released
	}
	return os.RemoveAll(path) // a file that is open cannot be removed everywhere
}

// sweep removes the directories of dead processes. What it cannot remove stays.
func sweep(prefix string) {
	names, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return
	}
	for _, name := range names {
		if lock, err := abandoned(name); err == nil {
			_ = remove(name, lock)
		}
	}
}

// abandoned returns the lock of a directory, which it has taken, if no living process has it. It follows no link: in a directory that
// all users share somebody may have laid one.
func abandoned(path string) (*os.File, error) {
	is, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !is.IsDir() {
		return nil, fmt.Errorf("%s is no directory", path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if is, err = root.Lstat(lockName); err != nil || !is.Mode().IsRegular() {
		return nil, fmt.Errorf("%s has no lock: %w", path, fs.ErrNotExist)
	}
	lock, err := root.OpenFile(lockName, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := filelock.Try(lock); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}
