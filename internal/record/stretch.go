package record

import (
	"math"
	"slices"
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

// Lacking returns the stretches in which can stand what is, or waits to be, [Missing] or [Incomplete], proven or said.
// They may overlap. It takes time in proportion to what is lacking.
func Lacking(known Known) ([]Stretch, error) {
	s := &session{ledger: newLedger(known), accused: map[Tag]uint32{}}
	authors, tags, err := known.Lacking()
	if err != nil {
		s.fail(err)
	}
	waiting, err := known.Waiting()
	if err != nil {
		s.fail(err)
	}
	var all []Stretch
	for _, key := range authors {
		a := s.author(key)
		for _, gap := range a.Gaps {
			all = append(all, between(s.placeOf(a, gap.First-1).Place, s.placeOf(a, gap.Last+1).Place))
		}
	}
	for _, c := range waiting.Claims {
		if a := s.accusationOf(&claimRow{Claim: c}); c.Doubted && a != nil && a.kind == Missing {
			all = append(all, between(a.from, c.At.Place))
		}
	}
	for _, tag := range slices.Concat(tags, waiting.Tags) {
		if from := s.lowestTop(tag); from != (Place{}) { // else nobody is told of it by number
			all = append(all, Stretch{from, Place{math.MaxUint32, math.MaxInt64}})
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	return all, nil
}
