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

// end returns the highest number that is known to exist.
func (a *Author) end() uint32 {
	if len(a.Gaps) == 0 {
		return a.Top
	}
	return max(a.Top, a.Gaps[len(a.Gaps)-1].Last)
}

// add notes that n is held, which it was not, and reports whether it was told to be missing.
func (a *Author) add(n uint32) (told bool) {
	switch end := a.end(); {
	case a.Base == 0:
		a.Base, a.Top = n, n
	case n < a.Base:
		if n < a.Base-1 {
			a.Gaps = slices.Insert(a.Gaps, 0, Gap{First: n + 1, Last: a.Base - 1})
		}
		a.Base = n
	case n <= end:
		told = a.fill(n)
	case n > end+1:
		a.Gaps = append(a.Gaps, Gap{First: end + 1, Last: n - 1})
	}
	if n > a.Top {
		before := a.gap(a.Top)
		a.Top = n
		a.enclose(before)
	}
	return told
}

// fill takes n out of its gap.
func (a *Author) fill(n uint32) (told bool) {
	i := a.gap(n)
	g := a.Gaps[i]
	var rest []Gap
	if g.First < n {
		rest = append(rest, Gap{g.First, n - 1, g.Told, g.By})
	}
	if n < g.Last {
		rest = append(rest, Gap{n + 1, g.Last, g.Told, g.By})
	}
	a.Gaps = slices.Replace(a.Gaps, i, i+1, rest...)
	return g.Told
}

// enclose tidies the gaps from index i on that Top has come to lie above: that they exist needs no witness any more,
// and those that adjoin are told in one.
func (a *Author) enclose(i int) {
	for ; i < len(a.Gaps) && a.Gaps[i].Last < a.Top; i++ {
		a.Gaps[i].By = PublicKey{}
		if i > 0 && a.Gaps[i-1].Last+1 == a.Gaps[i].First && a.Gaps[i-1].Told == a.Gaps[i].Told {
			a.Gaps[i-1].Last = a.Gaps[i].Last
			a.Gaps = slices.Delete(a.Gaps, i, i+1)
			i--
		}
	}
}

// expect notes that by has seen number n, which is above Base and not held, and reports whether that was news.
func (a *Author) expect(n uint32, by PublicKey) bool {
	end := a.end()
	if n <= end {
		return false
	}
	a.Gaps = append(a.Gaps, Gap{First: end + 1, Last: n, By: by})
	return true
}

// below returns the next lower number held than n, and 0 if there is none.
func (a *Author) below(n uint32) uint32 {
	if n <= a.Base {
		return 0
	}
	n--
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
