package record

import (
	"math"
	"math/bits"
	"slices"
	"sort"
)

// Stretch is where something can stand: from one place to another, both included.
type Stretch struct{ First, Last Place }

// between returns the stretch between two places, of which either may be the first.
func between(a, b Place) Stretch {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return Stretch{a, b}
}

// Lacking returns the stretches of the feed in which records can stand that are lacking: those that are told as [Missing] or
// [Incomplete], and those that will be unless they come, whether that is proven or somebody says so. They may overlap. It takes time in proportion to what is lacking.
func Lacking(known Known) ([]Stretch, error) {
	s := &session{ledger: newLedger(known), accused: map[Tag]uint32{}}
	claims, err := known.Claims(ClaimQuery{})
	if err != nil {
		s.fail(err)
	}
	arriving, err := known.Arriving()
	if err != nil {
		s.fail(err)
	}
	var all []Stretch
	for _, a := range s.askAuthors(AuthorQuery{Only: HasGaps}) {
		s.fetchBeside(a, a.Gaps)
		for _, gap := range a.Gaps {
			all = append(all, between(s.placeOf(a, gap.First-1).Place, s.placeOf(a, gap.Last+1).Place))
		}
	}
	for _, c := range claims {
		if a, ok := s.accusationOf(&claimRow{Claim: c}); c.Doubted && ok && a.kind == Missing {
			all = append(all, between(a.from, c.At.Place))
		}
	}
	tags := map[Tag]bool{}
	for _, g := range s.askGroups(GroupQuery{Only: WasIncomplete}) {
		tags[g.ID.Tag] = true
	}
	for _, tag := range arriving.Tags {
		tags[tag] = true
	}
	for tag := range tags {
		if from := s.lowestTop(tag); from != (Place{}) { // else nobody is told of it by number
			all = append(all, Stretch{from, Place{math.MaxUint32, math.MaxInt64}})
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	return all, nil
}

// besideAtOnce is about how many records of an author are asked for at a time to find those beside gaps.
const besideAtOnce = 1024

// fetchBeside asks for the records on both sides of gaps, many at a time.
func (s *session) fetchBeside(a *authorRow, gaps []Gap) {
	for len(gaps) > 0 {
		n, held := 1, uint32(0)
		for n < len(gaps) {
			between := gaps[n].First - gaps[n-1].Last - 1
			if between > besideAtOnce-held {
				break
			}
			held += between
			n++
		}
		s.fetchEdges(a, gaps[:n])
		gaps = gaps[n:]
	}
}

// fetchEdges asks once for the records on both sides of gaps.
func (s *session) fetchEdges(a *authorRow, gaps []Gap) {
	beside := make(map[uint32]bool, 2*len(gaps))
	for _, gap := range gaps {
		beside[gap.First-1], beside[gap.Last+1] = true, true
	}
	for n := range beside {
		if s.held[heldKey{a.Key, n}] != nil { // this call may have changed it
			delete(beside, n)
		}
	}
	if len(beside) == 0 {
		return
	}
	held, err := s.known.Held(HeldQuery{Author: a.Key, First: gaps[0].First - 1, Last: gaps[len(gaps)-1].Last + 1})
	if err != nil {
		s.fail(err)
	}
	for _, h := range held {
		if !beside[h.Number] {
			continue
		}
		at := heldKey{a.Key, h.Number}
		if s.held[at] == nil {
			s.held[at] = &heldRows{}
		}
		s.held[at].add(h)
	}
}

// openHoles are the holes of a view that were not asked for, in order.
type openHoles struct {
	all []Hole
	// noted are those that are named as needed.
	noted []bool
	// longest tells which one is known longest, of the 2^k from i on, at [k][i]: so that what many say of long stretches takes
	// no longer than what a few say of short ones.
	longest [][]int32
}

func newOpenHoles(all []Hole) *openHoles {
	o := &openHoles{all: slices.DeleteFunc(slices.Clone(all), func(h Hole) bool { return h.Asked })}
	o.noted = make([]bool, len(o.all))
	row := make([]int32, len(o.all))
	for i := range row {
		row[i] = int32(i)
	}
	for width := 1; len(row) > 0; width *= 2 {
		o.longest = append(o.longest, row)
		next := make([]int32, max(len(row)-width, 0))
		for i := range next {
			next[i] = o.longer(row[i], row[i+width])
		}
		row = next
	}
	return o
}

// longer returns which of two holes is known longer: the first, if nobody knows.
func (o *openHoles) longer(i, n int32) int32 {
	a, b := o.all[i].Since, o.all[n].Since
	if !b.IsZero() && (a.IsZero() || b.Before(a)) {
		return n
	}
	return i
}

// within returns the holes from the i-th up to the n-th, without that, that have an entry from first to last.
func (o *openHoles) within(first, last int64) (i, n int) {
	i = sort.Search(len(o.all), func(i int) bool { return o.all[i].Last >= first })
	n = sort.Search(len(o.all), func(i int) bool { return o.all[i].First > last })
	return i, max(i, n)
}

// longestOf returns which of the holes from the i-th up to the n-th, of which there is one, is known longest.
func (o *openHoles) longestOf(i, n int) int {
	k := bits.Len(uint(n-i)) - 1
	return int(o.longer(o.longest[k][i], o.longest[k][n-1<<k]))
}
