package room

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// signer is how readers know an identity that signs here, or did.
func (c *Conversation) signer(key record.PublicKey) (string, error) {
	if key.IsZero() {
		return "", nil
	}
	if key == c.own {
		return c.OwnName(), nil
	}
	names := c.names()
	return names.Of(key), names.Err()
}

// Outbox returns the messages that were not yet read back, in order.
func (c *Conversation) Outbox() ([]model.Queued, error) {
	var all []model.Queued
	err := c.ofOneMoment(func() error {
		own, err := c.store.Own(kept.OwnQuery{})
		all = make([]model.Queued, len(own))
		for i := 0; i < len(own) && err == nil; i++ {
			all[i], err = c.queued(&own[i])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the outbox: %w", err)
	}
	return all, nil
}

// readsAnew is how many times what is read together is read without keeping others from writing.
const readsAnew = 3

// ofOneMoment runs work that reads several things which belong together, once more where another process has changed something
// meanwhile: a message that it has read back would be in none of them, or in two.
func (c *Conversation) ofOneMoment(work func() error) error {
	for range readsAnew {
		before, err := c.store.Version()
		if err != nil {
			return err
		}
		failed := work()
		if after, err := c.store.Version(); err != nil || after == before {
			return cmp.Or(failed, err)
		}
	}
	return c.store.Transact(work)
}

// Sent returns how far one of our own messages has come, also one that was read back: of that Entries and Accepted are
// not known any more. The error is [model.ErrNoMessage] for a number that was never taken.
func (c *Conversation) Sent(number uint32) (model.Queued, error) {
	return c.SentBy(model.OwnID{Author: c.own, Number: number})
}

// SentBy is [Conversation.Sent] of a message that an identity of ours has signed, perhaps one before this.
func (c *Conversation) SentBy(id model.OwnID) (q model.Queued, err error) {
	err = c.ofOneMoment(func() (err error) {
		q, err = c.sentBy(id)
		return err
	})
	return q, err
}

func (c *Conversation) sentBy(id model.OwnID) (q model.Queued, err error) {
	var own []kept.Own
	number := id.Number
	if id.Author.IsZero() {
		own, err = c.waitingTexts(number, number)
	} else {
		own, err = c.store.Own(kept.OwnQuery{Author: id.Author, First: number, Last: number})
	}
	if err == nil && len(own) > 0 {
		q, err = c.queued(&own[0])
	}
	if err != nil || len(own) > 0 {
		return q, err
	}
	var held []record.Held
	if !id.Author.IsZero() { // of texts only the outbox knows which is which
		held, err = c.store.Held(record.HeldQuery{Author: id.Author, First: number, Last: number})
	}
	if err == nil && len(held) == 0 {
		err = model.ErrNoMessage
	}
	if err != nil {
		return q, fmt.Errorf("looking for %s: %w", c.OwnNumber(number), err)
	}
	q = model.Queued{Author: id.Author, Number: number, Sent: model.StateAccepted, Entry: held[0].At.Entry}
	q.Name, err = c.signer(id.Author)
	return q, err
}

// Unposted returns how many entries of the outbox were not accepted so far.
func (c *Conversation) Unposted() (int, error) {
	states, err := c.store.Progress(0, 1<<62)
	if err != nil {
		return 0, fmt.Errorf("counting the outbox: %w", err)
	}
	return states[model.StateQueued] + states[model.StateRefused] + states[model.StateTried] + states[model.StateUnknown], nil
}

// OnTheirWay returns what the messages say that were not read back, in order, apart from heartbeats.
func (c *Conversation) OnTheirWay() (items []model.Item, err error) {
	err = c.ofOneMoment(func() (err error) {
		items, err = c.onTheirWay()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the outbox: %w", err)
	}
	return items, nil
}

// NotReadBack returns the messages that the relay has accepted as a whole and that were not read back, in order. What the
// relay had accepted before the channel was cleared cannot come any more, and is left out, see [Conversation.Standing].
func (c *Conversation) NotReadBack() ([]model.Queued, error) {
	clears, err := c.clears()
	if err != nil {
		return nil, fmt.Errorf("listing the outbox: %w", err)
	}
	return c.notReadBack(clears, &model.Unchecked{})
}

// notReadBack counts those that are left out.
func (c *Conversation) notReadBack(clears clears, cleared *model.Unchecked) ([]model.Queued, error) {
	all, err := c.Outbox()
	return slices.DeleteFunc(all, func(q model.Queued) bool {
		if q.Sent == model.StateAccepted && clears.took(q.At) {
			cleared.Add(q.At)
			return true
		}
		return q.Sent != model.StateAccepted
	}), err
}

func (c *Conversation) queued(o *kept.Own) (model.Queued, error) {
	q, err := c.progress(o)
	if err == nil {
		q.Name, err = c.signer(o.Author)
	}
	return q, err
}

// progress is queued but for the name.
func (c *Conversation) progress(o *kept.Own) (model.Queued, error) {
	q := model.Queued{Author: o.Author, Number: o.Number, Kind: o.Kind, Since: o.Queued}
	states, err := c.store.Progress(o.First, o.Last)
	if err != nil {
		return q, err
	}
	q.Accepted, q.Refused = states[model.StateAccepted], states[model.StateRefused] > 0
	for _, n := range states {
		q.Entries += n
	}
	switch {
	case states[model.StateUnknown] > 0:
		q.Sent = model.StateUnknown
	case q.Accepted == q.Entries:
		q.Sent = model.StateAccepted
		posts, err := c.store.Posts(kept.PostQuery{First: o.First, Last: o.Last})
		if err != nil {
			return q, err
		}
		// Of a bulk update that was lost in part, what was posted again stands behind what came after it.
		for i := range posts {
			if at := posts[i].At; at.Compare(q.At) > 0 {
				q.At = at
			}
		}
		q.Entry = q.At.Entry
	case q.Accepted+states[model.StateTried] > 0:
		q.Sent = model.StateTried
	}
	return q, nil
}
