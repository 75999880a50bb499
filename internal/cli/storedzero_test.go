package cli

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// What send and outbox say of a relay that answers "0", which is not stored, and stores: there are copies of one sealed entry, the
// message is shown once, verify counts the copies, and whoever reads it back has nothing in the outbox.
func TestARelayThatStoresWhatItRefusesGetsCopiesThatAreShownOnce(t *testing.T) {
	for name, profile := range map[string]string{"texts": plainText, "signed": quickSigned} { // a text is read back before it is posted again
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				class := newClass(t, relaytest.InBubble(t))
				ana := class.device("127.0.0.1")
				channel := ana.makeRoom(profile)
				class.relay.Inject(relaytest.On("POST /update", relaytest.RewriteBody(func([]byte) []byte { return []byte("0") })))
				if code := ana.run("send", "once"); profile == quickSigned && code != exitRefused {
					t.Errorf("send exits %d, want %d: %s", code, exitRefused, &ana.stderr)
				}
				class.relay.Inject(nil)
				var tokens []string
				for _, e := range class.relay.Entries(t, channel) {
					tokens = append(tokens, e.Fields[0].Text)
				}
				copies := len(tokens)
				if tokens = slices.Compact(tokens); profile == quickSigned && copies < 2 || len(tokens) != 1 {
					t.Fatalf("%d copies of %d tokens are stored", copies, len(tokens))
				}
				ana.must("recv", "-n", "0")
				if got := ana.stdout.String(); strings.Count(got, "once") != 1 {
					t.Errorf("recv prints\n%s", got)
				}
				ana.must("outbox")
				if got := ana.stderr.String(); !strings.Contains(got, "the outbox is empty") {
					t.Errorf("outbox prints %q and says %q", &ana.stdout, got)
				}
				ana.must("outbox", "--retry")
				if n := len(class.relay.Entries(t, channel)); n != copies {
					t.Errorf("%d copies are stored after it was read back, %d before", n, copies)
				}
				ana.run("verify")
				if got := ana.stdout.String() + ana.stderr.String(); copies > 1 != strings.Contains(got, "repeated from before") {
					t.Errorf("verify prints\n%s", got)
				}
			})
		})
	}
}
