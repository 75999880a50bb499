package record

import (
	"bytes"
	"cmp"
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
	// Name is how its author is called, and Was the nickname that the same key had before, where it has changed. Both are
	// a peer's words: clean them before they are shown.
	Name, Was string
	// Own means that our own identity wrote it.
	Own bool
	// Late means that it became complete after a later one of its author: show it in the author's order.
	Late bool
	// Forked means that the author's key wrote another record with this number.
	Forked bool
}

// Result is what a call of [Reader.Read] yields.
type Result struct {
	// Messages are the records that were verified and not held before, in the order of their places and numbers.
	Messages []Message
	// Waiting are the numbers that are [Missing] and the records that are [Incomplete] so far, without accusing anyone.
	Waiting []Finding
	// SeenBy are the new receipts for our own records.
	SeenBy []Receipt
	// Change is to be kept before anything is shown. The new findings are in it.
	Change Change
	// Repeats counts cells and records that came before; LeftOver counts new cells of a number that is verified; Refused
	// counts cells and records that contradict themselves.
	Repeats, LeftOver, Refused int
	// More means that chains were left untried: call again, with no cells, after the change was kept.
	More bool
}

// Reader reads the records of one room. What it knows is in [Known]; by itself it only remembers pending cells, at most
// 131,072 between two calls, which saves opening them again. It may be dropped, and made anew, at any time. It is not
// safe for concurrent use.
type Reader struct {
	salt Salt
	own  PublicKey
	pool pool
	// untried are the groups in which a call has left chains untried.
	untried []GroupID
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
	s := &session{ledger: newLedger(known), reader: r, view: view, now: now, touched: map[GroupID]*touch{}}
	for i := range cells {
		s.take(&cells[i])
	}
	s.resume()
	for _, c := range s.candidates() {
		s.settle(c)
	}
	s.keepGroups()
	s.judge()
	s.result.Change = s.changes()
	if s.err != nil {
		return nil, fmt.Errorf("reading records: %w", s.err)
	}
	r.pool.trim()
	return &s.result, nil
}

// session is one call of Read.
type session struct {
	*ledger
	reader  *Reader
	view    View
	now     time.Time
	touched map[GroupID]*touch
	order   []*touch // the same, in the order in which they were touched
	result  Result
}

// touch is a group to which cells came.
type touch struct {
	*group
	row   *groupRow
	fresh int     // how many cells are new
	grown []*part // the cells that are new or of which a copy is
}

// take puts a cell where it belongs.
func (s *session) take(c *Cell) {
	h, err := parseCell(&c.Plain)
	switch {
	case err == ErrNewer:
		s.tell(Finding{Kind: Newer, At: c.Place})
	case err != nil:
		s.result.Refused++
	case h.number != 0: // not a filler
		t := s.touch(GroupID{c.Key, h.tag, h.number, h.parts})
		p, isNew := t.add(c)
		if p != nil {
			t.grown = append(t.grown, p)
		}
		if isNew {
			t.fresh++
		} else {
			s.result.Repeats++
		}
	}
}

// touch returns a group with all the cells of it that are known. Another process may have read on in the meantime, or
// the pool may have forgotten it: the row tells.
func (s *session) touch(id GroupID) *touch {
	if t, ok := s.touched[id]; ok {
		return t
	}
	row, exists := s.group(id)
	g := s.reader.pool[id]
	if g == nil || !exists || uint64(g.sum) != row.Sum {
		g = newGroup(id)
		s.reader.pool[id] = g
		if exists {
			cells, err := s.known.Pending(id)
			if err != nil {
				s.fail(err)
			}
			g.restore(cells)
		}
	}
	t := &touch{group: g, row: row}
	s.touched[id] = t
	s.order = append(s.order, t)
	return t
}

// resume touches the groups with chains that the last call has left untried.
func (s *session) resume() {
	for _, id := range s.reader.untried {
		s.touch(id)
	}
	s.reader.untried = nil
}

// candidate is a chain that is complete.
type candidate struct {
	*envelope
	touch *touch
	chain *chain
	parts []*part
	at    Spot
	// whole means that the cells hold a record of some author and zeros after it; genuine that it is signed by an author
	// with the cells' tag.
	whole, genuine bool
}

