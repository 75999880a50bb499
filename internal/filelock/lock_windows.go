package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Try takes an exclusive lock without waiting. It covers one byte far behind the content, which others may read. The
// error is [ErrHeld], or holds [ErrNoLocks].
func Try(f *os.File) error {
	behind := windows.Overlapped{OffsetHigh: 1}
	err := windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &behind)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrHeld
	}
	return failed("LockFileEx", err, windows.ERROR_INVALID_FUNCTION, windows.ERROR_NOT_SUPPORTED)
}

func unlock(f *os.File) error {
	behind := windows.Overlapped{OffsetHigh: 1}
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &behind)
}
