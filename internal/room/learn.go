package room

import (
	"errors"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// learn keeps what a call of the reader has learnt, and returns the numbers of records of our own key that were written
// elsewhere.
func (b *batch) learn(result *record.Result, texts []textToken, own record.PublicKey) (elsewhere []uint32, err error) {
	store := b.in.c.store
	if err := b.forgetTold(result); err != nil {
		return nil, err
	}
	fresh := make(map[heldID]*record.Held, len(result.Messages))
	for i := range result.Messages {
		m := &result.Messages[i]
		fresh[heldID{m.Author, m.Number, m.Hash}] = nil
	}
	change := result.Change
	change.Held = nil // what moved
	for i := range result.Change.Held {
		h := &result.Change.Held[i]
		id := heldID{h.Author, h.Number, h.Hash}
		if _, ok := fresh[id]; ok {
			fresh[id] = h
		} else {
			change.Held = append(change.Held, *h)
		}
	}
	if err := store.Apply(&change); err != nil { // the authors must be there before their messages
		return nil, err
	}
	if err := b.addMessages(result, fresh, texts); err != nil {
		return nil, err
	}
	return b.readBack(result, own)
}

// forgetTold takes out of a result what was told before: of some findings the reader itself remembers that, and what it
// remembered is gone where an older version had told them.
func (b *batch) forgetTold(result *record.Result) (err error) {
	anew := map[record.FindingID]bool{}
	for _, f := range slices.Concat(result.Change.TakenBack, result.Change.Superseded) {
		anew[f.ID()] = true
	}
	result.Change.Told = slices.DeleteFunc(result.Change.Told, func(f record.Finding) bool {
		if anew[f.ID()] {
			return false
		}
		_, told, failed := b.in.c.store.Told(f.ID())
		err = errors.Join(err, failed)
		return told
	})
	return err
}

// heldID names a record.
type heldID struct {
	author record.PublicKey
	number uint32
	hash   record.Hash
}

// addMessages keeps records and texts in one order: that of their places.
func (b *batch) addMessages(result *record.Result, held map[heldID]*record.Held, texts []textToken) error {
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
		err := store.AddMessage(kept.Message{Held: *held[heldID{m.Author, m.Number, m.Hash}], Kind: m.Kind()})
		if moved, ok := m.Body.(record.KeyMoved); err == nil && ok {
			err = store.AddMove(kept.Move{Author: m.Author, Number: m.Number, Hash: m.Hash, Named: moved.Key})
		}
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
	return kept.Message{Held: record.Held{At: t.spot(), Hash: t.sum}}
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
