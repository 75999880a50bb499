package record

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/testenv"
)

// Whatever is told to be lacking, proven, said or by its parts, can stand in one of the stretches, and once it has come
// there is none.
func TestLackingNamesWhereItMayStand(t *testing.T) {
	ana, bo := newScribe(t, 1, "ana"), newScribe(t, 2, "bo")
	one, two, three, four := ana.write(Text("1")), ana.write(Text("2")), ana.write(Text("3")), ana.write(Text("4"))
	said := bo.write(Text("yes"), seen(four))
	long := bo.write(Text(string(make([]byte, 400))))
	l := newListener(t)
	// Ana 3 stands in front of ana 1, and ana 2 may stand between them.
	l.read(at(t, 3, three))
	l.read(at(t, 5, one))
	l.read(at(t, 9, said))
	parts := at(t, 12, long)
	l.read(parts[:1])
	l.now = l.now.Add(2 * time.Hour)
	l.read(nil)
	want := []Stretch{
		{Place{0, 3}, Place{0, 5}}, {Place{0, 3}, Place{0, 9}}, {Place{0, 9}, Place{math.MaxUint32, math.MaxInt64}},
	}
	got, err := Lacking(l.known)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("stretches (-want +got), %v:\n%s", err, d)
	}
	l.read(at(t, 4, two))
	l.read(at(t, 8, four))
	l.read(parts[1:])
	if got, err := Lacking(l.known); !cmp.Equal([]Stretch(nil), got, cmpopts.EquateEmpty()) || err != nil {
		t.Errorf("once all is there: %v, %v", got, err)
	}
}

// asked is a Known that counts how often records are asked for.
type asked struct {
	*Memory

	times int
}

func (a *asked) Held(q HeldQuery) ([]Held, error) {
	a.times++
	return a.Memory.Held(q)
}

// Each gap cost two questions: an author who leaves out every other number made everybody ask for each.
func TestGapsAreAskedForTogether(t *testing.T) {
	const gaps = 5000
	ana := Author{Key: stranger(1), Base: 1, Top: 2*gaps + 1}
	var learnt Change
	for n := uint32(1); n <= ana.Top; n++ {
		if n%2 == 0 {
			ana.Gaps = append(ana.Gaps, Gap{First: n, Last: n})
			continue
		}
		learnt.Held = append(learnt.Held, Held{Author: ana.Key, Number: n, At: Spot{Place{0, int64(n)}, 1}})
	}
	learnt.Authors = []Author{ana}
	known := &asked{Memory: NewMemory()}
	known.Apply(learnt)
	all, err := Lacking(known)
	if err != nil || len(all) != gaps || all[7] != (Stretch{Place{0, 15}, Place{0, 17}}) {
		t.Errorf("%d stretches, %v", len(all), err)
	}
	if most := gaps/besideAtOnce + 2; known.times > most {
		t.Errorf("Lacking asks %d times, want at most %d", known.times, most)
	}
	known.times = 0
	result, err := NewReader(testRoom.Salt, PublicKey{}).Read(known, nil, View{Unread: true}, noon)
	if err != nil || len(result.Waiting) != gaps {
		t.Errorf("%d wait, %v", len(result.Waiting), err)
	}
	if most := gaps/besideAtOnce + 2; known.times > most {
		t.Errorf("a call asks %d times, want at most %d", known.times, most)
	}
}

// Whatever the holes: a stretch is complete if none of them in it was left unasked for, and otherwise the one is named that
// is known longest.
func TestTheHoleThatIsKnownLongest(t *testing.T) {
	testenv.Check(t, func(t *rapid.T) {
		var view View
		at := int64(0)
		for range rapid.IntRange(0, 40).Draw(t, "holes") {
			h := Hole{First: at + rapid.Int64Range(1, 3).Draw(t, "gap"), Asked: rapid.Bool().Draw(t, "asked")}
			h.Last = h.First + rapid.Int64Range(0, 3).Draw(t, "length")
			if age := rapid.IntRange(0, 5).Draw(t, "age"); age > 0 {
				h.Since = noon.Add(-time.Duration(age) * time.Minute)
			}
			at = h.Last + 1
			view.Holes = append(view.Holes, h)
		}
		s := &session{ledger: newLedger(NewMemory()), view: view}
		for range 5 {
			from, to := rapid.Int64Range(0, at+2).Draw(t, "from"), rapid.Int64Range(0, at+2).Draw(t, "to")
			var want Hole
			complete := true
			for _, h := range view.Holes {
				if h.Asked || h.Last < min(from, to) || h.First > max(from, to) {
					continue
				}
				if complete || !h.Since.IsZero() && (want.Since.IsZero() || h.Since.Before(want.Since)) {
					want, complete = h, false
				}
			}
			if got, ok := s.stretch(Place{0, from}, Place{0, to}); got != want || ok != complete {
				t.Fatalf("from %d to %d: %+v, %t, want %+v, %t", from, to, got, ok, want, complete)
			}
		}
		noted := map[int64]bool{}
		for _, h := range s.result.Needed {
			if h.Asked || noted[h.First] {
				t.Errorf("%+v is named as needed, or twice", h)
			}
			noted[h.First] = true
		}
	})
}
