package room

import (
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// nameState gives a state its names.
func (c *Conversation) nameState(s *model.OwnState) (err error) {
	if s.Name, err = c.signer(s.Author); err != nil || s.By.IsZero() {
		return err
	}
	names := c.names()
	s.SeenBy = names.Of(s.By)
	return names.Err()
}

// applySent applies a change of some posts, from first to last, and tells of the messages that have come further with them.
// It runs inside a transaction.
func (c *Conversation) applySent(change kept.Change, first, last int64) error {
	own, before, err := c.statesIn(first, last)
	if err == nil {
		err = c.store.Apply(&change)
	}
	if err != nil {
		return err
	}
	var states []model.OwnState
	for i := range own {
		now, err := c.sent(&own[i])
		if err != nil {
			return err
		}
		if now.State != before[i] {
			states = append(states, now)
		}
	}
	return c.tellStates(states)
}

// statesIn returns the messages that stand in some posts, heartbeats not counted, and how far they have come.
func (c *Conversation) statesIn(first, last int64) (own []kept.Own, states []model.State, err error) {
	all, err := c.store.Own(kept.OwnQuery{FirstPost: first, LastPost: last})
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		if all[i].Kind == record.KindHeartbeat {
			continue
		}
		now, err := c.sent(&all[i])
		if err != nil {
			return nil, nil, err
		}
		own, states = append(own, all[i]), append(states, now.State)
	}
	return own, states, nil
}

// sent returns how far a message of the outbox has come.
func (c *Conversation) sent(o *kept.Own) (model.OwnState, error) {
	q, err := c.progress(o)
	return model.OwnState{OwnID: model.OwnID{Author: o.Author, Number: o.Number}, State: q.Sent, At: q.At}, err
}

func (c *Conversation) tellStates(states []model.OwnState) error {
	if len(states) == 0 {
		return nil
	}
	return c.store.Apply(&kept.Change{States: states})
}

// statesRead returns what a reading tells of messages of our own: of those that were read back that they are accepted, unless
// that was known, and of the others who has seen them now.
func (b *batch) statesRead(result *record.Result, texts []textToken, back []kept.Own) (states []model.OwnState, err error) {
	at := map[record.Hash]record.Place{}
	if len(back) > 0 {
		for i := range result.Messages {
			at[result.Messages[i].Hash] = result.Messages[i].At.Place
		}
		for i := range texts {
			at[texts[i].sum] = texts[i].at
		}
	}
	for i := range back {
		s, err := b.in.c.sent(&back[i])
		if err != nil {
			return nil, err
		}
		if s.State != model.StateAccepted && back[i].Kind != record.KindHeartbeat {
			s.State, s.At = model.StateAccepted, at[back[i].Hash]
			states = append(states, s)
		}
	}
	if b.kept { // an older version has shown that
		return states, nil
	}
	for _, r := range result.SeenBy {
		states = append(states, model.OwnState{
			OwnID: model.OwnID{Author: b.in.c.own, Number: r.Number}, State: model.StateSeen, By: r.By,
		})
	}
	return states, nil
}
