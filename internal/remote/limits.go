package remote

import (
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/wire"
)

// Reach finds out what answers at the relay's address, without a channel. Ours tells that it is a relay of our kind. An error
// other than an [*wire.UnreachableError] or the context's is an answer, too: relays of another kind have no such page.
func (c *Client) Reach(ctx context.Context) (ours bool, err error) {
	content, _, err := c.fetch(ctx, wire.Call{Doing: "reaching the relay", Path: wire.LimitsPath})
	if err != nil {
		return false, err
	}
	_, ours = wire.Granted(content, 0)
	return ours, nil
}

// Limits asks the relay what it grants. Relays of our kind tell; of others, and of those that do not answer, the limits
// of a free licence are assumed, with the interval of [Options]. Post and PostBulk keep to what was told from then on.
// The only error is the context's.
func (c *Client) Limits(ctx context.Context) (exchange.Limits, error) {
	l, told, err := c.granted(ctx, c.set.Interval)
	if told {
		c.SetIntervals(l.Interval, l.BulkInterval)
	}
	return l, err
}

// Granted asks the relay what it grants, whatever [Options] say of the interval; told is false of those that do not tell. The only
// error is the context's.
func (c *Client) Granted(ctx context.Context) (l exchange.Limits, told bool, err error) {
	return c.granted(ctx, 0)
}

func (c *Client) granted(ctx context.Context, interval time.Duration) (l exchange.Limits, told bool, err error) {
	content, _, err := c.fetch(ctx, wire.Call{Doing: "asking for the relay's limits", Path: wire.LimitsPath})
	switch {
	case ctx.Err() != nil:
		return wire.Assumed(interval), false, err
	case err != nil:
		return wire.Assumed(interval), false, nil
	}
	l, told = wire.Granted(content, interval)
	return l, told, nil
}
