package postgres

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// channelColumns are the columns of a channel, in the order of scanChannel. Its read keys are among them, so that all
// is of one moment.
const channelColumns = `c.id, c.owner, c.name, c.description, c.latitude, c.longitude, c.elevation,
	c.label1, c.label2, c.label3, c.label4, c.label5, c.label6, c.label7, c.label8,
	c.metadata, c.url, c.tags, c.public, c.created_s, c.updated_s,
	(SELECT string_agg(k.key, E'\n' ORDER BY k.id) FROM read_keys AS k WHERE k.channel = c.id)`

// channelWidth is how many columns these are.
const channelWidth = 14 + thingspeak.FieldCount

const (
	selectChannel = "SELECT " + channelColumns + ", " + stateColumns + `
		FROM channels AS c JOIN states AS s ON s.channel = c.id WHERE c.id = $1`
	selectOwned = "SELECT " + channelColumns + ", " + stateColumns + `
		FROM channels AS c JOIN states AS s ON s.channel = c.id WHERE c.owner = $1 ORDER BY c.id`
	insertChannel = `INSERT INTO channels (id, owner, name, description, latitude, longitude, elevation,
		label1, label2, label3, label4, label5, label6, label7, label8,
		metadata, url, tags, public, created_s, updated_s)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`
	updateChannel = `UPDATE channels SET id = $1, owner = $2, name = $3, description = $4, latitude = $5,
		longitude = $6, elevation = $7, label1 = $8, label2 = $9, label3 = $10, label4 = $11, label5 = $12, label6 = $13,
		label7 = $14, label8 = $15, metadata = $16, url = $17, tags = $18, public = $19, created_s = $20, updated_s = $21
		WHERE id = $22`
	insertState = `INSERT INTO states (channel, write_key, settings, generation)
		VALUES ($1, $2, nextval('numbers'), nextval('numbers'))`
	clearState = `UPDATE states SET generation = nextval('numbers'), last = 0, last1 = 0, last2 = 0, last3 = 0, last4 = 0,
		last5 = 0, last6 = 0, last7 = 0, last8 = 0, newest_s = 0, unordered = 0 WHERE channel = $1`
	insertReadKey   = "INSERT INTO read_keys (channel, key) VALUES ($1, $2)"
	deleteReadKeys  = "DELETE FROM read_keys WHERE channel = $1"
	insertAbandoned = "INSERT INTO abandoned (generation) VALUES ($1)"
)

func channelArgs(c *relay.Channel) []any {
	args := []any{c.ID, c.Owner, c.Name, c.Description, c.Latitude, c.Longitude, c.Elevation}
	for _, label := range c.Labels {
		args = append(args, label)
	}
	return append(args, c.Metadata, c.URL, strings.Join(c.Tags, "\n"), c.Public, c.CreatedAt.Unix(), c.UpdatedAt.Unix())
}

func scanChannel(r row) (*relay.Channel, relay.State) {
	state := scanState(r[channelWidth:])
	c := &relay.Channel{Owner: r.number(1), Channel: thingspeak.Channel{
		ID:          r.number(0),
		Name:        r.text(2),
		Description: r.text(3),
		Latitude:    r.text(4),
		Longitude:   r.text(5),
		Elevation:   r.text(6),
		Keys:        []thingspeak.Key{{Text: state.WriteKey, Write: true}},
	}}
	for i := range c.Labels {
		c.Labels[i] = r.text(7 + i)
	}
	const after = 7 + thingspeak.FieldCount
	c.Metadata, c.URL = r.text(after), r.text(after+1)
	if tags := r.text(after + 2); tags != "" {
		c.Tags = strings.Split(tags, "\n")
	}
	c.Public = r.truth(after + 3)
	c.CreatedAt, c.UpdatedAt = r.seconds(after+4), r.seconds(after+5)
	if keys := r.text(after + 6); keys != "" {
		for key := range strings.SplitSeq(keys, "\n") {
			c.Keys = append(c.Keys, thingspeak.Key{Text: key})
		}
	}
	return c, state
}

// isText reports whether the database could hold a text at all; if not, it does not hold it.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Writer is part of [relay.Store].
func (s *Store) Writer(ctx context.Context, key string) (channel int64, err error) {
	if !isText(key) {
		return 0, relay.ErrNotFound
	}
	err = s.try(ctx, "looking up a write key", func(ctx context.Context, c *conn) error {
		channel = 0
		return c.read(ctx, func(r row) error {
			channel = r.number(0)
			return nil
		}, "SELECT channel FROM states WHERE write_key = $1", key)
	})
	if err == nil && channel == 0 {
		err = relay.ErrNotFound
	}
	return channel, err
}

