package record

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/testenv"
)

// Every fault is reported by its name, and nothing else is: an honest conversation is spoilt in one way and read by
// somebody who comes later.

// spoilt is the feed that this reader gets.
type spoilt struct {
	*world
	rows [][]Cell
	// optional are forgeries that need not be told, because the parts that they borrow are used up.
	optional map[string]bool
	forged   []string
	junk     []GroupID
	newer    []string
}

// add appends an entry with these cells.
func (s *spoilt) add(key KeyID, cells ...[CellSize]byte) {
	var row []Cell
	for i, plain := range cells {
		row = append(row, Cell{Spot{Place{0, int64(len(s.rows) + 1)}, i + 1}, key, plain})
	}
	s.rows = append(s.rows, row)
}

func (s *spoilt) addRecord(r Signed) {
	s.add(testRoom.Key, s.note(r)...)
}

func (s *spoilt) cut(record []byte, tag Tag, number uint32) [][CellSize]byte {
	cells, err := Cut(record, tag, number)
	if err != nil {
		s.t.Fatal(err)
	}
	return cells
}

// writer returns one who has written, and record one that was posted.
func (s *spoilt) writer() *scribe {
	i := slices.IndexFunc(s.users, func(u *user) bool { return u.number > 0 })
	return s.users[i].fork()
}

func (s *spoilt) record() Signed {
	posted := map[[CellSize]byte]bool{}
	for _, row := range s.rows {
		for _, c := range row {
			posted[c.Plain] = true
		}
	}
	whole := slices.DeleteFunc(slices.Clone(s.all), func(u utterance) bool {
		return slices.ContainsFunc(u.cells, func(c [CellSize]byte) bool { return !posted[c] })
	})
	if len(whole) == 0 {
		whole = s.all
	}
	return whole[roll(s.t, len(whole))].Signed
}

// insider is a new member with a key of their own.
func (s *spoilt) insider(nick string) *scribe {
	s.seeds++
	return newScribe(s.t, s.seeds, nick)
}

func (s *spoilt) forge(tag Tag, number uint32) {
	if id := fmt.Sprint(tag, number); !slices.Contains(s.forged, id) {
		s.forged = append(s.forged, id)
	}
}

