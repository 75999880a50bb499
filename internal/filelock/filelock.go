// Package filelock takes locks on files that hold between processes. The system lets go of one when its file is closed
// or its process ends, however it ends. Such a file stays where it is: removing it could take it from under a process
// that has just opened it.
package filelock

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrHeld is returned by [Try] while another process has the lock.
var ErrHeld = errors.New("another process has the lock")

// Wait takes an exclusive lock as soon as nobody else has it. The error is the context's cause, or the file system's
// that it has no locks.
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
