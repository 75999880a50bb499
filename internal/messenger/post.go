package messenger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// poster posts for a room, and tells of waits.
type poster struct {
	r      *Room // nil for a text that is posted without its room
	client *remote.Client
	tell   func(Event)
	// noWait fails where posting would wait.
	noWait bool
	// oldKey posts also what is held back, see [Room.HeldBack].
	oldKey bool
	// left is how many entries are still to be posted.
	left int
	// failed is an error of whoever was told something.
	failed error
}

func (p *poster) waits(w exchange.Wait) { p.tell(Waits{w}) }

func (p *poster) accepted(progress model.Progress) {
	p.left = progress.Total - progress.Posted
	p.tell(Accepted{progress, p.r.plan.Rest(p.left)})
}

// deliver posts what is in the outbox.
func (p *poster) deliver(ctx context.Context) (done model.Delivered, err error) {
	d, err := p.r.talk.Deliver(ctx, p.accepted)
	if err != nil {
		return done, err
	}
	defer d.End()
	err = d.Run(ctx, p.ask)
	return d.Delivered, err
}

// ask asks the relay for a step of a delivery.
func (p *poster) ask(ctx context.Context, step *room.Step) ([]int64, error) {
	// A move may have been read since the message was sealed, by another process as well.
	if step.What != room.Find && p.r.signed && !p.oldKey {
		if err := p.r.HeldBack(); err != nil {
			return nil, err
		}
	}
	switch step.What {
	case room.Post:
		entry, err := p.post(ctx, &step.Entries[0], step.After)
		return []int64{entry}, err
	case room.PostBulk:
		return nil, p.postBulk(ctx, step)
	}
	return step.Ask(ctx, p.client.Exchange, 0, p.waits)
}

func (p *poster) post(ctx context.Context, entry *thingspeak.Entry, after int64) (int64, error) {
	if p.noWait {
		id, err := p.client.UpdateEntry(ctx, entry)
		if e, ok := errors.AsType[*wire.UnreachableError](err); ok && e.Sent {
			err = fmt.Errorf("%w (%w)", err, exchange.ErrUnknownOutcome)
		}
		return id, err
	}
	if p.r == nil {
		return p.client.PostEntry(ctx, entry, after, p.waits)
	}
	// Each opening of a room has an exchange of its own: without this the next message would come too soon, and wait as
	// if others had been quicker.
	e, channel := p.r.engine, channelAt{p.r.settings.Relay, p.r.settings.Channel}
	e.mu.Lock()
	p.client.SetPosted(e.posted[channel])
	e.mu.Unlock()
	id, err := p.client.PostEntry(ctx, entry, after, p.waits)
	if err == nil {
		e.mu.Lock()
		e.posted[channel] = time.Now()
		e.mu.Unlock()
	}
	return id, err
}

// channelAt is a channel of a relay.
type channelAt struct {
	relay   string
	channel int64
}

func (p *poster) postBulk(ctx context.Context, step *room.Step) error {
	post := func(rows []thingspeak.Entry) error { return p.client.PostBulk(ctx, rows, p.waits) }
	if p.noWait {
		post = func(rows []thingspeak.Entry) error { return p.client.BulkUpdate(ctx, rows) }
	}
	err := step.Bulk(p.r.plan.Limits.BulkRows, post)
	if errors.Is(err, room.ErrNoBulk) {
		return p.oneByOne(ctx)
	}
	return err
}

// oneByOne tells that the transfer takes longer than was said, because the relay takes no bulk calls, and asks once
// more where that is long.
func (p *poster) oneByOne(ctx context.Context) error {
	limits := p.r.plan.Limits
	limits.BulkRows = 0
	rest := exchange.Reckon(limits, p.left)
	p.tell(OneByOne{rest})
	if err := p.r.agree(ctx, rest); err != nil {
		return fmt.Errorf("%w (%w)", err, exchange.ErrNotStored)
	}
	return room.ErrNoBulk
}
