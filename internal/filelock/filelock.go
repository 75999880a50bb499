// Package filelock takes locks on files that hold between processes. The system lets go of one when its file is closed
// or its process ends, however it ends. Such a file stays where it is: removing it could take it from under a process
// that has just opened it.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// ErrHeld is returned by [Try] while another process has the lock.
var ErrHeld = errors.New("another process has the lock")

// ErrNoLocks is in the error of a file system that has no locks, as some that come over a network.
var ErrNoLocks = errors.New("the file system has no locks")

// Wait takes an exclusive lock as soon as nobody else has it. The error is the context's cause, or holds [ErrNoLocks].
func Wait(ctx context.Context, f *os.File) error {
	const pause = 20 * time.Millisecond
	var tick *time.Ticker
	for {
		if err := Try(f); !errors.Is(err, ErrHeld) {
			return err
		}
		if tick == nil {
			tick = time.NewTicker(pause)
			defer tick.Stop()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Release lets go of a lock and closes its file. Closing alone is not enough at once: a program that is being started has what is
// open here until it runs, and a lock as long.
func Release(f *os.File) error { return errors.Join(unlock(f), f.Close()) }

// failed is what [Try] returns for an error of a system call, which stands for no locks also if it is one of some others.
func failed(call string, err error, noLocks ...error) error {
	is := func(target error) bool { return errors.Is(err, target) }
	if is(errors.ErrUnsupported) || slices.ContainsFunc(noLocks, is) {
		return fmt.Errorf("%w (%s: %w)", ErrNoLocks, call, err)
	}
	return os.NewSyscallError(call, err)
}
