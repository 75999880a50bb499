package room_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

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
