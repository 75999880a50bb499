package remote

import (
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// maxIdle is how long a connection may have been idle to be trusted with an update. Servers close idle connections, and
// an update that meets the closing is lost without a trace, where a read is simply repeated.
const maxIdle = 3 * time.Second

// Update is [Client.UpdateEntry] of an entry that has no status.
func (c *Client) Update(ctx context.Context, fields thingspeak.Fields) (int64, error) {
	return c.UpdateEntry(ctx, &thingspeak.Entry{Fields: fields})
}

// UpdateEntry posts the fields and the status of one entry, in exactly one attempt, and returns its number. The key goes in a header. An update that is
// over the limits is [exchange.ErrTooLong] and not sent; one that the relay refused, with the status 200 and the text 0 too, is
// a [*wire.RefusedError]. After an [*wire.UnreachableError] with Sent set, or an [*wire.UnexpectedError], the entry may be stored all
// the same: [exchange.Exchange.Post] finds out.
func (c *Client) UpdateEntry(ctx context.Context, e *thingspeak.Entry) (int64, error) {
	a, err := c.ask(ctx, exchange.Request{What: exchange.Update, Fields: e.Fields, Status: e.Status}, nil)
	return a.Number, err
}

// dropStale closes the connection if nothing came over it for maxIdle.
func (c *Client) dropStale() {
	c.mu.Lock()
	stale := !c.lastUse.IsZero() && time.Since(c.lastUse) > maxIdle
	c.mu.Unlock()
	if stale {
		c.http.GetClient().CloseIdleConnections()
	}
}
