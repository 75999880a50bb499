package postgres

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
)

const (
	insertState = `INSERT INTO states (channel, write_key, settings, generation)
		VALUES ($1, $2, nextval('numbers'), nextval('numbers'))`
	clearState = `UPDATE states SET generation = nextval('numbers'), last = 0, last1 = 0, last2 = 0, last3 = 0, last4 = 0,
		last5 = 0, last6 = 0, last7 = 0, last8 = 0, newest_s = 0, unordered = 0 WHERE channel = $1`
)

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
			channel = r.Number(0)
			return nil
		}, store.SelectWriter, key)
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
			channel, state = store.ScanChannel(r)
			return nil
		}, store.SelectChannel, id)
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
			owned = append(owned, store.ScanListed(r))
			return nil
		}, store.SelectOwned, owner)
	})
	return owned, err
}

// CreateChannel is part of [relay.Store].
func (s *Store) CreateChannel(ctx context.Context, c *relay.Channel, limit int) error {
	return s.write(ctx, "creating a channel", func(t *transaction) error {
		if limit > 0 {
			if err := t.needRoom(c.Owner, limit); err != nil {
				return err
			}
		}
		t.last.Queue(store.InsertChannel, store.ChannelValues(c)...)
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
	b.Queue(store.CountOwned, owner).Query(each(func(r row) error {
		owned = r.Number(0)
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
		b.Queue(store.InsertReadKey, c.ID, key.Text)
	}
}

// lockedState locks a channel and returns its state, or relay.ErrNotFound.
func (t *transaction) lockedState(id int64) (state relay.State, err error) {
	err = t.query(func(r row) error {
		state = store.ScanState(r)
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
			channel, _ = store.ScanChannel(r)
			return nil
		}, store.SelectChannel, id); err != nil {
			return err
		}
		if err := change(channel); err != nil {
			return refusal{err}
		}
		t.last.Queue(store.UpdateChannel, append(store.ChannelValues(channel), id)...)
		t.last.Queue("UPDATE states SET settings = nextval('numbers'), write_key = $1 WHERE channel = $2",
			channel.Keys[0].Text, id)
		t.last.Queue(store.DeleteReadKeys, id)
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
		store.DeleteReadKeys, store.DeleteState, store.DeleteChannel)
}

// abandon ends a channel's generation and runs statements that take the channel's number.
func (s *Store) abandon(ctx context.Context, doing string, id int64, texts ...string) error {
	err := s.write(ctx, doing, func(t *transaction) error {
		state, err := t.lockedState(id)
		if err != nil {
			return err
		}
		t.last.Queue(store.InsertAbandoned, state.Generation)
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
