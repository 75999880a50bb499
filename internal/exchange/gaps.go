package exchange

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

const (
	// askAgain is the shortest time between two questions for the same entry.
	askAgain = 30 * time.Second
	// askedTimes and askedFor are how often, and from the first to the last time for how long, an entry must have been
	// asked for in vain before it is taken for absent.
	askedTimes = 3
	askedFor   = 5 * time.Minute
	// maxGaps bounds a position, however a relay scatters its numbers.
	maxGaps = 4096
)

// Range is entry numbers that are lacking, both ends included, with an age of their own.
type Range struct {
	First, Last int64
	// Since is when they were first known to be lacking, by the clock here.
	Since time.Time
	// FirstAsked and LastAsked are when they were first and last asked for, and Times how often. Next is when they are
	// asked for again; that goes on for ever, ever more rarely.
	FirstAsked, LastAsked, Next time.Time
	Times                       int
	// Back is the date that paging for them has come back to, for the next call to go on from; zero if that begins with
	// the newest row.
	Back time.Time
}

// Asked reports whether the entries were asked for often and long enough: they are taken for absent. A row that comes
// all the same is visited.
func (r *Range) Asked() bool {
	return r.Times >= askedTimes && r.LastAsked.Sub(r.FirstAsked) >= askedFor
}

func (r *Range) due(now time.Time) bool { return !now.Before(r.Next) || now.Before(r.LastAsked) }

// ask notes that the entries were asked for.
func (r *Range) ask(now time.Time) {
	if r.Times == 0 || now.Before(r.FirstAsked) {
		r.FirstAsked = now
	}
	r.Times, r.LastAsked, r.Back = r.Times+1, now, time.Time{}
	age := now.Sub(r.FirstAsked)
	pause := max(askAgain, age) // until twice the time has passed since the first
	if !r.Asked() {
		pause = min(pause, max(askedFor-age, askAgain)) // but not past the moment that decides
	}
	r.Next = now.Add(pause)
}

// alike reports whether two ranges have the same age and are asked for together, so that they can be one.
func (r *Range) alike(o *Range) bool {
	return r.Since.Equal(o.Since) && r.FirstAsked.Equal(o.FirstAsked) && r.LastAsked.Equal(o.LastAsked) &&
		r.Times == o.Times && r.Next.Equal(o.Next) && r.Back.Equal(o.Back)
}

func (r *Range) numbers() ranges { return numbers(r.First, r.Last) }

// Gaps are ranges in ascending order that do not overlap.
type Gaps []Range

func (g Gaps) numbers() ranges {
	all := make(ranges, 0, len(g))
	for i := range g {
		all.add(g[i].First, g[i].Last)
	}
	return all
}

// cut splits the ranges at a set's borders. It hands out each part with what the set has of it.
func (g Gaps) cut(set ranges, part func(r Range, inSet bool)) {
	for _, r := range g {
		at := r.First
		for _, s := range r.numbers().intersect(set) {
			if at < s.first {
				part(r.part(at, s.first-1), false)
			}
			part(r.part(s.first, s.last), true)
			at = s.last + 1
		}
		if at <= r.Last {
			part(r.part(at, r.Last), false)
		}
	}
}

func (r Range) part(first, last int64) Range {
	r.First, r.Last = first, last
	return r
}

// without returns what is lacking still once these numbers are there.
func (g Gaps) without(there ranges) (rest Gaps) {
	g.cut(there, func(r Range, is bool) {
		if !is {
			rest = append(rest, r)
		}
	})
	return rest
}

