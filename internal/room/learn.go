package room

import (
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// learn keeps what a call of the reader has learnt, and returns the numbers of records of our own key that were written
// elsewhere.
func (b *batch) learn(
	result *record.Result, cells []record.Cell, texts []textToken, own record.PublicKey,
) (elsewhere []uint32, err error) {
	store := b.in.c.store
	parts, err := b.parts(result, cells)
	if err != nil {
		return nil, err
	}
	fresh := map[heldID]record.Spot{}
	for i := range result.Messages {
		m := &result.Messages[i]
		fresh[heldID{m.Author, m.Number, m.Hash}] = m.At
	}
	change := result.Change
	change.Held = slices.DeleteFunc(slices.Clone(change.Held), func(h record.Held) bool {
		at, ok := fresh[heldID{h.Author, h.Number, h.Hash}]
		return ok && at == h.At
	})
	moved := change.Held
	change.Held = nil
	if err := store.Apply(&change); err != nil { // the authors must be there before their messages
		return nil, err
	}
	if err := b.addMessages(result, texts); err != nil {
		return nil, err
	}
	if err := store.Apply(&record.Change{Held: moved}); err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err := store.AddPart(p); err != nil {
			return nil, err
		}
	}
	return b.readBack(result, own)
}

// heldID names a record.
type heldID struct {
	author record.PublicKey
	number uint32
	hash   record.Hash
}

// addMessages keeps records and texts in one order: that of their places.
func (b *batch) addMessages(result *record.Result, texts []textToken) error {
	store := b.in.c.store
	slices.SortFunc(texts, compareTexts)
	for i := range result.Messages {
		m := &result.Messages[i]
		for len(texts) > 0 && texts[0].spot().Compare(m.At) < 0 {
			if err := store.AddMessage(texts[0].message()); err != nil {
				return err
			}
			texts = texts[1:]
		}
		err := store.AddMessage(kept.Message{
			Held: record.Held{Author: m.Author, Number: m.Number, Hash: m.Hash, Previous: m.Previous, At: m.At}, Kind: m.Kind(),
		})
		if err != nil {
			return err
		}
	}
	for i := range texts {
		if err := store.AddMessage(texts[i].message()); err != nil {
			return err
		}
	}
	return nil
}

func compareTexts(a, b textToken) int { return a.spot().Compare(b.spot()) }

func (t *textToken) spot() record.Spot { return record.Spot{Place: t.at, Field: t.field} }

func (t *textToken) message() kept.Message {
	return kept.Message{Held: record.Held{At: t.spot()}}
}

// parts returns the entries that hold cells of the records that were read, apart from where these stand: from this
// batch, and from those before whose cells are pending until now.
func (b *batch) parts(result *record.Result, cells []record.Cell) (parts []kept.Part, err error) {
	type numberKey struct {
		tag    record.Tag
		number uint32
	}
	places := map[numberKey][]record.Place{}
	for i := range cells {
		id, err := cells[i].Group()
		if err != nil {
			continue
		}
		k := numberKey{id.Tag, id.Number}
		if at := places[k]; len(at) == 0 || at[len(at)-1] != cells[i].Place {
			places[k] = append(at, cells[i].Place)
		}
	}
	store := b.in.c.store
	for i := range result.Messages {
		h := &result.Messages[i]
		k := numberKey{h.Author.Tag(), h.Number}
		groups, err := store.Groups(k.tag, k.number, k.number)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			spots, err := store.PendingSpots(g.ID)
			if err != nil {
				return nil, err
			}
			for _, s := range spots {
				places[k] = append(places[k], s.Place)
			}
		}
		for _, at := range places[k] {
			if at != h.At.Place {
				parts = append(parts, kept.Part{Author: h.Author, Number: h.Number, At: at})
			}
		}
	}
	return parts, nil
}

// readBack takes records of the identity that signs here out of the outbox, and returns the numbers of those that were
// never there.
func (b *batch) readBack(result *record.Result, own record.PublicKey) (elsewhere []uint32, err error) {
	store := b.in.c.store
	for i := range result.Messages {
		m := &result.Messages[i]
		if m.Author != own {
			continue
		}
		sent, err := store.Own(m.Number, m.Number)
		if err != nil {
			return nil, err
		}
		if len(sent) == 0 || sent[0].Hash != m.Hash {
			elsewhere = append(elsewhere, m.Number)
			continue
		}
		if err := store.DeleteOwn(sent[0]); err != nil {
			return nil, err
		}
	}
	return elsewhere, nil
}

// addCopies hands in once more the cells of records that are held, where a copy of one has come that stands lower than
// the record does: it may stand lower, too, which only all copies of its cells tell.
func (b *batch) addCopies() error {
	store := b.in.c.store
	places := map[record.GroupID][]record.Place{}
	for i := range b.cells {
		if id, err := b.cells[i].Group(); err == nil {
			places[id] = append(places[id], b.cells[i].Place)
		}
	}
	tagged := map[record.Tag][]record.Author{}
	for id, at := range places {
		authors, ok := tagged[id.Tag]
		if !ok {
			keys, _, err := store.Tagged(id.Tag)
			if err != nil {
				return err
			}
			for _, key := range keys {
				a, _, err := store.Author(key)
				if err != nil {
					return err
				}
				authors = append(authors, a)
			}
			tagged[id.Tag] = authors
		}
		for i := range authors {
			if a := &authors[i]; a.Base == 0 || id.Number < a.Base || id.Number > a.Top {
				continue
			}
			if err := b.addCopy(authors[i].Key, id, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCopy does the work of addCopies for the records of one author with the number of a group, of which cells have come
// at some places. Those are noted, for the next copy.
func (b *batch) addCopy(author record.PublicKey, id record.GroupID, came []record.Place) error {
	c := b.in.c
	lowest := slices.MinFunc(came, record.Place.Compare)
	held, err := c.store.Held(author, id.Number, id.Number)
	if err != nil || !slices.ContainsFunc(held, func(h record.Held) bool { return h.At.Place.Compare(lowest) > 0 }) {
		return err
	}
	places, err := c.store.Parts(author, id.Number)
	if err != nil {
		return err
	}
	for _, at := range came {
		if err := c.store.AddPart(kept.Part{Author: author, Number: id.Number, At: at}); err != nil {
			return err
		}
	}
	for _, h := range held {
		places = append(places, h.At.Place)
	}
	pages, err := c.fetch(c.store, places)
	if err != nil {
		return err
	}
	for i := range pages {
		for cell := range pages[i].cells(&c.opener) {
			if group, err := cell.Group(); err == nil && group == id {
				b.cells = append(b.cells, cell)
			}
		}
	}
	return nil
}
