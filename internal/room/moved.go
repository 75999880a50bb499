package room

import (
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// mostMoved bounds how many such authors are told of: anybody with the room's key can be one, under many names.
const mostMoved = 32

// stayed is the name of the mark behind the last message at which the user decided to go on with the key that is here.
const stayed = "stayed"

// Stay notes that the user goes on with the key that is here, whatever they have said so far whose keys were not compared.
func (c *Conversation) Stay() error {
	end, err := c.store.End()
	if err == nil {
		err = c.store.Apply(&kept.Change{Marks: []kept.Mark{{Name: stayed, Message: end.Message}}})
	}
	if err != nil {
		return fmt.Errorf("noting that the old key stays: %w", err)
	}
	return nil
}

// Moved returns those who say, under the newest key that is here, that the room goes on with one that is not, and that is
// not refused: at most 32 authors, those first whose key was compared, or is our own. What others said before [Conversation.Stay] is
// left out.
func (c *Conversation) Moved(own record.PublicKey, refused []record.KeyID) ([]model.Moved, error) {
	all, err := c.moved(own, refused)
	if err != nil {
		return nil, fmt.Errorf("looking whether the room has moved: %w", err)
	}
	return all, nil
}

// HeldBack returns a [*model.MovedError] if nothing that waits is posted because somebody whose key was compared has moved the room,
// which is called name here, as [Conversation.Moved] knows it. It is an [exchange.ErrNotStored].
func (c *Conversation) HeldBack(name string, own record.PublicKey, refused []record.KeyID) error {
	moved, err := c.Moved(own, refused)
	if err != nil || len(moved) == 0 || !moved[0].Compared { // those come first
		return err
	}
	return exchange.NotStored(&model.MovedError{Room: name, By: moved[0]})
}

// MovedTo reports whether anybody says, under the newest key that is here, that the room goes on with a certain one. A device that
// was lost says nothing that counts.
func (c *Conversation) MovedTo(key record.KeyID) (bool, error) {
	moves, err := c.store.Moves(c.ids[0])
	if err != nil {
		return false, fmt.Errorf("looking whether the room has moved: %w", err)
	}
	return slices.ContainsFunc(moves, func(m kept.Move) bool { return m.Named == key && !c.isLost(m.Author) }), nil
}

func (c *Conversation) moved(ours record.PublicKey, refused []record.KeyID) (all []model.Moved, err error) {
	since, _, err := c.store.Mark(stayed)
	if err != nil {
		return nil, err
	}
	moves, err := c.store.Moves(c.ids[0])
	if err != nil || len(moves) == 0 {
		return nil, err
	}
	newest := map[record.PublicKey]*kept.Move{}
	for i := range moves {
		if m := &moves[i]; newest[m.Author] == nil || m.Number > newest[m.Author].Number {
			newest[m.Author] = m
		}
	}
	authors, err := c.store.Authors(record.AuthorQuery{})
	if err != nil {
		return nil, err
	}
	record.ComparedFirst(authors)
	known := slices.Concat(c.ids, refused)
	// Of somebody whose key was compared: one that is here, and does not seal, is no better than one that is not.
	settled := slices.Concat(c.ids[:1], refused)
	for i := range authors {
		a := &authors[i]
		m, own := newest[a.Key], a.Key == ours
		here := m != nil && slices.Contains(known, m.Named)
		switch {
		case m == nil, c.isLost(a.Key), slices.Contains(settled, m.Named):
			continue
		case own && here, !own && !a.Compared && (here || m.Message <= since.Message):
			continue // whoever has gone back by hand knows it
		}
		all = append(all, model.Moved{
			By: a.Key, Compared: a.Compared || own, Own: own, Number: m.Number, Key: m.Named, Here: slices.Contains(c.ids, m.Named),
		})
	}
	slices.SortStableFunc(all, func(a, b model.Moved) int { // our own word is as good as that of others
		switch {
		case a.Compared == b.Compared:
			return 0
		case a.Compared:
			return -1
		}
		return 1
	})
	all = all[:min(len(all), mostMoved)]
	names := c.names()
	for i := range all {
		all[i].Name = names.Of(all[i].By)
	}
	return all, names.Err()
}

// noticeMoves says in place of each move to a key that is not here what there is to do, and whose word it is.
func (c *Conversation) noticeMoves(items []model.Item) error {
	for i := range items {
		m := items[i].Record
		if m == nil {
			continue
		}
		// Whoever has only an older key may name any: it counts only under the newest.
		moved, ok := m.Body.(record.KeyMoved)
		if !ok || m.Key != c.ids[0] || c.hasKey(moved.Key) {
			continue
		}
		author, _, err := c.store.Author(m.Author)
		if err != nil {
			return err
		}
		switch {
		case c.isLost(m.Author): // that is said of it, and nothing is to be done
		case m.Author == c.own:
			items[i].Notice = moved.OwnNotice()
		default:
			items[i].Notice = moved.Notice(m.Name, author.Compared)
		}
	}
	return nil
}

// markOldKeys marks what others have sealed with an older key and stands behind the record by which the room has moved on
// from it. That says which key it is, and accuses nobody: whoever wrote it may not have seen the move.
func (c *Conversation) markOldKeys(items []model.Item) error {
	if len(c.ids) < 2 {
		return nil
	}
	firsts := map[record.KeyID]*record.Spot{} // where the room has moved away from each key; nil: nowhere
	for i := range items {
		m := items[i].Record
		if m == nil || m.Own || m.Key == c.ids[0] {
			continue
		}
		first, known := firsts[m.Key]
		if !known {
			var err error
			if first, err = c.movedFrom(m.Key); err != nil {
				return err
			}
			firsts[m.Key] = first
		}
		items[i].OldKey = first != nil && m.At.Compare(*first) > 0
	}
	return nil
}

// movedFrom returns where somebody first says, under a key, that the room goes on with a newer one that is here; nil if
// nobody does.
func (c *Conversation) movedFrom(key record.KeyID) (first *record.Spot, err error) {
	moves, err := c.store.Moves(key)
	newer := c.ids[:max(slices.Index(c.ids, key), 0)]
	for i := range moves {
		if m := &moves[i]; slices.Contains(newer, m.Named) && (first == nil || m.At.Compare(*first) < 0) {
			first = &m.At
		}
	}
	return first, err
}