var faults = []struct {
	name    string
	spoil   func(s *spoilt)
	allowed []FindingKind
}{
	{"drop entries", func(s *spoilt) {
		for range 1 + roll(s.t, 3) {
			s.absent[int64(roll(s.t, len(s.rows))+1)] = true
		}
	}, []FindingKind{Missing, Incomplete}},

	{"alter a token", func(s *spoilt) {
		row := roll(s.t, len(s.rows))
		if len(s.rows[row]) == 0 {
			return // all of its tokens are altered already
		}
		field := roll(s.t, len(s.rows[row]))
		s.rows[row] = slices.Delete(slices.Clone(s.rows[row]), field, field+1)
	}, []FindingKind{Missing, Incomplete, Reordered}}, // the copy after a lost reply may stand behind the next record

	{"repeat entries", func(s *spoilt) {
		for range 1 + roll(s.t, 3) {
			row := s.rows[roll(s.t, len(s.rows))]
			s.add(testRoom.Key, plaintexts(row)...)
		}
	}, nil},

	{"repeat an entry early", func(s *spoilt) {
		from := roll(s.t, len(s.rows))
		s.rows = slices.Insert(s.rows, roll(s.t, len(s.rows)), s.rows[from])
	}, []FindingKind{Reordered}},

	{"reorder entries", func(s *spoilt) {
		i, j := roll(s.t, len(s.rows)), roll(s.t, len(s.rows))
		s.rows[i], s.rows[j] = s.rows[j], s.rows[i]
	}, []FindingKind{Reordered}},

	{"a copied home", func(s *spoilt) {
		u := s.writer()
		twin := u.fork()
		for i := range 1 + roll(s.t, 3) {
			s.addRecord(u.write(Text(fmt.Sprint("here ", i))))
			s.addRecord(twin.write(Text(fmt.Sprint("there ", i))))
		}
	}, []FindingKind{Fork}},

	{"a version that is not shown, named by its successor", func(s *spoilt) {
		u := s.writer()
		twin := u.fork()
		s.addRecord(u.write(Text("here")))
		twin.write(Text("there"))
		s.addRecord(twin.write(Text("and on")))
	}, []FindingKind{Fork}},

	{"a version that is not shown, named by a reader", func(s *spoilt) {
		u, bo := s.writer(), s.insider("")
		twin := u.fork()
		s.addRecord(u.write(Text("here")))
		s.addRecord(bo.write(Text("yes"), seen(twin.write(Text("there")))))
	}, []FindingKind{Fork}},

	{"withheld, and named by a reader", func(s *spoilt) {
		u, bo := s.writer(), s.insider("")
		u.write(Text("withheld"))
		s.addRecord(bo.write(Text("yes"), seen(u.write(Text("withheld too")))))
	}, []FindingKind{Missing}},

	{"a heartbeat that lies", func(s *spoilt) {
		r, mallory := s.record(), s.insider("")
		s.addRecord(mallory.write(Heartbeat{{r.Tag, r.Number, ShortHash{1}}, {r.Tag, r.Number + 3, ShortHash{2}}}))
	}, []FindingKind{Fork, Missing}},

	{"another's tag and number", func(s *spoilt) {
		r, mallory := s.record(), s.insider("")
		mallory.number = r.Number - 1
		if mallory.number > 0 {
			mallory.previous = ShortHash{1}
		}
		s.add(testRoom.Key, s.cut(mallory.write(Text("I am ana")).Bytes, r.Tag, r.Number)...)
		s.forge(r.Tag, r.Number)
	}, []FindingKind{Forged}},

	{"another's key", func(s *spoilt) {
		r := s.record()
		wrong := slices.Clone(r.Bytes)
		wrong[pick(s.t, []int{0, 3, 70, len(wrong) - SignatureSize - 1})] ^= 1
		number := r.Number + uint32(roll(s.t, 3))
		s.add(testRoom.Key, s.cut(wrong, r.Tag, number)...)
		s.forge(r.Tag, number)
	}, []FindingKind{Forged}},

	{"a record under another key", func(s *spoilt) {
		r := s.record()
		s.add(KeyID{9}, s.cut(r.Bytes, r.Tag, r.Number)...)
		s.forge(r.Tag, r.Number)
	}, []FindingKind{Forged}},

	{"a record under another number", func(s *spoilt) {
		r := s.record()
		number := r.Number + 1 + uint32(roll(s.t, 3))
		s.add(testRoom.Key, s.cut(r.Bytes, r.Tag, number)...)
		s.forge(r.Tag, number)
	}, []FindingKind{Forged}},

	{"another beginning of another's message", func(s *spoilt) {
		r := s.record()
		first := s.cut(r.Bytes, r.Tag, r.Number)[0]
		first[headerSize+lengthSize] ^= 1
		s.add(testRoom.Key, first)
		s.optional[fmt.Sprint(r.Tag, r.Number)] = true
	}, []FindingKind{Forged}},

	{"other parts of another's message", func(s *spoilt) {
		r := s.record()
		cells := s.cut(r.Bytes, r.Tag, r.Number)
		for _, c := range cells[1:] {
			c[CellSize-1] ^= 1
			s.add(testRoom.Key, c)
		}
		s.junk = append(s.junk, GroupID{testRoom.Key, r.Tag, r.Number, uint16(len(cells))})
	}, nil},

	{"many beginnings", func(s *spoilt) {
		r := s.record()
		for i := range 3 * maxChains {
			c := s.cut(r.Bytes, r.Tag, r.Number)[0]
			binary.BigEndian.PutUint16(c[headerSize+lengthSize+2:], uint16(i+1))
			s.add(testRoom.Key, c)
		}
		s.optional[fmt.Sprint(r.Tag, r.Number)] = true
	}, []FindingKind{Forged}},

	{"huge part counts", func(s *spoilt) {
		r := s.record()
		for range 1 + roll(s.t, 3) {
			c := s.cut(make([]byte, 300), r.Tag, r.Number+uint32(roll(s.t, 4)))[1]
			binary.BigEndian.PutUint16(c[partsAt:], uint16(MaxParts-roll(s.t, 2)))
			binary.BigEndian.PutUint16(c[partAt:], uint16(1+roll(s.t, 30_000)))
			s.junk = append(s.junk, GroupID{Tag: r.Tag, Number: binary.BigEndian.Uint32(c[numberAt:])})
			s.add(testRoom.Key, c)
		}
	}, []FindingKind{Incomplete}},

	{"cells of nobody", func(s *spoilt) {
		c := s.cut(make([]byte, 300), Tag{1, 2, 3, 4}, 5)[1]
		s.junk = append(s.junk, GroupID{Tag: Tag{1, 2, 3, 4}, Number: 5})
		s.add(testRoom.Key, c)
	}, nil}, // there is but a count

	{"a name that is taken", func(s *spoilt) {
		nick := pick(s.t, []string{"ANA", "ａｎａ", "аna", "Bo", "zoe", "ZOË"})
		s.addRecord(s.insider(nick).write(Text("it is me")))
	}, []FindingKind{Namesake}},

	{"an impossible name", func(s *spoilt) {
		nick := pick(s.t, []string{"ana\x1b[2J", "\u202eana", "a\u200bna", "ana ", strings25()})
		s.addRecord(signRaw(s.insider("").id, 1, ShortHash{}, nick, 1, []byte("hello")))
	}, nil},

	{"a kind of the future", func(s *spoilt) {
		s.addRecord(signRaw(s.insider("").id, 1, ShortHash{}, "", 200, []byte("hello")))
	}, nil},

	{"a body that breaks its form", func(s *spoilt) {
		kind := Kind(1 + roll(s.t, 5))
		s.addRecord(signRaw(s.insider("").id, 1, ShortHash{}, "", kind, []byte{0xff, 0xfe}))
	}, nil},

	{"a first record that names one before it", func(s *spoilt) {
		s.addRecord(signRaw(s.insider("").id, 1, ShortHash{1}, "", 1, nil))
	}, []FindingKind{Malformed}},

	{"a cell of another version", func(s *spoilt) {
		c := Filler()
		c[1] = 2
		s.add(testRoom.Key, c)
		s.newer = append(s.newer, fmt.Sprint(len(s.rows)))
	}, []FindingKind{Newer}},

	{"cells that contradict themselves", func(s *spoilt) {
		r := s.record()
		cells := s.cut(r.Bytes, r.Tag, r.Number)
		binary.BigEndian.PutUint16(cells[0][partAt:], 0xffff)
		cells[1][partsAt] ^= 0xff
		s.add(testRoom.Key, cells[0], [CellSize]byte{Mark, Version, 0, 0, 0, 1})
	}, nil},

	{"padding that is not empty", func(s *spoilt) {
		mallory := s.insider("")
		cells := s.cut(mallory.write(Text("hello")).Bytes, mallory.tag(), 1)
		last := &cells[len(cells)-1]
		last[CellSize-1] = 1
		binary.BigEndian.PutUint64(cells[len(cells)-2][linkAt:], uint64(linkTo(last)))
		for i := len(cells) - 2; i > 0; i-- {
			binary.BigEndian.PutUint64(cells[i-1][linkAt:], uint64(linkTo(&cells[i])))
		}
		s.add(testRoom.Key, cells...)
	}, nil},
}

