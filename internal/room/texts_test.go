package room_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// writer enters as somebody who writes texts.
func (h *hall) writer() *member {
	h.t.Helper()
	o := room.Options{Keys: []fernet.Key{h.key}, Salt: salt, Fields: h.fields}
	return h.enter(o, filepath.Join(h.t.TempDir(), "state"))
}

// write puts texts into the outbox.
func (m *member) write(texts ...string) {
	m.t.Helper()
	for _, text := range texts {
		if _, err := m.WriteText(record.Text(text), room.Writing{At: time.Now()}, time.Now()); err != nil {
			m.t.Fatal(err)
		}
	}
}

// sealed is a text as its token is posted.
func (h *hall) sealed(text string) thingspeak.Fields {
	h.t.Helper()
	ring, err := fernet.NewRing(h.key)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := room.New(ring, h.fields, false)
	if err != nil {
		h.t.Fatal(err)
	}
	e, err := r.Seal(record.Text(text), time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return e.Fields
}

func (m *member) wantOutbox(n int) {
	m.t.Helper()
	if all, err := m.Outbox(); err != nil || len(all) != n {
		m.t.Errorf("the outbox holds %+v, %v; want %d texts", all, err, n)
	}
}

// onePoster posts so many entries, and is refused then.
type onePoster struct {
	poster

	left int
}

var errRefused = errors.New("refused")

func (p *onePoster) Post(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	if p.left--; p.left < 0 {
		return 0, errRefused
	}
	return p.poster.Post(ctx, fields, after)
}

// A text that is read back leaves the outbox, and those that wait behind it stay there until they are posted.
func TestATextThatIsReadBackLeavesTheOthersInTheOutbox(t *testing.T) {
	h := newHall(t, 1)
	ana, bo := h.writer(), h.writer()
	ana.write("one", "two", "three")
	ana.look()
	if _, err := ana.Deliver(t.Context(), &onePoster{poster{ana.client}, 1}, nil); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	ana.look()
	ana.wantOutbox(2)
	ana.deliver()
	ana.look()
	ana.wantOutbox(0)
	bo.look()
	want := []string{"unsigned: one", "unsigned: two", "unsigned: three"}
	for _, m := range []*member{ana, bo} {
		if got := m.history(); !slices.Equal(got, want) {
			t.Errorf("the room holds %q, want %q", got, want)
		}
	}
}

// A text whose reply was lost is looked for before it is posted: whoever reads has it once.
func TestATextThatMayBeStoredIsLookedFor(t *testing.T) {
	for _, stored := range []bool{true, false} {
		h := newHall(t, 1)
		ana := h.writer()
		ana.look()
		fields := h.sealed("once")
		if stored {
			if _, err := ana.client.Update(t.Context(), fields); err != nil {
				t.Fatal(err)
			}
		}
		if _, entry, err := ana.KeepText(fields, model.StateTried, 0, time.Now()); err != nil || entry != 0 {
			t.Fatalf("entry %d, %v", entry, err)
		}
		if _, err := ana.Deliver(t.Context(), poster{ana.client}, nil); err != nil {
			t.Fatal(err)
		}
		if n := len(h.relay.Entries(t, h.channel.ID)); n != 1 {
			t.Errorf("stored before %t: it stands in %d entries", stored, n)
		}
	}
}

// A text that was read while its fate was in doubt is stored, and nothing of it stays to be posted.
func TestATextThatWasReadIsNotKeptToBePosted(t *testing.T) {
	h := newHall(t, 1)
	ana := h.writer()
	fields := h.sealed("once")
	if _, err := ana.client.Update(t.Context(), fields); err != nil {
		t.Fatal(err)
	}
	ana.look()
	if _, entry, err := ana.KeepText(fields, model.StateTried, 0, time.Now()); err != nil || entry != 1 {
		t.Errorf("entry %d, %v; want entry 1", entry, err)
	}
	ana.wantOutbox(0)
}

// Only what nobody can have read is taken back.
func TestATextThatWasTriedIsNotTakenBack(t *testing.T) {
	h := newHall(t, 1)
	ana := h.writer()
	if _, _, err := ana.KeepText(h.sealed("tried"), model.StateTried, 0, time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.write("queued", "waits")
	for number, want := range map[uint32]error{1: model.ErrTried, 2: nil, 4: model.ErrNoMessage} {
		if err := ana.Drop(number, false, time.Now()); !errors.Is(err, want) {
			t.Errorf("text %d: %v, want %v", number, err, want)
		}
	}
	ana.wantOutbox(2)
}

// Who is left out by a new key reads no text that is written after it, also where the room was open before.
func TestATextIsSealedWithTheKeyOfTheMoment(t *testing.T) {
	h := newHall(t, 1)
	keys := &ring{[]fernet.Key{h.key}}
	o := room.Options{
		Keys: keys.keys, Salt: salt, Fields: h.fields, CurrentKeys: func() ([]fernet.Key, error) { return keys.keys, nil },
	}
	ana, bo := h.enter(o, filepath.Join(t.TempDir(), "state")), h.writer()
	ana.write("before")
	keys.add(fernet.GenerateKey())
	ana.write("after")
	ana.deliver()
	bo.look()
	if got := bo.history(); !slices.Equal(got, []string{"unsigned: before"}) {
		t.Errorf("who lacks the new key reads %q", got)
	}
}
