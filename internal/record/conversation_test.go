package record

import (
	"maps"
	"math/bits"
	"slices"
	"sync"
	"time"

	"pgregory.net/rapid"
)

// Whole conversations, made at random: several authors with their devices and namesakes, honest delays, holes that
// fill, copies after lost replies, clears, restored backups, late joiners. How many is the flag -rapid.checks.

// world is a channel and those who use it.
type world struct {
	t     *rapid.T
	now   time.Time
	width int        // cells an entry
	feeds [][][]Cell // by clear, by entry − 1; places are relative to the first
	all   []utterance
	users []*user
	seeds byte
	// absent are the entries that cannot be read.
	absent map[int64]bool
}

// utterance is a record that was made, whether or not it was posted.
type utterance struct {
	Signed
	Record
	cells [][CellSize]byte
	// broken means that it names a previous record where there can be none, or none where there must be one.
	broken bool
}

// note remembers a record, once, and returns its cells.
func (w *world) note(signed Signed) [][CellSize]byte {
	e := newEnvelope(testRoom, signed.Tag, signed.Number, len(signed.Bytes))
	e.covered = append(e.covered, signed.Bytes...)
	if e.seal() != nil || !checked.check(e) {
		w.t.Fatal(ErrForged)
	}
	r := e.open()
	cells, err := signed.Cells()
	if err != nil {
		w.t.Fatal(err)
	}
	if !slices.ContainsFunc(w.all, func(u utterance) bool { return u.Hash == signed.Hash }) { // after a backup came back
		w.all = append(w.all, utterance{signed, r, cells, e.previous().IsZero() != (signed.Number == 1)})
	}
	return cells
}

// signatures remembers which signatures were checked and what came of it. Most of the time that random conversations
// take would go into checking the same ones for every reader.
type signatures struct {
	mu    sync.Mutex
	known map[checkedSignature]bool
}

// checkedSignature is all that the answer depends on.
type checkedSignature struct {
	author    PublicKey
	hash      Hash
	signature [SignatureSize]byte
}

var checked = signatures{known: map[checkedSignature]bool{}}

func (s *signatures) check(e *envelope) bool {
	key := checkedSignature{e.author, e.hash, [SignatureSize]byte(e.signature)}
	s.mu.Lock()
	defer s.mu.Unlock()
	genuine, ok := s.known[key]
	if !ok {
		if len(s.known) == 1<<16 {
			clear(s.known)
		}
		genuine = e.verify()
		s.known[key] = genuine
	}
	return genuine
}

// newReader returns a reader of the test room that remembers signatures.
func newReader(own PublicKey) *Reader {
	r := NewReader(testRoom.Salt, own)
	r.check = checked.check
	return r
}

// user is a member who writes and reads.
type user struct {
	*scribe
	w      *world
	outbox [][][CellSize]byte // entries that are not posted
	backup *user
	eyes
}

// askedLongEnough is after how long this client gives up an entry.
const askedLongEnough = 5 * time.Minute

// eyes are what a member has read.
type eyes struct {
	w      *world
	known  *Memory
	reader *Reader
	joined int // clears before
	first  int // the first row read is above it
	held   map[Place]bool
	asked  map[Place]time.Time
	told   []Finding
	back   []Finding
}

func (w *world) newEyes(own PublicKey, first int) eyes {
	return eyes{
		w: w, known: NewMemory(), reader: newReader(own), joined: len(w.feeds) - 1, first: first,
		held: map[Place]bool{}, asked: map[Place]time.Time{},
	}
}

func (w *world) newUser(nick string, first int) *user {
	w.seeds++
	u := &user{scribe: newScribe(w.t, w.seeds, nick), w: w}
	u.eyes = w.newEyes(u.key(), first)
	w.users = append(w.users, u)
	return u
}

func (w *world) feed() [][]Cell { return w.feeds[len(w.feeds)-1] }

// post stores an entry.
func (w *world) post(cells [][CellSize]byte) {
	generation := len(w.feeds) - 1
	var row []Cell
	for i, plain := range cells {
		row = append(row, Cell{Spot{Place{uint32(generation), int64(len(w.feed()) + 1)}, i + 1}, testRoom.Key, plain})
	}
	w.feeds[generation] = append(w.feeds[generation], row)
	w.now = w.now.Add(15 * time.Second)
}

