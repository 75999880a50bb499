package room_test

import (
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/room"
)

// Whoever was away reads from a mark on what became of what was written, once and in order, whichever process knew it first.
func TestStatesAreReadFromAMark(t *testing.T) {
	h := newHall(t, 1, 2)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.look()
	if _, err := ana.Write(record.Text("hello"), time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.told("ana 1: queued")
	h.relay.Inject(relaytest.On("POST /update", relaytest.LoseReply()))
	if _, err := ana.Deliver(t.Context(), onePost{poster{ana.client}}, nil); err == nil {
		t.Fatal("the delivery succeeded")
	}
	ana.told("ana 1: tried")
	h.relay.Inject(nil)
	mark := ana.mark
	ana = ana.again(h)
	ana.look() // reads what may have been stored, before anybody posts
	bo.look()
	bo.say("hello, ana")
	ana.say("how are you?")
	bo.look()
	bo.say("well")
	ana.look()
	ana = ana.again(h)
	ana.mark = mark
	ana.told("ana 1: accepted as entry 1", "ana 2: accepted as entry 3", "ana 2 seen by bo")
	ana.told()
	ana.look()
	ana.told()
}

// A refusal that ends each of many deliveries leaves one state behind, not one each.
func TestStatesDoNotPileUp(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	ana.look()
	if _, err := ana.Write(record.Text("hello"), time.Now()); err != nil {
		t.Fatal(err)
	}
	h.relay.Inject(relaytest.On("POST /update", relaytest.Answer(401, "text/plain", "0")))
	for range 50 {
		if _, err := ana.Deliver(t.Context(), poster{ana.client}, nil); err == nil {
			t.Fatal("the delivery succeeded")
		}
	}
	events, err := ana.archive.Events(0, 1000)
	if err != nil || len(events) != 1 {
		t.Errorf("%d events, %v", len(events), err)
	}
	ana.told("ana 1: queued")
}

// Of texts the outbox knows how far they have come.
func TestStatesOfTexts(t *testing.T) {
	h := newHall(t, 1)
	o := h.options(1, "")
	o.Identity = record.Identity{}
	ana := h.enter(o, t.TempDir())
	ana.look()
	for _, text := range []string{"one", "two"} {
		if _, err := ana.WriteText(record.Text(text), room.Writing{At: time.Now()}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := ana.Drop(1, false, time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.told("text 2: queued", "text 1: taken back")
	ana.deliver()
	ana.told("text 2: accepted as entry 1")
}
