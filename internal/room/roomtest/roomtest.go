// Package roomtest proves that something keeps a room as [room.Store] promises. It is linked into no program.
package roomtest

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Run holds a store against its promises. open returns a new, empty one each time, which ends with the test it was opened
// for.
func Run(t *testing.T, open func(testing.TB) room.Store) {
	for _, part := range []struct {
		name string
		test func(*testing.T, room.Store)
	}{
		{"the state comes back", testState},
		{"knowledge comes back", testKnowledge},
		{"a failed transaction leaves nothing", testFailed},
		{"messages of nobody known are refused", testUnknownAuthor},
		{"one at a time may post", testLock},
		{"states come back in their order", testStates},
		{"two people talk", testTalk},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
	t.Run("all changes", func(t *testing.T) { testAllChanges(t, open) })
}

func apply(t testing.TB, s room.Store, c kept.Change) {
	t.Helper()
	if err := s.Apply(&c); err != nil {
		t.Fatal(err)
	}
}

// same holds an answer against the one that is due.
func same[T any](t testing.TB, what string, want T) func(T, error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", what, err, d)
		}
	}
}

func testState(t *testing.T, s room.Store) {
	same(t, "at first", kept.State{})(s.State())
	want := kept.State{
		Clears: kept.MaxClear, Position: []byte(`{"last":7}`), Keys: []record.KeyID{{1}, {2}},
		Own: record.PublicKey{3}, OwnLast: math.MaxUint32, OwnHash: record.ShortHash{4}, Seq: 9,
		LetGo: record.Place{Clear: 2, Entry: kept.MaxEntry},
		Full:  kept.Full{Used: 3, Size: 4},
		Dates: []kept.Seconds{{First: 1_800_000_000, Last: 1_800_000_007}},
	}
	apply(t, s, kept.Change{State: &want})
	same(t, "state", want)(s.State())
	apply(t, s, kept.Change{})
	same(t, "state after an empty change", want)(s.State())
}

