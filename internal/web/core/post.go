package main

import (
	"context"
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/wire"
)

// How long to wait before what could not be posted is tried again.
const (
	firstRetry = 5 * time.Second
	lastRetry  = time.Minute
)

// notPostedEvent says that what waits could not be posted. Again tells that it is tried again.
type notPostedEvent struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Again bool   `json:"again"`
	Until *int64 `json:"until"`
}

// renumberedEvent says that a message of our own was signed anew.
type renumberedEvent struct {
	Type   string `json:"type"`
	Before uint32 `json:"before"`
	Now    uint32 `json:"now"`
}

// postOutbox posts what is in the outbox whenever something was written.
func (c *core) postOutbox(ctx context.Context, t *task) {
	var pause time.Duration
	var again time.Time
	for {
		if t.pause(again) != nil {
			return
		}
		err := c.postAll(ctx, t)
		if again = (time.Time{}); err == nil {
			pause = 0
			continue
		}
		if errors.Is(err, context.Canceled) {
			return
		}
		e := notPostedEvent{Type: "notposted", Text: err.Error()}
		_, busy := errors.AsType[*exchange.BusyError](err)
		if e.Again = busy || errors.Is(err, exchange.ErrUnknownOutcome) || wire.IsAway(err); e.Again {
			pause = min(max(2*pause, firstRetry), lastRetry)
			again = time.Now().Add(pause)
			e.Until = new(again.UnixMilli())
		}
		c.events = append(c.events, e)
	}
}

func (c *core) postAll(ctx context.Context, t *task) error {
	if n, err := c.delivery.Unposted(); err != nil || n == 0 || !c.writes || c.settings.WriteKey == "" {
		return err
	}
	_, err := c.readFeed(ctx, t, c.delivery, c.poster, func(at exchange.Position, v exchange.Visitor) (exchange.News, error) {
		return c.poster.Follow(ctx, at, v)
	})
	if _, full := errors.AsType[*model.FullError](err); err != nil && !full {
		return err
	}
	if c.limits == nil {
		t.askLimits()
	}
	d, err := c.delivery.Deliver(ctx, func(p model.Progress) {
		if p.Total > 1 {
			c.events = append(c.events, progressEvent{Type: "progress", What: "posting", Done: int64(p.Posted), Of: int64(p.Total)})
		}
	})
	if err != nil {
		return err
	}
	defer d.End()
	for {
		step, err := d.Next(ctx)
		if err == nil && step != nil {
			err = d.Answer(c.ask(ctx, step))
		}
		if err == nil && step != nil {
			continue
		}
		for _, r := range d.Delivered.Renumbered {
			c.events = append(c.events, renumberedEvent{"renumbered", r.Before, r.Now})
		}
		if d.Delivered.Posted > 0 && c.watch.Via == exchange.Polling { // it can be read back
			c.watch.Hurry()
			c.follows.wake()
		}
		return err
	}
}

// ask asks the relay for a step of a delivery.
func (c *core) ask(ctx context.Context, step *room.Step) ([]int64, error) {
	// A move may have been read since the message was sealed.
	if step.What != room.Find {
		if err := c.heldBack(); err != nil {
			return nil, err
		}
	}
	if step.What == room.PostBulk && len(step.Entries) > c.limits.BulkRows {
		return nil, &room.TooManyError{Most: c.limits.BulkRows}
	}
	entries, err := step.Ask(ctx, c.poster, c.tellWait)
	if step.What != room.PostBulk {
		return entries, err
	}
	if e, ok := errors.AsType[*wire.RefusedError](err); ok && e.Reason == wire.TooLarge {
		return nil, &room.TooManyError{}
	}
	if wire.HasNoBulk(err) {
		return nil, room.ErrNoBulk
	}
	return nil, err
}

var waitReasons = [...]string{exchange.OwnInterval: "own_interval", exchange.ChannelBusy: "busy", exchange.ReplyLost: "reply_lost"}

// tellWait tells why posting waits, and until when.
func (c *core) tellWait(w exchange.Wait) {
	c.tellRelay("slow", "")
	e := relayEvent{Type: "relay", State: "slow", Via: c.via(), Heard: c.told.Heard, Reason: waitReasons[w.Reason], Writers: w.Writers}
	e.Until = new(time.Now().Add(w.For).UnixMilli())
	c.events[len(c.events)-1], c.told = e, e
}

// heldBack returns an error if nothing that waits is posted because somebody whose key was compared has moved the room to a key
// that is not here.
func (c *core) heldBack() error {
	if !c.signed {
		return nil
	}
	moved, err := c.delivery.Moved(c.delivery.Own(), nil)
	if err == nil && len(moved) > 0 && moved[0].Compared { // those come first
		err = &heldError{&failure{
			Code: "moved", Text: "not sent: " + moved[0].Says(c.settings.Name), Hint: "ask for a new invitation, and open it here",
		}}
	}
	return err
}

// heldError refuses to post before anything is sent.
type heldError struct{ *failure }

func (e *heldError) Unwrap() error        { return e.failure }
func (e *heldError) Is(target error) bool { return target == exchange.ErrNotStored }
