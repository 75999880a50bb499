package cli

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// beforeFirst does something before the first request is answered.
type beforeFirst struct {
	http.RoundTripper

	do func()
}

func (b *beforeFirst) RoundTrip(r *http.Request) (*http.Response, error) {
	b.do()
	return b.RoundTripper.RoundTrip(r)
}

// TestSendByAnotherProcess: what another process has posted meanwhile is accepted as the entry that it stands in, never
// as entry 0.
func TestSendByAnotherProcess(t *testing.T) {
	for _, c := range []struct {
		flags []string
		want  func(stdout, stderr string) bool
	}{
		{nil, func(_, stderr string) bool {
			return stderr == "another process posted it, accepted as entry 2\n"
		}},
		{[]string{"--json"}, func(stdout, _ string) bool {
			return strings.Contains(stdout, `"number":2,"entries":1,"state":"accepted","entry":2}`)
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			class := newClass(t, relaytest.InBubble(t))
			ana := class.device("127.0.0.1")
			ana.makeRoom(signedText)
			ana.must("send", "first")
			other := &device{t: t, env: ana.env, transport: ana.transport}
			post := sync.OnceFunc(func() {
				time.Sleep(time.Second) // until the message is in the outbox and waits for the room to be read
				other.must("outbox", "--retry")
				if got := other.stderr.String(); !strings.Contains(got, "the last one as entry 2\n") {
					t.Errorf("the other process says %q", got)
				}
			})
			ana.transport = &beforeFirst{ana.transport, post}
			ana.must(append([]string{"send", "second"}, c.flags...)...)
			if !c.want(ana.stdout.String(), ana.stderr.String()) {
				t.Errorf("send %v prints %q, %q", c.flags, ana.stdout.String(), ana.stderr.String())
			}
		})
	}
}

// TestTheOutboxListsWhatIsNotAccepted: a message that the relay has taken is not on its way any more, also while it was
// not read back.
func TestTheOutboxListsWhatIsNotAccepted(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("identity", "name", "ana")
	ana.must("send", "accepted")
	ana.must("send", "--queue", "waiting")
	ana.must("outbox")
	if got := ana.stdout.String(); !strings.HasPrefix(got, "ana 2 ") || strings.Count(got, "\n") != 1 {
		t.Errorf("outbox lists\n%s", got)
	}
	ana.must("outbox", "--retry")
	if got, want := ana.stderr.String(), fmt.Sprintln("accepted, the last one as entry 2"); got != want {
		t.Errorf("outbox --retry says %q, want %q", got, want)
	}
	ana.must("outbox")
	if got := ana.stdout.String() + ana.stderr.String(); got != "the outbox is empty\n" {
		t.Errorf("outbox prints %q", got)
	}
}
