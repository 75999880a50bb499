package cli

import (
	"context"
	"errors"

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
			return 0, outcomeError{err, room.ErrUnknown}
		}
		return entry, outcomeOf(err)
	}
	entry, err := p.c.client.Post(ctx, fields, after, p.transfer.waits)
	return entry, outcomeOf(err)
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
	rows := make([]exchange.BulkRow, len(entries))
	for i := range entries {
		rows[i] = exchange.BulkRow{CreatedAt: entries[i].CreatedAt, Fields: entries[i].Fields}
	}
	var err error
	if p.c.noWait {
		err = p.c.client.BulkUpdate(ctx, rows)
	} else {
		err = p.c.client.PostBulk(ctx, rows, p.transfer.waits)
	}
	if e, ok := errors.AsType[*remote.RefusedError](err); ok && e.Reason == remote.TooLarge {
		return &room.TooManyError{}
	}
	if remote.HasNoBulk(err) {
		return p.oneByOne(ctx)
	}
	return outcomeOf(err)
}

// oneByOne tells the user that the transfer takes longer than was said, because the relay takes no bulk calls, and asks
// once more where that is long.
func (p *poster) oneByOne(ctx context.Context) error {
	e := p.transfer.single()
	p.c.say("the relay takes one entry at a time: %s", e.text())
	if err := p.c.agree(ctx, e); err != nil {
		return outcomeError{err, room.ErrNotStored}
	}
	return room.ErrNoBulk
}

// outcomeOf makes an error of the relay say what became of an entry, as far as it is known.
func outcomeOf(err error) error {
	if errors.Is(err, exchange.ErrUnknownOutcome) {
		return outcomeError{err, room.ErrUnknown}
	}
	_, refused := errors.AsType[*remote.RefusedError](err)
	if e, ok := errors.AsType[*remote.UnreachableError](err); refused || ok && !e.Sent {
		return outcomeError{err, room.ErrNotStored}
	}
	return err
}

// outcomeError is an error of the relay that tells the room what became of an entry.
type outcomeError struct {
	error
	outcome error
}

func (e outcomeError) Is(target error) bool { return target == e.outcome }
func (e outcomeError) Unwrap() error        { return e.error }
