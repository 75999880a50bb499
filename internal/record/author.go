package record

import (
	"slices"
	"sort"
)

// Waiting reports whether there is a gap that was not told: an archive keeps it in a column, for [Known.Waiting].
func (a *Author) Waiting() bool {
	return slices.ContainsFunc(a.Gaps, func(g Gap) bool { return !g.Told })
}

// gap returns the index of the first gap that does not end below n.
func (a *Author) gap(n uint32) int {
	return sort.Search(len(a.Gaps), func(i int) bool { return a.Gaps[i].Last >= n })
}

// holds reports whether the record with number n is held.
func (a *Author) holds(n uint32) bool {
	if a.Base == 0 || n < a.Base || n > a.Top {
		return false
	}
	i := a.gap(n)
	return i == len(a.Gaps) || n < a.Gaps[i].First
}

// misses reports whether n was told to be missing, as it lies in a gap.
func (a *Author) misses(n uint32) bool {
	i := a.gap(n)
	return i < len(a.Gaps) && a.Gaps[i].First <= n && a.Gaps[i].Told
}

// add notes that n is held, which it was not, and returns the gap in which it was, if it was in one.
func (a *Author) add(n uint32) (filled Gap) {
	switch {
	case a.Base == 0:
		a.Base, a.Top = n, n
	case n < a.Base:
		if n < a.Base-1 {
			a.Gaps = slices.Insert(a.Gaps, 0, Gap{First: n + 1, Last: a.Base - 1})
		}
		a.Base = n
	case n > a.Top:
		if n > a.Top+1 {
			a.Gaps = append(a.Gaps, Gap{First: a.Top + 1, Last: n - 1})
		}
		a.Top = n
	default:
		filled = a.fill(n)
	}
	return filled
}

// fill takes n out of its gap. What is left was told to be missing if all was; that it is hidden is to be told anew.
func (a *Author) fill(n uint32) Gap {
	i := a.gap(n)
	g := a.Gaps[i]
	var rest []Gap
	if g.First < n {
		rest = append(rest, Gap{First: g.First, Last: n - 1, Told: g.Told})
	}
	if n < g.Last {
		rest = append(rest, Gap{First: n + 1, Last: g.Last, Told: g.Told})
	}
	a.Gaps = slices.Replace(a.Gaps, i, i+1, rest...)
	return g
}

// below returns the next lower number held than n, and 0 if there is none.
func (a *Author) below(n uint32) uint32 {
	if n <= a.Base {
		return 0
	}
	n = min(n-1, a.Top)
	for i := a.gap(n); i >= 0 && i < len(a.Gaps) && a.Gaps[i].First <= n && n <= a.Gaps[i].Last; i-- {
		n = a.Gaps[i].First - 1
	}
	return n
}

// above returns the next higher number held than n, and 0 if there is none.
func (a *Author) above(n uint32) uint32 {
	if n >= a.Top {
		return 0
	}
	n++
	for i := a.gap(n); i < len(a.Gaps) && a.Gaps[i].First <= n; i++ {
		n = a.Gaps[i].Last + 1
	}
	return n
}
