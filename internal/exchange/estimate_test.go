package exchange

import (
	"testing"
	"time"
)

// What is left of a transfer takes its intervals, the one that has just begun with them.
func TestRestOfATransfer(t *testing.T) {
	limits := Limits{Interval: 15 * time.Second}
	if left := Reckon(limits, 3).Rest(2); left != 30*time.Second {
		t.Errorf("two more entries take %v", left)
	}
	if left := Reckon(limits, 3).Rest(0); left != 0 {
		t.Errorf("no more entries take %v", left)
	}
	limits.BulkRows, limits.BulkInterval = 960, 15*time.Second
	if left := Reckon(limits, 3000).Rest(1920); left != 30*time.Second {
		t.Errorf("two more bulk calls take %v", left)
	}
}
