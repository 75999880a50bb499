package room

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// learn keeps what a call of the reader has learnt, and returns the numbers of records of our own key that were written
// elsewhere.
func (b *batch) learn(result *record.Result, texts []textToken) (elsewhere []uint32, err error) {
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
	elsewhere, err = b.readBack(result)
	if err != nil || len(elsewhere) == 0 || b.kept { // what was kept was told before
		return elsewhere, err
	}
	all, told, _, err := store.Mark(elsewhereMark)
	if err == nil {
		err = store.SetMark(elsewhereMark, all+int64(len(elsewhere)), told)
	}
	return elsewhere, err
}

// elsewhereMark is the name of the mark that counts the records of our own key that were not written here: all of them, and
// those that were told.
const elsewhereMark = "elsewhere"

// Elsewhere returns how many records of our own key have come that this archive has not written, and how many of them came
// since [Conversation.ToldElsewhere].
func (c *Conversation) Elsewhere() (all, fresh int, err error) {
	n, told, _, err := c.store.Mark(elsewhereMark)
	if err != nil {
		return 0, 0, fmt.Errorf("counting what came from elsewhere: %w", err)
	}
	return int(n), int(n - told), nil
}

// ToldElsewhere notes that so many of them were told, in all.
func (c *Conversation) ToldElsewhere(told int) error {
	err := c.transact(func() error {
		all, _, _, err := c.store.Mark(elsewhereMark)
		if err != nil {
			return err
		}
		return c.store.SetMark(elsewhereMark, all, int64(told))
	})
	if err != nil {
		return fmt.Errorf("noting what came from elsewhere: %w", err)
	}
	return nil
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

// readBack takes our own records out of the outbox, and returns the numbers of those of our present identity that were never
// there.
func (b *batch) readBack(result *record.Result) (elsewhere []uint32, err error) {
	if len(result.Messages) == 0 {
		return nil, nil
	}
	store := b.in.c.store
	signers, err := store.Signers()
	if err != nil {
		return nil, err
	}
	for i := range result.Messages {
		m := &result.Messages[i]
		var sent []kept.Own
		if slices.Contains(signers, m.Author) {
			if sent, err = store.Own(m.Author, m.Number, m.Number); err != nil {
				return nil, err
			}
		}
		switch {
		case len(sent) > 0 && sent[0].Hash == m.Hash:
			if err := store.DeleteOwn(sent[0]); err != nil {
				return nil, err
			}
		case m.Author == b.in.c.own:
			elsewhere = append(elsewhere, m.Number)
		}
	}
	return elsewhere, nil
}
