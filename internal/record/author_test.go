package record

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/testenv"
)

// The gaps of an author say the same as a set of numbers.
func TestGaps(t *testing.T) {
	testenv.Check(t, func(t *rapid.T) {
		first := pick(t, []uint32{1, 1000, math.MaxUint32 - 20}) // also where the numbers end
		a := Author{}
		held := map[uint32]bool{}
		for range 1 + roll(t, 40) {
			n := first + uint32(roll(t, 20))
			if !held[n] {
				a.add(n)
				held[n] = true
			}
			check(t, &a, held)
		}
	})
}

func check(t *rapid.T, a *Author, held map[uint32]bool) {
	var numbers []uint32
	for n := range held {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if a.Base != numbers[0] || a.Top != numbers[len(numbers)-1] {
		t.Fatalf("from %d to %d: %+v", numbers[0], numbers[len(numbers)-1], a)
	}
	for i, n := range numbers {
		below, above := uint32(0), uint32(0)
		if i > 0 {
			below = numbers[i-1]
		}
		if i < len(numbers)-1 {
			above = numbers[i+1]
		}
		if a.below(n) != below || a.above(n) != above {
			t.Fatalf("next to %d: %d and %d, want %d and %d: %+v", n, a.below(n), a.above(n), below, above, a.Gaps)
		}
	}
	if top := a.Top; top < math.MaxUint32-1 && (a.below(top+1) != top || a.below(top+2) != top || a.above(top+1) != 0) {
		t.Fatalf("above the highest, %d: %d, %d", top, a.below(top+1), a.below(top+2))
	}
	var lacking []uint32
	for i, g := range a.Gaps {
		if g.First > g.Last || i > 0 && a.Gaps[i-1].Last >= g.First {
			t.Fatalf("gaps out of order: %+v", a.Gaps)
		}
		for n := uint64(g.First); n <= uint64(g.Last); n++ {
			lacking = append(lacking, uint32(n))
		}
	}
	var want []uint32
	for n := uint64(a.Base); n <= uint64(a.Top); n++ {
		if a.holds(uint32(n)) != held[uint32(n)] {
			t.Fatalf("holds(%d) is %t", n, a.holds(uint32(n)))
		}
		if !held[uint32(n)] {
			want = append(want, uint32(n))
		}
	}
	if diff := cmp.Diff(want, lacking); diff != "" {
		t.Fatalf("lacking (-want +got):\n%s", diff)
	}
}

func TestGapsThatFill(t *testing.T) {
	a := Author{}
	steps := []struct {
		do   func() Gap
		want []Gap
		fill Gap
	}{
		{func() Gap { return a.add(5) }, nil, Gap{}},
		{func() Gap { return a.add(11) }, []Gap{{First: 6, Last: 10}}, Gap{}},
		{func() Gap { a.Gaps[0].Hidden = true; return a.add(8) }, []Gap{{First: 6, Last: 7}, {First: 9, Last: 10}}, Gap{6, 10, false, true}},
		{func() Gap { a.Gaps[0].Told = true; return a.add(6) }, []Gap{{7, 7, true, false}, {First: 9, Last: 10}}, Gap{6, 7, true, false}},
		{func() Gap { return a.add(9) }, []Gap{{7, 7, true, false}, {First: 10, Last: 10}}, Gap{First: 9, Last: 10}},
		{func() Gap { return a.add(3) }, []Gap{{First: 4, Last: 4}, {7, 7, true, false}, {First: 10, Last: 10}}, Gap{}},
		{func() Gap { return a.add(7) }, []Gap{{First: 4, Last: 4}, {First: 10, Last: 10}}, Gap{7, 7, true, false}},
		{func() Gap { return a.add(12) }, []Gap{{First: 4, Last: 4}, {First: 10, Last: 10}}, Gap{}},
	}
	for i, s := range steps {
		if got := s.do(); got != s.fill {
			t.Errorf("step %d filled %+v, want %+v", i, got, s.fill)
		}
		if diff := cmp.Diff(s.want, a.Gaps); diff != "" && len(s.want)+len(a.Gaps) > 0 {
			t.Fatalf("step %d (-want +got):\n%s", i, diff)
		}
	}
	if !a.Waiting() {
		t.Error("nothing waits")
	}
}