// with adds numbers that are found to be lacking now; they are none of those that are.
func (g Gaps) with(lacking ranges, now time.Time) Gaps {
	all := slices.Clone(g)
	for _, s := range lacking {
		all = append(all, Range{First: s.first, Last: s.last, Since: now})
	}
	slices.SortFunc(all, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	return all
}

// change changes the ranges of the numbers in a set, and joins those that are alike then.
func (g Gaps) change(set ranges, change func(*Range)) (all Gaps) {
	g.cut(set, func(r Range, is bool) {
		if is {
			change(&r)
		}
		if n := len(all); n > 0 && all[n-1].Last+1 == r.First && all[n-1].alike(&r) {
			all[n-1].Last = r.Last
			return
		}
		all = append(all, r)
	})
	return all
}

// due returns the ranges that are to be asked for now.
func (g Gaps) due(now time.Time) Gaps {
	return slices.DeleteFunc(slices.Clone(g), func(r Range) bool { return !r.due(now) })
}

// latestBack returns the latest date that paging for one of the ranges has come back to; all tells that it is to begin at
// the newest row, which comes before.
func (g Gaps) latestBack() (from time.Time, all bool) {
	for i := range g {
		if g[i].Back.IsZero() {
			return time.Time{}, true
		}
		if g[i].Back.After(from) {
			from = g[i].Back
		}
	}
	return from, false
}

// backTo notes that paging for those that it has not come back for so far is there now.
func (g Gaps) backTo(at time.Time) {
	for i := range g {
		if g[i].Back.IsZero() || g[i].Back.After(at) {
			g[i].Back = at
		}
	}
}

// bounded joins neighbours until there are no more than most ranges: the youngest, and of these those with the fewest
// rows between them, which are read again. The joined range keeps the age of the older one: whoever adds gaps must not
// make others younger, or what is hidden in them would never be told. But it counts as never asked for, as a part of it
// was not: what nobody asked for must not be taken for absent.
func (g Gaps) bounded(most int, now time.Time) Gaps {
	if len(g) <= most {
		return g
	}
	pairs := make([]int, len(g)-1)
	for i := range pairs {
		pairs[i] = i
	}
	older := func(i int) time.Time {
		if g[i].Since.Before(g[i+1].Since) {
			return g[i].Since
		}
		return g[i+1].Since
	}
	slices.SortFunc(pairs, func(a, b int) int {
		return cmp.Or(older(b).Compare(older(a)), cmp.Compare(g[a+1].First-g[a].Last, g[b+1].First-g[b].Last),
			cmp.Compare(b, a))
	})
	joined := make([]bool, len(g))
	for _, i := range pairs[:len(g)-most] {
		joined[i+1] = true
	}
	all := make(Gaps, 0, most)
	for i, r := range g {
		if !joined[i] {
			all = append(all, r)
			continue
		}
		into := &all[len(all)-1]
		since := into.Since
		if r.Since.Before(since) {
			since = r.Since
		}
		*into = Range{First: into.First, Last: r.Last, Since: since, Next: now}
	}
	return all
}

// valid leaves what a position may hold that has read up to a number: one that was kept may be damaged.
func (g Gaps) valid(last int64, now time.Time) (rest Gaps) {
	slices.SortStableFunc(g, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	above := int64(0)
	for _, r := range g {
		r.First, r.Last = max(r.First, above+1), min(r.Last, last)
		if r.First > r.Last {
			continue
		}
		if r.Since.After(now) { // the clock was set back
			r.Since = now
		}
		rest, above = append(rest, r), r.Last
	}
	return rest.bounded(maxGaps, now)
}

// inTurn puts the parts of a set in the order in which they are asked for: first what is wanted, then the rest, each by
// turns the highest and the one that waits longest, so that neither a flood of new numbers nor one of old ones stops the
// other. With singles above 0 they are single numbers, hardly more than that many.
func (g Gaps) inTurn(wanted, set ranges, singles int) (all []span) {
	byAge := slices.Clone(g)
	slices.SortStableFunc(byAge, func(a, b Range) int { return a.Since.Compare(b.Since) })
	for _, set := range []ranges{set.intersect(wanted), set.minus(wanted)} {
		newest, longest := downwards(set), []span(nil)
		for i := range byAge {
			longest = append(longest, downwards(byAge[i].numbers().intersect(set))...)
		}
		if singles > 0 {
			newest, longest = highest(newest, singles), highest(longest, singles)
		}
		for i := range max(len(newest), len(longest)) {
			if i < len(newest) {
				all = append(all, newest[i])
			}
			if i < len(longest) {
				all = append(all, longest[i])
			}
		}
	}
	return all
}

func downwards(set ranges) []span {
	spans := slices.Clone([]span(set))
	slices.Reverse(spans)
	return spans
}

// highest returns the n highest numbers of each span in turn, n in all.
func highest(spans []span, n int) (single []span) {
	for _, s := range spans {
		for id := s.last; id >= s.first && len(single) < n; id-- {
			single = append(single, span{id, id})
		}
	}
	return single
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// MarshalJSON implements [json.Marshaler]: a position may hold thousands.
func (r Range) MarshalJSON() ([]byte, error) {
	return json.Marshal([...]int64{
		r.First, r.Last, millis(r.Since), millis(r.FirstAsked), millis(r.LastAsked), millis(r.Next), int64(r.Times),
		millis(r.Back),
	})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (r *Range) UnmarshalJSON(b []byte) error {
	var k [8]int64
	err := json.Unmarshal(b, &k)
	*r = Range{
		First: k[0], Last: k[1], Since: fromMillis(k[2]), FirstAsked: fromMillis(k[3]), LastAsked: fromMillis(k[4]),
		Next: fromMillis(k[5]), Times: int(k[6]), Back: fromMillis(k[7]),
	}
	return err
}
