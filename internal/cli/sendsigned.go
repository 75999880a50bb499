package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
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
	defer func() { err = errors.Join(err, c.leave()) }()
	c.noWait, c.yes, c.asJSON, c.slowEvents = o.noWait, o.yes, o.asJSON, o.asJSON
	if err := c.adopt(ctx, !o.queue); err != nil {
		return err
	}
	moved, err := c.mindMoves(o.oldKey)
	if err != nil {
		return err
	}
	if o.queue {
		written, err := c.compose(ctx, body)
		if err != nil {
			return err
		}
		a.say("queued as %s; \"fernpost outbox --retry\" posts it", c.OwnNumber(written.Number))
		return c.printSent(written, room.Queued{Number: written.Number}, o.asJSON)
	}
	news, err := c.startReading(ctx)
	if err != nil {
		return err
	}
	written, err := c.compose(ctx, body)
	if err != nil {
		news.abandon()
		return err
	}
	if err := c.catchUp(ctx, news); err != nil {
		return explainDelivery(err)
	}
	if err := c.movedMeanwhile(moved); err != nil {
		return err
	}
	done, err := c.deliver(ctx)
	if err != nil {
		return err
	}
	sent, err := c.Sent(done.Number(written.Number))
	if err != nil {
		return err
	}
	how := ""
	if done.Posted == 0 {
		how = "another process posted it, "
	}
	if !o.asJSON {
		a.say("%saccepted as entry %d", how, sent.Entry)
	}
	return c.printSent(written, sent, o.asJSON)
}

// compose puts a message into the outbox, once the user has agreed to what it takes. A file that is there already, from
// a transfer that was interrupted, is not written once more.
func (c *conversation) compose(ctx context.Context, body record.Body) (room.Written, error) {
	if file, ok := body.(record.File); ok {
		begun, err := c.begun(file)
		if err != nil {
			return room.Written{}, err
		}
		if begun != nil {
			if begun.Author != c.Own() {
				return room.Written{}, hint(fmt.Errorf("this file is in the outbox already, as %s", begun.What()),
					"the identity that has begun to send it is not here any more; \"fernpost outbox --retry\" completes it")
			}
			c.say("this file is in the outbox already, as %s", begun.What())
			return room.Written{Number: begun.Number, Entries: begun.Entries}, c.announce(ctx, 0)
		}
	}
	if device, ok := body.(record.Device); ok {
		if err := c.saysMore(device); err != nil {
			return room.Written{}, err
		}
	}
	entries, err := c.Entries(body)
	if err != nil {
		return room.Written{}, err
	}
	if err := c.announce(ctx, entries); err != nil {
		return room.Written{}, err
	}
	written, err := c.write(body)
	if errors.Is(err, room.ErrNoText) || errors.Is(err, record.ErrBody) {
		err = usageError{err}
	}
	return written, err
}

// saysMore refuses to say of a device what was said already: it would change nothing.
func (c *conversation) saysMore(d record.Device) error {
	ours, theirs, err := c.Claims(d.Key)
	if err != nil {
		return err
	}
	const posted = "\"fernpost outbox\" lists it, if that was not posted yet"
	tag := d.Key.Tag().Name()
	switch {
	case ours != nil && *ours && !d.Withdraws():
		return hint(usagef("you have said already that %s is a device of yours", tag), posted)
	case ours != nil && !*ours && d.Withdraws():
		return hint(usagef("you have said already that %s is no device of yours, nor the other way round", tag), posted)
	case ours == nil && theirs == nil && d.Withdraws():
		c.say("neither you nor %s has claimed the other so far: this takes back a consent that you may have given, for good", tag)
	}
	return nil
}

// begun returns the message of the outbox that holds this file and was not accepted as a whole yet, nil if there is
// none.
func (c *conversation) begun(file record.File) (*room.Queued, error) {
	if n, err := c.Unposted(); err != nil || n == 0 {
		return nil, err
	}
	items, err := c.OnTheirWay()
	if err != nil {
		return nil, err
	}
	for i := range items {
		f, ok := items[i].Record.Body.(record.File)
		if ok && items[i].Sent.Sent != kept.Accepted && f.Name == file.Name && f.Media == file.Media &&
			bytes.Equal(f.Content, file.Content) {
			return items[i].Sent, nil
		}
	}
	return nil, nil
}

func (c *conversation) printSent(w room.Written, q room.Queued, asJSON bool) error {
	if !asJSON {
		return nil
	}
	return c.printJSON(sentJSON{c.room.Name, c.room.Channel, &q.Number, w.Entries, q.Sent.String(), known(q.Entry)})
}