func strings25() string { return "aaaaabbbbbcccccdddddeeeee" }

func plaintexts(row []Cell) (cells [][CellSize]byte) {
	for _, c := range row {
		cells = append(cells, c.Plain)
	}
	return cells
}

// signRaw signs what Sign refuses.
func signRaw(id Identity, number uint32, previous ShortHash, nick string, kind Kind, body []byte) Signed {
	return signRawIn(testRoom, id, number, previous, nick, kind, body)
}

func signRawIn(
	ctx Context, id Identity, number uint32, previous ShortHash, nick string, kind Kind, body []byte,
) Signed {
	key := id.Public()
	e := newEnvelope(ctx, key.Tag(), number, 0)
	e.covered = append(e.covered, byte(kind), 0, 0, 0, 0, 0, 0)
	e.covered = append(e.covered, key[:]...)
	e.covered = append(e.covered, previous[:]...)
	e.covered = append(e.covered, make([]byte, seenSize)...)
	e.covered = append(append(e.covered, byte(len(nick))), nick...)
	e.covered = append(append(e.covered, body...), make([]byte, SignatureSize)...)
	_ = e.seal()
	signature := id.sign(e.covered)
	return Signed{key.Tag(), number, e.hash, append(slices.Clone(e.covered[prefixSize:]), signature[:]...)}
}

func TestFaultsAreNamed(t *testing.T) {
	tried, noticed := make([]int, len(faults)), make([]int, len(faults))
	testenv.Check(t, func(t *rapid.T) {
		w := converse(t, false)
		if len(w.feed()) == 0 {
			t.Skip("nothing was said")
		}
		for range 4 {
			i := roll(t, len(faults))
			t.Logf("fault: %s", faults[i].name)
			tried[i]++
			if w.spoil(faults[i].spoil, faults[i].allowed) {
				noticed[i]++
			}
		}
	})
	for i, f := range faults {
		if tried[i] >= 100 && noticed[i] == 0 && len(f.allowed) > 0 {
			t.Errorf("%s: nothing was told in %d conversations", f.name, tried[i])
		}
	}
}

