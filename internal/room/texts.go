package room

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// This file writes texts: what a room without records consists of, one token each. In the outbox a text is a post of a
// record without an author, whose number counts texts, and whose hash is that of the token.

// WriteText seals a text or a reading with the newest key and puts it into the outbox. The errors are those of [Room.Seal] and of
// [Writing].
func (c *Conversation) WriteText(body record.Body, with Writing, now time.Time) (Written, error) {
	return c.putText(body.Kind(), now, func() (kept.Post, error) {
		if err := c.renewKeys(); err != nil {
			return kept.Post{}, err
		}
		e, err := (&Room{c.sealers[0], c.o.Fields, c.o.Wrapped}).Seal(body, with.At)
		return kept.Post{Fields: e.Fields, Status: e.Status}, err
	}, func(id model.OwnID) (kept.Change, error) { return c.once(with.Once, body, id, now) })
}

// KeepText puts a text into the outbox that was sealed and perhaps posted without it; tried tells that it may be stored,
// behind the entry that was the newest. Of one that was read meanwhile, by another process, it returns the entry, and keeps
// nothing.
func (c *Conversation) KeepText(sealed thingspeak.Fields, come model.State, newest int64, now time.Time) (w Written, entry int64, err error) {
	w, err = c.putText(record.KindText, now, func() (kept.Post, error) {
		post := kept.Post{Fields: sealed, Cells: givenIn(&sealed)}
		read, err := c.readAt([]kept.Post{post})
		if err != nil {
			return post, err
		}
		if entry = read[0].Entry; entry > 0 {
			return post, errReadBack
		}
		if state, err := c.store.State(); err != nil || come == model.StateQueued {
			return post, err
		} else {
			post.State, post.After = come, record.Place{Clear: state.Clears, Entry: newest}
		}
		return post, nil
	}, func(model.OwnID) (kept.Change, error) { return kept.Change{}, nil })
	if entry > 0 {
		return Written{}, entry, nil
	}
	return w, 0, err
}

// TextRead returns the entry as which a text was read, 0 if it was not. The outbox knows it no more then.
func (c *Conversation) TextRead(w *Written) (entry int64, err error) {
	read, err := c.readAt([]kept.Post{{Fields: w.text, Cells: givenIn(&w.text)}})
	if err != nil {
		return 0, fmt.Errorf("looking for a text: %w", err)
	}
	return read[0].Entry, nil
}

// SentText is a text that the relay has accepted, and that was sent without its room.
type SentText struct {
	Token string    `json:"token"` // as it stands in the field
	Field int       `json:"field"`
	Entry int64     `json:"entry"` // 0 while it is being posted: it may be read back before anybody knows its number
	Time  time.Time `json:"time"`
}

// IsAnother reports whether a store holds something else than a text under the number of the entry that it was accepted as: as
// [Delivery] asks for what goes by way of the outbox.
func (t *SentText) IsAnother(store Store) (another bool, err error) {
	state, err := store.State()
	if err != nil {
		return false, err
	}
	bare, _ := token.Unwrap(t.Token)
	tok, err := token.Parse(bare)
	if err != nil {
		return false, fmt.Errorf("what was sent is no token: %w", err)
	}
	at := record.Place{Clear: state.Clears, Entry: t.Entry}
	err = store.Entries(kept.EntryQuery{First: at, Last: at, Limit: 1}, func(e kept.Entry) error {
		another = true
		for _, raw := range kept.Tokens(e.Tokens) {
			another = another && !bytes.Equal(raw, tok.Bytes()) // who watches the room may have read it already
		}
		return nil
	})
	return another, err
}

// KeepSent takes texts in among our own that were not read back yet, apart from those that were: so it is noticed if the relay
// does not show what it has accepted. What is no token of a text is left out.
func (c *Conversation) KeepSent(texts []SentText) error {
	err := c.transact(func() error {
		waiting, err := c.waitingTexts(0, math.MaxUint32)
		if err != nil {
			return err
		}
		state, err := c.store.State()
		if err != nil {
			return err
		}
		var change kept.Change
		for _, t := range texts {
			if t.Field < 1 || t.Field > thingspeak.FieldCount || t.Entry < 0 {
				continue
			}
			post := kept.Post{Cells: thingspeak.FieldsOf(t.Field), State: model.StateAccepted}
			post.Fields[t.Field-1] = thingspeak.Text(t.Token)
			hash, err := c.hashOfText(&post)
			if err != nil {
				continue
			}
			read, err := c.readAt([]kept.Post{post})
			if err != nil {
				return err
			}
			if read[0].Entry > 0 { // it was taken for somebody else's
				at := record.Spot{Place: read[0], Field: t.Field}
				change.TextsMoved = append(change.TextsMoved, kept.TextMove{From: at, To: at, Own: 1})
				continue
			}
			if t.Entry == 0 {
				c.isPosting(hash)
				continue
			}
			if slices.ContainsFunc(waiting, func(o kept.Own) bool { return o.Hash == hash }) {
				continue
			}
			state.Seq++
			post.Seq, post.At = state.Seq, record.Place{Clear: state.Clears, Entry: t.Entry}
			own := kept.Own{Hash: hash, Kind: record.KindText, First: post.Seq, Last: post.Seq, Queued: t.Time}
			own.Number = uint32(min(post.Seq, math.MaxUint32))
			change.Posts, change.Own = append(change.Posts, post), append(change.Own, own)
			waiting = append(waiting, own)
		}
		if len(change.Own)+len(change.TextsMoved) == 0 {
			return nil
		}
		change.State = &state
		return c.store.Apply(&change)
	})
	if err != nil {
		return fmt.Errorf("keeping what was sent: %w", err)
	}
	return nil
}

