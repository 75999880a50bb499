package room_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/testenv"
)

// movedByAna is what is read of a move of ana's by those who lack the key.
const movedByAna = `ana, whose key you have not compared, says that this room goes on with a new key: ` +
	`if that is true, ask for its passphrase, then run "fernpost key add"`

// ring is the keys that a member has, which may change while a conversation is open.
type ring struct{ keys []fernet.Key }

// joinWith is join for a member whose keys are those of a ring.
func (h *hall) joinWith(r *ring, seed byte, nick string) *member {
	h.t.Helper()
	o := h.options(seed, nick)
	o.Keys = r.keys
	o.CurrentKeys = func() ([]fernet.Key, error) { return r.keys, nil }
	return h.enter(o, h.t.TempDir())
}

// add puts a new key before the others.
func (r *ring) add(key fernet.Key) { r.keys = append([]fernet.Key{key}, r.keys...) }

// moveTo is what a member writes who moves the room to a key that is in the ring already.
func (m *member) moveTo(key fernet.Key) room.Written {
	m.t.Helper()
	w, err := m.Write(record.KeyMoved{Key: record.KeyID(key.ID())}, m.clock())
	if err != nil {
		m.t.Fatal(err)
	}
	m.deliver()
	return w
}

// A conversation that is open while the room moves sealed for those who do not have the new key, and could not sign anew
// what another process had sealed.
func TestSealingTakesTheKeysOfTheMoment(t *testing.T) {
	h := newHall(t)
	keys := &ring{[]fernet.Key{h.key}}
	ana, bo := h.joinWith(keys, 1, "ana"), h.join(2, "bo")
	other := h.enter(ana.o, ana.dir) // another process of ana's
	ana.say("before")
	next := fernet.GenerateKey()
	keys.add(next)
	for _, text := range []string{"one", "two"} {
		if _, err := other.Write(record.Text(text), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := ana.Drop(2, false, time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.moveTo(next)
	bo.look()
	want := []string{"ana: before", movedByAna}
	if d := cmp.Diff(want, bo.history()); d != "" {
		t.Errorf("who lacks the new key reads: %s", d)
	}
	ana.look()
	if got := ana.history(); len(got) != 4 || got[3] != "ana: key moved" {
		t.Errorf("who has it reads %q", got)
	}
}

// Whoever has the new key sees who goes on with the old one. Whoever named no record as seen, as somebody left out does, was
// not shown as that.
func TestWhatIsSealedWithTheOldKeyAfterTheMoveIsMarked(t *testing.T) {
	h := newHall(t)
	next := fernet.GenerateKey()
	anas, bos := &ring{[]fernet.Key{h.key}}, &ring{[]fernet.Key{h.key}}
	ana, bo := h.joinWith(anas, 1, "ana"), h.joinWith(bos, 2, "bo")
	ana.say("before")
	bo.look()
	bo.say("before it as well")
	ana.look()
	anas.add(next)
	ana.moveTo(next)
	bo.say("in flight") // bo reads only once this is written
	ana.say("hello?")
	bo.look()
	bo.say("I have no other key")
	bos.add(next)
	ana.look()
	ana.say("now you have")
	bo.say("so I do")
	ana.look()
	marked := func(m *member) (marked []string) {
		t.Helper()
		err := m.History(0, func(it *model.Item) error {
			if it.OldKey {
				marked = append(marked, line(it))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return marked
	}
	if d := cmp.Diff([]string{"bo: in flight", "bo: I have no other key"}, marked(ana)); d != "" {
		t.Error(d)
	}
	if got := marked(bo); got != nil {
		t.Errorf("bo is told of his own: %q", got)
	}
	news, err := ana.Since(model.Mark{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, it := range news.Items {
		if it.OldKey {
			n++
		}
	}
	if n != 2 {
		t.Errorf("who follows the room is told of %d, want 2", n)
	}
}

// A member who was left out could stop everybody by a record under the old key that names any key at all.
func TestAMoveUnderAnOlderKeyDoesNotCount(t *testing.T) {
	h := newHall(t)
	next := fernet.GenerateKey()
	both := []fernet.Key{next, h.key}
	mal, bo := h.join(9, "mal"), h.joinWith(&ring{both}, 2, "bo")
	mal.moveTo(fernet.GenerateKey())
	bo.look()
	if moved, err := bo.Moved(record.PublicKey{}, nil); err != nil || len(moved) > 0 {
		t.Errorf("bo is to go to %v (%v)", moved, err)
	}
	if d := cmp.Diff([]string{"mal: key moved"}, bo.history()); d != "" {
		t.Error(d)
	}
	ana := h.joinWith(&ring{both}, 1, "ana")
	ana.moveTo(fernet.GenerateKey())
	bo.look()
	if moved, err := bo.Moved(record.PublicKey{}, nil); err != nil || len(moved) != 1 || moved[0].Name != "ana" || moved[0].Compared {
		t.Errorf("bo is to go to %v (%v), want to the key of ana", moved, err)
	}
	if got := bo.history(); got[len(got)-1] != movedByAna {
		t.Errorf("bo reads %q", got)
	}
}

// Who moves under many names must not hide somebody whose key was compared, nor a later move the one that counts.
func TestAComparedMoverStandsFirst(t *testing.T) {
	testenv.Unwatched(t)
	h := newHall(t)
	bo := h.join(2, "bo")
	for i := range byte(40) {
		h.join(100+i, "").moveTo(fernet.GenerateKey())
	}
	ana := h.join(1, "ana")
	ana.moveTo(fernet.GenerateKey())
	last := fernet.GenerateKey()
	ana.moveTo(last)
	bo.look()
	if err := bo.Verified(ana.o.Identity.Public(), time.Now()); err != nil {
		t.Fatal(err)
	}
	moved, err := bo.Moved(record.PublicKey{}, nil)
	if err != nil || len(moved) != 32 {
		t.Fatalf("%d have moved the room (%v), want 32 and no more", len(moved), err)
	}
	want := model.Moved{By: ana.o.Identity.Public(), Name: "ana", Number: 2, Compared: true, Key: record.KeyID(last.ID())}
	if moved[0] != want {
		t.Errorf("the first is %+v, want %+v", moved[0], want)
	}
}

// Throw-away keys whose moves count for nothing, as they name a key that is here or refused, must not hide a later mover.
func TestMovesThatCountForNothingHideNobody(t *testing.T) {
	testenv.Unwatched(t)
	h := newHall(t)
	here, refused := fernet.GenerateKey(), fernet.GenerateKey()
	bo := h.joinWith(&ring{[]fernet.Key{h.key, here}}, 2, "bo")
	for i := range byte(70) {
		h.join(100+i, "").moveTo([]fernet.Key{here, refused}[i%2])
	}
	ana := h.join(1, "ana")
	next := fernet.GenerateKey()
	ana.moveTo(next)
	bo.look()
	moved, err := bo.Moved(record.PublicKey{}, []record.KeyID{record.KeyID(refused.ID())})
	want := []model.Moved{{By: ana.o.Identity.Public(), Name: "ana", Number: 1, Key: record.KeyID(next.ID())}}
	if d := cmp.Diff(want, moved); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	for i, key := range []fernet.Key{next, refused, fernet.GenerateKey()} {
		if named, err := bo.MovedTo(record.KeyID(key.ID())); err != nil || named != (i < 2) {
			t.Errorf("the room has moved to key %d: %t, %v", i, named, err)
		}
	}
}

// A reader that is open while a key is added reads with it from the next reading on, and what came before as well.
func TestAKeyThatIsAddedOpensWhatCameBefore(t *testing.T) {
	h := newHall(t)
	next := fernet.GenerateKey()
	keys := &ring{[]fernet.Key{h.key}}
	ana, bo := h.joinWith(&ring{[]fernet.Key{next, h.key}}, 1, "ana"), h.joinWith(keys, 2, "bo")
	ana.say("new")
	if got := bo.look(); got.NotOurs != 1 {
		t.Errorf("%d entries are not ours, want 1", got.NotOurs)
	}
	in, err := bo.Receive(1)
	if err != nil {
		t.Fatal(err)
	}
	keys.add(next)
	bo.say("meanwhile") // takes the new key while a reading is under way that began without it
	if _, err := in.Finish(room.Facts{Position: standing(in.Position())}); err != nil {
		t.Fatal(err)
	}
	bo.look()
	if d := cmp.Diff([]string{"ana: new", "bo: meanwhile"}, bo.history()); d != "" {
		t.Error(d)
	}
}

// Throw-away keys could make a warning that never ends: each answer reached a few of them, and pushed out another.
func TestStayingAnswersAllWhoWereNotComparedSoFar(t *testing.T) {
	testenv.Unwatched(t)
	h := newHall(t)
	bo := h.join(2, "bo")
	ana := h.join(1, "ana")
	ana.moveTo(fernet.GenerateKey())
	bo.look()
	if err := bo.Verified(ana.o.Identity.Public(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := range byte(70) {
		h.join(100+i, "").moveTo(fernet.GenerateKey())
	}
	bo.look()
	if err := bo.Stay(); err != nil {
		t.Fatal(err)
	}
	moved, err := bo.Moved(record.PublicKey{}, nil)
	if err != nil || len(moved) != 1 || moved[0].Name != "ana" {
		t.Fatalf("left are %v (%v), want ana, who was compared", moved, err)
	}
	refused := []record.KeyID{moved[0].Key}
	if moved, err := bo.Moved(record.PublicKey{}, refused); err != nil || len(moved) > 0 {
		t.Errorf("left are %v (%v)", moved, err)
	}
	h.join(99, "late").moveTo(fernet.GenerateKey())
	bo.look()
	if moved, err := bo.again(h).Moved(record.PublicKey{}, refused); err != nil || len(moved) != 1 || moved[0].Name != "late" {
		t.Errorf("%v (%v) has moved since, want who wrote last", moved, err)
	}
}
