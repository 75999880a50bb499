package record

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Message is a record that was read and verified.
type Message struct {
	Record
	Hash Hash
	// Key is the id of the key that its cells were sealed with.
	Key KeyID
	// At is where it stands: where its last cell does. Between authors that order proves nothing.
	At Spot
	// Cells are where its cells stand, see [Held].
	Cells []Spot
	// Name is how its author is called, by the nickname in this record: "ana"; "ana (~3f9a12cd)" if that looks like a name
	// pinned to somebody else; "~3f9a12cd" without one; and "py's phone" or "py's device (~3f9a12cd)" for a device of py's.
	// It is a peer's word: clean it before it is shown.
	Name string
	// Own means that our own identity wrote it.
	Own bool
	// Behind is the next number of its author that is held, if it stands behind that; 0 if it does not. Refers is the
	// record that it names, where that is not the newest line of its author above: only [Recall] tells that.
	Behind uint32
	Refers *NamedRecord
	// Forked means that the author's key wrote another record with this number.
	Forked bool
}

// Result is what a call of [Reader.Read] yields.
type Result struct {
	// Messages are the records that were verified and not held before, in the order of their places and numbers.
	Messages []Message
	// Waiting are the numbers that are [Missing] and the records that are [Incomplete] so far, without accusing anyone.
	Waiting []Finding
	// Needed are the holes of the view, at most 64, that must be asked for before some of that can be judged.
	Needed []Hole
	// SeenBy are the new receipts for our own records.
	SeenBy []Receipt
	// Change is to be kept before anything is shown. The new findings are in it.
	Change Change
	// Repeats counts cells and records that came before; LeftOver counts new cells of a number that is verified; Refused
	// counts cells and records that contradict themselves, and Newer cells of another version. These two are told of once,
	// with the count of the call that tells it.
	Repeats, LeftOver, Refused, Newer int
	// More means that chains were left untried: the next call goes on with them, whoever makes it and with whatever cells.
	// Records above them with a nickname that is not their author's yet wait as long, so that names go by places.
	More bool
}

// Reader reads the records of one room. What it knows is in [Known]; by itself it only remembers pending cells, at most
// 131,072 between two calls, which saves opening them again. It may be dropped, and made anew, at any time. It is not
// safe for concurrent use.
type Reader struct {
	salt Salt
	own  PublicKey
	pool pool
	// check checks a signature. Tests that read the same records again and again remember the answers.
	check func(*envelope) bool
}

// NewReader returns a reader of the room with this salt. own is the public half of our own identity, zero if there is
// none.
func NewReader(salt Salt, own PublicKey) *Reader {
	return &Reader{salt: salt, own: own, pool: pool{}, check: (*envelope).verify}
}

// Read joins, verifies and judges what new cells bring. Cells may come in any order and any number at a time, though a
// call takes memory for all of its cells; those that were handed in before do no harm. A repeated cell is worth handing
// in where it stands lower than the first copy: a record stands where the lowest copies do. view tells what was read of
// the feed including these cells, and now is the time by the reader's own clock.
//
// The result depends on nothing else than the arguments, and on what was handed in before. The error is one of known's,
// and then nothing was learnt.
func (r *Reader) Read(known Known, cells []Cell, view View, now time.Time) (*Result, error) {
	return r.begin(known, view, now).read(cells)
}

func (r *Reader) begin(known Known, view View, now time.Time) *session {
	return &session{
		ledger: newLedger(known), reader: r, view: view, now: now, touched: map[GroupID]*touch{}, accused: map[Tag]uint32{},
		malformed: Finding{Kind: Malformed}, newer: Finding{Kind: Newer},
		moreForged: Finding{Kind: Forged}, forged: map[Tag]int{},
	}
}

// read is [Reader.Read].
func (s *session) read(cells []Cell) (*Result, error) {
	for i := range cells {
		s.take(&cells[i])
	}
	s.resume()
	s.settleAll(s.candidates())
	s.keepGroups()
	s.judge()
	s.result.Change = s.changes()
	if s.err != nil {
		return nil, fmt.Errorf("reading records: %w", s.err)
	}
	s.reader.pool.trim()
	return &s.result, nil
}

// session is one call of Read.
type session struct {
	*ledger
	reader  *Reader
	view    View
	holes   *openHoles // of the view, once one is asked for
	now     time.Time
	touched map[GroupID]*touch
	order   []*touch // the same, in the order in which they were touched
	left    []*touch // those of them with chains that this call leaves
	// lowest is where the lowest chain that is left untried can end; the zero Spot, if none is left.
	lowest Spot
	result Result
	// accused is the highest number of a tag that somebody names and nobody holds.
	accused map[Tag]uint32
	// malformed and newer count cells, moreForged what is forged and has no line, and tell where the first of them stand.
	malformed, newer, moreForged Finding
	// forged counts the lines about what is forged, by tag, and incompletes those about what is incomplete.
	forged      map[Tag]int
	incompletes int
}

