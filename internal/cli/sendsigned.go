package cli

import (
	"context"
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// sendSigned writes a message into the outbox, reads the room and posts what is waiting.
func (a *app) sendSigned(ctx context.Context, r keyring.Room, body record.Body, o sendOptions) (err error) {
	if o.noWait && o.queue {
		return usagef("--no-wait and --queue exclude each other")
	}
	c, err := a.openConversation(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	written, err := c.write(body)
	if errors.Is(err, room.ErrNoText) || errors.Is(err, record.ErrBody) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	if o.queue {
		a.say("queued as your message #%d; \"fernpost outbox --retry\" posts it", written.Number)
		return a.printSent(r, written, 0, o.asJSON)
	}
	if err := c.announce(ctx, written.Entries, o.yes); err != nil {
		return errors.Join(err, c.Drop(written.Number, time.Now()))
	}
	if _, err := c.read(ctx); err != nil {
		return explainDelivery(err)
	}
	c.noWait = o.noWait
	entry, err := c.deliver(ctx)
	if err != nil {
		return err
	}
	if !o.asJSON {
		a.say("accepted as entry %d", entry)
	}
	return a.printSent(r, written, entry, o.asJSON)
}

func (a *app) printSent(r keyring.Room, w room.Written, entry int64, asJSON bool) error {
	if !asJSON {
		return nil
	}
	return a.printJSON(struct {
		Room    string `json:"room"`
		Channel int64  `json:"channel"`
		Number  uint32 `json:"number"`
		Entries int    `json:"entries"`
		Entry   int64  `json:"entry,omitempty"`
	}{r.Name, r.Channel, w.Number, w.Entries, entry})
}

// postOnce is one attempt without any wait, for --no-wait.
func (p poster) postOnce(ctx context.Context, fields thingspeak.Fields) (int64, error) {
	entry, err := p.c.client.Update(ctx, fields)
	if e, ok := errors.AsType[*remote.UnreachableError](err); ok && e.Sent {
		return 0, outcomeError{err, room.ErrUnknown}
	}
	return entry, err
}
