package eavesdrop

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// scenario is a feed, and what is true of it.
type scenario struct {
	name    string
	entries []thingspeak.Entry

	use     Use
	records bool
	zone    float64 // in which its people live
	people  bool
	clocks  []clockOf // of the devices that wrote
}

// clockOf is a device's clock: seconds that it is ahead of the relay's at the start, and how fast it runs, in millionths.
type clockOf struct{ ahead, ppm float64 }

// writer makes a scenario's entries: what is to be posted, in the order of time.
type writer struct {
	*rand.Rand

	s        *scenario
	start    float64 // seconds since 1970
	interval float64 // between two entries of the channel
	fields   int
	wrap     bool
	queue    []posting
}

// posting is a message that a device sealed, and from when on it is posted: later where the device had no line.
type posting struct {
	sealed, from float64
	device       int
	bytes        int
}

// clock makes the clock of another device: of three, one is set by a server, one was set once by hand, one runs free.
func (w *writer) clock() int {
	c := clockOf{ahead: w.NormFloat64() * 0.2}
	switch w.IntN(3) {
	case 1:
		c.ahead = (w.Float64() - 0.5) * 240
		c.ppm = w.NormFloat64() * 3
	case 2:
		c.ahead = (w.Float64() - 0.5) * 20
		c.ppm = w.NormFloat64() * 30
	}
	w.s.clocks = append(w.s.clocks, c)
	return len(w.s.clocks) - 1
}

func (w *writer) say(at float64, device, bytes int) {
	w.queue = append(w.queue, posting{at, at, device, bytes})
}

// text is how long something is that people write.
func (w *writer) text() int { return 1 + int(min(math.Exp(3.2+0.8*w.NormFloat64()), 120)) }

// talk has devices talk on so many days, in their waking hours, and one of them without a line now and then.
func (w *writer) talk(days int, devices ...int) {
	w.s.people = true
	for day := range days {
		for range 1 + w.IntN(6) {
			local := 7.5 + 15*w.Float64() // from half past seven to half past ten
			at := w.start + float64(day)*86400 + (local-w.s.zone)*3600
			who := devices[w.IntN(len(devices))]
			for range 1 + w.IntN(14) {
				w.say(at, who, w.text())
				at += 4 + w.ExpFloat64()*50
				if w.Float64() < 0.7 {
					who = devices[w.IntN(len(devices))]
				}
			}
		}
	}
	if w.Float64() < 0.2 { // of one of them all waits for a while
		who, from := devices[w.IntN(len(devices))], w.start+w.Float64()*86400
		until := from + w.ExpFloat64()*7200
		for i := range w.queue {
			if p := &w.queue[i]; p.device == who && p.sealed > from && p.sealed < until {
				p.from = until
			}
		}
	}
}

func (w *writer) measure(device int, every, length float64) {
	bytes := 4 + w.IntN(20)
	at := w.start + w.Float64()*every
	for end := at + length; at < end; at += every + w.NormFloat64()*0.3 {
		if w.Float64() < 0.98 {
			w.say(at, device, bytes+w.IntN(2))
		}
	}
}

func (w *writer) file(device int, at float64) {
	cells := 20 + w.IntN(1000)
	w.say(at, device, cells*token.CellSize)
}

// post has the relay take what is queued, and returns the feed.
func (w *writer) post() {
	slices.SortStableFunc(w.queue, func(x, y posting) int {
		switch {
		case x.from < y.from:
			return -1
		case x.from > y.from:
			return 1
		}
		return 0
	})
	free := 0.
	for _, p := range w.queue {
		for left := p.bytes; left > 0 || p.bytes == 0; {
			at := max(p.from+0.05+w.ExpFloat64()*0.2, free)
			if w.Float64() < 0.01 { // an answer was lost, and it is sent again after an interval
				at += max(w.interval, 15)
			}
			free = at + w.interval
			e := thingspeak.Entry{ID: int64(len(w.s.entries) + 1), CreatedAt: time.Unix(int64(at), 0).UTC()}
			c := w.s.clocks[p.device]
			sealed := p.sealed + c.ahead + c.ppm*1e-6*(p.sealed-w.start)
			for f := range w.fields {
				if left <= 0 && f > 0 {
					break
				}
				cell := min(left, token.CellSize)
				left -= token.CellSize
				if w.s.records {
					cell = token.CellSize
				}
				text := sealedToken(w.Rand, sealed, cell/token.BlockSize+1)
				if w.wrap {
					text = token.Wrap(text)
				}
				e.Fields[f] = thingspeak.Text(text)
			}
			w.s.entries = append(w.s.entries, e)
		}
	}
}

// sealedToken returns a token of nonsense, which without the key is like any other.
func sealedToken(r *rand.Rand, at float64, blocks int) string {
	raw := make([]byte, token.Overhead+blocks*token.BlockSize)
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	raw[0] = token.Version
	for i := range 8 {
		raw[1+i] = byte(int64(at) >> (8 * (7 - i)))
	}
	tok, err := token.Encode(raw)
	if err != nil {
		panic(err)
	}
	return tok.String()
}

