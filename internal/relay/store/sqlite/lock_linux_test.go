package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

// TestLockThatCannotBeSigned: only for a full disk the name of who serves is done without. A disk that fails otherwise was
// taken for one, and found out with the first update.
func TestLockThatCannotBeSigned(t *testing.T) {
	for device, holds := range map[string]bool{
		"/dev/full": true,
		"/dev/null": false, // it cannot be truncated
	} {
		dir := t.TempDir()
		if err := os.Symlink(device, filepath.Join(dir, "relay.lock")); err != nil {
			t.Fatal(err)
		}
		l, err := sqlite.LockDir(dir)
		if (err == nil) != holds {
			t.Errorf("with %s as its file: %v", device, err)
		}
		if l != nil {
			_ = l.Unlock() // nothing is kept there
		}
	}
}