// Channel is part of [relay.Store].
func (s *Store) Channel(ctx context.Context, id int64) (channel *relay.Channel, state relay.State, err error) {
	err = s.try(ctx, "reading a channel", func(ctx context.Context, c *conn) error {
		channel = nil
		return c.read(ctx, func(r row) error {
			channel, state = scanChannel(r)
			return nil
		}, selectChannel, id)
	})
	if err == nil && channel == nil {
		err = relay.ErrNotFound
	}
	return channel, state, err
}

// Channels is part of [relay.Store].
func (s *Store) Channels(ctx context.Context, owner int64) (owned []*relay.Channel, err error) {
	err = s.try(ctx, "listing channels", func(ctx context.Context, c *conn) error {
		owned = nil
		return c.read(ctx, func(r row) error {
			owned = append(owned, scanListed(r))
			return nil
		}, selectOwned, owner)
	})
	return owned, err
}

// scanListed reads a channel for a list, with LastEntryID set.
func scanListed(r row) *relay.Channel {
	channel, state := scanChannel(r)
	channel.LastEntryID = state.Last
	return channel
}

// CreateChannel is part of [relay.Store].
func (s *Store) CreateChannel(ctx context.Context, c *relay.Channel, limit int) error {
	return s.write(ctx, "creating a channel", func(t *transaction) error {
		if limit > 0 {
			if err := t.needRoom(c.Owner, limit); err != nil {
				return err
			}
		}
		t.last.Queue(insertChannel, channelArgs(c)...)
		t.last.Queue(insertState, c.ID, c.Keys[0].Text)
		queueReadKeys(&t.last, c)
		return nil
	})
}

// needRoom makes sure that an account owns less than limit channels, and lets nobody else count them meanwhile.
func (t *transaction) needRoom(owner int64, limit int) error {
	owned := int64(0)
	var b pgx.Batch
	b.Queue("SELECT id FROM accounts WHERE id = $1 FOR UPDATE", owner)
	b.Queue("SELECT COUNT(*) FROM channels WHERE owner = $1", owner).Query(each(func(r row) error {
		owned = r.number(0)
		return nil
	}))
	if err := t.ask(&b); err != nil {
		return err
	}
	if owned >= int64(limit) {
		return refusal{relay.ErrFull}
	}
	return nil
}

func queueReadKeys(b *pgx.Batch, c *relay.Channel) {
	for _, key := range c.Keys[1:] {
		b.Queue(insertReadKey, c.ID, key.Text)
	}
}

// lockedState locks a channel and returns its state, or relay.ErrNotFound.
func (t *transaction) lockedState(id int64) (state relay.State, err error) {
	err = t.query(func(r row) error {
		state = scanState(r)
		return nil
	}, lockState, id)
	if err == nil && state.Channel == 0 {
		err = refusal{relay.ErrNotFound}
	}
	return state, err
}

// ChangeChannel is part of [relay.Store]. It may call change again, with the channel as it is then, if the database
// fails meanwhile.
func (s *Store) ChangeChannel(ctx context.Context, id int64, change func(*relay.Channel) error) error {
	err := s.write(ctx, "changing a channel", func(t *transaction) error {
		if _, err := t.lockedState(id); err != nil {
			return err
		}
		var channel *relay.Channel
		if err := t.query(func(r row) error {
			channel, _ = scanChannel(r)
			return nil
		}, selectChannel, id); err != nil {
			return err
		}
		if err := change(channel); err != nil {
			return refusal{err}
		}
		t.last.Queue(updateChannel, append(channelArgs(channel), id)...)
		t.last.Queue("UPDATE states SET settings = nextval('numbers'), write_key = $1 WHERE channel = $2",
			channel.Keys[0].Text, id)
		t.last.Queue(deleteReadKeys, id)
		queueReadKeys(&t.last, channel)
		return nil
	})
	if err == nil {
		s.waker.changed(id)
	}
	return err
}

// ClearChannel is part of [relay.Store].
func (s *Store) ClearChannel(ctx context.Context, id int64) error {
	return s.abandon(ctx, "clearing a channel", id, clearState)
}

// DeleteChannel is part of [relay.Store].
func (s *Store) DeleteChannel(ctx context.Context, id int64) error {
	return s.abandon(ctx, "deleting a channel", id,
		deleteReadKeys, "DELETE FROM states WHERE channel = $1", "DELETE FROM channels WHERE id = $1")
}

// abandon ends a channel's generation and runs statements that take the channel's number.
func (s *Store) abandon(ctx context.Context, doing string, id int64, texts ...string) error {
	err := s.write(ctx, doing, func(t *transaction) error {
		state, err := t.lockedState(id)
		if err != nil {
			return err
		}
		t.last.Queue(insertAbandoned, state.Generation)
		for _, text := range texts {
			t.last.Queue(text, id)
		}
		return nil
	})
	if err == nil {
		s.waker.changed(id)
		s.sweepSoon()
	}
	return err
}