// refuse counts what contradicts itself.
func (s *session) refuse(at Place) {
	s.result.Refused++
	s.malformed.count(at)
}

// count counts one more, at some place.
func (f *Finding) count(at Place) {
	if f.Count == 0 || at.Compare(f.At) < 0 {
		f.At = at
	}
	f.Count++
}

// touch is a group to which cells came.
type touch struct {
	*group
	row   *groupRow
	fresh int     // how many cells are new
	grown []*part // the cells that are new or of which a copy is
	next  int     // which of the starts is to be tried next
	// rejected means that a chain of it is no record: what is left of that will never be one.
	rejected bool
}

// grow notes that a cell came, or a copy that stands lower.
func (t *touch) grow(p *part) {
	p.fresh = true
	t.grown = append(t.grown, p)
}

// take puts a cell where it belongs.
func (s *session) take(c *Cell) {
	h, err := parseCell(&c.Plain)
	switch {
	case err == ErrNewer:
		s.result.Newer++
		s.newer.count(c.Place)
	case err != nil:
		s.refuse(c.Place)
	case h.number != 0: // not a filler
		t := s.touch(GroupID{c.Key, h.tag, h.number, h.parts})
		p, is := t.add(c)
		switch {
		case is == newCell:
			t.grow(p)
			t.fresh++
			return
		case is == collision: // whoever made both hides one of two records of a number behind the other
			s.refuse(c.Place)
			return
		case is == lowerCopy && p.used:
			s.lower(t.id, p)
		case is == lowerCopy:
			t.grow(p)
		}
		s.result.Repeats++
	}
}

// touch returns a group with all the cells of it that are known. Another process may have read on in the meantime, or
// the pool may have forgotten it: the rows tell.
func (s *session) touch(id GroupID) *touch {
	if t, ok := s.touched[id]; ok {
		return t
	}
	row, exists := s.group(id)
	g := s.reader.pool[id]
	if g == nil || uint64(g.sum) != row.Sum {
		g = newGroup(id)
		s.reader.pool[id] = g
	}
	s.includeHeld(g)
	if exists && g.waiting == 0 {
		spots, err := s.known.Pending(id)
		if err != nil {
			s.fail(err)
		}
		g.restore(s.cells(spots))
	}
	t := &touch{group: g, row: row}
	s.touched[id] = t
	s.order = append(s.order, t)
	return t
}

// includeHeld puts the cells of the records that are held with the number of a group into it. Without them a copy of
// one of their cells would wait for ever, and a second record that ends in the same cell would never be whole.
func (s *session) includeHeld(g *group) {
	for _, a := range s.signers(g.id.Tag) {
		for _, h := range s.records(a, g.id.Number).rows {
			if h.isOf(g.id) && !g.held[h.Hash] {
				s.change.PendingGone = append(s.change.PendingGone, g.hold(h.Hash, s.cells(h.Cells))...)
			}
		}
	}
}

// lower notes that a copy of a cell stands lower than those before it, and with it, perhaps, the records that have it.
func (s *session) lower(id GroupID, p *part) {
	before, i := p.spots[len(p.spots)-2], p.index()
	for _, a := range s.signers(id.Tag) {
		rows := s.records(a, id.Number)
		for j := range rows.rows {
			if h := &rows.rows[j]; h.isOf(id) && h.Cells[i] == before {
				cells := slices.Clone(h.Cells)
				cells[i] = p.at()
				s.move(a, rows, j, cells)
			}
		}
	}
}

// resume touches the groups of which an earlier call, perhaps of another process, has left chains untried.
func (s *session) resume() {
	untried, err := s.known.Groups(GroupQuery{Only: WithUntried})
	if err != nil {
		s.fail(err)
	}
	slices.SortFunc(untried, func(a, b Group) int { return compareGroups(a.ID, b.ID) })
	for _, g := range untried {
		s.touch(g.ID)
	}
}

// candidate is a chain that is whole.
type candidate struct {
	*envelope
	touch *touch
	start *part
	parts []*part
	at    Spot
	// whole means that the cells hold a record of some author and zeros after it; genuine that it is signed by an author
	// with the cells' tag.
	whole, genuine bool
}

