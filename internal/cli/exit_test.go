package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/filelock"
)

// On a file system without locks every change of the keyring failed, and nothing said what to do.
func TestAKeyringWithoutLocksHasANextStep(t *testing.T) {
	err := fmt.Errorf("locking the keyring: %w", filelock.ErrNoLocks)
	if got := nextStep(err); !strings.Contains(got, "XDG_DATA_HOME") {
		t.Errorf("the next step is %q", got)
	}
}
