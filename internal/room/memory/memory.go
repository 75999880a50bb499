// Package memory keeps a room in memory: for a feed in a file, and for a page that keeps nothing. See [room.Store] for what
// it promises; room/roomtest proves it.
package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Store implements [room.Store]. Make it with [New]. It is for one conversation at a time, and not safe for concurrent use;
// rows that it returns are not to be changed in place.
type Store struct {
	// Memory is what was learnt.
	*record.Memory

	undo   *record.Undo // of the transaction under way, nil if there is none
	locked chan struct{}

	state             kept.State
	entries, unopened table[record.Place, kept.Entry]
	ranges            map[int][]kept.Range
	macs              map[[16]byte]record.Place

	messages []kept.Message // by their IDs, which begin with 1
	ids      map[recordName]int64
	lines    []int64 // IDs in the order of lines; nil if they are to be put in order
	moves    table[int64, record.KeyID]
	events   []kept.Event
	marks    map[string]kept.Mark

	posts table[int64, kept.Post]
	own   map[ownName]kept.Own
	once  map[[32]byte]kept.Once
}

type recordName struct {
	author record.PublicKey
	number uint32
	hash   record.Hash
}

type ownName struct {
	author record.PublicKey
	number uint32
}

// New returns an empty store.
func New() *Store {
	return &Store{
		Memory: record.NewMemory(), locked: make(chan struct{}, 1),
		entries: newTable[record.Place, kept.Entry](record.Place.Compare),
		ranges:  map[int][]kept.Range{}, macs: map[[16]byte]record.Place{},
		unopened: newTable[record.Place, kept.Entry](record.Place.Compare),
		ids:      map[recordName]int64{}, moves: newTable[int64, record.KeyID](cmp.Compare), marks: map[string]kept.Mark{},
		posts: newTable[int64, kept.Post](cmp.Compare), own: map[ownName]kept.Own{}, once: map[[32]byte]kept.Once{},
	}
}

// Transact implements [room.Store].
func (s *Store) Transact(work func() error) (err error) {
	undo, ended := &record.Undo{}, false
	s.undo, s.Undo = undo, undo
	defer func() {
		if s.undo, s.Undo = nil, nil; err != nil || !ended {
			undo.Back()
		}
	}()
	err = work()
	ended = true
	return err
}

// Note is Transact. No older version has kept anything to Reread, nobody else changes the Version, and the Size is that on
// a disk.
func (s *Store) Note(work func() error) error { return s.Transact(work) }
func (s *Store) Reread(func() error) error    { return nil }
func (s *Store) Version() (int64, error)      { return 0, nil }
func (s *Store) Size() (int64, error)         { return 0, nil }

