package cli

import (
	"bytes"
	"testing"

	"github.com/fernpost/fernpost/internal/model"
)

// With parts left untried recv was silent, and --strict found nothing that waits.
func TestPartsLeftUntriedAreToldAndWait(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out}
	var relay relayTeller
	for range 2 {
		if err := relay.tell(a, untried(&model.Arrivals{More: true}), 0, false); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.String(); got != "some cells were not tried yet; run it again\n" {
		t.Errorf("told %q", got)
	}
	if err := a.tally.verdict(); err != errUnsure {
		t.Errorf("the verdict is %v", err)
	}
	if err := relay.tell(a, untried(&model.Arrivals{}), 0, false); err != nil || a.tally.verdict() != nil {
		t.Errorf("once all was tried: %v, %v", err, a.tally.verdict())
	}
}