// candidates returns the chains that are whole of the groups that were touched, verified, in the order of their places.
func (s *session) candidates() []*candidate {
	var all, joined []*candidate
	size, total := 0, 0
	tried := map[numberKey]int{}
	// One chain of each group in turn: those with many do not keep the others from being tried.
	for open := slices.Clone(s.order); len(open) > 0; {
		open = slices.DeleteFunc(open, func(t *touch) bool {
			k := s.nextChain(t)
			key := t.id.claimed()
			if t.row.Untried = k != nil && (tried[key] == maxChains || total > maxTried); t.row.Untried {
				s.result.More = true
				s.leave(t, k)
			}
			if k == nil || t.row.Untried {
				return true
			}
			joined = append(joined, k)
			tried[key]++
			total += len(k.covered)
			if size += len(k.covered); size > maxJoined {
				s.reader.verify(joined)
				all, joined, size = append(all, joined...), nil, 0
			}
			return false
		})
	}
	s.reader.verify(joined)
	all = append(all, joined...)
	slices.SortFunc(all, func(a, b *candidate) int { return a.compare(b) })
	return all
}

// leave notes that chains are left untried of a group, and where they can end: k, and those from the later starts.
func (s *session) leave(t *touch, k *candidate) {
	note := func(at Spot) {
		if s.lowest == (Spot{}) || at.Compare(s.lowest) < 0 {
			s.lowest = at
		}
	}
	s.left = append(s.left, t)
	note(k.at)
	for _, start := range t.starts[t.next:] {
		if t.whole(start) { // between its ends may stand one that is higher: looking at all parts of all chains takes long
			note(highest([]Spot{start.at(), t.end(start).at()}))
		}
	}
}

// nextChain returns the next chain to be tried, nil if there is none.
func (s *session) nextChain(t *touch) *candidate {
	for t.next < len(t.starts) {
		start := t.starts[t.next]
		if t.next++; !t.whole(start) {
			continue
		}
		if k := newCandidate(s.reader.salt, t, start); !s.waitsBehind(k) {
			return k
		}
	}
	return nil
}

// waitsBehind reports whether a chain has the hash of a record that is held and does not stand below it, and nothing of
// it has come now: it was tried when that came. So whoever signs a record again and again keeps nothing else from being
// tried.
func (s *session) waitsBehind(k *candidate) bool {
	if k.signature == nil || slices.ContainsFunc(k.parts, func(p *part) bool { return p.fresh }) {
		return false
	}
	rows := s.records(s.author(k.author), k.number)
	i := rows.find(k.hash)
	return i >= 0 && k.at.Compare(rows.rows[i].At) >= 0
}

// newCandidate joins a chain. It has no signature if it cannot be genuine.
func newCandidate(salt Salt, t *touch, start *part) *candidate {
	parts := t.walk(start)
	e := newEnvelope(Context{salt, t.id.Key}, t.id.Tag, t.id.Number, len(parts)*SliceSize)
	k := &candidate{envelope: e, touch: t, start: start, parts: parts, at: highest(spotsOf(parts))}
	if e.covered, k.whole = join(e.covered, parts); k.whole {
		if err := e.seal(); err != nil {
			e.signature = nil
			k.whole = err != ErrWeakKey // of a key that is nobody's there is nobody to be told
		}
	}
	return k
}

// held returns what is kept of a candidate that is genuine, but for what it names.
func (k *candidate) held() Held {
	return Held{Author: k.author, Number: k.number, Hash: k.hash, Key: k.ctx.Key, At: k.at, Cells: spotsOf(k.parts)}
}

// compare orders candidates as their lines would stand, whether or not they are genuine.
func (k *candidate) compare(o *candidate) int {
	return (&Held{Author: k.author, Number: k.number, Hash: k.hash, At: k.at}).Compare(
		&Held{Author: o.author, Number: o.number, Hash: o.hash, At: o.at})
}

// maxJoined is how many bytes are joined before their signatures are checked, and those that are wrong forgotten: an
// insider can make many chains that end in the same cells.
const maxJoined = 16 << 20

// verify checks the signatures of candidates, on all processors.
func (r *Reader) verify(all []*candidate) {
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(all) {
				return
			}
			k := all[i]
			if k.signature != nil {
				k.genuine = k.start.genuine || r.check(k.envelope)
			}
			if !k.genuine {
				k.covered, k.signature, k.parts = nil, nil, nil
			}
		}
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) - 1 {
		workers.Go(work)
	}
	work()
	workers.Wait()
}

// settleAll decides what candidates are, in the order of their places. A call settles at least one, or chains would be
// left untried for ever.
func (s *session) settleAll(all []*candidate) {
	var waiting []*candidate
	for _, k := range all {
		if s.mayTakeName(k) {
			waiting = append(waiting, k)
		} else {
			s.settle(k)
		}
	}
	if len(waiting) > 0 && len(waiting) == len(all) {
		s.settle(waiting[0])
		waiting = waiting[1:]
	}
	for _, k := range waiting {
		k.start.genuine, k.touch.row.Untried = true, true
		s.left = append(s.left, k.touch)
	}
}

