package room_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// told returns what findings say.
func told(found []record.Finding) (all []string) {
	for i := range found {
		all = append(all, found[i].Text())
	}
	return all
}

// copyHome copies a member's home, as a backup does.
func (m *member) copyHome(h *hall) *member {
	m.t.Helper()
	if err := m.archive.Close(); err != nil {
		m.t.Fatal(err)
	}
	dir := filepath.Join(m.t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(m.dir)); err != nil {
		m.t.Fatal(err)
	}
	store := h.enter(m.o, m.dir)
	m.Conversation, m.archive = store.Conversation, store.archive
	return h.enter(m.o, dir)
}

// A backup that is restored signs what waits in it anew, after what the feed holds of its key, and says so.
func TestRestoredBackup(t *testing.T) {
	for name, fields := range layouts {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, fields...)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			ana.say("one")
			for _, text := range []string{"waits in the backup", "waits, too" + strings.Repeat(" long", 100)} {
				if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			ana.states()
			restored := ana.copyHome(h)
			restored.states()
			if err := ana.Drop(2, time.Now()); err != nil {
				t.Fatal(err)
			}
			ana.told("ana 2: taken back")
			ana.deliver()
			ana.say("four")

			if got := restored.look().Elsewhere; !slices.Equal(got, []uint32{2, 3, 4}) {
				t.Errorf("written elsewhere: %v", got)
			}
			done := restored.deliver()
			if d := cmp.Diff([]model.Renumbered{{Before: 2, Now: 5}, {Before: 3, Now: 6}}, done.Renumbered); d != "" {
				t.Error(d)
			}
			states := restored.states()
			if want := []string{"ana 6: queued, ana 3 before", "ana 5: queued, ana 2 before"}; !slices.Equal(states[:2], want) || len(states) != 4 {
				t.Errorf("the states %q, want first %q", states, want)
			}
			if w := restored.say("seven"); w.Number != 7 {
				t.Errorf("number %d, want 7", w.Number)
			}
			got := bo.look()
			want := []string{
				"ana: one", "ana: heartbeat", "ana: waits, too" + strings.Repeat(" long", 100), "ana: four",
				"ana: waits in the backup", "ana: waits, too" + strings.Repeat(" long", 100), "ana: seven",
			}
			if d := cmp.Diff(want, lines(got.Items)); d != "" {
				t.Error(d)
			}
			if len(got.Told)+len(got.Waiting) > 0 {
				t.Errorf("told %v %v", told(got.Told), told(got.Waiting))
			}
		})
	}
}

