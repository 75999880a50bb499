package exchange

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// A number is confirmed that was named, or a higher one, a minute ago, and never a lower one since.
func TestClaimsAgainstWhatWasNamed(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		type named struct {
			entry int64
			at    time.Time
		}
		var history []named
		var claims Claims
		held, now := int64(5), noon
		most := 10 + rnd.Int64N(40)
		for range 200 {
			now = now.Add(time.Duration(rnd.IntN(30)) * time.Second)
			entry := rnd.Int64N(most)
			if rnd.IntN(3) > 0 && len(history) > 0 {
				entry = history[len(history)-1].entry + rnd.Int64N(3)
			}
			history = append(history, named{entry, now})
			claims = claims.take(entry, held, now)
			want, low := int64(0), entry
			for _, h := range slices.Backward(history) {
				if low = min(low, h.entry); now.Sub(h.at) >= confirmedAfter {
					want = max(want, low)
				}
			}
			if want <= held {
				want = 0
			}
			if got := claims.confirmed(now); got != want {
				t.Fatalf("seed %d: confirmed %d, want %d; claims %v, named %v", seed, got, want, claims, history)
			}
		}
	}
}

func TestClaimsAreBounded(t *testing.T) {
	var claims Claims
	for n := range 10_000 {
		claims = claims.take(int64(n)+10, 5, noon.Add(time.Duration(n)*time.Millisecond))
		if len(claims) > maxClaims {
			t.Fatalf("%d claims", len(claims))
		}
	}
	if got := claims.confirmed(noon.Add(confirmedAfter)); got != 10 {
		t.Errorf("confirmed %d, want the first", got)
	}
	back := claims.take(11, 5, noon.Add(-time.Hour)) // the clock was set back
	if got := back.confirmed(noon.Add(-time.Hour + confirmedAfter)); got != 11 {
		t.Errorf("confirmed %d a minute after the clock was set back", got)
	}
}

// Two questions five minutes apart do not do, nor do many within a moment.
func TestAskedIsThriceAndForFiveMinutes(t *testing.T) {
	r := Range{First: 1, Last: 1, Since: noon}
	for i, step := range []struct {
		after time.Duration
		asked bool
	}{{0, false}, {6 * time.Minute, false}, {6*time.Minute + askAgain, true}} {
		if !r.due(noon.Add(step.after)) {
			t.Errorf("step %d: not due", i)
		}
		if r.ask(noon.Add(step.after)); r.Asked() != step.asked {
			t.Errorf("step %d: asked %v", i, r.Asked())
		}
	}
	if r.due(noon.Add(12*time.Minute)) || !r.due(noon.Add(13*time.Minute)) || !r.due(noon) {
		t.Error("it is due again once twice the time has passed, or the clock was set back")
	}
	r = Range{First: 1, Last: 1, Since: noon, Back: noon}
	for i := range time.Duration(100) {
		r.ask(noon.Add(i * time.Second))
	}
	if r.Asked() || !r.Back.IsZero() {
		t.Errorf("%+v", r)
	}
}

func TestGapsOfOneAgeAreOneRange(t *testing.T) {
	g := Gaps(nil).with(numbers(10, 19), noon)
	ask := func(at time.Time) func(*Range) { return func(r *Range) { r.ask(at) } }
	g = g.change(numbers(12, 13), ask(noon))
	g = g.change(numbers(14, 15), ask(noon.Add(time.Minute)))
	if len(g) != 4 {
		t.Errorf("%+v", g)
	}
	if all := g.change(numbers(1, 100), func(r *Range) { *r = Range{First: r.First, Last: r.Last, Since: noon} }); len(all) != 1 ||
		all[0].First != 10 || all[0].Last != 19 {
		t.Errorf("%+v", all)
	}
	if rest := g.without(numbers(13, 17)); !slices.Equal(rest.numbers(), ranges{{10, 12}, {18, 19}}) || len(rest) != 3 {
		t.Errorf("%+v", rest)
	}
}