// spoil makes a copy of the conversation, with a fault, and has it read. It reports whether anything was told.
func (w *world) spoil(spoil func(*spoilt), allowed []FindingKind) (noticed bool) {
	s := w.copied()
	spoil(s)
	s.settle()
	e := s.newEyes(PublicKey{}, 0)
	for range roll(s.t, 4) {
		e.look()
	}
	e.finish()
	want := s.truthOf(&e)
	e.check(want)

	innocent := e.namesakes(e.holdings(w.all, s.row))
	told := map[FindingKind]bool{
		Missing: len(want.missing) > 0, Incomplete: len(want.incomplete) > 0, Fork: len(want.fork) > 0,
		Forged: len(want.forged) > 0, Reordered: len(want.late)+len(want.below) > 0, Newer: len(want.newer) > 0,
		Malformed: len(want.malformed) > 0, Namesake: want.namesakes > innocent,
	}
	for _, id := range want.accused {
		for _, kind := range []FindingKind{Missing, Fork, Refuted} {
			told[kind] = told[kind] || strings.HasPrefix(id, kind.String())
		}
	}
	for kind, told := range told {
		if told && !slices.Contains(allowed, kind) {
			s.t.Fatalf("%s was told: %q", kind, texts(e.told))
		}
		noticed = noticed || told
	}
	return noticed
}

// copied returns the conversation as it is, to be spoilt.
func (w *world) copied() *spoilt {
	copied := *w
	copied.all, copied.absent = slices.Clone(w.all), map[int64]bool{}
	return &spoilt{world: &copied, rows: slices.Clone(w.feed()), optional: map[string]bool{}}
}

// settle makes a feed of the rows: where entries were moved, their cells say where they stand now.
func (s *spoilt) settle() {
	for i := range s.rows {
		s.rows[i] = slices.Clone(s.rows[i])
		for j := range s.rows[i] {
			s.rows[i][j].Place = Place{0, int64(i + 1)}
		}
	}
	s.feeds = [][][]Cell{s.rows}
}

func (s *spoilt) row(p Place) []Cell { return s.rows[p.Entry-1] }

// truthOf is what was to be told to somebody who has read all of it.
func (s *spoilt) truthOf(e *eyes) truth {
	want := e.judge(e.holdings(s.all, s.row), s.junk)
	want.forged, want.newer = slices.Clone(s.forged), s.newer
	for _, f := range e.found().forged {
		if s.optional[f] && !slices.Contains(want.forged, f) {
			want.forged = append(want.forged, f)
		}
	}
	slices.Sort(want.forged)
	return want
}

// Liars and insiders at once, in any number and order: what is proven is told, who accuses is named, nothing else is, and
// whoever reads step by step holds in the end the same lines in the same order as whoever reads all at once.
func TestFaultsTogether(t *testing.T) {
	testenv.Check(t, func(t *rapid.T) {
		w := converse(t, false)
		if len(w.feed()) == 0 {
			t.Skip("nothing was said")
		}
		s := w.copied()
		for range 1 + roll(t, 6) {
			fault := faults[roll(t, len(faults))]
			t.Logf("fault: %s", fault.name)
			fault.spoil(s)
			s.settle()
		}
		// What was forged, or broken, may be dropped, altered or moved by what came after it.
		for _, id := range s.forged {
			s.optional[id] = true
		}
		s.forged = nil

		steps := s.newEyes(PublicKey{}, 0)
		for range roll(t, 6) {
			steps.look()
		}
		steps.finish()
		once := s.newEyes(PublicKey{}, 0)
		once.read(once.unread()...)
		once.finish()
		for _, e := range []*eyes{&steps, &once} {
			want := s.truthOf(e)
			for id := range s.optional {
				want.begun[id] = true
			}
			got := e.found() // where parts of forgeries are left, they count as begun, too
			want.newer, want.incomplete = got.newer, got.incomplete
			e.check(want)
		}
		if a, b := digestOf(steps.known), digestOf(once.known); a != b {
			t.Fatalf("step by step %x, at once %x", a, b)
		}
	})
}

// digestOf returns the digest of the records that are held.
func digestOf(known *Memory) [32]byte {
	lines := known.Records()
	slices.SortFunc(lines, func(a, b Held) int { return a.Compare(&b) })
	d := NewDigest(testRoom.Salt)
	for i := range lines {
		d.Add(&lines[i])
	}
	return d.Sum()
}