// Lock implements [room.Store].
func (s *Store) Lock(ctx context.Context) (unlock func(), err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	select {
	case s.locked <- struct{}{}:
		return func() { <-s.locked }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Apply implements [room.Store].
func (s *Store) Apply(c *kept.Change) error {
	if s.undo == nil {
		return s.Transact(func() error { return s.Apply(c) })
	}
	if c.Learnt != nil {
		s.learn(*c.Learnt)
	}
	for _, k := range c.Compared {
		s.SetCompared(k.Key)
	}
	for _, k := range c.Forgotten {
		s.SetNameless(k.Key)
	}
	s.DropIfEmpty(c.Emptied)
	s.Forget(c.ToldGone)
	if len(c.EventsGone) > 0 {
		s.setEvents(slices.DeleteFunc(slices.Clone(s.events), func(e kept.Event) bool {
			return slices.Contains(c.EventsGone, e.ID)
		}))
	}
	s.applyFeed(c)
	if err := s.applyMessages(c); err != nil {
		return err
	}
	s.applyOutbox(c)
	for _, name := range c.MarksGone {
		record.Drop(s.undo, s.marks, name)
	}
	for _, m := range c.Marks {
		record.Put(s.undo, s.marks, m.Name, m)
	}
	if before := s.state; c.State != nil {
		s.undo.Add(func() { s.state = before })
		s.state = *c.State
	}
	return nil
}

// learn keeps what a reader has learnt. Of the records it moves those that are there.
func (s *Store) learn(c record.Change) {
	var moved []record.Held
	for i := range c.Held {
		h := &c.Held[i]
		if id, ok := s.ids[recordName{h.Author, h.Number, h.Hash}]; ok {
			m := s.messages[id-1]
			m.Held.At, m.Held.Cells = h.At, h.Cells
			s.setMessage(m)
			moved = append(moved, m.Held)
		}
	}
	c.Held = moved
	s.Memory.Apply(c)
	if len(c.TakenBack)+len(c.Told) > 0 {
		events, last := slices.Clip(s.events), s.lastEvent()
		for i, f := range slices.Concat(c.TakenBack, c.Told) {
			last++
			events = append(events, kept.Event{ID: last, Finding: f, TakenBack: i < len(c.TakenBack)})
		}
		s.setEvents(events)
	}
}

// addState adds an event, and lets go of the one whose place it takes.
func (s *Store) addState(state model.OwnState) {
	last := s.lastEvent() + 1
	events := slices.DeleteFunc(slices.Clone(s.events), func(e kept.Event) bool {
		return e.Own != nil && e.Own.Was.Number == 0 && e.Own.Author == state.Author && e.Own.By == state.By &&
			(e.Own.Number == state.Number || state.State == model.StateSeen)
	})
	s.setEvents(append(events, kept.Event{ID: last, Own: &state}))
}

func (s *Store) setEvents(events []kept.Event) {
	before := s.events
	s.undo.Add(func() { s.events = before })
	s.events = events
}

func (s *Store) lastEvent() int64 {
	if len(s.events) == 0 {
		return 0
	}
	return s.events[len(s.events)-1].ID
}

func (s *Store) applyFeed(c *kept.Change) {
	put := func(t *table[record.Place, kept.Entry], e kept.Entry) {
		if len(e.Tokens) == 0 {
			t.drop(s.undo, e.At)
		} else {
			t.put(s.undo, e.At, e)
		}
	}
	for _, e := range c.Entries {
		put(&s.entries, e)
	}
	if c.UnopenedGone {
		for _, at := range s.unopened.keys() {
			s.unopened.drop(s.undo, at)
		}
	}
	for _, e := range c.Unopened {
		put(&s.unopened, e)
	}
	for why, all := range c.Ranges {
		record.Put(s.undo, s.ranges, why, slices.Clone(all))
	}
	for _, mac := range c.MACsGone {
		record.Drop(s.undo, s.macs, mac)
	}
	for _, m := range c.MACs {
		record.Put(s.undo, s.macs, m.MAC, m.At)
	}
}

func (s *Store) applyMessages(c *kept.Change) error {
	for _, m := range c.Messages {
		h := &m.Held
		if m.ID = int64(len(s.messages)) + 1; h.Author.IsZero() {
			m.Held = record.Held{At: h.At, Hash: h.Hash, Number: h.Number}
			s.setMessage(m)
			continue
		}
		name := recordName{h.Author, h.Number, h.Hash}
		if _, known, _ := s.Author(h.Author); !known {
			return fmt.Errorf("the author %s is not known", h.Author.Tag())
		}
		if s.ids[name] != 0 {
			return fmt.Errorf("%s is kept already", record.Numbers(h.Author.Tag().Name(), h.Number, h.Number))
		}
		record.Put(s.undo, s.ids, name, m.ID)
		s.Memory.Apply(record.Change{Held: []record.Held{*h}})
		s.setMessage(m)
	}
	for _, m := range c.Moves {
		if id, ok := s.ids[recordName{m.Author, m.Number, m.Hash}]; ok && !s.moves.has(id) {
			s.moves.put(s.undo, id, m.Named)
		}
	}
	for _, move := range c.TextsMoved {
		for _, m := range s.messages {
			if m.Held.Author.IsZero() && m.Held.At == move.From {
				m.Held.At, m.Held.Number = move.To, max(m.Held.Number, move.Own)
				s.setMessage(m)
			}
		}
	}
	return nil
}

// setMessage sets a message, or adds the next one.
func (s *Store) setMessage(m kept.Message) {
	s.lines = nil
	if i := m.ID - 1; i < int64(len(s.messages)) {
		before := s.messages[i]
		s.undo.Add(func() { s.messages[i], s.lines = before, nil })
		s.messages[i] = m
		return
	}
	s.undo.Add(func() { s.messages, s.lines = s.messages[:m.ID-1], nil })
	s.messages = append(s.messages, m)
}

func (s *Store) applyOutbox(c *kept.Change) {
	if c.PostsFrom > 0 {
		for _, seq := range s.posts.between(c.PostsFrom, 1<<62) {
			s.posts.drop(s.undo, seq)
		}
	}
	for i := range c.OwnGone {
		s.dropOwn(&c.OwnGone[i])
	}
	for _, p := range c.Posts {
		s.posts.put(s.undo, p.Seq, p)
	}
	for _, o := range c.Own {
		record.Put(s.undo, s.own, ownName{o.Author, o.Number}, o)
	}
	for _, d := range c.Dated {
		if p, ok := s.posts.rows[d.Seq]; ok {
			p.Dated = d.At
			s.posts.put(s.undo, d.Seq, p)
		}
	}
	for _, d := range c.Settled {
		if p, ok := s.posts.rows[d.Seq]; ok {
			p.State, p.At = d.State, d.At
			s.posts.put(s.undo, d.Seq, p)
		}
	}
	for i := range c.States {
		s.addState(c.States[i])
	}
	s.applyOnce(c)
}

func (s *Store) applyOnce(c *kept.Change) {
	for _, state := range slices.Backward(c.States) {
		for name, o := range s.once {
			if o.OwnID == state.Was && state.Was.Number > 0 {
				o.OwnID = state.OwnID
				record.Put(s.undo, s.once, name, o)
			}
			if o.OwnID == state.OwnID && state.State == model.StateDropped {
				record.Drop(s.undo, s.once, name)
			}
		}
	}
	for name, o := range s.once {
		if o.At.Before(c.OnceFrom) {
			record.Drop(s.undo, s.once, name)
		}
	}
	for _, o := range c.Once {
		record.Put(s.undo, s.once, o.Name, o)
	}
}

// dropOwn lets go of a record of our own, and of the posts in which no other one stands. A post holds cells of a few
// records of one author only, and those are neighbours.
func (s *Store) dropOwn(o *kept.Own) {
	record.Drop(s.undo, s.own, ownName{o.Author, o.Number})
	var beside []kept.Own
	for n := max(int64(o.Number)-thingspeak.FieldCount, 0); n <= int64(o.Number)+thingspeak.FieldCount; n++ {
		if other, ok := s.own[ownName{o.Author, uint32(n)}]; ok {
			beside = append(beside, other)
		}
	}
	for _, seq := range s.posts.between(o.First, o.Last) {
		if !slices.ContainsFunc(beside, func(b kept.Own) bool { return b.First <= seq && seq <= b.Last }) {
			s.posts.drop(s.undo, seq)
		}
	}
}

// State implements [room.Store].
func (s *Store) State() (kept.State, error) { return s.state, nil }

// Entries implements [room.Store].
func (s *Store) Entries(q kept.EntryQuery, visit func(kept.Entry) error) error {
	t := &s.entries
	if q.Unopened {
		t = &s.unopened
	}
	for _, at := range pick(t.between(q.First, q.Last), q.Newest, q.Limit, nil) {
		if err := visit(t.rows[at]); err != nil {
			return err
		}
	}
	return nil
}

// Ranges implements [room.Store].
func (s *Store) Ranges(why int) ([]kept.Range, error) { return slices.Clone(s.ranges[why]), nil }

// MACs implements [room.Store].
func (s *Store) MACs(macs [][16]byte) (map[[16]byte]record.Place, error) {
	found := map[[16]byte]record.Place{}
	for _, mac := range macs {
		if at, ok := s.macs[mac]; ok {
			found[mac] = at
		}
	}
	return found, nil
}

// Messages implements [room.Store].
func (s *Store) Messages(q kept.MessageQuery) (all []kept.Message, err error) {
	if q.Until == 0 || q.Until > int64(len(s.messages)) {
		q.Until = int64(len(s.messages))
	}
	if q.From == nil && !q.Newest {
		all = slices.Clone(s.messages[min(max(q.After, 0), q.Until):q.Until])
		return pick(all, false, q.Limit, nil), nil
	}
	lines, compare := s.inOrder(), func(id int64, h *record.Held) int { return s.messages[id-1].Held.Compare(h) }
	if q.From != nil {
		from, _ := slices.BinarySearchFunc(lines, q.From, compare)
		lines = lines[from:]
	}
	lines = pick(lines, q.Newest, q.Limit, func(id int64) bool {
		m := &s.messages[id-1]
		return q.From != nil ||
			id <= q.Until && !(q.Signed && m.Held.Author.IsZero()) && !(q.Said && m.Kind == record.KindHeartbeat)
	})
	for _, id := range lines {
		all = append(all, s.messages[id-1])
	}
	return all, nil
}

// inOrder returns the IDs of messages in the order of their lines.
func (s *Store) inOrder() []int64 {
	if len(s.lines) < len(s.messages) {
		s.lines = make([]int64, len(s.messages))
		for i := range s.lines {
			s.lines[i] = int64(i) + 1
		}
		slices.SortStableFunc(s.lines, func(a, b int64) int { return s.messages[a-1].Held.Compare(&s.messages[b-1].Held) })
	}
	return s.lines
}

// Moves implements [room.Store].
func (s *Store) Moves(sealed record.KeyID) (all []kept.Move, err error) {
	for _, id := range s.moves.keys() {
		if h := &s.messages[id-1].Held; h.Key == sealed {
			all = append(all, kept.Move{
				Author: h.Author, Number: h.Number, Hash: h.Hash, Named: s.moves.rows[id], Message: id, At: h.At,
			})
		}
	}
	return all, nil
}

// Events implements [room.Store].
func (s *Store) Events(after int64, limit int) ([]kept.Event, error) {
	from, _ := slices.BinarySearchFunc(s.events, after+1, func(e kept.Event, id int64) int { return cmp.Compare(e.ID, id) })
	return pick(slices.Clone(s.events[from:]), false, limit, nil), nil
}

// End implements [room.Store].
func (s *Store) End() (kept.Mark, error) {
	return kept.Mark{Message: int64(len(s.messages)), Event: s.lastEvent()}, nil
}

// Mark implements [room.Store].
func (s *Store) Mark(name string) (m kept.Mark, ok bool, err error) {
	m, ok = s.marks[name]
	m.Name = name
	return m, ok, nil
}

// Marks implements [room.Store].
func (s *Store) Marks(prefix string) (all []kept.Mark, err error) {
	for _, name := range slices.Sorted(maps.Keys(s.marks)) {
		if strings.HasPrefix(name, prefix) {
			all = append(all, s.marks[name])
		}
	}
	return all, nil
}

// Once implements [room.Store].
func (s *Store) Once(name [32]byte) (o kept.Once, ok bool, err error) {
	o, ok = s.once[name]
	return o, ok, nil
}

// Posts implements [room.Store].
func (s *Store) Posts(q kept.PostQuery) (all []kept.Post, err error) {
	seqs := s.posts.between(q.First, cmp.Or(q.Last, 1<<62))
	for _, seq := range pick(seqs, q.Newest, q.Limit, func(seq int64) bool {
		p := s.posts.rows[seq]
		return q.Only.Is(&p)
	}) {
		all = append(all, s.posts.rows[seq])
	}
	return all, nil
}

// Progress implements [room.Store].
func (s *Store) Progress(first, last int64) (states [model.States]int, err error) {
	for _, seq := range s.posts.between(first, last) {
		state := s.posts.rows[seq].State
		if state >= model.States { // rows that were kept elsewhere may hold anything
			return states, fmt.Errorf("reading the outbox: %w: an entry is in state %d", model.ErrArchiveDamaged, state)
		}
		states[state]++
	}
	return states, nil
}

// Own implements [room.Store].
func (s *Store) Own(q kept.OwnQuery) ([]kept.Own, error) {
	all := slices.SortedFunc(maps.Values(s.own), func(a, b kept.Own) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Number, b.Number), bytes.Compare(a.Author[:], b.Author[:]))
	})
	if q.Author.IsZero() {
		return slices.DeleteFunc(all, func(o kept.Own) bool {
			return o.Last < q.FirstPost || q.LastPost > 0 && o.First > q.LastPost
		}), nil
	}
	all = slices.DeleteFunc(all, func(o kept.Own) bool {
		return o.Author != q.Author || o.Number < q.First || o.Number > q.Last
	})
	slices.SortFunc(all, func(a, b kept.Own) int { return cmp.Compare(a.Number, b.Number) })
	return all, nil
}

