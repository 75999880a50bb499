package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// poster posts for a conversation, and tells the user of waits.
type poster struct {
	c        *conversation
	transfer *transfer
}

var _ room.BulkPoster = (*poster)(nil)

// Post implements [room.Poster].
func (p *poster) Post(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	if p.c.noWait {
		entry, err := p.c.client.Update(ctx, fields)
		if e, ok := errors.AsType[*remote.UnreachableError](err); ok && e.Sent {
			err = fmt.Errorf("%w (%w)", err, exchange.ErrUnknownOutcome)
		}
		return entry, err
	}
	return p.c.client.Post(ctx, fields, after, p.transfer.waits)
}

// Find implements [room.Poster].
func (p *poster) Find(
	ctx context.Context, fields []thingspeak.Fields, after int64, promised bool,
) ([]int64, error) {
	return p.c.client.Settle(ctx, fields, after, promised, p.transfer.waits)
}

// PostBulk implements [room.BulkPoster].
func (p *poster) PostBulk(ctx context.Context, entries []thingspeak.Entry) error {
	if most := p.c.bulkRows; most > 0 && len(entries) > most {
		return &room.TooManyError{Most: most}
	}
	var err error
	if p.c.noWait {
		err = p.c.client.BulkUpdate(ctx, entries)
	} else {
		err = p.c.client.PostBulk(ctx, entries, p.transfer.waits)
	}
	if e, ok := errors.AsType[*remote.RefusedError](err); ok && e.Reason == remote.TooLarge {
		return &room.TooManyError{}
	}
	if remote.HasNoBulk(err) {
		return p.oneByOne(ctx)
	}
	return err
}

// oneByOne tells the user that the transfer takes longer than was said, because the relay takes no bulk calls, and asks
// once more where that is long.
func (p *poster) oneByOne(ctx context.Context) error {
	e := p.transfer.single()
	p.c.say("the relay takes one entry at a time: %s", e.text())
	if err := p.c.agree(ctx, e); err != nil {
		return fmt.Errorf("%w (%w)", err, exchange.ErrNotStored)
	}
	return room.ErrNoBulk
}