// What knowledge there is comes back as it was, also the highest values.
func testKnowledge(t *testing.T, s room.Store) {
	const top = math.MaxUint32
	a := record.Author{
		Key: record.PublicKey{1}, Nick: "ana", Pinned: 2, Base: 1, Top: top, TopHash: record.ShortHash{3},
		Gaps:  []record.Gap{{First: 2, Last: 4, Told: true}, {First: 9, Last: top - 1, Hidden: true}},
		Named: top, NamedAt: top, SawOwn: top, Claims: 3,
	}
	tag := a.Key.Tag()
	g := record.Group{
		ID:    record.GroupID{Key: record.KeyID{6}, Tag: tag, Number: top, Parts: record.MaxParts},
		Cells: 7, Sum: 1<<64 - 1, Newest: kept.Highest(), LastAt: time.UnixMilli(1_800_000_000_123).UTC(), Untried: true,
	}
	c := record.Claim{
		Tag: tag, Number: top, Hash: record.ShortHash{8}, By: record.PublicKey{9}, Said: top, Doubted: true, Below: true,
		At: record.Spot{Place: g.Newest, Field: 8},
	}
	f := record.Finding{Kind: record.Fork, Author: a.Key, First: 7}
	said := record.Finding{Kind: record.Missing, Author: a.Key, Tag: tag, First: 8, Last: 9, By: record.PublicKey{9}}
	change := record.Change{
		Authors: []record.Author{a}, Claims: []record.Claim{c}, Groups: []record.Group{g}, Told: []record.Finding{f, said},
		Pins: []record.Pin{{Form: "ana", Key: a.Key}},
		Devices: []record.DeviceClaim{
			{Author: a.Key, Device: record.PublicKey{4}, Number: top, Claims: true, Claimed: true},
			{Author: record.PublicKey{6}, Device: a.Key, Number: 7, Refuses: true},
			{Author: record.PublicKey{7}, Device: record.PublicKey{8}, Number: 8, Refuses: true, Claimed: true},
		},
	}
	apply(t, s, kept.Change{Learnt: &change})
	if got, ok, err := s.Author(a.Key); !ok || err != nil || !cmp.Equal(a, got) {
		t.Errorf("%s %v %v", cmp.Diff(a, got), ok, err)
	}
	authors := map[record.AuthorTrait][]record.Author{record.Unnamed: {}, record.Compared: {}}
	for only := record.AnyAuthor; only <= record.Compared; only++ {
		want, ok := authors[only]
		if !ok {
			want = []record.Author{a}
		}
		same(t, "authors of a tag", want)(s.Authors(record.AuthorQuery{Tag: &tag, Only: only}))
		same(t, "authors", want)(s.Authors(record.AuthorQuery{Only: only}))
	}
	for _, q := range []record.ClaimQuery{{}, {Tag: &tag}} {
		same(t, "claims", []record.Claim{c})(s.Claims(q))
	}
	same(t, "groups", []record.Group{g})(s.Groups(record.GroupQuery{Tag: tag, First: 1, Last: top}))
	same(t, "untried", []record.Group{g})(s.Groups(record.GroupQuery{Only: record.WithUntried}))
	same(t, "arriving", record.Arrival{Tags: []record.Tag{tag}})(s.Arriving())
	same(t, "pins", change.Pins)(s.Pins(record.PinQuery{Form: "ana"}))
	same(t, "devices", change.Devices[1:2])(s.Devices(record.PublicKey{6}))
	same(t, "a claim that was taken back", change.Devices[2:])(s.Devices(record.PublicKey{8}))
	if last, told, err := s.Told(said.ID()); !told || last != said.Last || err != nil {
		t.Errorf("%d %v %v", last, told, err)
	}
	apply(t, s, kept.Change{Learnt: &record.Change{
		ClaimsGone: []record.Claim{c}, GroupsGone: []record.GroupID{g.ID}, TakenBack: []record.Finding{f},
		Superseded: []record.Finding{said},
	}})
	same(t, "claims that are gone", []record.Claim{})(s.Claims(record.ClaimQuery{}))
	same(t, "arriving no more", record.Arrival{})(s.Arriving())
	for _, id := range []record.FindingID{f.ID(), said.ID()} {
		if _, told, err := s.Told(id); told || err != nil {
			t.Errorf("%s: %v %v", id, told, err)
		}
	}
	same(t, "events", []kept.Event{
		{ID: 1, Finding: f}, {ID: 2, Finding: said}, {ID: 3, Finding: f, TakenBack: true},
	})(s.Events(0, 10))
}

func testFailed(t *testing.T, s room.Store) {
	bad := errors.New("bad")
	a := record.Author{Key: record.PublicKey{1}, Base: 1, Top: 1}
	err := s.Transact(func() error {
		apply(t, s, kept.Change{
			Learnt:   &record.Change{Authors: []record.Author{a}, Told: []record.Finding{{Kind: record.Fork, Author: a.Key}}},
			Messages: []kept.Message{{Held: record.Held{Author: a.Key, Number: 1}}},
		})
		return bad
	})
	if err != bad {
		t.Errorf("Transact = %v, want the error of its work as it is", err)
	}
	same(t, "authors", []record.Author{})(s.Authors(record.AuthorQuery{}))
	same(t, "messages", []kept.Message{})(s.Messages(kept.MessageQuery{}))
	same(t, "end", kept.Mark{})(s.End())
}

func testUnknownAuthor(t *testing.T, s room.Store) {
	m := kept.Message{Held: record.Held{Author: record.PublicKey{1}, Number: 1}}
	if err := s.Apply(&kept.Change{Messages: []kept.Message{m}, Marks: []kept.Mark{{Name: "mark"}}}); err == nil {
		t.Error("a message of somebody unknown was taken")
	}
	if _, ok, err := s.Mark("mark"); ok || err != nil {
		t.Errorf("half of a change was kept, %v", err)
	}
}

