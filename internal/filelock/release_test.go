//go:build unix

package filelock

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A program that was being started while a lock was held kept it for a moment after its file was closed: it has a copy of what
// is open until it runs.
func TestALockThatIsReleasedIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	one, other := open(t, path), open(t, path)
	if err := Try(one); err != nil {
		t.Fatal(err)
	}
	inChild, err := syscall.Dup(int(one.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(inChild)
	if err := Release(one); err != nil {
		t.Fatal(err)
	}
	if err := Try(other); err != nil {
		t.Errorf("after its release: %v", err)
	}
}