// A home that is used on two machines at once is named, and nothing is lost.
func TestCopiedHome(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	ana.look()
	twin := ana.copyHome(h)
	ana.look()
	twin.look()
	for _, m := range []*member{ana, twin} { // neither knows of the other's
		if _, err := m.Write(record.Text("two of "+filepath.Base(m.dir)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []*member{ana, twin} {
		if _, err := m.Deliver(t.Context(), poster{m.client}, nil); err != nil {
			t.Fatal(err)
		}
	}
	fork := "ana's key wrote two different ana 2: two devices with one key, a restored backup, or a room shown in " +
		"two versions"
	for _, m := range []*member{ana, twin, bo} {
		if d := cmp.Diff([]string{fork}, told(m.look().Told)); d != "" {
			t.Error(d)
		}
	}
	if w := twin.say("three"); w.Number != 3 {
		t.Errorf("number %d, want 3", w.Number)
	}
	got := ana.look()
	if !slices.Equal(got.Elsewhere, []uint32{3}) {
		t.Errorf("written elsewhere: %v", got.Elsewhere)
	}
	if w := ana.say("four"); w.Number != 4 {
		t.Errorf("number %d, want 4", w.Number)
	}
	bo.look()
	want := []string{"ana: one", "ana: two of state", "ana: two of copy", "ana: three", "ana: four"}
	for _, m := range []*member{ana, twin, bo} {
		m.look()
		if d := cmp.Diff(want, m.history()); d != "" {
			t.Error(d)
		}
	}
}

// insider is somebody who has the key and no scruples.
type insider struct {
	h    *hall
	ring fernet.Ring
	id   record.Identity
}

func (h *hall) insider() *insider {
	ring, err := fernet.NewRing(h.key)
	if err != nil {
		h.t.Fatal(err)
	}
	return &insider{h, ring, record.NewIdentity([record.KeySize]byte{66})}
}

// sign signs a record with the insider's own key.
func (in *insider) sign(r record.Record) record.Signed {
	in.h.t.Helper()
	r.Clock = time.Now().UnixMilli()
	s, err := record.Sign(in.id, record.Context{Salt: salt, Key: record.KeyID(in.h.key.ID())}, r)
	if err != nil {
		in.h.t.Fatal(err)
	}
	return s
}

// post posts plaintexts, one an entry, past any client.
func (in *insider) post(plain ...[]byte) {
	in.h.t.Helper()
	in.h.relay.Seed(in.h.t, in.h.channel.ID, len(plain), func(i int) thingspeak.Entry {
		text, err := in.ring.Seal(plain[i], time.Now())
		if err != nil {
			in.h.t.Fatal(err)
		}
		return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(text)}}
	})
}

func (in *insider) postCells(cells [][record.CellSize]byte) {
	for i := range cells {
		in.post(cells[i][:])
	}
}

// Whatever an insider posts is named, and touches nobody's messages.
func TestInsider(t *testing.T) {
	ana := record.NewIdentity([record.KeySize]byte{1}).Public()
	for name, c := range map[string]struct {
		attack func(in *insider)
		want   []string
		fresh  int
	}{
		"another's tag": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Nick: "ana", Body: record.Text("pay carl")})
				cells, err := record.Cut(s.Bytes, ana.Tag(), 3)
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells)
			},
			[]string{"a message that claims to be ana's is not signed by ana's key"},
			0,
		},
		"another's number": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Nick: "ana", Body: record.Text("pay carl")})
				cells, err := record.Cut(s.Bytes, ana.Tag(), 1)
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells)
			},
			[]string{"a message that claims to be ana's is not signed by ana's key"},
			0,
		},
		"another's name": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Nick: "Аna", Body: record.Text("it is me")}) // a Cyrillic A
				cells, err := s.Cells()
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells)
			},
			[]string{"another Аna (" + record.NewIdentity([record.KeySize]byte{66}).Public().Tag().Name() +
				"), not the one who has the name here"},
			1,
		},
		"huge part counts": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Body: record.File{Content: make([]byte, 4<<20-200)}})
				cells, err := record.Cut(s.Bytes, ana.Tag(), 9)
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells[:3])
			},
			nil, 0,
		},
		"a record of a later kind": {
			func(in *insider) {
				s := in.sign(record.Record{Number: 1, Nick: "eve", Body: record.Text("x")})
				cells, err := s.Cells()
				if err != nil {
					in.h.t.Fatal(err)
				}
				cells[0][1] = 2 // another version
				in.postCells(cells)
			},
			[]string{"entry 3 needs a newer fernpost"},
			0,
		},
		"an invented seen": {
			func(in *insider) {
				s := in.sign(record.Record{
					Number: 1, Nick: "eve", Body: record.Text("x"),
					Seen: record.Seen{Tag: ana.Tag(), Number: 8, Hash: record.ShortHash{1}},
				})
				cells, err := s.Cells()
				if err != nil {
					in.h.t.Fatal(err)
				}
				in.postCells(cells)
			},
			[]string{"6 messages from ana missing (ana 3–8), says eve"},
			1,
		},
		"filler and nonsense": {
			func(in *insider) {
				filler := record.Filler()
				in.post(filler[:], []byte{0xfe, 1, 2}, []byte{0xff, 0xff}, []byte("not signed"))
			},
			nil, 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			m, bo := h.join(1, "ana"), h.join(2, "bo")
			m.say("one")
			m.say("two")
			bo.look()
			c.attack(h.insider())
			got := bo.look()
			if d := cmp.Diff(c.want, told(got.Told)); d != "" {
				t.Error(d)
			}
			if got.Fresh != c.fresh {
				t.Errorf("%d messages: %v", got.Fresh, lines(got.Items))
			}
			if again := bo.again(h).look(); again.Fresh+len(again.Told) > 0 {
				t.Errorf("told once more: %v", told(again.Told))
			}
		})
	}
}

