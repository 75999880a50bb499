package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/room"
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

// lastNamed returns the number of the record that the device's newest message names as seen, 0 for none.
func (d *device) lastNamed() (number uint32) {
	d.t.Helper()
	a := &app{getenv: func(name string) string { return d.env[name] }}
	r, err := a.loadRoom("lab")
	if err != nil {
		d.t.Fatal(err)
	}
	keys, err := messenger.Keys(r)
	if err != nil {
		d.t.Fatal(err)
	}
	dir, err := a.dataDir("archive")
	if err != nil {
		d.t.Fatal(err)
	}
	store, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		d.t.Fatal(err)
	}
	defer store.Close()
	c, err := room.Open(store, room.Options{Keys: keys, Salt: record.Salt(passphrase.RoomSalt(r.Channel)), Fields: r.Fields})
	if err != nil {
		d.t.Fatal(err)
	}
	err = c.History(1, func(it *model.Item) error {
		number = it.Record.Seen.Number
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return number
}

// A text named as seen what its author was never shown: all that was there when the first watch began, or that recv
// passed over for its -n.
func TestATextNamesOnlyWhatWasPrinted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		channel := fmt.Sprint(ana.makeRoom(signedText))
		bo.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
		bo.must("join", "lab", "--channel", channel, "--profile", signedText)
		answers := func(when string, want uint32) {
			t.Helper()
			bo.must("send", "yes")
			ana.must("recv") // bo learns in the next step that it was stored
			if got := bo.lastNamed(); got != want {
				t.Errorf("%s a text names number %d as seen, want %d", when, got, want)
			}
		}
		ana.must("send", "one")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if bo.runContext(ctx, "watch"); bo.stdout.Len() > 0 {
			t.Fatalf("the first watch prints %q", &bo.stdout)
		}
		answers("after a watch that printed nothing", 0)
		bo.must("recv")
		answers("after recv", 1)
		ana.must("send", "two")
		bo.must("send", "--queue", "waits")
		if bo.must("recv", "-n", "1"); strings.Contains(bo.stdout.String(), "two") {
			t.Fatalf("recv -n 1 prints %q", &bo.stdout)
		}
		answers("after recv that printed its own alone", 1)
		bo.must("watch", "--messages", "1", "--from-start")
		answers("after a watch that printed the first alone", 1)
		bo.must("recv")
		answers("after recv of all", 2)
		bo.must("watch", "--messages", "1", "--from-start")
		answers("after another look at the first", 2)
	})
}

// TestSignedTokensAreWrappedWhereTheProfileSaysSo: the profile held for rooms of plain texts only, and others were posted bare.
func TestSignedTokensAreWrappedWhereTheProfileSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana := class.device("127.0.0.1")
		channel := ana.makeRoom(signedText + ",wrapper=python")
		ana.must("send", "hello")
		tokens := 0
		for _, e := range class.relay.Entries(t, channel) {
			for _, field := range e.Fields {
				if text := field.Text; text != "" {
					if tokens++; !strings.HasPrefix(text, "b'gAAAA") || !strings.HasSuffix(text, "'") {
						t.Errorf("posted %s", text)
					}
				}
			}
		}
		if ana.must("recv"); tokens == 0 || !strings.Contains(ana.stdout.String(), ": hello\n") {
			t.Errorf("%d tokens, recv prints %q", tokens, ana.stdout.String())
		}
	})
}
