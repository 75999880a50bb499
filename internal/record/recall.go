package record

import (
	"fmt"
)

// Pieces are a record that is held and its cells, opened again.
type Pieces struct {
	Held
	// Opened are the cells at [Held.Cells], in any order.
	Opened []Cell
}

// Recall joins records from their cells, to show a history again. It changes nothing, tries nothing and checks no
// signature: what it returns has a hash that is held, and was verified then. It leaves out records of which a cell is
// not there.
func Recall(known Known, salt Salt, own PublicKey, records []Pieces) ([]Message, error) {
	s := &session{ledger: newLedger(known), reader: NewReader(salt, own)}
	messages := make([]Message, 0, len(records))
	for i := range records {
		h := &records[i].Held
		if e := h.assemble(salt, records[i].Opened); e != nil {
			messages = append(messages, Message{
				Record: e.open(), Hash: h.Hash, Key: h.Key, At: h.At, Cells: h.Cells, Own: h.Author == own,
			})
		}
	}
	s.fetch(messages)
	w := windowOf(messages)
	for i := range messages {
		m := &messages[i]
		a := s.author(m.Author)
		m.Name, m.Forked = s.label(m.Author, m.Nick), len(s.records(a, m.Number).rows) > 1
		m.Behind = s.behind(a, m.Number)
		m.Refers = s.referred(m, &w)
	}
	if s.err != nil {
		return nil, fmt.Errorf("recalling records: %w", s.err)
	}
	return messages, nil
}

// assemble joins the cells of a record, or returns nil if they are not all there.
func (h *Held) assemble(salt Salt, cells []Cell) *envelope {
	if len(h.Cells) == 0 {
		return nil
	}
	at := make(map[Spot]*Cell, len(cells))
	for i := range cells {
		at[cells[i].Spot] = &cells[i]
	}
	parts := make([]*part, len(h.Cells))
	for i, spot := range h.Cells {
		c := at[spot]
		if c == nil {
			return nil
		}
		parts[i] = &part{plain: c.Plain}
		if id, err := c.Group(); err != nil || !h.isOf(id) || parts[i].index() != i {
			return nil
		}
	}
	e := newEnvelope(Context{salt, h.Key}, h.Author.Tag(), h.Number, len(parts)*SliceSize)
	whole := false
	if e.covered, whole = join(e.covered, parts); !whole || e.seal() != nil || e.hash != h.Hash {
		return nil
	}
	return e
}

// fetch asks for the records of each author, and those that are named, at once where their numbers lie close together.
func (s *session) fetch(messages []Message) {
	type span struct {
		first, last uint32
		count       uint64
	}
	spans := map[PublicKey]span{}
	add := func(key PublicKey, number uint32) {
		n, ok := spans[key]
		if !ok {
			n.first = number
		}
		spans[key] = span{min(n.first, number), max(n.last, number), n.count + 1}
	}
	for i := range messages {
		m := &messages[i]
		add(m.Author, m.Number)
		if m.Seen.Number == 0 {
			continue
		}
		for _, a := range s.signers(m.Seen.Tag) {
			if a.holds(m.Seen.Number) {
				add(a.Key, m.Seen.Number)
			}
		}
	}
	for key, n := range spans {
		const sparse = 4
		if uint64(n.last)-uint64(n.first) > sparse*n.count {
			continue
		}
		held, err := s.known.Held(HeldQuery{Author: key, First: n.first, Last: n.last})
		if err != nil {
			s.fail(err)
		}
		for _, h := range held {
			at := heldKey{key, h.Number}
			if s.held[at] == nil {
				s.held[at] = &heldRows{}
			}
			s.held[at].add(h)
		}
	}
}
