package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/filelock"
)

// lockName is the file beside the database whose lock says that a process serves it. It holds that process's id.
const lockName = "relay.lock"

// ServedError says that another process serves a data directory.
type ServedError struct {
	// PID is the process id, 0 if it is not known.
	PID int
}

func (e *ServedError) Error() string {
	if e.PID == 0 {
		return "already served by another process"
	}
	return fmt.Sprintf("already served by process %d", e.PID)
}

// Lock is held by the one process that serves a data directory. The system lets go of it when the process ends, however
// it ends.
type Lock struct{ file *os.File }

// LockDir takes the lock of a data directory, which it makes if it is not there, or fails with a *ServedError. Programs
// that only look after the data beside a serving relay do not need it.
func LockDir(dir string) (*Lock, error) {
	if err := diskfile.MakeDir(dir); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := filelock.Try(f); err != nil {
		if !errors.Is(err, filelock.ErrHeld) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), f.Close())
		}
		served := &ServedError{}
		if b, err := os.ReadFile(f.Name()); err == nil {
			served.PID, _ = strconv.Atoi(strings.TrimSpace(string(b))) // 0 if it is not there yet
		}
		_ = f.Close() // nothing was written
		return nil, served
	}
	l := &Lock{file: f}
	// On a full disk others are not told who serves, and the lock holds all the same.
	if err := l.sign(); err != nil && !isFull(err) {
		return nil, errors.Join(fmt.Errorf("writing %s: %w", f.Name(), err), l.Unlock())
	}
	return l, nil
}

// sign writes our process id into the file.
func (l *Lock) sign() error {
	text := strconv.Itoa(os.Getpid()) + "\n"
	// What is there is written over first: truncated, it may not find room again.
	if _, err := l.file.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return l.file.Truncate(int64(len(text)))
}

// Unlock lets go of the directory. The file stays: removing it could take it from under a process that just opened it.
func (l *Lock) Unlock() error { return l.file.Close() }