// Whoever adds gaps makes no other younger, and what lies between two that become one is read again, at once.
func TestBoundedGapsKeepTheirAge(t *testing.T) {
	g := Gaps{
		{First: 5, Last: 5, Since: noon, Next: noon.Add(time.Hour), Times: 7},
		{First: 10, Last: 11, Since: noon.Add(time.Minute), Next: noon.Add(time.Hour), Times: 3},
		{First: 20, Last: 20, Since: noon.Add(3 * time.Minute), Next: noon.Add(time.Hour)},
		{First: 22, Last: 22, Since: noon.Add(2 * time.Minute), Next: noon.Add(time.Hour), Times: 2},
	}
	now := noon.Add(4 * time.Minute)
	want := Gaps{g[0], g[1], {First: 20, Last: 22, Since: g[3].Since, Next: now}}
	if d := cmp.Diff(want, g.bounded(3, now)); d != "" {
		t.Error(d)
	}
	want = Gaps{g[0], {First: 10, Last: 22, Since: g[1].Since, Next: now}}
	if d := cmp.Diff(want, g.bounded(2, now)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(g, g.bounded(4, now)); d != "" {
		t.Error(d)
	}
	// Of the same age those become one that have the fewest rows between them.
	g = Gaps(nil).with(ranges{{1, 1}, {9, 9}, {11, 11}, {20, 20}}, noon)
	if got := g.bounded(3, now).numbers(); !slices.Equal(got, ranges{{1, 1}, {9, 11}, {20, 20}}) {
		t.Errorf("%v", got)
	}
}

// What was never asked for must not be taken for absent because a neighbour of it was.
func TestAJoinedGapCountsAsNeverAskedFor(t *testing.T) {
	asked := Range{First: 1, Last: 4, Since: noon}
	for i := range 4 {
		asked.ask(noon.Add(time.Duration(i) * 5 * time.Minute))
	}
	if !asked.Asked() {
		t.Fatal("four questions in a quarter of an hour do not suffice")
	}
	now := noon.Add(time.Hour)
	g := Gaps{asked, {First: 9, Last: 9, Since: now, Next: now}}.bounded(1, now)
	if len(g) != 1 || g[0].Asked() || !g[0].Since.Equal(noon) || !g[0].due(now) {
		t.Errorf("joined to %+v", g)
	}
}

func TestGapsThatWereDamagedAreMended(t *testing.T) {
	g := Gaps{
		{First: 9, Last: 12, Since: noon},
		{First: -5, Last: 3, Since: noon.Add(time.Hour)},
		{First: 3, Last: 4, Since: noon},
		{First: 8, Last: 7, Since: noon},
		{First: 30, Last: 40, Since: noon},
	}
	want := Gaps{{First: 1, Last: 3, Since: noon}, {First: 4, Last: 4, Since: noon}, {First: 9, Last: 10, Since: noon}}
	if d := cmp.Diff(want, g.valid(10, noon)); d != "" {
		t.Error(d)
	}
}

func TestRangesComeBackFromJSON(t *testing.T) {
	want := Range{
		First: 1, Last: 1 << 53, Since: noon, FirstAsked: noon.Add(time.Millisecond), LastAsked: noon.Add(time.Hour),
		Next: noon.Add(2 * time.Hour), Times: 12, Back: time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Range
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("%s came back as %+v, %v", b, got, err)
	}
}

// A pause counts for the entry that is absent, not for another one.
func TestAnAbsenceIsOfOneEntry(t *testing.T) {
	var a Absence
	for i, step := range []struct {
		entry int64
		after time.Duration
		lasts bool
	}{
		{7, 0, false},
		{7, 59 * time.Second, false},
		{8, 61 * time.Second, false},
		{8, 120 * time.Second, false},
		{8, 121 * time.Second, true},
		{8, 10 * time.Second, false},
		{8, 70 * time.Second, true},
	} {
		if got := a.lasts(step.entry, noon.Add(step.after)); got != step.lasts {
			t.Errorf("step %d: lasts %v", i, got)
		}
	}
}
