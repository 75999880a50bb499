package room

import (
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

// Written tells what became of a message.
type Written struct {
	// Number is the record's number, and Hash its hash.
	Number uint32
	Hash   record.Hash
	// Cells is how many cells it takes, and Entries in how many entries of the outbox they stand.
	Cells, Entries int

	text thingspeak.Fields // of a text
}

// Write signs a message, seals it and puts it into the outbox, all in one transaction: then it has a number, and only
// [Conversation.Deliver] is left to do. A [record.Heartbeat] names by itself what was seen; give it empty.
//
// What another identity has signed and nobody has tried to post is adopted first, see [Conversation.Adopt]; as long as the
// room was not read in this process, the message only waits behind that, and may get another number when it is.
//
// It refuses with [model.ErrNoIdentity], [model.ErrKeyGone], [model.ErrNumbersSpent], [model.ErrNoText] and what [record.Sign]
// refuses.
func (c *Conversation) Write(body record.Body, now time.Time) (Written, error) {
	return c.WriteWith(body, Writing{At: now}, now)
}

// Writing says what goes with a message.
type Writing struct {
	// At is what its clock shows: when it was written, or its values were measured.
	At time.Time
	// Once, if not empty, names what is to be written once in 30 days. The error is a [*model.WrittenError] if it was before, and
	// [model.ErrOtherBody] if something else was under that name, or [model.ErrNamedKeyGone]. What is taken back was not written.
	Once string
}

// WriteWith is [Conversation.Write] of a message with which something goes.
func (c *Conversation) WriteWith(body record.Body, with Writing, now time.Time) (Written, error) {
	if c.own.IsZero() {
		return Written{}, model.ErrNoIdentity
	}
	if body == record.Text("") {
		return Written{}, model.ErrNoText
	}
	var w Written
	err := c.transact(func() (err error) {
		w, err = c.write(body, &with, now)
		return err
	})
	if err != nil {
		return Written{}, fmt.Errorf("writing a message: %w", err)
	}
	return w, nil
}

// write does the work of Write inside its transaction.
func (c *Conversation) write(body record.Body, with *Writing, now time.Time) (w Written, err error) {
	if err := c.maySign(); err != nil {
		return w, err
	}
	// Keys of an earlier moment would seal for somebody whom the room has moved away from meanwhile.
	if err := c.renewKeys(); err != nil {
		return w, err
	}
	state, err := c.store.State()
	if err != nil {
		return w, err
	}
	keep := state
	_, err = c.adopt(&state, now)
	behind := errors.Is(err, model.ErrOtherIdentity)
	if err != nil && !behind {
		return w, err
	}
	t, err := c.tip(&state)
	if err != nil {
		return w, err
	}
	r := record.Record{Clock: with.At.UnixMilli(), Nick: c.o.Nick, Body: body}
	named, err := c.name(&r)
	if err != nil {
		return w, err
	}
	w, err = c.queue(&t, &r, c.sealerOf(body), now)
	if err != nil {
		return w, err
	}
	if behind { // who signs here is still the other one
		keep.Seq = t.seq
		err = c.store.Apply(&kept.Change{State: &keep})
	} else {
		err = t.keep(c.store, &state)
	}
	if err != nil {
		return w, err
	}
	change := record.Change{}
	for _, n := range named {
		n.author.MarkNamed(n.number, w.Number)
		change.Authors = append(change.Authors, n.author)
	}
	write, err := c.once(with.Once, body, model.OwnID{Author: c.own, Number: w.Number}, now)
	if err != nil {
		return w, err
	}
	if write.Learnt = &change; r.Kind() != record.KindHeartbeat {
		write.States = []model.OwnState{{OwnID: model.OwnID{Author: c.own, Number: w.Number}}} // queued
	}
	return w, c.store.Apply(&write)
}

// sealerOf returns which key seals a body: the newest, but the one before it for the record that tells of it, which is
// for those who do not have it yet.
func (c *Conversation) sealerOf(body record.Body) int {
	if moved, ok := body.(record.KeyMoved); ok {
		if next := slices.Index(c.ids, moved.Key) + 1; next < len(c.ids) {
			return next // 0 where the new key is not here
		}
	}
	return 0
}

// sealerAnew returns which key seals what is signed anew: the one that sealed it, unless the room has moved away from that one.
func (c *Conversation) sealerAnew(m *record.Message) (int, error) {
	key := slices.Index(c.ids, m.Key)
	if key == 0 {
		return 0, nil
	}
	if away, err := c.movedFrom(m.Key); err != nil || away == nil {
		return key, err
	}
	return c.sealerOf(m.Body), nil
}

// namedRecord is a record of somebody else that one of ours names.
type namedRecord struct {
	author record.Author
	number uint32
}

// name lets a record say which records of others its author has seen: a heartbeat the newest that were verified, of those
// whom we have named longest ago, as many as it takes to fill one entry; any other the last that was shown here, so that
// nobody can put an answer behind another question, and what was only read is not called seen.
func (c *Conversation) name(r *record.Record) (named []namedRecord, err error) {
	if _, isHeartbeat := r.Body.(record.Heartbeat); !isHeartbeat {
		return c.nameShown(r)
	}
	const seenBytes = record.TagSize + 4 + record.ShortHashSize
	limit := 1 + max(record.Capacity(max(len(c.o.Fields), 2), len(c.o.Nick))/seenBytes, 0)
	authors, err := c.store.Authors(record.AuthorQuery{Only: record.Unnamed})
	if err != nil {
		return nil, err
	}
	authors = record.ToName(authors, c.own, limit)
	heartbeat := record.Heartbeat{}
	for i := range authors {
		a := &authors[i]
		seen := record.Seen{Tag: a.Key.Tag(), Number: a.Top, Hash: a.TopHash}
		if i == 0 {
			r.Seen = seen
		} else {
			heartbeat = append(heartbeat, seen)
		}
		named = append(named, namedRecord{*a, a.Top})
	}
	r.Body = heartbeat
	return named, nil
}

func (c *Conversation) nameShown(r *record.Record) ([]namedRecord, error) {
	h, ok, err := c.lastShown()
	if err != nil || !ok || h.Author == c.own {
		return nil, err
	}
	author, ok, err := c.store.Author(h.Author)
	if err != nil || !ok {
		return nil, err
	}
	r.Seen = record.Seen{Tag: h.Author.Tag(), Number: h.Number, Hash: h.Hash.Short()}
	return []namedRecord{{author, h.Number}}, nil
}

// tip is where the next record goes: after which of our records, and behind which post.
type tip struct {
	number   uint32
	previous record.ShortHash
	last     *kept.Post
	seq      int64
}

// tip returns the end of what was written. What the feed holds of our own key counts, whoever has written it.
func (c *Conversation) tip(state *kept.State) (tip, error) {
	t := tip{number: state.OwnLast, previous: state.OwnHash, seq: state.Seq}
	if from := c.o.Brought; from.Number > t.number {
		t.number, t.previous = from.Number, from.Hash
	}
	own, ok, err := c.store.Author(c.own)
	if err != nil {
		return t, err
	}
	if ok && own.Top > t.number {
		t.number, t.previous = own.Top, own.TopHash
	}
	mine, err := c.store.Own(kept.OwnQuery{Author: c.own, First: t.number, Last: t.number})
	if err != nil || len(mine) == 0 {
		return t, err
	}
	// An entry holds records of one author only, so none is filled up that another identity has begun.
	if last, err := c.lastPost(); err != nil || last != nil && last.Seq == mine[0].Last {
		t.last = last
		return t, err
	}
	return t, nil
}

// Last returns the last number that our identity has used here, 0 for none, and the hash of that record. It waits for whoever is
// taking a number in another process.
func (c *Conversation) Last() (last model.Brought, err error) {
	err = c.transact(func() error {
		state, err := c.store.State()
		if err != nil {
			return err
		}
		if state.Own != c.own { // what it has is somebody else's
			state.OwnLast, state.OwnHash = 0, record.ShortHash{}
		}
		t, err := c.tip(&state)
		last = model.Brought{Number: t.number, Hash: t.previous}
		return err
	})
	if err != nil {
		return model.Brought{}, fmt.Errorf("looking up our last number: %w", err)
	}
	return last, nil
}

// lastPost returns the last entry of the outbox, nil if there is none.
func (c *Conversation) lastPost() (*kept.Post, error) {
	posts, err := c.store.Posts(kept.PostQuery{Newest: true, Limit: 1})
	if err != nil || len(posts) == 0 {
		return nil, err
	}
	return &posts[0], nil
}

// keep notes in the state, which it writes, where the tip has come to.
func (t *tip) keep(store Store, state *kept.State) error {
	state.OwnLast, state.OwnHash, state.Seq = t.number, t.previous, t.seq
	return store.Apply(&kept.Change{State: state})
}

// queue signs a record behind the tip, seals it with one of the keys, puts it into the outbox, and moves the tip.
func (c *Conversation) queue(t *tip, r *record.Record, key int, now time.Time) (w Written, err error) {
	if t.number == math.MaxUint32 {
		return w, model.ErrNumbersSpent
	}
	r.Number, r.Previous = t.number+1, t.previous
	signed, tokens, err := c.compose(r, key, now)
	if err != nil {
		return w, err
	}
	posts, err := c.lay(tokens, t.last, t.seq, now)
	if err != nil {
		return w, err
	}
	last := &posts[len(posts)-1]
	own := kept.Own{
		Author: c.own, Number: r.Number, Hash: signed.Hash, Kind: r.Kind(), First: posts[0].Seq, Last: last.Seq, Queued: now,
	}
	err = c.store.Apply(&kept.Change{Posts: posts, Own: []kept.Own{own}})
	t.number, t.previous, t.last, t.seq = r.Number, signed.Hash.Short(), last, max(t.seq, last.Seq)
	return Written{Number: r.Number, Hash: signed.Hash, Cells: len(tokens), Entries: len(posts)}, err
}

// compose signs a record, cuts it and seals the cells.
func (c *Conversation) compose(r *record.Record, key int, now time.Time) (record.Signed, []string, error) {
	signed, err := record.Sign(c.o.Identity, record.Context{Salt: c.o.Salt, Key: c.ids[key]}, *r)
	if err != nil {
		return signed, nil, err
	}
	cells, err := signed.Cells()
	if err != nil {
		return signed, nil, err
	}
	tokens, err := c.seal(c.sealers[key], cells, now)
	return signed, tokens, err
}

// Drop takes back a message of which nothing was tried to be posted yet. Its number was taken, so it is signed anew as
// a heartbeat, and what is queued behind it anew, under the same numbers. Of what a relay has refused that makes two records of one
// number, if the relay has stored it all the same: only with refused is that risked. The error is [model.ErrNoMessage],
// [model.ErrTried] or [model.ErrRefused].
func (c *Conversation) Drop(number uint32, refused bool, now time.Time) error {
	err := c.transact(func() error {
		state, err := c.store.State()
		if err != nil {
			return err
		}
		if state.Own != c.own {
			return model.ErrOtherIdentity
		}
		if c.own.IsZero() {
			return c.dropText(number, refused)
		}
		own, err := c.store.Own(kept.OwnQuery{Author: c.own, First: number, Last: math.MaxUint32})
		if err != nil {
			return err
		}
		if len(own) == 0 || own[0].Number != number {
			return model.ErrNoMessage
		}
		states, err := c.store.Progress(own[0].First, own[0].Last)
		if err != nil {
			return err
		}
		if states[model.StateTried]+states[model.StateAccepted]+states[model.StateUnknown] > 0 {
			return model.ErrTried
		}
		if states[model.StateRefused] > 0 && !refused {
			return model.ErrRefused
		}
		t := tip{number: number - 1, seq: state.Seq}
		if t.previous, err = c.hashOf(t.number); err != nil {
			return err
		}
		drop := func(r *record.Record) bool {
			if r.Number == number {
				r.Body = record.Heartbeat{}
			}
			return true
		}
		if _, err = c.signAnew(&state, t, own, drop, now); err != nil || own[0].Kind == record.KindHeartbeat {
			return err
		}
		return c.tellStates([]model.OwnState{{OwnID: model.OwnID{Author: c.own, Number: number}, State: model.StateDropped}})
	})
	if err != nil {
		return fmt.Errorf("taking back %s: %w", c.OwnNumber(number), err)
	}
	return nil
}

// signAnew signs records of the outbox, to its end, once more behind a tip, after change has had its way with each, and
// lays them out once more; those of which change reports false are left out. It runs inside a transaction and keeps the
// state.
func (c *Conversation) signAnew(
	state *kept.State, t tip, own []kept.Own, change func(*record.Record) bool, now time.Time,
) (changed []model.Renumbered, err error) {
	if err := c.maySign(); err != nil {
		return nil, err
	}
	if err := c.renewKeys(); err != nil { // another process may have sealed some of it with a key that is new
		return nil, err
	}
	messages, err := c.unsent(own)
	if err != nil {
		return nil, err
	}
	if t.last, err = c.rewind(&own[0]); err != nil {
		return nil, err
	}
	if own[0].Author != c.own {
		t.last = nil // see tip
	}
	if err := c.store.Apply(&kept.Change{OwnGone: own}); err != nil {
		return nil, err
	}
	var states []model.OwnState
	for i := range own {
		m, ok := messages[own[i].Hash]
		if !ok {
			name, err := c.signer(own[i].Author)
			return nil, errors.Join(err, fmt.Errorf("%s in the outbox cannot be opened: %w",
				record.Numbers(name, own[i].Number, own[i].Number), model.ErrKeyGone))
		}
		before := model.OwnID{Author: own[i].Author, Number: m.Number}
		if !change(&m.Record) {
			states = append(states, model.OwnState{OwnID: before, State: model.StateDropped})
			continue
		}
		key, err := c.sealerAnew(&m)
		if err != nil {
			return nil, err
		}
		w, err := c.queue(&t, &m.Record, key, now)
		if err != nil {
			return nil, err
		}
		if w.Number != before.Number && own[i].Author == c.own {
			changed = append(changed, model.Renumbered{Before: before.Number, Now: w.Number})
		}
		if id := (model.OwnID{Author: c.own, Number: w.Number}); id != before && own[i].Kind != record.KindHeartbeat {
			states = append(states, model.OwnState{OwnID: id, Was: before})
		}
	}
	// The last one first: a number may be one that the message behind it had before.
	slices.Reverse(states)
	return changed, errors.Join(t.keep(c.store, state), c.tellStates(states))
}

// rewind takes the posts of a record and of those behind it out of the outbox. The first of them stays if there are
// cells of an earlier record in it, and without the others if it can still be changed; then it is returned.
func (c *Conversation) rewind(o *kept.Own) (last *kept.Post, err error) {
	posts, err := c.store.Posts(kept.PostQuery{First: o.First, Last: o.First})
	if err != nil {
		return nil, err
	}
	if err := c.store.Apply(&kept.Change{PostsFrom: o.First}); err != nil || len(posts) == 0 {
		return nil, err
	}
	post := posts[0]
	rest := post
	shared := false
	for n := range post.Cells.All() {
		cell, ok := c.openField(&post, n)
		if id, err := cell.Group(); ok && err == nil && id.Number < o.Number {
			shared = true
			continue
		}
		rest.Fields[n-1] = thingspeak.Value{}
		rest.Cells &^= thingspeak.FieldsOf(n)
	}
	switch {
	case !shared:
		return nil, nil
	case post.State == model.StateQueued:
		post = rest
	}
	return &post, c.store.Apply(&kept.Change{Posts: []kept.Post{post}})
}

// hashOf returns the hash of a record of our own that is in the outbox or was read back; zero for number 0.
func (c *Conversation) hashOf(number uint32) (record.ShortHash, error) {
	if number == 0 {
		return record.ShortHash{}, nil
	}
	own, err := c.store.Own(kept.OwnQuery{Author: c.own, First: number, Last: number})
	if err != nil {
		return record.ShortHash{}, err
	}
	if len(own) > 0 {
		return own[0].Hash.Short(), nil
	}
	held, err := c.store.Held(record.HeldQuery{Author: c.own, First: number, Last: number})
	if err != nil {
		return record.ShortHash{}, err
	}
	if len(held) == 0 {
		return record.ShortHash{}, fmt.Errorf("%s is not known, so nothing can be signed after it", c.OwnNumber(number))
	}
	return held[0].Hash.Short(), nil
}

// openField opens a token of a post.
func (c *Conversation) openField(p *kept.Post, field int) (cell record.Cell, ok bool) {
	bare, _ := token.Unwrap(p.Fields[field-1].Text)
	found, err := c.ring.Open(bare)
	if err != nil || !record.IsCell(found.Plaintext) {
		return cell, false
	}
	return c.cell(record.Place{Entry: p.Seq}, &opened{field: field, key: found.KeyIndex, plain: found.Plaintext}), true
}

// unsent reads records out of the outbox again, by their hashes.
func (c *Conversation) unsent(own []kept.Own) (map[record.Hash]record.Message, error) {
	if len(own) == 0 {
		return nil, nil
	}
	posts, err := c.store.Posts(kept.PostQuery{First: own[0].First, Last: own[len(own)-1].Last})
	if err != nil {
		return nil, err
	}
	var cells []record.Cell
	for i := range posts {
		for n := range posts[i].Cells.All() {
			if cell, ok := c.openField(&posts[i], n); ok {
				cells = append(cells, cell)
			}
		}
	}
	result, err := record.NewReader(c.o.Salt, c.own).Read(record.NewMemory(), cells, record.View{}, time.Time{})
	if err != nil {
		return nil, err
	}
	wanted := make(map[record.Hash]bool, len(own))
	for i := range own {
		wanted[own[i].Hash] = true
	}
	messages := make(map[record.Hash]record.Message, len(own))
	for _, m := range result.Messages {
		if wanted[m.Hash] {
			m.Own = true // whichever identity of ours has signed it
			messages[m.Hash] = m
		}
	}
	return messages, nil
}
