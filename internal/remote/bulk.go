package remote

import (
	"context"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// BulkUpdate posts up to [exchange.MaxBulkRows] entries in one attempt (contract section 6.1). That it succeeds is a promise of
// the relay's and no receipt: [exchange.Exchange.FindAll] settles which rows are stored, and under which numbers. A relay without
// bulk calls answers with a [*wire.RefusedError] whose Reason is NotFound or NotAllowed; the other errors are those of
// [Client.Update].
func (c *Client) BulkUpdate(ctx context.Context, rows []thingspeak.Entry) error {
	_, err := c.ask(ctx, exchange.Request{What: exchange.BulkUpdate, Rows: rows}, nil)
	return err
}
