package cli

import (
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// A time-out of nothing is refused by every command before it does anything.
func TestATimeOutOfNothingIsRefused(t *testing.T) {
	ana := newDevice(t, relaytest.New(t))
	ana.makeRoom(quickSigned)
	for _, command := range []string{
		"verify", "recv", "send hello", "key rotate --generate", "key add", "demo", "watch", "eavesdrop", "outbox --retry",
		"rooms set lab --no-check --interval 1s", "init other --generate",
	} {
		for _, timeout := range []string{"0s", "-1s"} {
			ana.exits(exitUsage, append(strings.Fields(command), "--timeout", timeout)...)
			if !strings.Contains(ana.stderr.String(), "want a duration above 0") {
				t.Errorf("%s: %s", command, &ana.stderr)
			}
		}
	}
}
