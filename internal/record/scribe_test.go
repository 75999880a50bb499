package record

import (
	"slices"
	"time"
)

var (
	noon     = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	testRoom = Context{Salt: Salt{1, 2, 3}, Key: KeyID{4, 5, 6}}
	whole    = View{}
)

// tester is what tests and random conversations have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// scribe writes the records of one author, one after the other.
type scribe struct {
	t        tester
	id       Identity
	nick     string
	ctx      Context
	number   uint32
	previous ShortHash
}

func newScribe(t tester, seed byte, nick string) *scribe {
	return &scribe{t: t, id: NewIdentity([KeySize]byte{seed}), nick: nick, ctx: testRoom}
}

func (s *scribe) key() PublicKey { return s.id.Public() }
func (s *scribe) tag() Tag       { return s.key().Tag() }

// write signs the next record.
func (s *scribe) write(body Body, seen ...Seen) Signed {
	s.t.Helper()
	s.number++
	r := Record{Number: s.number, Clock: noon.UnixMilli(), Previous: s.previous, Nick: s.nick, Body: body}
	if len(seen) > 0 {
		r.Seen = seen[0]
	}
	signed, err := Sign(s.id, s.ctx, r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.previous = signed.Hash.Short()
	return signed
}

// fork returns a scribe who goes on from the same state: a copied home.
func (s *scribe) fork() *scribe {
	twin := *s
	return &twin
}

// seen returns the receipt for a record.
func seen(r Signed) Seen { return Seen{r.Tag, r.Number, r.Hash.Short()} }

// cellsOf lays a record into entry and those that follow, perEntry cells each.
func cellsOf(t tester, r Signed, key KeyID, entry int64, perEntry int) []Cell {
	t.Helper()
	plain, err := r.Cells()
	if err != nil {
		t.Fatal(err)
	}
	cells := make([]Cell, len(plain))
	for i := range plain {
		cells[i] = Cell{Spot{Place{0, entry + int64(i/perEntry)}, i%perEntry + 1}, key, plain[i]}
	}
	return cells
}

// at lays records into one entry each, from the given one on.
func at(t tester, entry int64, records ...Signed) (cells []Cell) {
	t.Helper()
	for i, r := range records {
		cells = append(cells, cellsOf(t, r, testRoom.Key, entry+int64(i), 1<<20)...)
	}
	return cells
}

// listener reads a room and keeps what it learns.
type listener struct {
	t      tester
	known  *Memory
	reader *Reader
	now    time.Time
	view   View
}

func newListener(t tester) *listener {
	return &listener{t: t, known: NewMemory(), reader: NewReader(testRoom.Salt, PublicKey{}), now: noon, view: whole}
}

func (l *listener) read(cells []Cell) *Result {
	l.t.Helper()
	l.known.Keep(cells)
	result, err := l.reader.Read(l.known, cells, l.view, l.now)
	if err != nil {
		l.t.Fatal(err)
	}
	l.known.Apply(result.Change)
	return result
}

// readAll reads until nothing is left untried, every other time as another process.
func (l *listener) readAll(cells []Cell) {
	l.t.Helper()
	for calls := 1; l.read(cells).More; calls++ {
		if cells = nil; calls > 1000 {
			l.t.Fatal("it comes to no end")
		}
		if calls%2 == 0 {
			l.reader = newReader(PublicKey{})
		}
	}
}

// consistent checks that exactly those cells are kept of which the groups tell.
func (l *listener) consistent() { l.t.Helper(); consistent(l.t, l.known) }

func consistent(t tester, m *Memory) {
	t.Helper()
	for id, g := range m.groups {
		links := map[link]bool{}
		sum := link(0)
		for _, spot := range m.pending[id] {
			if l := linkTo(&m.cells[spot].plain); !links[l] {
				links[l] = true
				sum ^= l
			}
		}
		if len(links) != g.Cells || uint64(sum) != g.Sum || len(links) == 0 {
			t.Fatalf("group %+v has %d cells", g, len(links))
		}
	}
	if len(m.pending) != len(m.groups) {
		t.Fatalf("cells of %d groups are kept, of %d are told", len(m.pending), len(m.groups))
	}
	claims := map[PublicKey]int{}
	for _, about := range m.claims {
		for _, c := range about {
			claims[c.By]++
		}
	}
	for _, a := range m.all().Authors {
		if a.Claims != claims[a.Key] {
			t.Fatalf("%d claims counted, %d kept", a.Claims, claims[a.Key])
		}
	}
}

// pieces are all records that are held, with those of their cells that are among the given ones.
func pieces(known *Memory, cells []Cell) (all []Pieces) {
	at := map[Spot]Cell{}
	for _, c := range cells {
		at[c.Spot] = c
	}
	for _, h := range known.Records() {
		p := Pieces{Held: h}
		for _, spot := range h.Cells {
			if c, ok := at[spot]; ok {
				p.Opened = append(p.Opened, c)
			}
		}
		if len(p.Opened) > 0 {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b Pieces) int { return a.Compare(&b.Held) })
	return all
}

// texts returns what the findings say.
func texts(found []Finding) (all []string) {
	for i := range found {
		all = append(all, found[i].Text())
	}
	return all
}

// verifyRecord reads a record that was joined from cells with the given tag and number, and returns its hash. The error is
// [ErrWeakKey] or [ErrForged]. What is signed but breaks the form is no error: its body is [Unreadable], and its number counts. The
// body may share memory with data.
func verifyRecord(ctx Context, tag Tag, number uint32, data []byte) (Record, Hash, error) {
	e := newEnvelope(ctx, tag, number, len(data))
	e.covered = append(e.covered, data...)
	if err := e.seal(); err != nil {
		return Record{}, Hash{}, err
	}
	if !e.verify() {
		return Record{}, Hash{}, ErrForged
	}
	return e.open(), e.hash, nil
}

// nextSeen returns what the next record by own is to name: the highest record of each other author of whom something
// was verified since own last named them, those first whom own named longest ago or never. The first belongs into the
// record's Seen, the others suit a [Heartbeat]. Once the record is kept for sending, [Author.MarkNamed] notes it.
func nextSeen(own PublicKey, authors []Author) (seen []Seen) {
	for _, a := range ToName(authors, own, len(authors)) {
		seen = append(seen, Seen{a.Key.Tag(), a.Top, a.TopHash})
	}
	return seen
}