// pick returns those that fit, at most limit unless that is 0: the first or, with newest, the last ones from the last one
// back.
func pick[T any](all []T, newest bool, limit int, fits func(T) bool) (picked []T) {
	for i := range all {
		if limit > 0 && len(picked) == limit {
			break
		}
		if newest {
			i = len(all) - 1 - i
		}
		if fits == nil || fits(all[i]) {
			picked = append(picked, all[i])
		}
	}
	return picked
}

// table is rows with keys that have an order.
type table[K comparable, V any] struct {
	rows    map[K]V
	order   []K // nil if the keys are to be put in order
	compare func(a, b K) int
}

func newTable[K comparable, V any](compare func(a, b K) int) table[K, V] {
	return table[K, V]{rows: map[K]V{}, compare: compare}
}

func (t *table[K, V]) has(key K) bool {
	_, ok := t.rows[key]
	return ok
}

func (t *table[K, V]) put(u *record.Undo, key K, row V) {
	if !t.has(key) {
		t.reorder(u)
	}
	record.Put(u, t.rows, key, row)
}

func (t *table[K, V]) drop(u *record.Undo, key K) {
	if t.has(key) {
		t.reorder(u)
		record.Drop(u, t.rows, key)
	}
}

// reorder notes that the keys change, or change back.
func (t *table[K, V]) reorder(u *record.Undo) {
	t.order = nil
	u.Add(func() { t.order = nil })
}

// keys returns all keys in order; they are the caller's only until the table changes.
func (t *table[K, V]) keys() []K {
	if t.order == nil {
		t.order = slices.SortedFunc(maps.Keys(t.rows), t.compare)
	}
	return t.order
}

// all returns the rows in order.
func (t *table[K, V]) all() (rows []V) {
	for _, key := range t.keys() {
		rows = append(rows, t.rows[key])
	}
	return rows
}

// between returns the keys from first to last.
func (t *table[K, V]) between(first, last K) []K {
	if first == last { // without putting all in order
		if t.has(first) {
			return []K{first}
		}
		return nil
	}
	keys := t.keys()
	i, _ := slices.BinarySearchFunc(keys, first, t.compare)
	n, found := slices.BinarySearchFunc(keys, last, t.compare)
	if found {
		n++
	}
	return keys[i:max(i, n)]
}
