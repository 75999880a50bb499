package room_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
)

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
