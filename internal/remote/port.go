package remote

import (
	"context"
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Begin implements [exchange.Port]: the requests are one call, of which [Options.Slow] is told.
func (c *Client) Begin(ctx context.Context) (of context.Context, end func()) {
	return (&call{c: c}).run(ctx)
}

// Ask implements [exchange.Port]: it makes one request.
func (c *Client) Ask(
	ctx context.Context, r exchange.Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (a exchange.Answer, err error) {
	ctx, end := c.Begin(ctx)
	defer end()
	k := callOf(ctx)
	before := k.allow(r.Most)
	switch r.What {
	case exchange.FeedRows:
		a, err = c.feed(ctx, r, row)
	case exchange.OneEntry:
		var entry thingspeak.Entry
		if entry, a, err = c.entry(ctx, r.Entry); err == nil {
			err = row(&entry, a.Header.Fields)
		}
	case exchange.LastNumber:
		a.Number, err = c.LastID(ctx)
	case exchange.Update:
		a.Number, err = c.UpdateEntry(ctx, &thingspeak.Entry{Fields: r.Fields, Status: r.Status})
		// A relay that says when to come again is one of our kind, which also tells its interval: it may be another one by now.
		if f := failureOf(err); f.Kind == exchange.TooSoon && f.Wait > 0 {
			_, _ = c.Limits(ctx) // once ctx has ended, whoever waits notices
		}
	case exchange.BulkUpdate:
		err = c.BulkUpdate(ctx, r.Rows)
	}
	a.Bytes = k.allow(0) - before
	a.Failure = failureOf(err)
	return a, err
}

// Wait implements [exchange.Port].
func (c *Client) Wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// IsAway reports whether an error is that the relay cannot be reached, or not now.
func IsAway(err error) bool {
	switch failureOf(err).Kind {
	case exchange.NoFailure, exchange.Refused, exchange.NoSuchEntry:
		return false
	}
	return true
}

// failureOf returns what an error means for what is asked next.
func failureOf(err error) (f exchange.Failure) {
	if errors.Is(err, ErrNoEntry) {
		f.Kind = exchange.NoSuchEntry
	} else if e, ok := errors.AsType[*RefusedError](err); ok {
		f = exchange.Failure{Kind: exchange.Refused, Wait: e.Wait}
		if e.Reason == TooSoon {
			f.Kind = exchange.TooSoon
		}
	} else if e, ok := errors.AsType[*UnexpectedError](err); ok {
		f = exchange.Failure{Kind: exchange.Senseless, Wait: e.Wait, Sent: e.Status/100 == 2}
		if e.Temporary() {
			f.Kind, f.Sent = exchange.ServerFailed, true
		}
	} else if e, ok := errors.AsType[*UnreachableError](err); ok {
		f = exchange.Failure{Kind: exchange.NotReached, Sent: e.Sent}
		if e.Cause == Cut {
			f.Kind = exchange.Cut
		}
	}
	return f
}
