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
	if err := b.asTold(result.Change.TakenBack); err != nil {
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
	write := kept.Change{Learnt: &change}
	back, err := b.textsReadBack(texts)
	if err != nil {
		return nil, err
	}
	addMessages(&write, result, fresh, texts)
	write.OwnGone, elsewhere, err = b.readBack(result)
	write.OwnGone = append(write.OwnGone, back...)
	if err == nil {
		write.States, err = b.statesRead(result, texts, write.OwnGone)
	}
	if err == nil && len(elsewhere) > 0 && !b.kept { // what was kept was told before
		var m kept.Mark
		m, _, err = store.Mark(elsewhereMark)
		m.Message += int64(len(elsewhere))
		write.Marks = []kept.Mark{m}
	}
	if err != nil {
		return nil, err
	}
	return elsewhere, store.Apply(&write)
}

// elsewhereMark is the name of the mark that counts the records of our own key that were not written here: all of them, and
// those that were told.
const elsewhereMark = "elsewhere"

// Elsewhere returns how many records of our own key have come that this archive has not written, and how many of them came
// since [Conversation.ToldElsewhere].
func (c *Conversation) Elsewhere() (all, fresh int, err error) {
	m, _, err := c.store.Mark(elsewhereMark)
	if err != nil {
		return 0, 0, fmt.Errorf("counting what came from elsewhere: %w", err)
	}
	return int(m.Message), int(m.Message - m.Event), nil
}

// ToldElsewhere notes that so many of them were told, in all.
func (c *Conversation) ToldElsewhere(told int) error {
	err := c.transact(func() error {
		m, _, err := c.store.Mark(elsewhereMark)
		if err != nil {
			return err
		}
		m.Event = max(m.Event, int64(told)) // another process may have told of more
		return c.store.Apply(&kept.Change{Marks: []kept.Mark{m}})
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

// asTold has what somebody's word has told be taken back as it was told: the reader remembers the one number that was named,
// and neither whose it was nor which others lay before it.
func (b *batch) asTold(back []record.Finding) error {
	said := map[record.FindingID]*record.Finding{}
	for i := range back {
		if f := &back[i]; !f.By.IsZero() {
			said[f.ID()] = f
		}
	}
	if len(said) == 0 {
		return nil
	}
	return eachFinding(b.in.c.store, func(e *kept.Event) {
		if f := said[e.Finding.ID()]; f != nil && !e.TakenBack {
			*f = e.Finding
		}
	})
}

// heldID names a record.
type heldID struct {
	author record.PublicKey
	number uint32
	hash   record.Hash
}

// addMessages adds records and texts to a change in one order: that of their places.
func addMessages(change *kept.Change, result *record.Result, held map[heldID]*record.Held, texts []textToken) {
	change.Messages = make([]kept.Message, 0, len(result.Messages)+len(texts))
	slices.SortFunc(texts, compareTexts)
	for i := range result.Messages {
		m := &result.Messages[i]
		for len(texts) > 0 && texts[0].spot().Compare(m.At) < 0 {
			change.Messages = append(change.Messages, texts[0].message())
			texts = texts[1:]
		}
		h := held[heldID{m.Author, m.Number, m.Hash}]
		change.Messages = append(change.Messages, kept.Message{Held: *h, Kind: m.Kind()})
		if moved, ok := m.Body.(record.KeyMoved); ok {
			move := kept.Move{Author: m.Author, Number: m.Number, Hash: m.Hash, Named: moved.Key}
			change.Moves = append(change.Moves, move)
		}
	}
	for i := range texts {
		change.Messages = append(change.Messages, texts[i].message())
	}
}

func compareTexts(a, b textToken) int { return a.spot().Compare(b.spot()) }

func (t *textToken) spot() record.Spot { return record.Spot{Place: t.at, Field: t.field} }

func (t *textToken) message() kept.Message {
	return kept.Message{Held: record.Held{At: t.spot(), Hash: t.sum, Number: t.own}}
}

// readBack returns what of the outbox was read back, and the numbers of records of our present identity that were never
// there, nor on the device that it has come from.
func (b *batch) readBack(result *record.Result) (back []kept.Own, elsewhere []uint32, err error) {
	sent := map[record.PublicKey]map[uint32]kept.Own{}
	for author, q := range numbersOf(result.Messages) {
		own, err := b.in.c.store.Own(q)
		if err != nil {
			return nil, nil, err
		}
		sent[author] = make(map[uint32]kept.Own, len(own))
		for _, o := range own {
			sent[author][o.Number] = o
		}
	}
	for i := range result.Messages {
		m := &result.Messages[i]
		switch o, ok := sent[m.Author][m.Number]; {
		case ok && o.Hash == m.Hash:
			back = append(back, o)
			delete(sent[m.Author], m.Number)
		case m.Author == b.in.c.own && m.Number > b.in.c.o.Brought.Number:
			elsewhere = append(elsewhere, m.Number)
		}
	}
	return back, elsewhere, nil
}

// numbersOf returns between which numbers the messages of each author are.
func numbersOf(messages []record.Message) map[record.PublicKey]kept.OwnQuery {
	all := map[record.PublicKey]kept.OwnQuery{}
	for i := range messages {
		m := &messages[i]
		q, ok := all[m.Author]
		if !ok {
			q = kept.OwnQuery{Author: m.Author, First: m.Number}
		}
		q.First, q.Last = min(q.First, m.Number), max(q.Last, m.Number)
		all[m.Author] = q
	}
	return all
}
