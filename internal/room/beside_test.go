package room_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// besideStore is an archive in which another process does something before messages are asked for.
type besideStore struct {
	room.Store
	first func()
}

func (s *besideStore) Messages(q kept.MessageQuery) ([]kept.Message, error) {
	if f := s.first; f != nil {
		s.first = nil
		f()
	}
	return s.Store.Messages(q)
}

// betweenStore is an archive in which another process does something once what is asked for first was answered.
type betweenStore struct {
	room.Store

	then func()
}

func (s *betweenStore) happens() {
	if f := s.then; f != nil {
		s.then = nil
		f()
	}
}

func (s *betweenStore) Own(q kept.OwnQuery) ([]kept.Own, error) {
	defer s.happens()
	return s.Store.Own(q)
}

func (s *betweenStore) Devices(key record.PublicKey) ([]record.DeviceClaim, error) {
	defer s.happens()
	return s.Store.Devices(key)
}

// besideAna is a conversation of ana's in which a message is accepted and not read back: another process does that between two
// answers of her archive.
func besideAna(t *testing.T, body record.Body) (ana *member, c *room.Conversation) {
	t.Helper()
	h := newHall(t)
	ana = h.join(1, "ana")
	ana.look()
	if _, err := ana.Write(body, time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.deliver()
	other := h.enter(ana.o, ana.dir)
	c, err := room.Open(&betweenStore{ana.archive, func() { other.look() }}, ana.o)
	if err != nil {
		t.Fatal(err)
	}
	return ana, c
}

// A message that another process read back while the outbox was listed was told to be accepted as entry 0, and not shown.
func TestOutboxListsNothingThatIsReadBackBesideIt(t *testing.T) {
	_, c := besideAna(t, record.Text("one"))
	if queue, err := c.NotReadBack(); err != nil || len(queue) > 0 {
		t.Errorf("not read back: %+v, %v", queue, err)
	}
	_, c = besideAna(t, record.Text("one"))
	if queue, err := c.Outbox(); err != nil || len(queue) > 0 {
		t.Errorf("the outbox: %+v, %v", queue, err)
	}
	ana, c := besideAna(t, record.Text("one"))
	if q, err := c.Sent(1); err != nil || q.Entry != 1 || q.Sent != model.StateAccepted {
		t.Errorf("%s: %+v, %v", ana.o.Nick, q, err)
	}
}

// What we claim of a device was in doubt while another process read it back: it was neither on its way nor held.
func TestClaimsCountWhileTheyAreReadBack(t *testing.T) {
	phone := record.NewIdentity([record.KeySize]byte{7})
	_, c := besideAna(t, record.Device{Key: phone.Public()}) // it withdraws
	if ours, _, err := c.Claims(phone.Public()); err != nil || ours == nil || *ours {
		t.Errorf("claimed: %v, %v", ours, err)
	}
}

// What another process read, or posted, while a feed was read afresh was told to be held and not shown, and to be accepted and
// not shown: verify accused an honest relay.
func TestCompareTellsNothingOfWhatHasComeSince(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	bo.say("held")
	ana.look()
	if _, err := ana.Write(record.Text("accepted"), time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.deliver()
	before, err := ana.Before()
	if err != nil {
		t.Fatal(err)
	}
	ana.look()
	bo.say("come since")
	ana.look()
	if _, err := ana.Write(record.Text("accepted since"), time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.deliver()
	d, err := ana.Compare(new(model.Report), 0, before)
	if err != nil || len(d.Unshown) > 0 || len(d.Differing) != 2 {
		t.Errorf("since: %+v, %+v, %v", d.Differing, d.Unshown, err)
	}
	if d, err = ana.Compare(new(model.Report), 0, nil); err != nil || len(d.Unshown) != 1 || len(d.Differing) != 2 || d.Differing[1].Last != 2 && d.Differing[0].Last != 2 {
		t.Errorf("all: %+v, %+v, %v", d.Differing, d.Unshown, err)
	}
}

// A message that another process reads back while the history is shown stood there twice.
func TestHistoryShowsOnceWhatIsReadBackBesideIt(t *testing.T) {
	for name, texts := range map[string]bool{"signed": false, "texts": true} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			ana := h.writer()
			if !texts {
				ana = h.join(1, "ana")
			}
			say := func(text string) {
				var err error
				if texts {
					_, err = ana.WriteText(record.Text(text), room.Writing{At: time.Now()}, time.Now())
				} else {
					_, err = ana.Write(record.Text(text), time.Now())
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, newest := range []int{0, 1, 2, 10} {
				say("one")
				ana.deliver()
				say("two")
				other := h.enter(ana.o, ana.dir)
				store := &besideStore{ana.archive, func() { other.deliver(); other.look() }}
				c, err := room.Open(store, ana.o)
				if err != nil {
					t.Fatal(err)
				}
				want := ana.history()
				if newest > 0 {
					want = want[max(0, len(want)-newest):]
				}
				var got []string
				if err := c.History(newest, func(it *model.Item) error {
					got = append(got, line(it))
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("the newest %d: %s", newest, d)
				}
			}
		})
	}
}

// busyStore is an archive that does not tell what its newest message is.
type busyStore struct{ room.Store }

var errBusy = errors.New("the archive is busy")

func (s *busyStore) End() (kept.Mark, error) { return kept.Mark{}, errBusy }

// Where it could not be found out what was here before a feed was read, all that is held counted as come since, and nothing of
// it was told to be withheld.
func TestNothingWasHereBeforeIsNoAnswer(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	c, err := room.Open(&busyStore{ana.archive}, ana.o)
	if err != nil {
		t.Fatal(err)
	}
	if before, err := c.Before(); !errors.Is(err, errBusy) || before != nil {
		t.Errorf("before: %+v, %v", before, err)
	}
}
