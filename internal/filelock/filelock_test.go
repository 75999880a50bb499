package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// open opens the file of a lock as another process would.
func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOnlyOneHasTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "lock")
		one, other := open(t, path), open(t, path)
		if err := Try(one); err != nil {
			t.Fatal(err)
		}
		if err := Try(other); !errors.Is(err, ErrHeld) {
			t.Errorf("the second to try gets %v, want ErrHeld", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := Wait(ctx, other); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("Wait = %v after %v, want to wait until the deadline", err, time.Since(began))
		}
		time.AfterFunc(time.Hour, func() { one.Close() })
		if err := Wait(t.Context(), other); err != nil || time.Since(began) < time.Hour {
			t.Errorf("Wait = %v after %v, want the lock once the other lets go", err, time.Since(began))
		}
	})
}

// A file system without locks would otherwise be waited for, for ever.
func TestAnErrorIsNotTakenForALockThatIsHeld(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "lock"))
	f.Close()
	if err := Wait(t.Context(), f); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("Wait on a closed file = %v, want its error", err)
	}
}

// A file system without locks said only "operation not supported": whoever can tell what to do must know it for that.
func TestAFileSystemWithoutLocksIsKnown(t *testing.T) {
	for _, err := range []error{syscall.ENOSYS, syscall.EINVAL, syscall.ENOLCK, nil} {
		got := failed("flock", err, syscall.ENOLCK)
		if want := err == syscall.ENOSYS || err == syscall.ENOLCK; errors.Is(got, ErrNoLocks) != want {
			t.Errorf("%v is told as %v", err, got)
		}
		if !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
}