// compose signs records and puts them into the outbox. An empty heartbeat is filled with what there is to name.
func (u *user) compose(bodies ...Body) {
	var cells [][CellSize]byte
	for _, body := range bodies {
		named := nextSeen(u.key(), u.known.all().Authors)
		if _, ok := body.(Heartbeat); ok && len(named) > 1 {
			body = Heartbeat(named[1:])
		} else {
			named = named[:min(1, len(named))]
		}
		r := u.write(body, named...)
		for _, a := range u.known.all().Authors {
			if slices.ContainsFunc(named, func(s Seen) bool { return s.Tag == a.Key.Tag() }) {
				a.MarkNamed(a.Top, r.Number)
				u.known.Apply(Change{Authors: []Author{a}})
			}
		}
		cells = append(cells, u.w.note(r)...)
	}
	u.outbox = append(u.outbox, slices.Collect(slices.Chunk(cells, u.w.width))...)
}

// read hands in the rows that are held, and fails on whatever is told and is not true.
func (e *eyes) read(rows ...Place) {
	slices.SortFunc(rows, Place.Compare)
	var cells []Cell
	for _, p := range rows {
		e.held[p] = true
		delete(e.asked, p)
		for _, c := range e.w.feeds[e.joined+int(p.Clear)][p.Entry-1] {
			c.Clear = p.Clear
			cells = append(cells, c)
		}
	}
	e.hand(cells)
}

// keep keeps what a reading has learnt.
func (e *eyes) keep(change Change) {
	e.known.Apply(change)
	e.told = append(e.told, change.Told...)
	e.back = append(e.back, change.TakenBack...)
}

func (e *eyes) hand(cells []Cell) {
	if roll(e.w.t, 10) == 0 {
		e.reader = newReader(e.reader.own)
	}
	for more := true; more; cells = nil {
		e.known.Keep(cells)
		result, err := e.reader.Read(e.known, cells, e.view(), e.w.now)
		if err != nil {
			e.w.t.Fatal(err)
		}
		e.keep(result.Change)
		more = result.More
	}
}

// clear is how many clears these eyes have seen.
func (e *eyes) clear() uint32 { return uint32(len(e.w.feeds) - 1 - e.joined) }

func (e *eyes) view() View {
	v := View{Clear: e.clear()}
	newest := int64(0)
	for p := range e.held {
		if p.Clear == e.clear() {
			newest = max(newest, p.Entry)
		}
	}
	first := int64(1)
	if e.clear() == 0 {
		first += int64(e.first)
	}
	for n := first; n < newest; n++ {
		if p := (Place{e.clear(), n}); !e.held[p] {
			v.Holes = append(v.Holes, Hole{First: n, Last: n, Asked: !e.asked[p].IsZero() && e.w.now.Sub(e.asked[p]) >= askedLongEnough})
		}
	}
	return v
}

// unread are the rows that can be read and were not.
func (e *eyes) unread() (rows []Place) {
	first := 0
	if e.clear() == 0 {
		first = e.first
	}
	for i := first; i < len(e.w.feed()); i++ {
		if p := (Place{e.clear(), int64(i + 1)}); !e.held[p] && !e.w.absent[p.Entry] {
			rows = append(rows, p)
		}
	}
	return rows
}

// look reads like an honest client at an honest relay: what is new, perhaps by a stale answer, perhaps with rows that
// it gets to see later only, perhaps the newest page first, and perhaps with rows from before it joined.
func (e *eyes) look() {
	if e.first > 0 && e.clear() == 0 && roll(e.w.t, 4) == 0 {
		e.first = roll(e.w.t, e.first)
	}
	rows := e.unread()
	if len(rows) == 0 {
		return
	}
	if roll(e.w.t, 2) == 0 {
		rows = rows[:1+roll(e.w.t, len(rows))]
	}
	switch roll(e.w.t, 4) {
	case 0:
		rows = slices.DeleteFunc(rows, func(Place) bool { return roll(e.w.t, 4) == 0 })
		e.read(rows...)
	case 1:
		cut := roll(e.w.t, len(rows)+1)
		e.read(rows[cut:]...)
		e.read(rows[:cut]...)
	case 2:
		for _, p := range rows {
			e.read(p)
		}
	default:
		e.read(rows...)
	}
}

// finish reads all that is left and lets so much time pass that nothing waits any more.
func (e *eyes) finish() {
	e.read(e.unread()...)
	for p := range e.held {
		for n := int64(1); n < p.Entry; n++ {
			if q := (Place{p.Clear, n}); !e.held[q] {
				e.asked[q] = e.w.now
			}
		}
	}
	now := e.w.now
	e.w.now = now.Add(askedLongEnough)
	e.read()
	e.w.now = now.Add(3 * time.Hour)
	e.read()
	e.w.now = now
}