// scenarioOf writes a feed of the mix: two talk, a class talks, a sensor or several report, a file is sent, a sensor reports where
// people talk, somebody has said a word or two.
func scenarioOf(seed uint64) *scenario {
	r := rand.New(rand.NewPCG(18, seed))
	s := &scenario{zone: float64(r.IntN(22) - 10), records: r.IntN(2) == 0}
	w := &writer{
		Rand: r, s: s, start: 1.78e9 + r.Float64()*3e7, interval: []float64{0, 1, 15, 15}[r.IntN(4)], fields: 1 + r.IntN(2)*7,
		wrap: !s.records && r.IntN(3) == 0,
	}
	w.start -= math.Mod(w.start, 86400)
	switch kind := r.IntN(10); kind {
	case 0, 1, 2, 3:
		s.name, s.use = "two talk", Chat
		w.talk(1+r.IntN(10), w.clock(), w.clock())
	case 4:
		s.name, s.use, s.people = "a class talks", Chat, true
		var all []int
		for range 10 + r.IntN(20) {
			all = append(all, w.clock())
		}
		for at, end := w.start+9*3600, w.start+10*3600; at < end; at += r.ExpFloat64() * 20 {
			w.say(at, all[r.IntN(len(all))], w.text())
		}
	case 5, 6:
		s.name, s.use = "a sensor reports", Sensor
		w.measure(w.clock(), []float64{16, 20, 60, 300}[r.IntN(4)], 3600*(1+r.Float64()*30))
	case 7:
		s.name, s.use = "sensors report", Sensor
		for range 2 + r.IntN(2) {
			w.measure(w.clock(), 60*float64(1+r.IntN(5)), 3600*(2+r.Float64()*20))
		}
	case 8:
		s.name, s.use = "a file is sent", File
		who := w.clock()
		w.file(who, w.start)
		for range r.IntN(5) {
			w.say(w.start+r.Float64()*86400, who, w.text())
		}
	case 9:
		s.name, s.use = "a word or two", Chat
		who := w.clock()
		for range 1 + r.IntN(5) {
			w.say(w.start+r.Float64()*10000, who, w.text())
		}
	}
	w.post()
	return s
}

// claim is something that a report says, and whether it is right.
type claim struct {
	what      string
	certainty float64
	right     bool
}

// claims are those of a report that can be right or wrong.
func (s *scenario) claims(r *Report) (all []claim) {
	add := func(what string, certainty float64, right bool) {
		if certainty > 0 {
			all = append(all, claim{what, certainty, right})
		}
	}
	add("form", r.Form.Certainty, r.Form.Records == s.records)
	add("use", r.Use.Certainty, r.Use.Use == s.use)
	if r.Devices.AtLeast > 1 {
		add("devices", r.Devices.Certainty, r.Devices.AtLeast <= len(s.clocks))
	}
	if r.Clock.Known {
		near := func(c clockOf) bool { return math.Abs(c.ppm-r.Clock.PPM) <= 3*r.Clock.Error }
		add("drift", r.Clock.Certainty, slices.ContainsFunc(s.clocks, near))
	}
	if r.Zone.Certainty > 0 {
		off := math.Abs(float64(r.Zone.East) - s.zone)
		add("zone", r.Zone.Certainty, s.people && min(off, 24-off) <= 3)
	}
	return all
}

// TestCertaintiesAreTrue: of what is said with a certainty, as much is right: of 1,000 feeds, in each tenth of certainty.
func TestCertaintiesAreTrue(t *testing.T) {
	testenv.Unwatched(t)
	const feeds, first = 1000, 100_000 // other feeds than those by which the certainties were found
	type tally struct {
		n, right int
		sum      float64
	}
	var tenths [10]tally
	by := map[string]*[10]tally{}
	for i := range uint64(feeds) {
		seed := first + i
		s := scenarioOf(seed)
		var a Analysis
		for _, i := range rand.New(rand.NewPCG(1, seed)).Perm(len(s.entries)) {
			a.Add(&s.entries[i])
		}
		r, err := a.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range s.claims(&r) {
			tenth := min(int(c.certainty*10), 9)
			if by[c.what] == nil {
				by[c.what] = &[10]tally{}
			}
			for _, x := range []*tally{&tenths[tenth], &by[c.what][tenth]} {
				x.n, x.sum = x.n+1, x.sum+c.certainty
				if c.right {
					x.right++
				}
			}
			if testing.Verbose() && !c.right {
				t.Logf("%d (%s, %d entries): %s %.2f is wrong: %+v %+v %+v %+v of %+v", seed, s.name, len(s.entries), c.what, c.certainty, r.Use, r.Devices, r.Clock, r.Zone, s.clocks)
			}
		}
	}
	for i, x := range tenths {
		if x.n == 0 {
			continue
		}
		right, said := float64(x.right)/float64(x.n), x.sum/float64(x.n)
		t.Logf("certainty %.1f to %.1f: %d claims, %.0f %% right, said %.0f %%", float64(i)/10, float64(i+1)/10, x.n, 100*right, 100*said)
		if x.n >= 30 && math.Abs(right-said) > 0.1 {
			t.Errorf("between %.1f and %.1f, %.2f is said and %.2f right", float64(i)/10, float64(i+1)/10, said, right)
		}
	}
	for what, of := range by {
		var all tally
		for _, x := range of {
			all.n, all.right, all.sum = all.n+x.n, all.right+x.right, all.sum+x.sum
		}
		if right, said := float64(all.right)/float64(all.n), all.sum/float64(all.n); math.Abs(right-said) > 0.05 {
			t.Errorf("of %d claims on %s %.2f are right, and %.2f is said", all.n, what, right, said)
		}
		var line strings.Builder
		line.WriteString(what + ":")
		for i, x := range of {
			if x.n > 0 {
				line.WriteString(fmt.Sprintf("  %.1f %d/%d", float64(i)/10, x.right, x.n))
			}
		}
		t.Log(line.String())
	}
}
