package room

import (
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// Predecessor returns the identity that signed here before ours, as long as [Conversation.Adopt] was not called; the zero
// key if there is none.
func (c *Conversation) Predecessor() (key record.PublicKey, err error) {
	state, err := c.store.State()
	if err != nil {
		return key, fmt.Errorf("looking who signs in the room: %w", err)
	}
	if c.own.IsZero() || state.Own == c.own {
		return key, nil
	}
	return state.Own, nil
}

// Adopt makes our identity the one that signs in this room, after it was lost or the archive of another one was put here.
// Of what that has in the outbox it signs anew what nobody has tried to post, under numbers of its own: the other identity
// may be in use elsewhere, and its numbers with it. If there is any, the room must have been read before, in this process:
// it may have been posted from elsewhere. The error is [model.ErrNoIdentity], [model.ErrOtherIdentity] if it was not read, or [model.ErrKeyGone]
// for a message that was sealed with a key that is not here; then nothing is changed.
func (c *Conversation) Adopt(now time.Time) (a model.Adopted, err error) {
	if c.own.IsZero() {
		return a, model.ErrNoIdentity
	}
	err = c.transact(func() error {
		state, err := c.store.State()
		if err == nil {
			a, err = c.adopt(&state, now)
		}
		return err
	})
	if err != nil {
		return model.Adopted{}, fmt.Errorf("signing the outbox anew: %w", err)
	}
	return a, nil
}

// adopt does the work of Adopt inside a transaction, and keeps the state where it has changed. Beside [model.ErrOtherIdentity] the
// state is that of our identity, to write behind what waits, and is not to be kept.
func (c *Conversation) adopt(state *kept.State, now time.Time) (a model.Adopted, err error) {
	if state.Own == c.own {
		return a, nil
	}
	waiting, err := c.store.Own(kept.OwnQuery{})
	if err != nil {
		return a, err
	}
	untried := 0 // posts go out in their order
	for i := range waiting {
		o := &waiting[i]
		q, err := c.queued(o)
		if err != nil {
			return a, err
		}
		if !q.Untried() {
			untried = i + 1
		}
		if !q.Untried() && q.Sent != model.StateAccepted {
			a.Completed++
		}
	}
	if untried < len(waiting) && !c.read {
		c.goOnBehind(state, waiting)
		return a, model.ErrOtherIdentity
	}
	// Who comes back goes on behind what of theirs is still on its way.
	c.goOnBehind(state, waiting[:untried])
	waiting = waiting[untried:]
	if err := c.forgetReceipts(); err != nil {
		return a, err
	}
	t, err := c.tip(state)
	if err != nil {
		return a, err
	}
	if len(waiting) == 0 {
		return a, t.keep(c.store, state)
	}
	a.Renumbered, err = c.signAnew(state, t, waiting, func(r *record.Record) bool {
		if r.Author == c.own { // written since, while the room could not be read
			return true
		}
		if _, ok := r.Body.(record.Device); ok {
			a.LeftOut++
			return false
		}
		if r.Nick = c.o.Nick; r.Seen.Tag == c.own.Tag() { // nobody names their own
			r.Seen = record.Seen{}
		}
		a.Anew++
		return true
	}, now)
	return a, err
}

// goOnBehind lets our identity sign from now on, behind the last record of its own among some of the outbox.
func (c *Conversation) goOnBehind(state *kept.State, some []kept.Own) {
	state.Own, state.OwnLast, state.OwnHash = c.own, 0, record.ShortHash{}
	for i := range some {
		if o := &some[i]; o.Author == c.own && o.Number > state.OwnLast {
			state.OwnLast, state.OwnHash = o.Number, o.Hash.Short()
		}
	}
}

// forgetReceipts forgets who has seen what another identity has written: its numbers are ours now.
func (c *Conversation) forgetReceipts() error {
	authors, err := c.store.Authors(record.AuthorQuery{Only: record.Witness})
	if err != nil {
		return err
	}
	for i := range authors {
		authors[i].SawOwn = 0
	}
	return c.store.Apply(&kept.Change{Learnt: &record.Change{Authors: authors}})
}
