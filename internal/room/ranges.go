package room

import (
	"cmp"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// maxRanges bounds the ranges that are kept for one reason, however a relay scatters its tokens. Beyond it those that
// lie closest become one with the entries between.
const maxRanges = 4096

// entrySet is a set of entries as ranges, in ascending order.
type entrySet struct {
	all     []kept.Range
	changed bool
}

// find returns the index of the first range that does not end below a place.
func (s *entrySet) find(at record.Place) int {
	i, _ := slices.BinarySearchFunc(s.all, at, func(r kept.Range, at record.Place) int { return r.Last.Compare(at) })
	return i
}

func (s *entrySet) has(at record.Place) bool {
	i := s.find(at)
	return i < len(s.all) && s.all[i].First.Compare(at) <= 0
}

// add puts in an entry and reports whether it was not there.
func (s *entrySet) add(at record.Place) bool {
	i := s.find(at)
	if i < len(s.all) && s.all[i].First.Compare(at) <= 0 {
		return false
	}
	s.changed = true
	below := i > 0 && follows(s.all[i-1].Last, at)
	above := i < len(s.all) && follows(at, s.all[i].First)
	switch {
	case below && above:
		s.all[i-1].Last = s.all[i].Last
		s.all = slices.Delete(s.all, i, i+1)
	case below:
		s.all[i-1].Last = at
	case above:
		s.all[i].First = at
	default:
		s.all = slices.Insert(s.all, i, kept.Range{First: at, Last: at})
	}
	if len(s.all) > 2*maxRanges { // not at each entry: finding the closest costs more than adding one
		s.bound()
	}
	return true
}

func follows(a, b record.Place) bool { return a.Clear == b.Clear && a.Entry+1 == b.Entry }

// remove takes out an entry.
func (s *entrySet) remove(at record.Place) {
	if !s.has(at) {
		return
	}
	s.changed = true
	i := s.find(at)
	r := s.all[i]
	var rest []kept.Range
	if r.First != at {
		rest = append(rest, kept.Range{First: r.First, Last: record.Place{Clear: at.Clear, Entry: at.Entry - 1}})
	}
	if r.Last != at {
		rest = append(rest, kept.Range{First: record.Place{Clear: at.Clear, Entry: at.Entry + 1}, Last: r.Last})
	}
	s.all = slices.Replace(s.all, i, i+1, rest...)
}

// bound joins ranges until there are no more than maxRanges, as far as no clear lies between them.
func (s *entrySet) bound() {
	if len(s.all) <= maxRanges {
		return
	}
	var gaps []int64
	gap := func(i int) (int64, bool) {
		return s.all[i].First.Entry - s.all[i-1].Last.Entry, s.all[i].First.Clear == s.all[i-1].Last.Clear
	}
	for i := range s.all {
		if i == 0 {
			continue
		}
		if g, ok := gap(i); ok {
			gaps = append(gaps, g)
		}
	}
	slices.Sort(gaps)
	surplus := min(len(s.all)-maxRanges, len(gaps))
	if surplus == 0 {
		return
	}
	widest := gaps[surplus-1]
	joined := s.all[:1:1]
	for i := 1; i < len(s.all); i++ {
		if g, ok := gap(i); ok && g <= widest && surplus > 0 {
			surplus--
			joined[len(joined)-1].Last = s.all[i].Last
			continue
		}
		joined = append(joined, s.all[i])
	}
	s.all, s.changed = joined, true
}

// withOverfull returns a view in which entries that were not taken in whole count as not shown yet: what is lacking may
// have stood there.
func withOverfull(view record.View, overfull []kept.Range) record.View {
	overfull, _ = within(overfull, view.Clear)
	if len(overfull) == 0 {
		return view
	}
	all := slices.Clone(view.Holes)
	for _, r := range overfull {
		all = append(all, record.Hole{First: r.First.Entry, Last: r.Last.Entry})
	}
	slices.SortStableFunc(all, func(a, b record.Hole) int { return cmp.Compare(a.First, b.First) })
	view.Holes = all[:1]
	for _, h := range all[1:] {
		last := &view.Holes[len(view.Holes)-1]
		if h.First > last.Last {
			view.Holes = append(view.Holes, h)
			continue
		}
		last.Last, last.Asked = max(last.Last, h.Last), last.Asked && h.Asked
	}
	return view
}

// within returns the ranges with a number of clears before them, and how many entries the others have.
func within(all []kept.Range, clears uint32) (rest []kept.Range, before int64) {
	for _, r := range all {
		if r.First.Clear == clears {
			rest = append(rest, r)
		} else {
			before += r.Last.Entry - r.First.Entry + 1
		}
	}
	return rest, before
}
