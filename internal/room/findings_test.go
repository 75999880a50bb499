package room_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
)

// told returns what findings say.
func told(found []record.Finding) (all []string) {
	for i := range found {
		all = append(all, found[i].Text())
	}
	return all
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
