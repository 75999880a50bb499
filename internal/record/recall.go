package record

import (
	"fmt"
	"slices"
)

// Recall joins the records that stand in cells which were read before, to show a history again. It changes nothing and
// checks no signature: what it returns has a hash that is held, and was verified then. It leaves out records of which a
// part is not among the cells, and what is not held. The order is that of [Result.Messages]; Was is empty.
func Recall(known Known, salt Salt, own PublicKey, cells []Cell) ([]Message, error) {
	s := &session{ledger: newLedger(known), reader: NewReader(salt, own)}
	found := recallable(salt, cells)
	s.fetch(found)
	found = slices.DeleteFunc(found, func(k *candidate) bool {
		rows := s.records(s.author(k.author), k.number).rows
		i := slices.IndexFunc(rows, func(h Held) bool { return h.Hash == k.hash })
		if i >= 0 {
			k.at = rows[i].At // copies that stand lower need not be among the cells
		}
		return i < 0
	})
	slices.SortFunc(found, func(a, b *candidate) int { return a.rank().compare(b.rank()) })
	messages := make([]Message, len(found))
	for i, k := range found {
		a := s.author(k.author)
		messages[i] = Message{
			Record: k.open(), Hash: k.hash, Key: k.ctx.Key, At: k.at, Name: s.name(k.author), Own: k.author == own,
			Late: s.late(a, k.number), Forked: len(s.records(a, k.number).rows) > 1,
		}
	}
	if s.err != nil {
		return nil, fmt.Errorf("recalling records: %w", s.err)
	}
	return messages, nil
}

// recallable returns the complete chains among cells that hold a record.
func recallable(salt Salt, cells []Cell) (found []*candidate) {
	groups := map[GroupID]*group{}
	for i := range cells {
		id, err := cells[i].Group()
		if err != nil {
			continue
		}
		if groups[id] == nil {
			groups[id] = newGroup(id)
		}
		groups[id].add(&cells[i])
	}
	for _, g := range groups {
		for _, c := range g.chains[:min(len(g.chains), maxChains)] {
			if g.follow(c); c.length == int(g.id.Parts) {
				if k := newCandidate(salt, g, c); k.signature != nil {
					found = append(found, k)
				}
			}
		}
	}
	return found
}

// fetch asks for the records of each author at once where their numbers lie close together.
func (s *session) fetch(found []*candidate) {
	type span struct {
		first, last uint32
		count       uint64
	}
	spans := map[PublicKey]span{}
	for _, k := range found {
		n, ok := spans[k.author]
		if !ok {
			n.first = k.number
		}
		spans[k.author] = span{min(n.first, k.number), max(n.last, k.number), n.count + 1}
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
