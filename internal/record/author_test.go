package record

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The gaps of an author say the same as a set of numbers.
func TestGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := pick(t, []uint32{1, 1000, math.MaxUint32 - 20}) // also where the numbers end
		a := Author{}
		held := map[uint32]bool{}
		top := uint32(0)
		for range 1 + roll(t, 40) {
			n := first + uint32(roll(t, 20))
			switch {
			case held[n]:
			case roll(t, 3) > 0 || a.Base == 0 || n <= a.Base:
				a.add(n)
				held[n] = true
				top = max(top, n)
			default:
				a.expect(n, PublicKey{byte(roll(t, 2))})
				top = max(top, n)
			}
			check(t, &a, held, top)
		}
	})
}

func check(t *rapid.T, a *Author, held map[uint32]bool, end uint32) {
	var numbers []uint32
	for n := range held {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if a.Base != numbers[0] || a.Top != numbers[len(numbers)-1] || a.end() != end {
		t.Fatalf("from %d to %d, %d: %+v", numbers[0], numbers[len(numbers)-1], end, a)
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
	for n := uint64(a.Base); n <= uint64(end); n++ {
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

func TestGapsAreToldInOne(t *testing.T) {
	none, bo := PublicKey{}, PublicKey{1}
	a := Author{}
	steps := []struct {
		do   func()
		want []Gap
	}{
		{func() { a.add(5) }, nil},
		{func() { a.expect(8, bo) }, []Gap{{6, 8, false, bo}}},
		{func() { a.expect(7, bo) }, []Gap{{6, 8, false, bo}}},
		{func() { a.add(11) }, []Gap{{6, 10, false, none}}}, // one gap, which needs no witness any more
		{func() { a.add(8) }, []Gap{{6, 7, false, none}, {9, 10, false, none}}},
		{func() { a.Gaps[0].Told = true }, []Gap{{6, 7, true, none}, {9, 10, false, none}}},
		{func() { a.expect(13, bo) }, []Gap{{6, 7, true, none}, {9, 10, false, none}, {12, 13, false, bo}}},
		{func() { a.Gaps[2].Told = true }, []Gap{{6, 7, true, none}, {9, 10, false, none}, {12, 13, true, bo}}},
		{func() { a.add(15) }, []Gap{{6, 7, true, none}, {9, 10, false, none}, {12, 13, true, none}, {14, 14, false, none}}},
		{func() { a.add(9) }, []Gap{{6, 7, true, none}, {10, 10, false, none}, {12, 13, true, none}, {14, 14, false, none}}},
	}
	for i, s := range steps {
		s.do()
		if diff := cmp.Diff(s.want, a.Gaps); diff != "" && len(s.want)+len(a.Gaps) > 0 {
			t.Fatalf("step %d (-want +got):\n%s", i, diff)
		}
	}
	a.add(3)
	if a.Gaps[0] != (Gap{First: 4, Last: 4}) {
		t.Errorf("below the base: %+v", a.Gaps)
	}
	if !a.Waiting() || !a.add(7) || a.add(10) {
		t.Errorf("what was told: %+v", a.Gaps)
	}
}

func TestSplit(t *testing.T) {
	last := uint32(math.MaxUint32)
	for _, c := range []struct {
		gap   Gap
		begun []uint32
		want  string
	}{
		{Gap{First: 3, Last: 5}, nil, "3-5"},
		{Gap{First: 3, Last: 5}, []uint32{3}, "[3] 4-5"},
		{Gap{First: 3, Last: 5}, []uint32{4}, "3-3 [4] 5-5"},
		{Gap{First: 3, Last: 5}, []uint32{3, 5}, "[3] 4-4 [5]"},
		{Gap{First: last - 1, Last: last}, []uint32{last}, "4294967294-4294967294 [4294967295]"},
		{Gap{First: 3, Last: 3}, []uint32{3}, "[3]"},
	} {
		var got strings.Builder
		for i, p := range split(c.gap, c.begun) {
			if i > 0 {
				got.WriteString(" ")
			}
			if p.begun {
				got.WriteString(fmt.Sprintf("[%d]", p.First))
			} else {
				got.WriteString(fmt.Sprintf("%d-%d", p.First, p.Last))
			}
		}
		if got.String() != c.want {
			t.Errorf("split(%v, %v) = %s, want %s", c.gap, c.begun, got.String(), c.want)
		}
	}
}