// roll returns a number below n, each equally likely: rapid's own ranges prefer small ones, and conversations stay
// short.
func roll(t *rapid.T, n int) int {
	v := 0
	for range bits.Len(uint(n-1)) + 3 {
		v <<= 1
		if rapid.Bool().Draw(t, "") {
			v++
		}
	}
	return v % n
}

func pick[E any](t *rapid.T, from []E) E { return from[roll(t, len(from))] }

var nicknames = []string{"ana", "bo", "Ana", "carl", "ａｎａ", "zoë", ""}

// converse makes an honest conversation.
func converse(t *rapid.T, clears bool) *world {
	w := &world{
		t: t, now: noon, width: pick(t, []int{1, 2, 8}), feeds: make([][][]Cell, 1),
	}
	for range 2 + roll(t, 3) {
		w.newUser(pick(t, nicknames), 0)
	}
	for range 5 + roll(t, 36) {
		w.now = w.now.Add(time.Duration(1+roll(t, 200)) * time.Second)
		u := w.users[roll(t, len(w.users))]
		switch roll(t, 24) {
		case 0, 1, 2, 3:
			u.compose(Text("hello"))
		case 4:
			u.compose(Text(make([]byte, roll(t, 901))), Text("and"))
		case 5:
			u.compose(Heartbeat(nil))
		case 6:
			u.compose(File{"a", "b", make([]byte, 300)})
		case 7, 8, 9, 10, 11:
			if len(u.outbox) > 0 {
				w.post(u.outbox[0])
				if roll(t, 8) == 0 {
					w.post(u.outbox[0])
				}
				u.outbox = u.outbox[1:]
			}
		case 12, 13, 14:
			u.look()
		case 15:
			if len(w.users) < 7 {
				u = w.newUser(pick(t, nicknames), roll(t, len(w.feed())+1))
			}
			u.look()
		case 16:
			copied := *u.scribe
			u.backup = &user{
				scribe: &copied, outbox: slices.Clone(u.outbox),
				eyes: eyes{known: u.known.Clone(), held: maps.Clone(u.held), first: u.first},
			}
			u.backup.joined = len(w.feeds)
		case 17:
			u.restore()
		case 18:
			if clears && roll(t, 4) == 0 {
				w.feeds = append(w.feeds, nil)
			}
		case 19:
			if len(w.users) < 7 && u.nick != "" && u.number > 0 {
				phone := w.newUser(u.nick, 0)
				u.compose(Device{phone.key(), phone.id.ProveDevice(testRoom.Salt, u.key())})
			}
		case 20, 21, 22, 23:
			if authors := u.known.all().Authors; len(authors) > 0 {
				u.keep(compared(t, u.known, pick(t, authors).Key))
			}
		}
	}
	for _, u := range w.users {
		for _, row := range u.outbox {
			w.post(row)
		}
		u.outbox = nil
	}
	for _, u := range w.users {
		u.finish()
	}
	return w
}

// restore goes back to a backup. It signs on after the highest number of its own that it reads in the feed; what was in
// the outbox is lost. Where a clear has hidden what was written before the backup, it goes on from the number and the
// outbox in the backup, as a room does, but for what was posted since. After a clear that came later it could not know
// what it has posted: it would write numbers twice, and that is told.
func (u *user) restore() {
	if u.backup == nil || u.backup.joined != len(u.w.feeds) {
		return
	}
	b := u.backup
	u.outbox, u.known, u.held, u.first = nil, b.known.Clone(), maps.Clone(b.held), b.first
	u.reader = newReader(u.key())
	u.asked, u.told, u.back = map[Place]time.Time{}, nil, nil
	u.read(u.unread()...)
	a, _, _ := u.known.Author(u.key())
	switch {
	case a.Top < b.number:
		u.number, u.previous = b.number, b.previous
		for _, row := range b.outbox {
			if !u.w.isPosted(row) {
				u.outbox = append(u.outbox, row)
			}
		}
	case a.Top > 0:
		u.number, u.previous = a.Top, a.TopHash
	default:
		u.number, u.previous = 0, ShortHash{}
	}
	u.compose(Text("again")) // under the number of what may have been posted in part
}

// isPosted reports whether an entry is in the feed.
func (w *world) isPosted(cells [][CellSize]byte) bool {
	return slices.ContainsFunc(w.feed(), func(row []Cell) bool {
		return slices.EqualFunc(row, cells, func(c Cell, plain [CellSize]byte) bool { return c.Plain == plain })
	})
}
