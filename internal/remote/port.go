package remote

import (
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
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
	a, err = c.ask(ctx, r, row)
	// A relay that says when to come again is one of our kind, which also tells its interval: it may be another one by now.
	if f := wire.FailureOf(err); r.What == exchange.Update && f.Kind == exchange.TooSoon && f.Wait > 0 {
		_, _ = c.Limits(ctx) // once ctx has ended, whoever waits notices
	}
	a.Bytes = k.allow(0) - before
	a.Failure = wire.FailureOf(err)
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
