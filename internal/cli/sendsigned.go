package cli

import (
	"context"
	"errors"

	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/record"
)

// sendSigned sends a message in a room of records.
func (a *app) sendSigned(ctx context.Context, r keyring.Room, body record.Body, o sendOptions) (err error) {
	if o.noWait && o.queue {
		return usagef("--no-wait and --queue exclude each other")
	}
	c, err := a.openConversation(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Leave()) }()
	c.yes, c.asJSON, c.slowEvents = o.yes, o.asJSON, o.asJSON
	sent, err := c.Send(ctx, body, messenger.SendOptions{NoWait: o.noWait, Queue: o.queue, OldKey: o.oldKey})
	if err != nil {
		return explainSending(err)
	}
	switch {
	case o.queue:
		a.say("queued as %s; \"fernpost outbox --retry\" posts it", c.OwnNumber(sent.Number))
	case !o.asJSON && sent.Elsewhere:
		a.say("another process posted it, accepted as entry %d", sent.Entry)
	case !o.asJSON:
		a.say("accepted as entry %d", sent.Entry)
	}
	if !o.asJSON {
		return nil
	}
	return a.printJSON(sentJSON{r.Name, r.Channel, &sent.Number, sent.Entries, sent.Sent.String(), known(sent.Entry)})
}