// mayTakeName reports whether a candidate stands above a chain that is left untried, and its nickname is not its author's
// yet: whoever wrote that chain may be the first to use it. The others go on: forgeries silence nobody who is known.
func (s *session) mayTakeName(k *candidate) bool {
	if !k.genuine || s.lowest == (Spot{}) || k.at.Compare(s.lowest) < 0 {
		return false
	}
	nick := k.open().Nick
	own, _ := s.holders(k.author, nick)
	return nick != "" && !own
}

// settle decides what a candidate is.
func (s *session) settle(k *candidate) {
	if k.genuine {
		s.accept(k)
		return
	}
	s.change.PendingGone = append(s.change.PendingGone, k.touch.reject(k.start)...)
	k.touch.rejected = true
	if row := k.touch.row; row.State == ToldIncomplete { // its parts have come; what they make is told instead
		row.State = LeftOver
		f := s.incomplete(row)
		f.Have = f.Parts
		s.change.TakenBack = append(s.change.TakenBack, f)
	}
	if !k.whole {
		s.refuse(k.at.Place)
		return
	}
	s.tellForged(k)
}

// use notes that a record which is held has the cells of a candidate: they wait no more.
func (s *session) use(k *candidate) {
	for _, p := range k.parts {
		s.change.PendingGone = append(s.change.PendingGone, k.touch.use(p)...)
	}
}

// release lets the cells that a record had wait again, but for those that one still has.
func (s *session) release(t *touch, spots []Spot) {
	for _, c := range s.cells(spots) {
		p := t.parts[linkTo(&c.Plain)]
		if p != nil && p.used && !s.isHeld(t.id, p) {
			t.release(p)
			t.grown = append(t.grown, p)
		}
	}
}

// isHeld reports whether a record that is held has a cell of a group.
func (s *session) isHeld(id GroupID, p *part) bool {
	return slices.ContainsFunc(s.signers(id.Tag), func(a *authorRow) bool {
		return slices.ContainsFunc(s.records(a, id.Number).rows, func(h Held) bool {
			return h.isOf(id) && h.Cells[p.index()] == p.at()
		})
	})
}

// maxForged is of how many tags a call tells what is forged by number, of how many numbers of each.
const maxForged = 10

// tellForged tells of a candidate that its author has not signed, or counts it once there are many: whoever has the key can
// make as many as they like, under as many tags. Those of nobody known are as those of one tag.
func (s *session) tellForged(k *candidate) {
	f := Finding{
		Kind: Forged, Tag: k.tag, Name: s.nameOf(k.tag), First: k.number, Last: k.number, At: k.at.Place,
	}
	tag := k.tag
	if len(s.signers(tag)) == 0 {
		tag = Tag{}
	}
	lines, begun := s.forged[tag]
	switch {
	case s.wasTold(f.ID()):
	case lines == maxForged, !begun && len(s.forged) == maxForged:
		s.moreForged.count(k.at.Place)
	default:
		s.forged[tag]++
		s.tell(f)
	}
}

// keepGroups notes the cells that wait.
func (s *session) keepGroups() {
	for _, t := range s.order {
		row := t.row
		for _, p := range t.grown {
			p.fresh = false
		}
		if t.waiting == 0 {
			row.gone = true
			delete(s.reader.pool, t.id)
			continue
		}
		if t.rejected { // for good: whether other cells come with a forgery, before or behind it must make no difference
			row.State = LeftOver
		}
		if s.verified(t.id) {
			row.State = LeftOver
			s.result.LeftOver += min(t.fresh, t.waiting)
		}
		if t.fresh > 0 {
			row.LastAt = s.now
		}
		row.gone, row.dirty = false, true
		row.Cells, row.Sum, row.Newest = t.waiting, uint64(t.sum), t.newest
		for _, p := range t.grown {
			if p.used || t.parts[p.link] != p {
				continue // a record has it, or it began one that is none
			}
			for _, spot := range p.spots[p.stored:] {
				s.change.Pending = append(s.change.Pending, Cell{spot, t.id.Key, p.plain})
			}
			p.stored = len(p.spots)
		}
	}
}

// verified reports whether a record with the tag and number of a group is held.
func (s *session) verified(id GroupID) bool {
	return slices.ContainsFunc(s.signers(id.Tag), func(a *authorRow) bool { return a.holds(id.Number) })
}