func testLock(t *testing.T, s room.Store) {
	unlock, err := s.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reason := errors.New("told to stop")
	stopped, stop := context.WithCancelCause(t.Context())
	stop(reason)
	if _, err := s.Lock(stopped); err != reason {
		t.Errorf("Lock = %v, want %v", err, reason)
	}
	unlock()
	if unlock, err = s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	unlock()
}

// Of each message of our own there is one state, the newest, where it came; and of who has seen what, too.
func testStates(t *testing.T, s room.Store) {
	id := func(author byte, number uint32) model.OwnID {
		return model.OwnID{Author: record.PublicKey{author}, Number: number}
	}
	at := record.Place{Clear: 1, Entry: 7}
	texts := model.OwnState{OwnID: model.OwnID{Number: 1}, State: model.StateTried}
	accepted := model.OwnState{OwnID: id(1, 1), State: model.StateAccepted, At: at}
	anew := model.OwnState{OwnID: id(1, math.MaxUint32), Was: id(2, 9)}
	seen := model.OwnState{OwnID: id(1, 3), State: model.StateSeen, By: record.PublicKey{5}}
	other := model.OwnState{OwnID: id(1, 1), State: model.StateSeen, By: record.PublicKey{6}}
	apply(t, s, kept.Change{States: []model.OwnState{
		{OwnID: id(1, 1)},
		{OwnID: id(1, 1), State: model.StateTried},
		{OwnID: id(1, 2), State: model.StateSeen, By: record.PublicKey{5}},
		texts, accepted, other,
	}})
	f := record.Finding{Kind: record.Fork, Author: record.PublicKey{1}, First: 7}
	tried := model.OwnState{OwnID: anew.OwnID, State: model.StateTried}
	apply(t, s, kept.Change{Learnt: &record.Change{Told: []record.Finding{f}}, States: []model.OwnState{anew, seen, tried}})
	want := []kept.Event{
		{ID: 4, Own: &texts},
		{ID: 5, Own: &accepted},
		{ID: 6, Own: &other},
		{ID: 7, Finding: f},
		{ID: 8, Own: &anew},
		{ID: 9, Own: &seen},
		{ID: 10, Own: &tried},
	}
	same(t, "events", want)(s.Events(0, 100))
	same(t, "some of them", want[2:4])(s.Events(5, 2))
	same(t, "end", kept.Mark{Event: 10})(s.End())

	own := []kept.Own{
		{Author: record.PublicKey{1}, Number: 1, First: 1, Last: 4},
		{Author: record.PublicKey{1}, Number: 2, First: 4, Last: 4},
		{Author: record.PublicKey{1}, Number: 3, First: 4, Last: 6},
		{Number: 7, First: 7, Last: 7},
		{Author: record.PublicKey{1}, Number: 9, First: 9, Last: 9},
		{Author: record.PublicKey{2}, Number: 9, First: 9, Last: 9},
	}
	apply(t, s, kept.Change{Own: own})
	for _, q := range []struct {
		first, last int64
		want        []kept.Own
	}{{1, 1, own[:1]}, {4, 4, own[:3]}, {5, 5, own[2:3]}, {6, 7, own[2:4]}, {8, 8, nil}} {
		same(t, "own", q.want)(s.Own(kept.OwnQuery{FirstPost: q.first, LastPost: q.last}))
	}
	// Two that stand alike are in one order too: they came as a map has them, and two snapshots of one store differed.
	for range 20 {
		same(t, "own of two authors", own[4:])(s.Own(kept.OwnQuery{FirstPost: 9, LastPost: 9}))
		same(t, "all own", own)(s.Own(kept.OwnQuery{}))
	}
}

// feed is a relay that stores what is posted.
type feed struct{ entries []thingspeak.Entry }

func (f *feed) post(fields thingspeak.Fields) (int64, error) {
	id := int64(len(f.entries)) + 1
	f.entries = append(f.entries, thingspeak.Entry{ID: id, CreatedAt: time.Now(), Fields: fields})
	return id, nil
}