// mostPosting is how many texts are remembered that others are posting.
const mostPosting = 1000

// isPosting remembers a text that is being posted without this room: whoever reads it back first must know it for our own.
func (c *Conversation) isPosting(hash record.Hash) {
	if c.posting == nil || len(c.posting) >= mostPosting {
		c.posting = map[record.Hash]bool{}
	}
	c.posting[hash] = true
}

// errReadBack ends keeping a text that was read.
var errReadBack = errors.New("it was read back")

// putText puts a text into the outbox, with a change that may be refused.
func (c *Conversation) putText(
	kind record.Kind, now time.Time, compose func() (kept.Post, error), with func(model.OwnID) (kept.Change, error),
) (w Written, err error) {
	err = c.transact(func() error {
		post, err := compose()
		if err != nil {
			return err
		}
		state, err := c.store.State()
		if err != nil {
			return err
		}
		state.Seq++
		post.Seq, post.Cells = state.Seq, givenIn(&post.Fields)
		own := kept.Own{Kind: kind, First: post.Seq, Last: post.Seq, Queued: now}
		own.Number = uint32(min(post.Seq, math.MaxUint32))
		if own.Hash, err = c.hashOfText(&post); err != nil {
			return err
		}
		id := model.OwnID{Number: own.Number}
		change, err := with(id)
		if err != nil {
			return err
		}
		w = Written{Number: own.Number, Hash: own.Hash, Cells: 1, Entries: 1, text: post.Fields}
		change.Posts, change.Own, change.State = []kept.Post{post}, []kept.Own{own}, &state
		change.States = []model.OwnState{{OwnID: id, State: post.State}}
		return c.store.Apply(&change)
	})
	if err != nil {
		return Written{}, fmt.Errorf("writing a message: %w", err)
	}
	return w, nil
}

// givenIn returns the fields that hold something.
func givenIn(fields *thingspeak.Fields) (set thingspeak.FieldSet) {
	for i := range fields {
		if fields[i].Text != "" {
			set |= thingspeak.FieldsOf(i + 1)
		}
	}
	return set
}

// hashOfText returns the hash by which a text of the outbox is known, a reading by its last value.
func (c *Conversation) hashOfText(p *kept.Post) (hash record.Hash, err error) {
	for n := range p.Cells.All() {
		bare, _ := token.Unwrap(p.Fields[n-1].Text)
		tok, err := token.Parse(bare)
		if err != nil {
			return hash, fmt.Errorf("the outbox holds what is no token: %w", err)
		}
		hash = sha256.Sum256(tok.Bytes())
	}
	return hash, nil
}

// textsReadBack returns the texts of the outbox that were read, and notes of them that they are our own.
func (b *batch) textsReadBack(texts []textToken) (back []kept.Own, err error) {
	if len(texts) == 0 {
		return nil, nil
	}
	for i := range texts {
		if b.in.c.posting[texts[i].sum] {
			texts[i].own = 1
		}
	}
	waiting, err := b.in.c.waitingTexts(0, math.MaxUint32)
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	read := make(map[record.Hash]*textToken, len(texts))
	for i := range texts {
		read[texts[i].sum] = &texts[i]
	}
	for i := range waiting {
		if t := read[waiting[i].Hash]; t != nil {
			t.own = waiting[i].Number
			back = append(back, waiting[i])
		}
	}
	return back, nil
}

// waitingTexts returns the texts of the outbox with numbers from first to last.
func (c *Conversation) waitingTexts(first, last uint32) ([]kept.Own, error) {
	all, err := c.store.Own(kept.OwnQuery{})
	return slices.DeleteFunc(all, func(o kept.Own) bool { return !o.Author.IsZero() || o.Number < first || o.Number > last }), err
}

// unsentText opens a text or a reading of the outbox again.
func (c *Conversation) unsentText(o *kept.Own) (m model.Message, ok bool, err error) {
	posts, err := c.store.Posts(kept.PostQuery{First: o.First, Last: o.Last})
	if err != nil || len(posts) == 0 {
		return m, false, err
	}
	var items []model.Item
	add := func(field int, v thingspeak.Value) bool {
		bare, _ := token.Unwrap(v.Text)
		found, err := c.ring.Open(bare)
		if err == nil {
			t := opened{field: field, key: found.KeyIndex, sealed: found.SealedAt, plain: found.Plaintext}
			items = append(items, c.text(record.Place{}, time.Time{}, &t))
		}
		return err == nil
	}
	for n := range posts[0].Cells.All() {
		if !add(n, posts[0].Fields[n-1]) {
			return m, false, nil
		}
	}
	if posts[0].Status.Text != "" && !add(kept.StatusField, posts[0].Status) {
		return m, false, nil
	}
	if items = c.joinReadings(items); len(items) > 0 {
		m = *items[0].Unsigned
	}
	return m, len(items) > 0, nil
}

// dropText takes a text back of which nothing was tried.
func (c *Conversation) dropText(number uint32, refused bool) error {
	own, err := c.waitingTexts(number, number)
	if err == nil && len(own) == 0 {
		err = model.ErrNoMessage
	}
	if err != nil {
		return err
	}
	states, err := c.store.Progress(own[0].First, own[0].Last)
	switch {
	case err != nil:
	case states[model.StateRefused] > 0 && !refused:
		err = model.ErrRefused
	case states[model.StateQueued]+states[model.StateRefused] == 0:
		err = model.ErrTried
	}
	if err != nil {
		return err
	}
	dropped := model.OwnState{OwnID: model.OwnID{Number: number}, State: model.StateDropped}
	return c.store.Apply(&kept.Change{OwnGone: own, States: []model.OwnState{dropped}})
}
