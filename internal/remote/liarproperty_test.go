package remote_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// liar is a relay that tells any lie about an honest channel, one or several at a time, and a reader of it.
type liar struct {
	*testing.T

	tape    []uint16 // what is left of the choices; drawn before the bubble, which their source cannot enter
	failure string

	relay   *fakeRelay
	c       *remote.Client
	pos     *keeper
	named   int64 // in place of the last entry number; 0: the truth
	stale   time.Time
	old     *fakeRelay // what it shows until then
	hidden  []int64
	swapped bool

	epoch, clears int // clears there were, and that were told
	wanted        map[string]bool
	visited       map[string]bool
	since         map[int64]time.Time // of the numbers that were lacking after a call
	asked         map[int64][]time.Time
}

// honest is a row that a reader must have visited in the end. Of two clears only the later one need be noticed.
func (l *liar) honest(id int64, text string) {
	l.wanted[fmt.Sprintf("%d %d %s", l.epoch, id, text)] = true
}

func newLiar(t *testing.T, tape []uint16) *liar {
	l := &liar{
		T: t, tape: tape, relay: newFakeRelay(), pos: &keeper{}, wanted: map[string]bool{}, visited: map[string]bool{},
		since: map[int64]time.Time{}, asked: map[int64][]time.Time{},
	}
	l.relay.ranges = l.draw(0, 1) == 0
	l.relay.hidden = map[int64]bool{}
	l.relay.before = l.lie
	l.c = newClient(t, l.relay)
	return l
}

// draw takes the next choice, the first if there are none left.
func (l *liar) draw(first, last int) int {
	if len(l.tape) == 0 {
		return first
	}
	n := first + int(l.tape[0])%(last-first+1)
	l.tape = l.tape[1:]
	return n
}

// failf notes the first thing that went wrong.
func (l *liar) failf(format string, args ...any) {
	if l.failure == "" {
		l.failure = fmt.Sprintf(format, args...)
	}
}

// lie answers in the relay's place. It notes what is asked for.
func (l *liar) lie(w http.ResponseWriter, r *http.Request) bool {
	if l.old != nil && time.Now().Before(l.stale) {
		l.old.ServeHTTP(w, r)
		return true
	}
	l.old = nil
	if l.named > 0 && strings.HasSuffix(r.URL.Path, "last_entry_id.txt") {
		fmt.Fprint(w, l.named)
		return true
	}
	var first, last int64
	if _, err := fmt.Sscanf(r.URL.Path, fmt.Sprintf("/channels/%d/feeds/%%d.csv", channel), &first); err == nil {
		last = first
	} else if q := r.URL.Query(); l.relay.ranges && q.Get("start_entry_id") != "" {
		_, _ = fmt.Sscan(q.Get("start_entry_id"), &first)
		_, _ = fmt.Sscan(q.Get("end_entry_id"), &last)
	}
	for n := range l.since {
		if first <= n && n <= last {
			l.asked[n] = append(l.asked[n], time.Now())
		}
	}
	return false
}

