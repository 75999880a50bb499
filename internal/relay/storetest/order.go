package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// ordersAtOnce is how many channels of testOrder are written in one batch.
const ordersAtOnce = 50

// testOrder compares what relays read of random feeds with a plain sort of all that was written: FERNPOST_CHANNELS of them,
// 500 if that is not set. Entries come a few at a time, so that reads go on from what earlier ones have left behind.
func testOrder(t *testing.T, s relay.Store) {
	random := testenv.Random(t)
	for id := range int64(ordersAtOnce) {
		newChannel(t, s, id+1)
	}
	for range max(1, testenv.Number(t, "FERNPOST_CHANNELS", 500)/ordersAtOnce) {
		// Few rows make many cases of what is too much for one read.
		r := relay.New(s, relay.Limits{Results: 1 + random.IntN(12)})
		var feeds [ordersAtOnce]orderedFeed
		for i := range feeds {
			feeds[i].date = dates[random.IntN(len(dates))]
		}
		for range 1 + random.IntN(6) {
			updates := make([]relay.Update, ordersAtOnce)
			for i := range feeds {
				updates[i] = feeds[i].more(random, int64(i)+1)
			}
			commit(t, s, updates...)
			for i := range feeds {
				feeds[i].compare(t, r, int64(i)+1, random)
			}
		}
		for id := range int64(ordersAtOnce) {
			if err := s.ClearChannel(t.Context(), id+1); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// dates are ways in which the entries of a feed are dated: the seconds of entry n.
var dates = []func(random *rand.Rand, n int64) int64{
	func(_ *rand.Rand, n int64) int64 { return n },
	func(*rand.Rand, int64) int64 { return 7 },
	func(_ *rand.Rand, n int64) int64 { return -n },
	func(random *rand.Rand, _ int64) int64 { return random.Int64N(30) },
	func(random *rand.Rand, n int64) int64 { return n - random.Int64N(3) },      // two clocks
	func(random *rand.Rand, n int64) int64 { return n + random.Int64N(5)/4*50 }, // now and then from the future
	func(random *rand.Rand, n int64) int64 { return n - random.Int64N(9)/8*50 }, // and from the past
	func(_ *rand.Rand, n int64) int64 { return (n * 7) % 20 },
	func(_ *rand.Rand, n int64) int64 { return n % 10 },
	func(_ *rand.Rand, n int64) int64 { return n - n/9*n%9*5 },
}

// orderedFeed is what was written to a channel.
type orderedFeed struct {
	date    func(*rand.Rand, int64) int64
	entries []thingspeak.Entry
}

// more returns an update of some further entries.
func (f *orderedFeed) more(random *rand.Rand, channel int64) relay.Update {
	u := relay.Update{Channel: channel, Key: fmt.Sprint("WRITE", channel), Limits: limits, Bulk: true}
	for range random.IntN(7) {
		n := int64(len(f.entries)) + 1
		e := thingspeak.Entry{
			ID: n, CreatedAt: second(f.date(random, n)), Fields: thingspeak.Fields{thingspeak.Text(fmt.Sprint(channel, "/", n))},
		}
		f.entries = append(f.entries, e)
		u.Entries = append(u.Entries, relay.NewEntry{Entry: e})
	}
	return u
}

// compare reads two windows of a channel, the whole of it and a random one.
func (f *orderedFeed) compare(t *testing.T, r *relay.Relay, channel int64, random *rand.Rand) {
	t.Helper()
	v, err := r.View(t.Context(), channel, fmt.Sprint("READ", channel))
	if err != nil {
		t.Fatal(err)
	}
	some := func(w *relay.Window) {
		if random.IntN(3) == 0 {
			w.StartID = random.Int64N(int64(len(f.entries)) + 3)
		}
		if random.IntN(3) == 0 {
			w.EndID = random.Int64N(int64(len(f.entries)) + 3)
		}
		if random.IntN(3) == 0 {
			w.Start = second(random.Int64N(60) - 20)
		}
		if random.IntN(3) == 0 {
			w.End = second(random.Int64N(60) - 20).Add(time.Second / 2)
		}
	}
	windows := [2]relay.Window{{Results: r.Limits().Results}, {Results: random.IntN(r.Limits().Results + 2)}}
	some(&windows[1])
	columns := thingspeak.Header{Fields: thingspeak.FieldsOf(1)}
	for _, w := range windows {
		want := f.newest(w, r.Limits().Results)
		var got []thingspeak.Entry
		if err := r.Rows(t.Context(), v, w, func(e *thingspeak.Entry) error {
			got = append(got, *e)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("rows of %+v of %v (-want +got):\n%s", w, f.entries, diff)
		}
		lines, err := r.Lines(t.Context(), v, w, columns)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for i := range want {
			text.WriteString(string(thingspeak.AppendCSVRow(nil, &want[i], columns.Fields, false, false, nil)))
		}
		if got := string(lines[0]) + string(lines[1]); got != text.String() {
			t.Fatalf("lines of %+v of %v are\n%swant\n%s", w, f.entries, got, text.String())
		}
	}
}

// newest sorts everything to choose the rows of a window.
func (f *orderedFeed) newest(w relay.Window, most int) []thingspeak.Entry {
	var rows []thingspeak.Entry
	for _, e := range f.entries {
		if (w.Start.IsZero() || !e.CreatedAt.Before(w.Start)) && (w.End.IsZero() || !e.CreatedAt.After(w.End)) &&
			e.ID >= w.StartID && (w.EndID == 0 || e.ID <= w.EndID) {
			rows = append(rows, e)
		}
	}
	slices.SortFunc(rows, func(a, b thingspeak.Entry) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return rows[max(0, len(rows)-min(w.Results, most)):]
}