// candidates returns the complete chains of the groups that were touched, verified, in the order of their places.
func (s *session) candidates() []*candidate {
	var all, joined []*candidate
	size := 0
	tried := map[numberKey]int{}
	for _, t := range s.order {
		key := t.id.claimed()
		left := false
		for _, c := range t.chains {
			if tried[key] == maxChains {
				left = true
				break
			}
			moved := t.follow(c)
			if c.length == int(t.id.Parts) {
				k := s.candidate(t, c)
				joined = append(joined, k)
				if size += len(k.covered); size > maxJoined {
					s.reader.verify(joined)
					all, joined, size = append(all, joined...), nil, 0
				}
				moved = true
			}
			if moved {
				tried[key]++
			}
		}
		if left {
			s.reader.untried = append(s.reader.untried, t.id)
			s.result.More = true
		}
	}
	s.reader.verify(joined)
	all = append(all, joined...)
	slices.SortFunc(all, func(a, b *candidate) int { return a.rank().compare(b.rank()) })
	return all
}

// rank puts records into the order in which they are judged and shown. What stands behind the spot is there only to be
// the same for everyone: two records of one number can end in the same cell.
type rank struct {
	at     Spot
	author PublicKey
	number uint32
	hash   Hash
}

func (k *candidate) rank() rank { return rank{k.at, k.author, k.number, k.hash} }

func (r rank) compare(o rank) int {
	return cmp.Or(r.at.Compare(o.at), bytes.Compare(r.author[:], o.author[:]), cmp.Compare(r.number, o.number),
		bytes.Compare(r.hash[:], o.hash[:]))
}

func (s *session) candidate(t *touch, c *chain) *candidate {
	k := newCandidate(s.reader.salt, t.group, c)
	k.touch = t
	if k.signature != nil {
		// A hash that is held covers everything but the signature, and was verified: this is a repeat, whatever is
		// written where the signature belongs.
		k.genuine = slices.ContainsFunc(s.records(s.author(k.author), k.number).rows, func(h Held) bool {
			return h.Hash == k.hash
		})
	}
	return k
}

// newCandidate joins a chain. It has no signature if it cannot be genuine.
func newCandidate(salt Salt, g *group, c *chain) *candidate {
	parts := g.walk(c)
	e := newEnvelope(Context{salt, g.id.Key}, g.id.Tag, g.id.Number, len(parts)*SliceSize)
	k := &candidate{envelope: e, chain: c, parts: parts, at: place(parts)}
	if e.covered, k.whole = join(e.covered, parts); k.whole {
		if err := e.seal(); err != nil {
			e.signature = nil
			k.whole = err != ErrWeakKey // of a key that is nobody's there is nobody to be told
		}
	}
	return k
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
			if !k.genuine && k.signature != nil {
				k.genuine = r.check(k.envelope)
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

// settle decides what a candidate is.
func (s *session) settle(k *candidate) {
	if k.genuine {
		s.change.PendingGone = append(s.change.PendingGone, k.touch.use(k.parts)...)
		s.accept(k)
		return
	}
	s.change.PendingGone = append(s.change.PendingGone, k.touch.reject(k.chain)...)
	k.touch.row.State = LeftOver
	if !k.whole {
		s.result.Refused++
		return
	}
	s.tell(Finding{
		Kind: Forged, Tag: k.tag, Name: s.nameOf(k.tag), First: k.number, Last: k.number, At: k.at.Place,
	})
}

// keepGroups notes the cells that wait.
func (s *session) keepGroups() {
	for _, t := range s.order {
		row := t.row
		if len(t.parts) == 0 {
			row.gone = true
			delete(s.reader.pool, t.id)
			continue
		}
		if s.verified(t.id) {
			row.State = LeftOver
			s.result.LeftOver += min(t.fresh, len(t.parts))
		}
		if t.fresh > 0 {
			row.LastAt = s.now
		}
		row.gone, row.dirty = false, true
		row.Cells, row.Sum, row.Newest = len(t.parts), uint64(t.sum), t.newest
		for _, p := range t.grown {
			if t.parts[p.link] != p {
				continue // used by a record
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