// post adds a row to the channel, as an honest writer or another one does.
func (l *liar) post() {
	text := fmt.Sprintf("text %d of %d", l.relay.last+1, l.epoch)
	if l.draw(0, 4) == 0 {
		text = "junk " + text
	}
	at := time.Now()
	switch l.draw(0, 8) {
	case 0:
		at = at.AddDate(0, 0, -l.draw(1, 30))
	case 1:
		at = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	l.honest(l.relay.add(at, text), text)
}

func (l *liar) act() {
	number := func() int64 { return int64(l.draw(1, int(max(l.relay.last, 1)))) }
	switch l.draw(0, 15) {
	case 0, 1, 2, 3:
		for range l.draw(1, 6) {
			l.post()
		}
	case 4: // a phantom number
		l.named = l.relay.last + []int64{1, 2, 50, 1 << 20, 1<<53 - l.relay.last}[l.draw(0, 4)]
	case 5: // a number taken back
		l.named = number()
	case 6:
		l.named = 0
	case 7: // a row is withheld, so that at least one that was read is shown still
		if n := number(); n > 1 && !l.swapped {
			l.relay.hidden[n] = true
			l.hidden = append(l.hidden, n)
		}
	case 8: // and comes back, one at a time
		if len(l.hidden) > 0 {
			delete(l.relay.hidden, l.hidden[0])
			l.hidden = l.hidden[1:]
		}
	case 9: // the dates of two rows are swapped: with the anchor withheld as well, that would look like a clear
		if a, b := number(), number(); len(l.hidden) == 0 && int(max(a, b)) <= len(l.relay.rows) && l.relay.rows[a-1].ID == a && l.relay.rows[b-1].ID == b {
			x, y := &l.relay.rows[a-1], &l.relay.rows[b-1]
			x.CreatedAt, y.CreatedAt = y.CreatedAt, x.CreatedAt
			l.swapped = true
		}
	case 10: // a row of a huge number, once
		id := []int64{l.relay.last + 3, l.relay.last + 1000, 1 << 33, 1 << 40}[l.draw(0, 3)]
		l.relay.put(id, time.Now(), "junk of a liar")
		l.read()
		l.relay.take(id)
	case 11: // a second row of a number, which is shown once with the newest
		if n := number(); n < l.relay.last && !l.relay.hidden[n] {
			text := fmt.Sprintf("junk twin %d", len(l.relay.rows))
			l.relay.put(n, time.Now(), text)
			l.honest(n, text)
			l.named, l.old = 0, nil
			l.post()
			l.read()
		}
	case 12: // another machine, that is behind
		if n := len(l.relay.rows); n > 0 {
			old := newFakeRelay()
			old.ranges, old.hidden = l.relay.ranges, l.relay.hidden
			old.rows = slices.Clone(l.relay.rows[:l.draw(0, n-1)])
			for _, e := range old.rows {
				old.last = max(old.last, e.ID)
			}
			l.old, l.stale = old, time.Now().Add(time.Duration(l.draw(1, 50))*time.Second)
		}
	case 13:
		if l.epoch == l.clears && l.named == 0 && l.old == nil && l.draw(0, 4) == 0 {
			l.clear()
		}
	case 14, 15:
		for range l.draw(1, 4) {
			l.push()
		}
	}
}

// push has something pushed: the newest row, or the one that follows what is known, or a lie about it.
func (l *liar) push() {
	e := exchange.Pushed{Channel: channel, Fields: 1, Entry: thingspeak.Entry{
		ID: l.pos.Last + 1, CreatedAt: time.Now().Truncate(time.Second).UTC(), Fields: oneField("junk that was pushed"),
	}}
	for i := range l.relay.rows {
		if r := &l.relay.rows[i]; r.ID == e.ID {
			e.Entry = *r
		}
	}
	switch l.draw(0, 7) {
	case 0, 1:
		if n := len(l.relay.rows); n > 0 {
			e.Entry = l.relay.rows[n-1]
		}
	case 2:
		e.ID += []int64{1, 50, 1 << 20, 1 << 52}[l.draw(0, 3)]
	case 3:
		e.ID = int64(l.draw(0, int(min(l.pos.Last, 1<<15))))
	case 4:
		e.Fields, e.Entry.Fields = 1, oneField("junk of another channel")
		e.Channel++
	case 5:
		e.Entry.Fields = oneField("junk in its place")
	case 6:
		e.Fields = 0
	}
	before := l.pos.Position
	if l.take(e); l.pos.Last != before.Last && (l.pos.Last != before.Last+1 || e.ID != l.pos.Last || e.Channel != channel) {
		l.failf("entry %d of channel %d was pushed behind entry %d, and entry %d is known then", e.ID, e.Channel, before.Last, l.pos.Last)
	}
	if d := cmp.Diff(before.Gaps, l.pos.Gaps); d != "" || !l.pos.Looked.Equal(before.Looked) || l.pos.Absent != before.Absent {
		l.failf("a conclusion was drawn from what was pushed: %s", d)
	}
}

// take has what was pushed taken.
func (l *liar) take(pushed ...exchange.Pushed) {
	news, _, err := l.c.Take(l.pos.Position, pushed, exchange.Visitor{Entry: func(e *thingspeak.Entry) error {
		l.visited[fmt.Sprintf("%d %d %s", l.epoch, e.ID, e.Fields[0].Text)] = true
		l.pos.take(e)
		return nil
	}})
	if err != nil || news.Cleared || news.Doubtful || len(news.Rewritten)+len(news.Altered)+len(news.Lost)+len(news.Twins) > 0 || news.Named.Last > 0 {
		l.failf("of what was pushed came %+v, %v", news, err)
	}
	l.pos.Position = news.Position
}

// clear empties the channel, honestly, and waits until the reader has noticed; it has nothing to go by if no key has
// opened anything.
func (l *liar) clear() {
	anchored := l.pos.anchor.ID > 0
	l.relay.clear()
	l.hidden, l.relay.hidden = nil, map[int64]bool{}
	l.epoch++
	l.wanted = map[string]bool{}
	clear(l.since)
	clear(l.asked)
	if l.post(); l.relay.last == l.pos.Last {
		l.post() // as long as the last number is the same, nobody looks
	}
	for range 6 { // one minute until somebody looks, and one until it is believed, each up to 40 s late
		l.read()
		time.Sleep(40 * time.Second)
	}
	if !anchored {
		l.clears = l.epoch
	}
	if l.clears != l.epoch {
		l.failf("the clear was not noticed: %+v", l.pos.Position)
	}
}

// read polls, and checks what must hold after each call.
func (l *liar) read() {
	l.relay.requests()
	now := time.Now().Truncate(time.Millisecond)
	v := exchange.Visitor{
		Entry: func(e *thingspeak.Entry) error {
			l.visited[fmt.Sprintf("%d %d %s", l.epoch, e.ID, e.Fields[0].Text)] = true
			return nil
		},
		Cleared: func() error {
			l.clears++
			return nil
		},
	}
	v.Seen = v.Entry
	last := l.pos.Last
	_, news, err := follow(l.T, l.c, l.pos, v)
	if err != nil {
		l.failf("%v", err)
	}
	if l.clears > l.epoch {
		l.failf("a clear that was none: %+v", news)
	}
	if n := len(l.relay.requests()); n > 100 {
		l.failf("%d requests", n)
	}
	p := &l.pos.Position
	if len(p.Gaps) > 4096 || len(p.Rows) > 200 || len(p.Claims) > 64 {
		l.failf("%d gaps, %d rows, %d claims", len(p.Gaps), len(p.Rows), len(p.Claims))
	}
	if news.Position.Last < last { // it has begun anew
		last = 0
		clear(l.since)
	}
	lacking := map[int64]time.Time{}
	for i, g := range p.Gaps {
		if g.First > g.Last || g.Last > p.Last || i > 0 && g.First <= p.Gaps[i-1].Last {
			l.failf("gaps %+v", p.Gaps)
		}
		for n := g.First; n <= min(g.Last, g.First+50); n++ {
			begun, before := l.since[n]
			switch {
			case before:
			case n > last:
				begun = now
			default:
				begun = g.Since // it lay too far within its gap
			}
			if lacking[n] = begun; !g.Since.Equal(begun) {
				l.failf("number %d is lacking since %v, the position says %v", n, begun, g.Since)
			}
			a := l.asked[n]
			if g.Asked() && (len(a) < 2 || a[len(a)-1].Sub(begun) < 5*time.Minute-time.Second) && len(p.Gaps) < 64 && l.relay.ranges {
				l.failf("number %d, lacking since %v, was asked for at %v only", n, begun, a)
			}
		}
	}
	l.since = lacking
}

// TestALiarHidesNothingForGood: whatever a relay does, once it is honest every row is visited. No gap is older or younger
// than it is, no clear is told that was none, and what is kept is bounded.
func TestALiarHidesNothingForGood(t *testing.T) {
	testenv.Check(t, func(rt *rapid.T) {
		tape := rapid.SliceOfN(rapid.Uint16(), 10, 400).Draw(rt, "choices")
		var l *liar
		synctest.Test(t, func(t *testing.T) {
			l = newLiar(t, tape)
			for steps := 0; len(l.tape) > 0 && steps < 40 && l.failure == ""; steps++ {
				l.act()
				time.Sleep(time.Duration(l.draw(1, 200)) * time.Second)
				l.read()
			}
			l.named, l.relay.hidden, l.old = 0, nil, nil
			for n := 0; n < 150 && l.failure == ""; n++ { // as long again as the lies have lasted, and some
				time.Sleep(time.Minute)
				l.read()
			}
			for row := range l.wanted {
				if !l.visited[row] {
					l.failf("%q was never visited; position %+v", row, l.pos.Position)
				}
			}
		})
		if l.failure != "" {
			rt.Fatal(l.failure)
		}
	})
}
