package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// The numbers that the package documentation states.
func TestArithmetic(t *testing.T) {
	if SliceSize != 105 || MinSize != 144 || MaxSize != 4_194_327 || MaxSize < 4<<20 {
		t.Errorf("slice %d, smallest record %d, longest record %d", SliceSize, MinSize, MaxSize)
	}
	for size, want := range map[int]int{0: 1, 102: 1, 103: 2, 207: 2, 208: 3, 4 << 20: MaxParts, MaxSize: MaxParts} {
		if got := Parts(size); got != want {
			t.Errorf("Parts(%d) = %d, want %d", size, got, want)
		}
	}
	for _, c := range []struct{ cells, nick, want int }{{8, 3, 690}, {8, 0, 693}, {2, 3, 60}, {1, 0, -42}} {
		if got := Capacity(c.cells, c.nick); got != c.want {
			t.Errorf("Capacity(%d, %d) = %d, want %d", c.cells, c.nick, got, c.want)
		}
	}
}

func TestCut(t *testing.T) {
	tag := Tag{0xaa, 0xbb, 0xcc, 0xdd}
	for _, size := range []int{0, 1, 101, 102, 103, 206, 207, 208, 1000, 4 << 20, MaxSize} {
		record := make([]byte, size)
		for i := range record {
			record[i] = byte(i%255) + 1
		}
		cells, err := Cut(record, tag, 7)
		if err != nil || len(cells) != Parts(size) {
			t.Fatalf("Cut of %d bytes: %d cells, %v", size, len(cells), err)
		}
		g := newGroup(GroupID{Tag: tag, Number: 7, Parts: uint16(len(cells))})
		for i := range cells {
			h, err := parseCell(&cells[i])
			if err != nil || h.tag != tag || h.number != 7 || int(h.part) != i || int(h.parts) != len(cells) {
				t.Fatalf("cell %d of %d bytes: %+v, %v", i, size, h, err)
			}
			g.add(&Cell{Plain: cells[len(cells)-1-i]}) // from the end, which the links do not mind
		}
		start := g.starts[0]
		if !g.whole(start) {
			t.Fatalf("%d bytes: the chain ends with cell %d of %d", size, g.end(start).index()+1, len(cells))
		}
		joined, whole := join(nil, g.walk(start))
		if !whole || !bytes.Equal(joined, record) {
			t.Errorf("%d bytes do not come back: whole %t", size, whole)
		}
	}
	var tooLong *TooLongError
	if _, err := Cut(make([]byte, MaxSize+1), tag, 7); !errors.As(err, &tooLong) || tooLong.Size != MaxSize+1 {
		t.Errorf("one byte too long: %v", err)
	}
}

// A link leads to the next part, and to no other.
func TestLinksLeadToTheNextPart(t *testing.T) {
	cells, err := Cut(make([]byte, 250), Tag{1}, 7)
	if err != nil {
		t.Fatal(err)
	}
	cells[2][partAt+1] = 1 // a second part 1, which goes on somewhere
	cells[2][linkAt] = 1
	for i := 1; i >= 0; i-- {
		binary.BigEndian.PutUint64(cells[i][linkAt:], uint64(linkTo(&cells[i+1])))
	}
	g := newGroup(GroupID{Tag: Tag{1}, Number: 7, Parts: 3})
	for i := range cells {
		if _, err := parseCell(&cells[i]); err != nil {
			t.Fatalf("cell %d: %v", i, err)
		}
		g.add(&Cell{Plain: cells[i]})
	}
	if end := g.end(g.starts[0]).index(); end != 1 {
		t.Errorf("the chain has %d parts", end+1)
	}
}

func TestParseCellRefuses(t *testing.T) {
	good, err := Cut(make([]byte, 250), Tag{1}, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		part  int
		spoil func(c []byte)
		want  error
	}{
		{"as it is", 0, func([]byte) {}, nil},
		{"a text", 0, func(c []byte) { c[0] = 'a' }, ErrMalformedCell},
		{"version 0", 0, func(c []byte) { c[1] = 0 }, ErrNewer},
		{"version 2", 0, func(c []byte) { c[1] = 2 }, ErrNewer},
		{"a filler with content", 0, func(c []byte) { copy(c[numberAt:], make([]byte, 4)) }, ErrMalformedCell},
		{"no parts", 1, func(c []byte) { binary.BigEndian.PutUint16(c[partsAt:], 0) }, ErrMalformedCell},
		{"part behind the last", 1, func(c []byte) { c[partAt+1] = 3 }, ErrMalformedCell},
		{"too many parts", 1, func(c []byte) { binary.BigEndian.PutUint16(c[partsAt:], MaxParts+1) }, ErrMalformedCell},
		{"as many as can be", 1, func(c []byte) { binary.BigEndian.PutUint16(c[partsAt:], MaxParts) }, nil},
		{"a link in the last part", 2, func(c []byte) { c[linkAt] = 1 }, ErrMalformedCell},
		{"too short for its parts", 0, func(c []byte) { c[headerSize+2] = 207 }, ErrMalformedCell},
		{"just long enough for its parts", 0, func(c []byte) { c[headerSize+2] = 208 }, nil},
		{"too long for its parts", 0, func(c []byte) { c[headerSize+1] = 2 }, ErrMalformedCell},
	} {
		cell := good[c.part]
		c.spoil(cell[:])
		if _, err := parseCell(&cell); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	filler := Filler()
	if h, err := parseCell(&filler); err != nil || h.number != 0 {
		t.Errorf("a filler: %+v, %v", h, err)
	}
	if _, err := (&Cell{Plain: filler}).Group(); !errors.Is(err, ErrMalformedCell) {
		t.Errorf("a filler has a group: %v", err)
	}
	if !IsCell(filler[:]) || IsCell(filler[1:]) || IsCell(make([]byte, CellSize)) || IsCell(nil) {
		t.Error("IsCell errs")
	}
}

// Two cells with one link were one that was repeated: an insider, at 2^32 tries, has hidden one of two records of a number
// behind the other, and nobody was told.
func TestACollisionOfLinksIsToldOf(t *testing.T) {
	ana := newScribe(t, 1, "ana")
	cells := at(t, 1, ana.write(Text("hello")))
	l := newListener(t)
	l.read(cells[:1])
	other := cells[1]
	other.Plain[headerSize]++
	other.Entry++
	// As if the two had the same link, which nobody can wait for.
	for _, g := range l.reader.pool {
		g.parts[linkTo(&other.Plain)] = &part{plain: cells[1].Plain, spots: []Spot{cells[1].Spot}}
	}
	result := l.read([]Cell{other})
	if got := texts(result.Change.Told); result.Refused != 1 || result.Repeats != 0 || len(got) != 1 {
		t.Errorf("%d refused, %d repeats, told %q", result.Refused, result.Repeats, got)
	}
	if got := l.read(cells[1:]).Messages; len(got) != 1 {
		t.Errorf("%d messages, want the one whose cells came first", len(got))
	}
}
