package memory

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// Rows are all that a store keeps, as somebody may keep them elsewhere.
type Rows struct {
	State             kept.State
	Entries, Unopened []kept.Entry
	Ranges            map[int][]kept.Range
	MACs              []kept.MAC
	// Known is what was learnt.
	Known record.Change
	// Messages are those of all IDs from 1 on.
	Messages []kept.Message
	Moves    []Move
	Events   []kept.Event
	Marks    []kept.Mark
	Posts    []kept.Post
	Own      []kept.Own
	Once     []kept.Once
}

// Move is a message that names a key, by its ID.
type Move struct {
	Message int64
	Named   record.KeyID
}

// Rows returns all that is kept, in a fixed order.
func (s *Store) Rows() Rows {
	r := Rows{
		State: s.state, Entries: s.entries.all(), Unopened: s.unopened.all(), Ranges: s.ranges, Known: s.All(),
		Messages: s.messages, Events: s.events, Posts: s.posts.all(),
	}
	for mac, at := range s.macs {
		r.MACs = append(r.MACs, kept.MAC{MAC: mac, At: at})
	}
	slices.SortFunc(r.MACs, func(a, b kept.MAC) int { return bytes.Compare(a.MAC[:], b.MAC[:]) })
	for _, id := range s.moves.keys() {
		r.Moves = append(r.Moves, Move{id, s.moves.rows[id]})
	}
	r.Marks, _ = s.Marks("")
	r.Own, _ = s.Own(kept.OwnQuery{})
	r.Once = slices.SortedFunc(maps.Values(s.once), func(a, b kept.Once) int { return bytes.Compare(a.Name[:], b.Name[:]) })
	return r
}

var errRows = errors.New("rows that no store has kept")

// Fill makes a store what another one was when it gave its rows. Whatever was kept before is gone. The error says that no store
// has given them; then nothing is changed.
func (s *Store) Fill(r *Rows) error {
	n := New()
	n.locked = s.locked
	n.state, n.messages, n.events = r.State, r.Messages, r.Events
	n.Memory.Apply(r.Known)
	for _, e := range r.Entries {
		n.entries.put(nil, e.At, e)
	}
	for _, e := range r.Unopened {
		n.unopened.put(nil, e.At, e)
	}
	maps.Copy(n.ranges, r.Ranges)
	for _, m := range r.MACs {
		n.macs[m.MAC] = m.At
	}
	for i := range n.messages {
		m := &n.messages[i]
		if m.ID != int64(i)+1 {
			return errRows
		}
		if h := &m.Held; !h.Author.IsZero() {
			n.ids[recordName{h.Author, h.Number, h.Hash}] = m.ID
		}
	}
	for _, m := range r.Moves {
		if m.Message < 1 || m.Message > int64(len(n.messages)) {
			return errRows
		}
		n.moves.put(nil, m.Message, m.Named)
	}
	for _, m := range r.Marks {
		n.marks[m.Name] = m
	}
	for _, p := range r.Posts {
		n.posts.put(nil, p.Seq, p)
	}
	for _, o := range r.Own {
		n.own[ownName{o.Author, o.Number}] = o
	}
	for _, o := range r.Once {
		n.once[o.Name] = o
	}
	*s = *n
	return nil
}