// What somebody without the key can do: post tokens again, post what no key opens, cut them short.
func TestStrangers(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	ana.say("two")
	rows := h.relay.Entries(t, h.channel.ID)
	other, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	token, err := other.Seal([]byte("x"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	post := func(fields thingspeak.Fields) {
		h.relay.Seed(t, h.channel.ID, 1, func(int) thingspeak.Entry { return thingspeak.Entry{Fields: fields} })
	}
	post(rows[0].Fields)
	post(thingspeak.Fields{rows[1].Fields[0]})
	post(thingspeak.Fields{thingspeak.Text(token)})
	post(thingspeak.Fields{thingspeak.Text(token[:90])})
	post(thingspeak.Fields{thingspeak.Text("21.5"), thingspeak.Text("sensor")})
	got := bo.look()
	if d := cmp.Diff([]string{"ana: one", "ana: two"}, lines(got.Items)); d != "" {
		t.Error(d)
	}
	want := model.Findings{
		Entries: 7, Repeats: 3, NotOurs: 1, FirstNotOurs: 5, LastNotOurs: 5, Damaged: 1, FirstDamaged: 6, LastDamaged: 6,
		Plain: 1, FirstPlain: 7, LastPlain: 7,
	}
	if d := cmp.Diff(want, got.Findings); d != "" {
		t.Error(d)
	}
	if len(got.Told) > 0 {
		t.Errorf("told %v", told(got.Told))
	}
}

// In a room whose members sign, a text is shown as what it is: unsigned.
func TestUnsignedText(t *testing.T) {
	h := newHall(t)
	ana := h.join(1, "ana")
	ana.say("signed")
	h.insider().post([]byte("unsigned"), []byte{0xff, 1})
	ana.say("signed, too")
	bo := h.join(2, "bo")
	want := []string{"ana: signed", "unsigned: unsigned", "unsigned: ", "ana: signed, too"}
	if d := cmp.Diff(want, lines(bo.look().Items)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, bo.history()); d != "" {
		t.Error(d)
	}
	var kinds []model.Kind
	if err := bo.History(3, func(it *model.Item) error {
		if it.Unsigned != nil {
			kinds = append(kinds, it.Unsigned.Kind)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]model.Kind{model.KindText, model.KindBinary}, kinds); d != "" {
		t.Error(d)
	}
}

// What is lacking is told once its view is complete, and taken back when it comes.
func TestMissing(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	for i := range 4 {
		ana.say(fmt.Sprint(i))
	}
	rows := h.relay.Entries(t, h.channel.ID)
	now := time.Now()
	hand := func(asked bool, holes []int64, numbers ...int) model.Arrivals {
		t.Helper()
		in, err := bo.Receive(10)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range numbers {
			if err := in.Add(&rows[n-1]); err != nil {
				t.Fatal(err)
			}
		}
		facts := room.Facts{View: record.View{}, LastID: 4, Now: now}
		for _, n := range holes {
			facts.View.Holes = append(facts.View.Holes, record.Hole{First: n, Last: n, Asked: asked})
		}
		got, err := in.Finish(facts)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := hand(false, []int64{2, 3}, 1, 4)
	if d := cmp.Diff([]string{"waiting for 2 messages from ana (ana 2–3)"}, told(got.Waiting)); d != "" {
		t.Error(d)
	}
	got = hand(true, []int64{2, 3})
	if d := cmp.Diff([]string{"2 messages from ana missing (ana 2–3)"}, told(got.Told)); d != "" {
		t.Error(d)
	}
	bo = bo.again(h)
	got = hand(true, []int64{3}, 2)
	if len(got.TakenBack) != 1 || got.TakenBack[0].First != 2 || got.TakenBack[0].Last != 2 {
		t.Errorf("taken back %+v", got.TakenBack)
	}
	hand(false, nil, 3)
	if d := cmp.Diff([]string{"ana: 0", "ana: 1", "ana: 2", "ana: 3"}, bo.history()); d != "" {
		t.Error(d)
	}
}

// handIn reads rows as they are, as a reading of the whole channel.
func (m *member) handIn(rows []thingspeak.Entry, change func(*room.Facts)) model.Arrivals {
	m.t.Helper()
	in, err := m.Receive(100)
	if err != nil {
		m.t.Fatal(err)
	}
	for i := range rows {
		if err := in.Add(&rows[i]); err != nil {
			m.t.Fatal(err)
		}
	}
	facts := room.Facts{View: record.View{}, Now: time.Now()}
	if len(rows) > 0 {
		facts.LastID = rows[len(rows)-1].ID
	}
	if change != nil {
		change(&facts)
	}
	got, err := in.Finish(facts)
	if err != nil {
		m.t.Fatal(err)
	}
	return got
}

// Entries that come back otherwise are named once, what was read from them stays, and what stands there now is read.
func TestRewrittenEntries(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	for i := range 6 {
		ana.say(fmt.Sprint(i))
	}
	rows := h.relay.Entries(t, h.channel.ID)
	bo.handIn(rows[:5], nil)
	changed := slices.Clone(rows)
	changed[1].Fields = rows[5].Fields // another token of the room
	changed[2].Fields = thingspeak.Fields{}
	changed[4].Fields[0] = thingspeak.Text("gone")
	changed[3].Fields[7] = thingspeak.Text("21.5") // of no concern
	want := []string{
		"the relay lost or rewrote entries 2–3",
		"the relay lost or rewrote entry 5",
		"ana 5 stands behind ana 6",
	}
	got := bo.handIn(changed[:5], nil)
	if d := cmp.Diff(want, told(got.Told)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"ana: 5"}, lines(got.Items)); d != "" {
		t.Error(d)
	}
	bo = bo.again(h)
	if got := bo.handIn(changed[:5], nil); len(got.Told)+got.Fresh > 0 {
		t.Errorf("once more: %v, %d messages", told(got.Told), got.Fresh)
	}
	if got := bo.handIn(rows[:5], nil); len(got.Told)+got.Fresh > 0 {
		t.Errorf("back again: %v, %d messages", told(got.Told), got.Fresh)
	}
	if d := cmp.Diff([]string{"ana: 0", "ana: 1", "ana: 5", "ana: 2", "ana: 3", "ana: 4"}, bo.history()); d != "" {
		t.Error(d)
	}
	gone := func(f *room.Facts) {
		f.Rewritten = []int64{1}
		f.View.Holes = []record.Hole{{First: 4, Last: 4, Asked: true}, {First: 5, Last: 5}}
	}
	want = []string{
		"the relay lost or rewrote entry 1",
		"the relay lost or rewrote entry 4",
	}
	if d := cmp.Diff(want, told(bo.handIn(nil, gone).Told)); d != "" {
		t.Error(d)
	}
}

// After a clear the numbers begin anew: it is told once, whoever notices it, and nothing is lost.
func TestClear(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	for i := range 3 {
		ana.say(fmt.Sprint(i))
	}
	ana.look()
	bo.look()
	h.relay.Clear(t, h.channel.ID)
	for i := range 4 {
		if _, err := ana.Write(record.Text(fmt.Sprint("after ", i)), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	// The client believes in a clear only after a minute.
	rows := func(m *member) []thingspeak.Entry { return h.relay.Entries(t, h.channel.ID) }
	cleared := func(m *member) (model.Arrivals, error) {
		in, err := m.Receive(10)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Cleared(); err != nil {
			return model.Arrivals{}, err
		}
		for _, e := range rows(m) {
			if err := in.Add(&e); err != nil {
				t.Fatal(err)
			}
		}
		return in.Finish(room.Facts{View: record.View{}, Now: time.Now(), Position: standing([]byte("{}"))})
	}
	if _, err := cleared(ana); err != nil {
		t.Fatal(err)
	}
	if _, err := ana.Deliver(t.Context(), poster{ana.client}, nil); err != nil {
		t.Fatal(err)
	}
	other := h.enter(bo.o, bo.dir)
	stale, err := other.Receive(10)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cleared(bo)
	if err != nil {
		t.Fatal(err)
	}
	finding := []string{"the channel was cleared, or the relay lost its entries"}
	if d := cmp.Diff(finding, told(got.Told)); d != "" {
		t.Error(d)
	}
	if got.Fresh != 4 {
		t.Errorf("%d messages, want 4", got.Fresh)
	}
	// A process that began to read before another has noticed the clear.
	all := rows(bo)
	if err := stale.Add(&all[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := stale.Finish(room.Facts{Now: time.Now()}); !errors.Is(err, room.ErrReadElsewhere) {
		t.Errorf("Finish = %v, want ErrReadElsewhere", err)
	}
	want := []string{
		"ana: 0", "ana: 1", "ana: 2", "ana: after 0", "ana: after 1", "ana: after 2", "ana: after 3",
	}
	if d := cmp.Diff(want, bo.history()); d != "" {
		t.Error(d)
	}
	if left, err := ana.Outbox(); err != nil || len(left) != 4 {
		t.Errorf("outbox %v, %v", left, err)
	}
	if n := len(ana.handIn(rows(ana), nil).Told); n > 0 {
		t.Errorf("%d findings", n)
	}
	if left, err := ana.Outbox(); err != nil || len(left) != 0 {
		t.Errorf("outbox %v, %v", left, err)
	}
}

// Two processes that notice one clear count it once.
func TestOneClearForTwo(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	bo.look()
	other := h.enter(bo.o, bo.dir)
	var readings []*room.Intake
	for _, m := range []*member{bo, other} {
		in, err := m.Receive(10)
		if err != nil {
			t.Fatal(err)
		}
		readings = append(readings, in)
	}
	found := 0
	for _, in := range readings {
		if err := in.Cleared(); err != nil {
			t.Fatal(err)
		}
		for _, e := range h.relay.Entries(t, h.channel.ID) {
			if err := in.Add(&e); err != nil {
				t.Fatal(err)
			}
		}
		got, err := in.Finish(room.Facts{View: record.View{}, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		found += len(got.Told)
	}
	if found != 1 {
		t.Errorf("%d findings, want 1", found)
	}
	state, err := bo.archive.State()
	if err != nil || state.Clears != 1 {
		t.Errorf("%d clears, %v", state.Clears, err)
	}
}

// A room that moves to a new key: who has it reads on, who lacks it is told what to do and reads on once it is there.
func TestKeyMoved(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("old")
	bo.look()
	next := fernet.GenerateKey()
	if _, err := ana.Write(record.KeyMoved{Key: record.KeyID(next.ID())}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := ana.Write(record.Text("still old"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := ana.Drop(3, time.Now()); err != nil { // signed anew under its own key
		t.Fatal(err)
	}
	ana.o.Keys = []fernet.Key{next, h.key}
	ana = ana.again(h)
	ana.say("new")
	got := bo.look()
	want := []string{"ana: old", movedByAna, "ana: heartbeat"}
	if d := cmp.Diff(want, bo.history()); d != "" {
		t.Error(d)
	}
	if got.NotOurs != 1 {
		t.Errorf("%d not ours, want 1", got.NotOurs)
	}
	if again := bo.again(h).look(); again.NotOurs != 0 {
		t.Errorf("%d not ours once more", again.NotOurs)
	}
	bo.o.Keys = []fernet.Key{next, h.key}
	bo = bo.again(h)
	if d := cmp.Diff([]string{"ana: new"}, lines(bo.look().Items)); d != "" {
		t.Error(d)
	}
	if got := bo.look(); got.Fresh > 0 {
		t.Errorf("%d messages once more", got.Fresh)
	}
	if d := cmp.Diff([]string{"ana: old", "ana: key moved", "ana: heartbeat", "ana: new"}, bo.history()); d != "" {
		t.Error(d)
	}
	bo.say("thanks")
	ana.look()
	bo.say("really")
	if d := cmp.Diff([]string{"bo: really"}, lines(ana.look().Items)); d != "" {
		t.Error(d)
	}
}

// Whichever process has read a message, everybody who looks since a mark gets it, once.
func TestSince(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("before")
	bo.look()
	mark, err := bo.Now()
	if err != nil {
		t.Fatal(err)
	}
	if err := bo.SetShown("watch", mark); err != nil {
		t.Fatal(err)
	}
	ana.say("one")
	h.insider().post([]byte("two"))
	other := h.enter(bo.o, bo.dir)
	other.look()
	ana.say("three")
	s := h.insider().sign(record.Record{Number: 1, Nick: "eve", Body: record.Text("x")})
	cells, err := record.Cut(s.Bytes, ana.o.Identity.Public().Tag(), 7)
	if err != nil {
		t.Fatal(err)
	}
	h.insider().postCells(cells)
	bo.look()
	if mark, ok, err := bo.Shown("watch"); err != nil || !ok {
		t.Fatalf("Shown = %v, %v, %v", mark, ok, err)
	} else {
		news, err := bo.Since(mark, 0)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"ana: one", "unsigned: two", "ana: three"}, lines(news.Items)); d != "" {
			t.Error(d)
		}
		if len(news.Found) != 1 || news.Found[0].Finding.Kind != record.Forged || news.More {
			t.Errorf("found %+v", news.Found)
		}
		if news, err = bo.Since(news.Until, 0); err != nil || len(news.Items)+len(news.Found) > 0 {
			t.Errorf("once more: %v, %v", lines(news.Items), err)
		}
	}
	if _, ok, err := bo.Shown("nobody"); ok || err != nil {
		t.Errorf("Shown = %v, %v", ok, err)
	}
}

// Who looked in later got, of what is told anew in place of an older line, both.
func TestSinceLeavesOutWhatWasToldAnew(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("hello")
	eve := h.insider()
	var previous record.ShortHash
	for n := range uint32(3) {
		s := eve.sign(record.Record{
			Number: n + 1, Previous: previous, Body: record.Text("?"),
			Seen: record.Seen{Tag: ana.o.Identity.Public().Tag(), Number: 5 + n, Hash: record.ShortHash{1}},
		})
		previous = s.Hash.Short()
		cells, err := s.Cells()
		if err != nil {
			t.Fatal(err)
		}
		eve.postCells(cells)
		bo.look()
	}
	news, err := bo.Since(model.Mark{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []record.Finding
	for i := range news.Found {
		found = append(found, news.Found[i].Finding)
	}
	if d := cmp.Diff([]string{"6 messages from ana missing (ana 2–7), says " + eve.id.Public().Tag().Name()}, told(found)); d != "" {
		t.Error(d)
	}
}

// What somebody said was taken back in other words than it was told, with another number and of nobody.
func TestWhatSomebodySaidIsTakenBackAsItWasTold(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("hello")
	bo.look()
	eve := h.insider()
	s := eve.sign(record.Record{
		Number: 1, Body: record.Text("?"), Seen: record.Seen{Tag: ana.o.Identity.Public().Tag(), Number: 9, Hash: record.ShortHash{1}},
	})
	cells, err := s.Cells()
	if err != nil {
		t.Fatal(err)
	}
	eve.postCells(cells)
	said := bo.look()
	ana.say("more")
	got := bo.look()
	if len(said.Told) != 1 || len(got.TakenBack) != 1 || got.TakenBack[0].Text() != said.Told[0].Text() || got.TakenBack[0].Author != said.Told[0].Author {
		t.Errorf("told %v, taken back %v", told(said.Told), told(got.TakenBack))
	}
}

// What comes when later entries were shown is shown all the same, and says before which of them it stands: also to
// somebody who has looked at those in an earlier run.
func TestLateMessagesAreMarked(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	for i := range 5 {
		ana.say(fmt.Sprint(i))
	}
	rows := h.relay.Entries(t, h.channel.ID)
	var mark model.Mark
	for _, step := range []struct {
		rows []int
		want []int64
	}{{[]int{0, 3}, []int64{0, 0}}, {[]int{1}, []int64{4}}, {[]int{2, 4}, []int64{4, 0}}} {
		for _, n := range step.rows {
			bo.handIn(rows[n:n+1], func(f *room.Facts) { f.View.Unread = true })
		}
		news, err := bo.Since(mark, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for i := range news.Items {
			got = append(got, news.Items[i].Before)
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("entries %v stand before %v, want %v", step.rows, got, step.want)
		}
		mark = news.Until
		bo = bo.again(h)
	}
}

func TestHistoryOfTheNewest(t *testing.T) {
	for name, fields := range layouts {
		t.Run(name, func(t *testing.T) {
			h := newHall(t, fields...)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			var all []string
			for i := range 12 {
				text := fmt.Sprint(i, strings.Repeat("x", 60*i))
				if _, err := ana.Write(record.Text(text), time.Now()); err != nil {
					t.Fatal(err)
				}
				if _, err := ana.Write(record.Heartbeat(nil), time.Now()); err != nil {
					t.Fatal(err)
				}
				all = append(all, "ana: "+text)
			}
			ana.deliver()
			bo.look()
			for _, n := range []int{1, 2, 5, 12, 100} {
				var got []string
				if err := bo.History(n, func(it *model.Item) error {
					if it.Record.Kind() != record.KindHeartbeat {
						got = append(got, line(it))
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(all[max(12-n, 0):], got); d != "" {
					t.Errorf("newest %d: %s", n, d)
				}
			}
		})
	}
}

// Trust belongs to keys: what was compared, what was forgotten, and who has a name then.
func TestPeople(t *testing.T) {
	h := newHall(t)
	ana, bo, eve := h.join(1, "ana"), h.join(2, "bo"), h.join(3, "ana")
	ana.say("I am ana")
	eve.say("no, I am")
	bo.look()
	people := func() (all []string) {
		t.Helper()
		found, err := bo.People()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found {
			all = append(all, fmt.Sprint(p.Name, " ", p.Compared, p.Nameless, p.Names))
		}
		slices.Sort(all)
		return all
	}
	key, other := ana.o.Identity.Public(), eve.o.Identity.Public()
	if err := bo.Verified(key, time.Now()); err != nil {
		t.Fatal(err)
	}
	want := []string{"ana (" + other.Tag().Name() + ") false false []", "ana true false [ana]"}
	if d := cmp.Diff(want, people()); d != "" {
		t.Error(d)
	}
	if _, err := bo.Forget(key, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := bo.Forget(bo.o.Identity.Public(), time.Now()); !errors.Is(err, room.ErrNobody) {
		t.Errorf("Forget = %v, want ErrNobody", err)
	}
	// The name goes to whoever else has used it, and stays there.
	want = []string{"ana (" + key.Tag().Name() + ") false true []", "ana false false [ana]"}
	for _, say := range []func(){func() {}, func() { ana.say("it is me again") }, func() { eve.say("now I am") }} {
		say()
		bo.look()
		if d := cmp.Diff(want, people()); d != "" {
			t.Error(d)
		}
	}
	if _, err := bo.Forget(other, time.Now()); err != nil {
		t.Fatal(err)
	}
	ana.say("and now?")
	bo.look()
	want = []string{"ana (" + other.Tag().Name() + ") false true []", "ana (" + key.Tag().Name() + ") false true []"}
	slices.Sort(want)
	if d := cmp.Diff(want, people()); d != "" {
		t.Error(d)
	}
}

// Whoever took a name first kept it, or had it again once it was forgotten, against the key that was compared.
func TestAComparedKeyTakesItsName(t *testing.T) {
	for _, forget := range []bool{false, true} {
		h := newHall(t)
		eve, ana, bo := h.join(1, "ana"), h.join(2, "ana"), h.join(3, "bo")
		eve.say("I am ana")
		ana.say("no, I am")
		bo.look()
		key, other := ana.o.Identity.Public(), eve.o.Identity.Public()
		err := bo.Verified(key, time.Now())
		if forget {
			_, failed := bo.Forget(other, time.Now())
			err = errors.Join(err, failed)
		}
		if err != nil {
			t.Fatal(err)
		}
		eve.say("now I am")
		ana.say("you are not")
		bo.look()
		found, _, err := bo.Standing()
		if err != nil {
			t.Fatal(err)
		}
		people, err := bo.People()
		if err != nil {
			t.Fatal(err)
		}
		names := map[record.PublicKey]string{}
		for _, p := range people {
			names[p.Key] = p.Name
		}
		if names[key] != "ana" || names[other] != "ana ("+other.Tag().Name()+")" {
			t.Errorf("forgotten %t: called %q", forget, names)
		}
		want := []string{"another ana (" + other.Tag().Name() + "), not the one whose words you have compared"}
		if d := cmp.Diff(want, told(found)); d != "" {
			t.Errorf("forgotten %t: stands (-want +got)\n%s", forget, d)
		}
	}
}

// A name that was let go of went to whoever had used it first, before the key that was compared under it; and one that was
// compared under another name must not have it before others.
func TestANameGoesToTheKeyThatWasComparedUnderIt(t *testing.T) {
	for name, compared := range map[string][]int{"ana's new phone": {0, 3}, "nobody": {0}, "mal as mal": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			h := newHall(t)
			bo := h.join(9, "bo")
			old, mal, eve, ana := h.join(1, "ana"), h.join(2, "mal"), h.join(3, "ana"), h.join(4, "ana")
			all := []*member{old, mal, eve, ana}
			for _, m := range all {
				m.say("hello")
			}
			bo.look()
			for _, n := range compared {
				if err := bo.Verified(all[n].o.Identity.Public(), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			mal.o.Nick = "ana"
			mal = mal.again(h)
			mal.say("call me so")
			bo.look()
			heirs, err := bo.Forget(old.o.Identity.Public(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			heir := eve
			if name == "ana's new phone" {
				heir = ana
			}
			want := []record.Named{{Key: heir.o.Identity.Public(), Name: "ana"}}
			if d := cmp.Diff(want, heirs); d != "" {
				t.Errorf("heirs (-want +got)\n%s", d)
			}
		})
	}
}

// "1 more claim that messages are missing" stood for ever, once it was 5 more; what was told anew stood where it was told first.
func TestWhatWasToldAnewStandsAsItWasToldLast(t *testing.T) {
	bo := newHall(t).join(1, "bo")
	claims := func(n uint32) []record.Finding {
		return []record.Finding{{Kind: record.Missing, Count: int(n), Last: n}}
	}
	lost := []record.Finding{{Kind: record.Wiped, At: record.Place{Entry: 7}, Until: 7}}
	for _, change := range []record.Change{
		{Told: claims(1)},
		{Told: lost},
		{Superseded: claims(1), Told: claims(5)},
		{TakenBack: lost},
		{Told: lost},
		{Superseded: claims(5), Told: claims(6)},
		{Told: []record.Finding{{Kind: record.Wiped, At: record.Place{Entry: 9}, Until: 9}}},
	} {
		if err := bo.archive.Apply(&kept.Change{Learnt: &change}); err != nil {
			t.Fatal(err)
		}
	}
	found, _, err := bo.Standing()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the relay lost or rewrote entry 7", "6 more claims that messages are missing, or were written twice",
		"the relay lost or rewrote entry 9",
	}
	if d := cmp.Diff(want, told(found)); d != "" {
		t.Errorf("stands (-want +got)\n%s", d)
	}
}

// Who writes is who has signed something in the last ten minutes, by the relay's clock, and we.
func TestWriters(t *testing.T) {
	h := newHall(t)
	ana, bo, carl := h.join(1, "ana"), h.join(2, "bo"), h.join(3, "carl")
	ana.say("hello")
	ana.say("again")
	bo.say("hello")
	h.insider().post([]byte("unsigned"))
	carl.look()
	for after, want := range map[time.Duration]int{0: 3, 9 * time.Minute: 3, 11 * time.Minute: 1} {
		if n, err := carl.Writers(time.Now().Add(after)); n != want || err != nil {
			t.Errorf("%d write after %v, %v; want %d", n, after, err, want)
		}
	}
	if n, err := bo.Writers(time.Now()); n > 2 || err != nil {
		t.Errorf("%d write, %v, of whom at most one other was read", n, err)
	}
}

func seq(rows []thingspeak.Entry) iter.Seq2[*thingspeak.Entry, error] {
	return func(yield func(*thingspeak.Entry, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

// Verify finds in a feed what the members found, and the same digest.
func TestVerify(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	for i := range 5 {
		ana.say(fmt.Sprint(i))
		bo.look()
		bo.say(fmt.Sprint("yes ", i))
	}
	h.insider().post([]byte("unsigned"))
	rows := h.relay.Entries(t, h.channel.ID)
	ana.look()
	bo.look()
	view := func() record.View { return record.View{} }
	r, err := room.Verify(t.Context(), ana.o.Keys, salt, room.Feed{Entries: seq(rows), View: view}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r.Records != 10 || r.Authors != 2 || r.Unsigned != 1 || len(r.Found) > 0 || r.Entries != 11 {
		t.Errorf("%+v", r)
	}
	for _, m := range []*member{ana, bo} {
		if d, err := m.Digest(); err != nil || d.Sum() != r.Digest {
			t.Errorf("digest %x, want %x, %v", d.Sum(), r.Digest, err)
		}
	}
	slices.Reverse(rows)
	if back, err := room.Verify(t.Context(), ana.o.Keys, salt, room.Feed{Entries: seq(rows), View: view}, time.Now()); err != nil || !cmp.Equal(r, back) {
		t.Errorf("backwards: %s %v", cmp.Diff(r, back), err)
	}
	slices.Reverse(rows)
	cut := slices.Delete(slices.Clone(rows), 2, 3) // ana 2
	r, err = room.Verify(t.Context(), ana.o.Keys, salt, room.Feed{Entries: seq(cut), View: view}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"1 message from ana missing (ana 2)"}, told(r.Found)); d != "" {
		t.Error(d)
	}
	if d, _ := ana.Digest(); d.Sum() == r.Digest {
		t.Error("the digest did not change")
	}
	bad := errors.New("the file ends here")
	if _, err := room.Verify(t.Context(), ana.o.Keys, salt, room.Feed{
		Entries: func(yield func(*thingspeak.Entry, error) bool) { yield(nil, bad) }, View: view,
	}, time.Now()); !errors.Is(err, bad) {
		t.Errorf("Verify = %v", err)
	}
}

// An entry number that no relay gives is refused and harms nothing.
func TestNumbersBeyondReason(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	rows := h.relay.Entries(t, h.channel.ID)
	for _, id := range []int64{-1, 0, kept.MaxEntry + 1, 1 << 53} {
		e := rows[0]
		e.ID = id
		rows = append(rows, e)
	}
	if got := bo.handIn(rows, nil); got.Fresh != 1 || got.Refused != 4 {
		t.Errorf("%+v", got)
	}
	rows[0].ID = kept.MaxEntry
	if got := h.join(3, "carl").handIn(rows[:1], nil); got.Fresh != 1 || got.Items[0].At.Entry != kept.MaxEntry {
		t.Errorf("%+v", got)
	}
}

// Whole records that somebody forged under the next number of another, more than one reading tries, silence nobody: the
// true one is shown, also to its author, and stays among what was read.
func TestForgeriesSilenceNobody(t *testing.T) {
	h := newHall(t)
	ana, bo := h.join(1, "ana"), h.join(2, "bo")
	ana.say("one")
	in := h.insider()
	for i := range 100 {
		s := in.sign(record.Record{Number: 1, Nick: "ana", Body: record.Text(fmt.Sprint("forged ", i))})
		cells, err := record.Cut(s.Bytes, ana.o.Identity.Public().Tag(), 2)
		if err != nil {
			t.Fatal(err)
		}
		in.postCells(cells)
	}
	ana.say("two")
	for _, m := range []*member{ana, bo} {
		m.look()
		m = m.again(h)
		if d := cmp.Diff([]string{"ana: one", "ana: two"}, m.history()); d != "" {
			t.Error(d)
		}
	}
}

// Parts that share a tail can be joined in many ways: verify worked on them for as long as an insider wanted, said
// nothing, and did not notice that it was interrupted.
func TestVerifyOfManyBeginningsCanBeInterrupted(t *testing.T) {
	h := newHall(t)
	in := h.insider()
	cells, err := record.Cut(in.sign(record.Record{Number: 1, Nick: "eve", Body: record.Text("hello")}).Bytes, in.id.Public().Tag(), 3)
	if err != nil {
		t.Fatal(err)
	}
	in.postCells(cells[1:])
	for i := range 200 {
		c := cells[0]
		c[len(c)-1], c[len(c)-2] = byte(i), 1
		in.post(c[:])
	}
	rows := h.relay.Entries(t, h.channel.ID)
	verify := func(stopAfter int) (rounds []int, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err = room.Verify(ctx, []fernet.Key{h.key}, salt, room.Feed{
			Entries: seq(rows), View: func() record.View { return record.View{} },
			Trying: func(n int) {
				if rounds = append(rounds, n); n == stopAfter {
					cancel()
				}
			},
		}, time.Now())
		return rounds, err
	}
	if rounds, err := verify(0); err != nil || !slices.Equal(rounds, []int{1, 2, 3}) {
		t.Errorf("it tells the rounds %v, %v", rounds, err)
	}
	if rounds, err := verify(2); !errors.Is(err, context.Canceled) || !slices.Equal(rounds, []int{1, 2}) {
		t.Errorf("interrupted it goes on to the rounds %v, %v", rounds, err)
	}
}

// A feed of which a key opens filler alone, beside tokens of others, was said to open with no key.
func TestFillerCountsAsOpened(t *testing.T) {
	h := newHall(t)
	in := h.insider()
	var filler [record.CellSize]byte
	filler[0], filler[1] = 0xFE, 1
	in.post(filler[:])
	stranger, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	in.ring = stranger
	in.post([]byte("not ours"))
	r, err := room.Verify(t.Context(), []fernet.Key{h.key}, salt, room.Feed{
		Entries: seq(h.relay.Entries(t, h.channel.ID)), View: func() record.View { return record.View{} },
	}, time.Now())
	if err != nil || r.Opened != 1 || r.NotOurs != 1 || len(r.Lines)+len(r.Found) > 0 {
		t.Errorf("%d tokens opened, %d not ours: %+v, %v", r.Opened, r.NotOurs, r, err)
	}
}
