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
	s.fetch(records)
	messages := make([]Message, 0, len(records))
	for i := range records {
		h := &records[i].Held
		e := h.assemble(salt, records[i].Opened)
		if e == nil {
			continue
		}
		a := s.author(h.Author)
		r := e.open()
		messages = append(messages, Message{
			Record: r, Hash: h.Hash, Key: h.Key, At: h.At, Cells: h.Cells, Name: s.label(h.Author, r.Nick),
			Own: h.Author == own, Late: s.late(a, h.Number), Forked: len(s.records(a, h.Number).rows) > 1,
		})
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

// fetch asks for the records of each author at once where their numbers lie close together.
func (s *session) fetch(records []Pieces) {
	type span struct {
		first, last uint32
		count       uint64
	}
	spans := map[PublicKey]span{}
	for i := range records {
		h := &records[i].Held
		n, ok := spans[h.Author]
		if !ok {
			n.first = h.Number
		}
		spans[h.Author] = span{min(n.first, h.Number), max(n.last, h.Number), n.count + 1}
	}
	for key, n := range spans {
		const sparse = 4
		if uint64(n.last)-uint64(n.first) > sparse*n.count {
			continue
		}
		held, err := s.known.Held(key, n.first, n.last)
		if err != nil {
			s.fail(err)
		}
		for _, h := range held {
			at := heldKey{key, h.Number}
			if s.held[at] == nil {
				s.held[at] = &heldRows{}
			}
			s.held[at].rows = append(s.held[at].rows, h)
		}
	}
}
