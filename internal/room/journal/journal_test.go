package journal

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/room/memory"
	"github.com/fernpost/fernpost/internal/room/roomtest"
)

// killed is a store that ends with each transaction, and is filled again with the rows that were kept until then: every third
// time with a snapshot of them.
type killed struct {
	*Store
	t    testing.TB
	rows [][]byte
}

func (k *killed) Transact(work func() error) error {
	err := k.Store.Transact(func() error { return work() })
	k.die()
	return err
}

func (k *killed) Note(work func() error) error { return k.Transact(work) }

func (k *killed) Apply(c *kept.Change) error {
	err := k.Store.Apply(c)
	if !k.within {
		k.die()
	}
	return err
}

func (k *killed) die() {
	k.rows = append(k.rows, k.Take()...)
	if len(k.rows) == 3 {
		k.rows = [][]byte{k.Snapshot()}
	}
	filled, err := Fill(k.rows)
	if err != nil {
		k.t.Fatal(err)
	}
	k.Store = filled
}

func TestStore(t *testing.T) {
	roomtest.Run(t, func(testing.TB) room.Store { return New() })
}

func TestAStoreThatIsFilledAgainIsTheSame(t *testing.T) {
	roomtest.Run(t, func(t testing.TB) room.Store { return &killed{Store: New(), t: t} })
}

// A row of an older version lacks the fields that were added since, and one of a newer version has too many.
func TestRowsOfOtherVersions(t *testing.T) {
	type before struct{ Seq int64 }
	type now struct {
		Seq  int64
		Name string
	}
	old, later := before{7}, now{7, "x"}
	if got, err := decode[now](encode(0, &old)[1:]); err != nil || got != (now{Seq: 7}) {
		t.Errorf("of an older version: %+v, %v", got, err)
	}
	if _, err := decode[before](encode(0, &later)[1:]); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("of a newer version: %v", err)
	}
	if _, err := Fill([][]byte{{9}}); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a row of a kind that is not known: %v", err)
	}
}

// What is kept is written by the fields of its types, in their order: whoever moves or takes one out must not find the rows of
// yesterday unreadable. Of those here, fields may only be added, behind the others.
func TestFieldsOfRowsKeepTheirOrder(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var shapes []string
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		if of == cellType {
			of = pendingType
		}
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			walk(of.Elem())
		case reflect.Struct:
			if seen[of] || of == timeType {
				return
			}
			seen[of] = true
			var fields []string
			for f := range of.Fields() {
				if !f.IsExported() {
					t.Errorf("%s has the field %s, which cannot be kept", of, f.Name)
				}
				fields = append(fields, f.Name)
				walk(f.Type)
			}
			shapes = append(shapes, of.String()+" "+strings.Join(fields, " "))
		case reflect.Interface, reflect.Func, reflect.Chan:
			t.Errorf("%s cannot be kept", of)
		}
	}
	walk(reflect.TypeFor[kept.Change]())
	walk(reflect.TypeFor[memory.Rows]())
	slices.Sort(shapes)
	known, err := os.ReadFile("testdata/fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Split(strings.TrimSpace(string(known)), "\n")
	if len(before) != len(shapes) {
		t.Errorf("there are other types of rows now; they are:\n%s", strings.Join(shapes, "\n"))
	}
	for _, line := range before {
		if !slices.ContainsFunc(shapes, func(now string) bool { return strings.HasPrefix(now+" ", line+" ") }) {
			t.Errorf("these fields are not what they were: %s", line)
		}
	}
}

func FuzzFill(f *testing.F) {
	s := New()
	if err := s.Apply(&kept.Change{State: &kept.State{Clears: 3, Position: []byte("{}")}, Ranges: map[int][]kept.Range{2: {{}}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(s.Take()[0])
	f.Add(s.Snapshot())
	f.Add([]byte{1, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, row []byte) {
		s, err := Fill([][]byte{row})
		if err != nil {
			return
		}
		// Whatever was read is written in one way, and that is read again as the same.
		once := s.Snapshot()
		again, err := Fill([][]byte{once})
		if err != nil {
			t.Fatalf("a snapshot cannot be read: %v", err)
		}
		if twice := again.Snapshot(); !slices.Equal(once, twice) {
			t.Errorf("two snapshots of one store differ:\n%q\n%q", once, twice)
		}
	})
}
