package cli

import (
	"bytes"
	"testing"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// With parts left untried recv was silent, and --strict found nothing that waits.
func TestPartsLeftUntriedAreToldAndWait(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out}
	var relay relayTeller
	for range 2 {
		relay.tell(a, messenger.Untried(&model.Arrivals{More: true}), 0, false)
	}
	if got := out.String(); got != "not all parts of messages were joined yet; the next reading goes on with that\n" {
		t.Errorf("told %q", got)
	}
	if err := judged(&a.verdict); err != errUnsure {
		t.Errorf("the verdict is %v", err)
	}
	relay.tell(a, messenger.Untried(&model.Arrivals{}), 0, false)
	if err := judged(&a.verdict); err != nil || a.unprinted != nil {
		t.Errorf("once all was tried: %v, %v", err, a.unprinted)
	}
}
