package exchange

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func setOf(t *testing.T, r ranges) map[int64]bool {
	t.Helper()
	set := map[int64]bool{}
	for i, s := range r {
		if s.first > s.last || i > 0 && s.first <= r[i-1].last+1 {
			t.Fatalf("not in order or not joined: %v", r)
		}
	}
	for _, n := range r.list() {
		set[n] = true
	}
	return set
}

func TestRangesAgainstAMap(t *testing.T) {
	const top = 40
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func() ranges {
		var r ranges
		for range rnd.IntN(8) {
			first := 1 + rnd.Int64N(top)
			r.add(first, min(first+rnd.Int64N(12)-1, top))
		}
		return r
	}
	for range 3000 {
		a, b := random(), random()
		inA, inB := setOf(t, a), setOf(t, b)
		union, minus, both := setOf(t, a.union(b)), setOf(t, a.minus(b)), setOf(t, a.intersect(b))
		missing := setOf(t, a.missing(3, 30))
		for n := range int64(top + 2) {
			if a.has(n) != inA[n] || union[n] != (inA[n] || inB[n]) || minus[n] != (inA[n] && !inB[n]) ||
				both[n] != (inA[n] && inB[n]) || missing[n] != (n >= 3 && n <= 30 && !inA[n]) {
				t.Fatalf("%d in %v and %v", n, a, b)
			}
		}
		if a.covers(3, 30) != (len(missing) == 0) {
			t.Fatalf("%v covers 3 to 30: %v", a, a.covers(3, 30))
		}
		all := a.list()
		if int(a.count()) != len(all) {
			t.Fatalf("count of %v = %d", a, a.count())
		}
		for k := 1; k <= len(all)+1; k++ {
			want := int64(0)
			if k <= len(all) {
				want = all[len(all)-k]
			}
			if got := a.fromTop(int64(k)); got != want {
				t.Fatalf("fromTop(%d) of %v = %d, want %d", k, a, got, want)
			}
		}
		if len(all) > 0 && (a.lowest() != slices.Min(all) || a.highest() != slices.Max(all)) {
			t.Fatalf("ends of %v: %d, %d", a, a.lowest(), a.highest())
		}
	}
}
