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
	var retry wire.Retry
	var again time.Time
	if c.settings.WriteKey != "" { // what a file takes is told before it is sealed
		t.askLimits()
	}
	for {
		if t.pause(again) != nil {
			return
		}
		err := c.postAll(ctx, t)
		if errors.Is(err, context.Canceled) {
			return
		}
		pause, passing := retry.After(err)
		if again = (time.Time{}); err == nil {
			continue
		}
		e := notPostedEvent{Type: "notposted", Text: err.Error(), Again: passing}
		if passing {
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
	err = d.Run(ctx, c.ask)
	for _, r := range d.Delivered.Renumbered {
		c.events = append(c.events, renumberedEvent{"renumbered", r.Before, r.Now})
	}
	if d.Delivered.Posted > 0 && c.watch.Via == exchange.Polling { // it can be read back
		c.watch.Hurry()
		c.follows.wake()
	}
	return err
}

// ask asks the relay for a step of a delivery.
func (c *core) ask(ctx context.Context, step *room.Step) ([]int64, error) {
	// A move may have been read since the message was sealed.
	if step.What != room.Find {
		if err := c.heldBack(); err != nil {
			return nil, err
		}
	}
	return step.Ask(ctx, c.poster, c.granted().BulkRows, c.tellWait)
}

var waitReasons = [...]string{exchange.OwnInterval: "own_interval", exchange.ChannelBusy: "busy", exchange.ReplyLost: "reply_lost"}

// tellWait tells why posting waits, and until when.
func (c *core) tellWait(w exchange.Wait) {
	c.tellRelay("slow", "")
	e := relayEvent{Type: "relay", State: "slow", Via: c.via(), Heard: c.told.Heard, Reason: waitReasons[w.Reason], Writers: w.Writers}
	e.Until = new(time.Now().Add(w.For).UnixMilli())
	c.events[len(c.events)-1], c.told = e, e
}

// heldBack is [room.Conversation.HeldBack].
func (c *core) heldBack() error {
	if !c.signed {
		return nil
	}
	return c.delivery.HeldBack(c.settings.Name, c.delivery.Own(), nil)
}