// Deliver posts what is in an outbox to a relay without bulk updates. post and find do what a step asks for.
func Deliver(ctx context.Context, c *room.Conversation, post func(thingspeak.Fields) (int64, error), find func(*room.Step) []int64) error {
	d, err := c.Deliver(ctx, nil)
	if err != nil {
		return err
	}
	defer d.End()
	for {
		next, err := d.Next(ctx)
		if err != nil || next == nil {
			return err
		}
		var numbers []int64
		switch next.What {
		case room.Post:
			numbers = make([]int64, 1)
			numbers[0], err = post(next.Entries[0].Fields)
		case room.PostBulk:
			err = room.ErrNoBulk
		case room.Find:
			numbers = find(next)
		}
		if err := d.Answer(numbers, err); err != nil {
			return err
		}
	}
}

// read reads all of the feed, and posts what is in the outbox.
func (f *feed) read(t *testing.T, c *room.Conversation) model.Arrivals {
	t.Helper()
	in, err := c.Receive(100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.entries {
		if err := in.Add(&f.entries[i]); err != nil {
			break
		}
	}
	got, err := in.Finish(room.Facts{LastID: int64(len(f.entries))})
	if err != nil {
		t.Fatal(err)
	}
	nowhere := func(next *room.Step) []int64 { return make([]int64, len(next.Entries)) }
	if err := Deliver(t.Context(), c, f.post, nowhere); err != nil {
		t.Fatal(err)
	}
	return got
}

// Somebody whose room is in the store talks with somebody: what each writes is read once, by both, and what the other has
// seen is known.
func testTalk(t *testing.T, s room.Store) {
	key, f := fernet.GenerateKey(), &feed{}
	join := func(s room.Store, nick string) *room.Conversation {
		c, err := room.Open(s, room.Options{
			Keys: []fernet.Key{key}, Identity: record.GenerateIdentity(), Nick: nick, Fields: []int{1, 2},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ana := join(s, "ana")
	write := func(c *room.Conversation, body record.Body) {
		t.Helper()
		if _, err := c.Write(body, time.Now()); err != nil {
			t.Fatal(err)
		}
		f.read(t, c)
		f.read(t, c)
	}
	file := record.File{Name: "cat", Content: make([]byte, 2000)}
	write(ana, record.Text("hello"))
	write(ana, file)
	bo := join(other(t), "bo")
	if got := f.read(t, bo); got.Fresh != 2 || len(got.Told) > 0 {
		t.Errorf("bo reads %d messages and is told %v", got.Fresh, got.Told)
	}
	write(bo, record.Heartbeat{})
	write(bo, record.Text("yes?"))
	before, err := ana.Now()
	if err != nil {
		t.Fatal(err)
	}
	if got := f.read(t, ana); got.Fresh != 2 || len(got.Told) > 0 {
		t.Errorf("ana reads %d messages, and is told %v", got.Fresh, got.Told)
	}
	if n, err := ana.Since(before, 0); err != nil || len(n.States) != 1 || n.States[0].Text() != "ana 2 seen by bo" {
		t.Errorf("what became of ana's messages: %+v, %v", n.States, err)
	}
	if got := f.read(t, ana); got.Fresh != 0 {
		t.Errorf("%d messages came twice", got.Fresh)
	}
	var lines []string
	err = ana.History(0, func(it *model.Item) error {
		switch body := it.Record.Body.(type) {
		case record.Text:
			lines = append(lines, it.Record.Name+": "+string(body))
		case record.File:
			lines = append(lines, it.Record.Name+" sends "+body.Name)
		}
		return nil
	})
	if d := cmp.Diff([]string{"ana: hello", "ana sends cat", "bo: yes?"}, lines); d != "" || err != nil {
		t.Errorf("history: %v\n%s", err, d)
	}
	if queue, err := ana.Outbox(); err != nil || len(queue) > 0 {
		t.Errorf("in the outbox: %v, %v", queue, err)
	}
	if n, err := ana.Since(model.Mark{}, 0); err != nil || len(n.Items) != 4 {
		t.Errorf("%d items since the beginning, %v", len(n.Items), err)
	}
}
