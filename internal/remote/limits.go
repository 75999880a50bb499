package remote

import (
	"context"
	"encoding/json"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

const (
	// serviceBulkInterval is the pause between two bulk calls to a channel, with any licence (contract section 6.4).
	serviceBulkInterval = 15 * time.Second
	// serviceDaily is a day's share of the three million messages that a free licence has a year (contract section 12).
	serviceDaily = 8200
)

// assumed returns what the contract says of a free licence, for the interval that we were told of. Without an interval
// the relay is one of our kind that grants everything.
func (c *Client) assumed() exchange.Limits {
	l := exchange.Limits{Interval: c.set.Interval, BulkRows: exchange.MaxBulkRows}
	if l.Interval > 0 {
		l.BulkInterval, l.Daily = serviceBulkInterval, serviceDaily
	}
	return l
}

// Reach finds out what answers at the relay's address, without a channel. Ours tells that it is a relay of our kind. An error
// other than an [*UnreachableError] or the context's is an answer, too: relays of another kind have no such page.
func (c *Client) Reach(ctx context.Context) (ours bool, err error) {
	content, _, err := c.fetch(ctx, wire.Call{Doing: "reaching the relay", Path: "limits.json"})
	var told thingspeak.Limits
	ours = err == nil && json.Unmarshal(content, &told) == nil && told.Plausible()
	return ours, err
}

// Limits asks the relay what it grants. Relays of our kind tell; of others, and of those that do not answer, the limits
// of a free licence are assumed, with the interval of [Options]. Post and PostBulk keep to what was told from then on.
// The only error is the context's.
func (c *Client) Limits(ctx context.Context) (exchange.Limits, error) {
	content, _, err := c.fetch(ctx, wire.Call{Doing: "asking for the relay's limits", Path: "limits.json"})
	l := c.assumed()
	switch {
	case ctx.Err() != nil:
		return l, err
	case err != nil:
		return l, nil
	}
	var told thingspeak.Limits
	if json.Unmarshal(content, &told) != nil || !told.Plausible() {
		return l, nil
	}
	l = exchange.Limits{
		Interval:     max(c.set.Interval, told.Interval()), // ours is kept all the same
		BulkInterval: told.BulkInterval(),
		BulkRows:     min(told.BulkUpdates, exchange.MaxBulkRows),
	}
	c.SetIntervals(l.Interval, l.BulkInterval)
	return l, nil
}
