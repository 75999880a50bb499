package sqlite

import (
	"context"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

const insertState = `INSERT INTO states (channel, write_key, settings, generation, last, last1, last2, last3, last4,
	last5, last6, last7, last8, newest_s, unordered, update_ms, bulk_ms)
	VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`

// findChannel returns a channel with its keys and its state, or relay.ErrNotFound.
func findChannel(c *sqlite.Conn, id int64) (channel *relay.Channel, state relay.State, err error) {
	err = c.Query(store.SelectChannel, func(r sqlite.Row) error {
		channel, state = store.ScanChannel(row(r))
		return nil
	}, id)
	if err == nil && channel == nil {
		err = relay.ErrNotFound
	}
	return channel, state, err
}

// Writer is part of [relay.Store].
func (s *Store) Writer(ctx context.Context, key string) (int64, error) {
	channel := int64(0)
	err := s.read(ctx, "looking up a write key", func(c *sqlite.Conn) error {
		return c.Query(store.SelectWriter, func(row sqlite.Row) error {
			channel = row.Int(0)
			return nil
		}, key)
	})
	if err == nil && channel == 0 {
		err = relay.ErrNotFound
	}
	return channel, err
}

// Channel is part of [relay.Store].
func (s *Store) Channel(ctx context.Context, id int64) (channel *relay.Channel, state relay.State, err error) {
	err = s.read(ctx, "reading a channel", func(c *sqlite.Conn) error {
		channel, state, err = findChannel(c, id)
		return err
	})
	return channel, state, err
}

// Channels is part of [relay.Store].
func (s *Store) Channels(ctx context.Context, owner int64) (owned []*relay.Channel, err error) {
	err = s.read(ctx, "listing channels", func(c *sqlite.Conn) error {
		return c.Query(store.SelectOwned, func(r sqlite.Row) error {
			owned = append(owned, store.ScanListed(row(r)))
			return nil
		}, owner)
	})
	return owned, err
}

// CreateChannel is part of [relay.Store].
func (s *Store) CreateChannel(_ context.Context, channel *relay.Channel, limit int) error {
	return s.write("creating a channel", func(c *sqlite.Conn) error {
		if limit > 0 {
			owned := int64(0)
			err := c.Query(store.CountOwned, func(row sqlite.Row) error {
				owned = row.Int(0)
				return nil
			}, channel.Owner)
			if err != nil {
				return err
			}
			if owned >= int64(limit) {
				return relay.ErrFull
			}
		}
		if err := c.Exec(store.InsertChannel, values(store.ChannelValues(channel))...); err != nil {
			return err
		}
		settings, err := next(c)
		if err != nil {
			return err
		}
		generation, err := next(c)
		if err != nil {
			return err
		}
		if err := c.Exec(insertState, channel.ID, channel.Keys[0].Text, settings, generation); err != nil {
			return err
		}
		return insertReadKeys(c, channel)
	})
}

func insertReadKeys(c *sqlite.Conn, channel *relay.Channel) error {
	for _, key := range channel.Keys[1:] {
		if err := c.Exec(store.InsertReadKey, channel.ID, key.Text); err != nil {
			return err
		}
	}
	return nil
}

// ChangeChannel is part of [relay.Store].
func (s *Store) ChangeChannel(_ context.Context, id int64, change func(*relay.Channel) error) error {
	defer s.subscribers.Wake(id)
	return s.write("changing a channel", func(c *sqlite.Conn) error {
		channel, _, err := findChannel(c, id)
		if err != nil {
			return err
		}
		if err := change(channel); err != nil {
			return err
		}
		if err := c.Exec(store.UpdateChannel, append(values(store.ChannelValues(channel)), id)...); err != nil {
			return err
		}
		settings, err := next(c)
		if err != nil {
			return err
		}
		err = c.Exec("UPDATE states SET settings = ?, write_key = ? WHERE channel = ?",
			settings, channel.Keys[0].Text, id)
		if err != nil {
			return err
		}
		if err := c.Exec(store.DeleteReadKeys, id); err != nil {
			return err
		}
		return insertReadKeys(c, channel)
	})
}

// Subscribe is part of [relay.Store].
func (s *Store) Subscribe(channel int64) (woken <-chan struct{}, end func()) {
	return s.subscribers.Add(channel)
}

// ClearChannel is part of [relay.Store].
func (s *Store) ClearChannel(_ context.Context, id int64) error {
	err := s.write("clearing a channel", func(c *sqlite.Conn) error {
		state, err := findState(c, id)
		if err != nil {
			return err
		}
		if err := c.Exec(store.InsertAbandoned, state.Generation); err != nil {
			return err
		}
		generation, err := next(c)
		if err != nil {
			return err
		}
		cleared := state.Cleared(generation)
		if err := c.Exec("UPDATE states SET generation = ? WHERE channel = ?", generation, id); err != nil {
			return err
		}
		return update(c, &cleared)
	})
	if err == nil {
		s.subscribers.Wake(id)
		s.background.Go(s.sweep)
	}
	return err
}

// DeleteChannel is part of [relay.Store].
func (s *Store) DeleteChannel(_ context.Context, id int64) error {
	err := s.write("deleting a channel", func(c *sqlite.Conn) error {
		state, err := findState(c, id)
		if err != nil {
			return err
		}
		if err := c.Exec(store.InsertAbandoned, state.Generation); err != nil {
			return err
		}
		for _, text := range []string{store.DeleteReadKeys, store.DeleteState, store.DeleteChannel} {
			if err := c.Exec(text, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.subscribers.Wake(id)
		s.background.Go(s.sweep)
	}
	return err
}

// next returns a number that was not given out before.
func next(c *sqlite.Conn) (n int64, err error) {
	err = c.Query("UPDATE counter SET value = value + 1 RETURNING value", func(row sqlite.Row) error {
		n = row.Int(0)
		return nil
	})
	return n, err
}
