package record

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
