package room

import (
	"math"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// What waits in the outbox is signed anew, before anything of it is posted, where its numbers are taken or its key is not the
// room's any more.

// renumber signs anew what another copy of this identity has taken the numbers of: a restored backup, or a copied home.
// The first post must not be one that was tried and may be stored. It runs inside a transaction.
func (c *Conversation) renumber(now time.Time) ([]model.Renumbered, error) {
	author, ok, err := c.store.Author(c.own)
	if err != nil || !ok {
		return nil, err
	}
	own, err := c.store.Own(kept.OwnQuery{Author: c.own, First: 1, Last: author.Top})
	if err != nil {
		return nil, err
	}
	first := -1
	for i := range own {
		q, err := c.queued(&own[i])
		if err != nil {
			return nil, err
		}
		if q.Sent == model.StateAccepted {
			continue
		}
		// What the relay has had is posted again as it is. What stands above it may be ours as well: a relay stores the entries of a
		// bulk update in part, or shows them so, and to sign the rest anew would send it twice.
		if !q.Untried() {
			if taken, err := c.taken(&own[i]); err != nil {
				return nil, err
			} else if !taken {
				continue
			}
		}
		first = i
		break
	}
	if first < 0 {
		return nil, nil
	}
	own, err = c.store.Own(kept.OwnQuery{Author: c.own, First: own[first].Number, Last: math.MaxUint32})
	if err != nil {
		return nil, err
	}
	state, err := c.store.State()
	if err != nil || state.Own != c.own {
		return nil, err
	}
	t := tip{number: author.Top, previous: author.TopHash, seq: state.Seq}
	return c.signAnew(&state, t, own, func(*record.Record) bool { return true }, now)
}

// taken reports whether another record of ours is held under the number of one that was not read back.
func (c *Conversation) taken(o *kept.Own) (bool, error) {
	held, err := c.store.Held(record.HeldQuery{Author: o.Author, First: o.Number, Last: o.Number})
	return slices.ContainsFunc(held, func(h record.Held) bool { return h.Hash != o.Hash }), err
}

// sealAnew signs anew what waits under a key that the room has moved away from, and seals it with the newest: with the old one
// it would be for those whom the move has left behind. What was tried is completed as it is. It runs inside a transaction.
func (c *Conversation) sealAnew(posts []kept.Post, now time.Time) (bool, error) {
	first, err := c.leftBehind(posts)
	if err != nil || first == nil {
		return false, err
	}
	state, err := c.store.State()
	if err != nil || state.Own != c.own {
		return false, err
	}
	own, err := c.store.Own(kept.OwnQuery{Author: c.own, First: first.Number, Last: math.MaxUint32})
	if err != nil {
		return false, err
	}
	t := tip{number: first.Number - 1, seq: state.Seq}
	if t.previous, err = c.hashOf(t.number); err != nil {
		return false, err
	}
	_, err = c.signAnew(&state, t, own, func(*record.Record) bool { return true }, now)
	return true, err
}

// leftBehind returns the first record among some posts of which nothing was tried, and which is sealed with a key that the room
// has moved away from; nil if there is none.
func (c *Conversation) leftBehind(posts []kept.Post) (*kept.Own, error) {
	if len(c.ids) < 2 {
		return nil, nil
	}
	own, err := c.store.Own(kept.OwnQuery{FirstPost: posts[0].Seq, LastPost: posts[len(posts)-1].Seq})
	if err != nil {
		return nil, err
	}
	for i := range own {
		o := &own[i]
		if o.Author != c.own || o.Kind == record.KindKeyMoved { // that one is for those who lack the new key
			continue
		}
		q, err := c.progress(o)
		if err != nil {
			return nil, err
		}
		if !q.Untried() {
			continue
		}
		key, err := c.sealedWith(o)
		if err != nil || key == c.ids[0] { // what stands behind is no older
			return nil, err
		}
		if away, err := c.movedFrom(key); err != nil || away != nil {
			return o, err
		}
	}
	return nil, nil
}

// sealedWith returns the key that seals a record of the outbox, the newest where it cannot be opened.
func (c *Conversation) sealedWith(o *kept.Own) (record.KeyID, error) {
	posts, err := c.store.Posts(kept.PostQuery{First: o.First, Last: o.First})
	if err != nil {
		return record.KeyID{}, err
	}
	for i := range posts {
		for n := range posts[i].Cells.All() {
			cell, ok := c.openField(&posts[i], n)
			if id, err := cell.Group(); ok && err == nil && id.Number == o.Number {
				return id.Key, nil
			}
		}
	}
	return c.ids[0], nil
}
