package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// poster posts for a conversation, and tells the user of waits.
type poster struct {
	c        *conversation
	transfer *transfer
	// promised means that the relay has promised to store entries, and nobody has looked for them yet.
	promised bool
	// awaited means that what an earlier process has sent before it ended has come by now, if it comes at all.
	awaited bool
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
func (p *poster) Find(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	entry, err := p.c.client.Find(ctx, fields, after)
	if err == nil && entry == 0 && !p.awaited {
		if err = p.await(ctx); err == nil {
			entry, err = p.c.client.Find(ctx, fields, after)
		}
	}
	return entry, err
}

// await waits once before what was not found is taken for lost: an earlier process may have been killed while it posted,
// and the relay may store it only now.
func (p *poster) await(ctx context.Context) error {
	err := p.c.client.AwaitSent(ctx, p.transfer.waits)
	p.awaited = err == nil
	return err
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
	p.promised = err == nil
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

// FindAll implements [room.BulkPoster].
func (p *poster) FindAll(ctx context.Context, fields []thingspeak.Fields, after int64) ([]int64, error) {
	if p.promised {
		p.promised = false
		return p.c.client.FindPromised(ctx, fields, after)
	}
	found, err := p.c.client.FindAll(ctx, fields, after)
	if err == nil && slices.Contains(found, 0) && !p.awaited {
		if err = p.await(ctx); err == nil {
			found, err = p.c.client.FindAll(ctx, fields, after)
		}
	}
	return found, err
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
