package wire_test

import (
	"errors"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/wire"
)

// What may pass is tried again, later each time; a clear no is not.
func TestRetry(t *testing.T) {
	away := &wire.UnreachableError{Doing: "posting", Host: "h", Cause: wire.NobodyListens}
	var r wire.Retry
	for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
		err := []error{away, &exchange.BusyError{Rounds: 5, Last: away}, &exchange.UnknownError{Doing: "posting", Last: errors.New("lost")}}[i%3]
		if pause, again := r.After(err); pause != want || !again {
			t.Errorf("failure %d: again %t after %v, want %v", i, again, pause, want)
		}
	}
	if pause, again := r.After(&wire.RefusedError{Reason: wire.KeyRefused}); again || pause != 0 {
		t.Errorf("a refused key is tried again after %v", pause)
	}
	if pause, again := r.After(nil); again || pause != 0 {
		t.Errorf("after success it is tried again after %v", pause)
	}
	if pause, _ := r.After(away); pause != 5*time.Second {
		t.Errorf("after success the first pause is %v", pause)
	}
}
