package sqlite

import (
	"context"
	"database/sql/driver"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const channelColumns = `c.id, c.owner, c.name, c.description, c.latitude, c.longitude, c.elevation,
	c.label1, c.label2, c.label3, c.label4, c.label5, c.label6, c.label7, c.label8,
	c.metadata, c.url, c.tags, c.public, c.created_s, c.updated_s`

// channelWidth is how many columns these are.
const channelWidth = 13 + thingspeak.FieldCount

const (
	selectChannel = "SELECT " + channelColumns + ", " + stateColumns + `
		FROM channels AS c JOIN states AS s ON s.channel = c.id WHERE c.id = ?`
	selectOwned = "SELECT " + channelColumns + ", " + stateColumns + `
		FROM channels AS c JOIN states AS s ON s.channel = c.id WHERE c.owner = ? ORDER BY c.id`
	selectReadKeys = "SELECT key FROM read_keys WHERE channel = ? ORDER BY id"
	insertChannel  = `INSERT INTO channels (id, owner, name, description, latitude, longitude, elevation,
		label1, label2, label3, label4, label5, label6, label7, label8,
		metadata, url, tags, public, created_s, updated_s)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateChannel = `UPDATE channels SET id = ?, owner = ?, name = ?, description = ?, latitude = ?, longitude = ?,
		elevation = ?, label1 = ?, label2 = ?, label3 = ?, label4 = ?, label5 = ?, label6 = ?, label7 = ?, label8 = ?,
		metadata = ?, url = ?, tags = ?, public = ?, created_s = ?, updated_s = ? WHERE id = ?`
	insertState = `INSERT INTO states (channel, write_key, settings, generation, last, last1, last2, last3, last4,
		last5, last6, last7, last8, newest_s, unordered, update_ms, bulk_ms)
		VALUES (?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`
	insertReadKey = "INSERT INTO read_keys (channel, key) VALUES (?, ?)"
	deleteReadKey = "DELETE FROM read_keys WHERE channel = ?"
)

func channelArgs(c *relay.Channel) []driver.Value {
	args := []driver.Value{c.ID, c.Owner, c.Name, c.Description, c.Latitude, c.Longitude, c.Elevation}
	for _, label := range c.Labels {
		args = append(args, label)
	}
	public := int64(0)
	if c.Public {
		public = 1
	}
	return append(args, c.Metadata, c.URL, strings.Join(c.Tags, "\n"), public,
		c.CreatedAt.Unix(), c.UpdatedAt.Unix())
}

// scanChannel reads a channel without its read keys, and its state.
func scanChannel(row []driver.Value) (*relay.Channel, relay.State) {
	number := func(i int) int64 { return row[i].(int64) }
	text := func(i int) string { return row[i].(string) }
	state := scanState(row[channelWidth:])
	c := &relay.Channel{Owner: number(1), Channel: thingspeak.Channel{
		ID:          number(0),
		Name:        text(2),
		Description: text(3),
		Latitude:    text(4),
		Longitude:   text(5),
		Elevation:   text(6),
		Keys:        []thingspeak.Key{{Text: state.WriteKey, Write: true}},
	}}
	for i := range c.Labels {
		c.Labels[i] = text(7 + i)
	}
	const after = 7 + thingspeak.FieldCount
	c.Metadata, c.URL = text(after), text(after+1)
	if tags := text(after + 2); tags != "" {
		c.Tags = strings.Split(tags, "\n")
	}
	c.Public = number(after+3) == 1
	c.CreatedAt = time.Unix(number(after+4), 0).UTC()
	c.UpdatedAt = time.Unix(number(after+5), 0).UTC()
	return c, state
}

// findChannel returns a channel with its keys, or relay.ErrNotFound. It needs a transaction around it.
func findChannel(c *sqlite.Conn, id int64) (channel *relay.Channel, state relay.State, err error) {
	err = c.Query(selectChannel, func(row []driver.Value) error {
		channel, state = scanChannel(row)
		return nil
	}, id)
	if err == nil && channel == nil {
		err = relay.ErrNotFound
	}
	if err == nil {
		err = addReadKeys(c, channel)
	}
	return channel, state, err
}

func addReadKeys(c *sqlite.Conn, channel *relay.Channel) error {
	return c.Query(selectReadKeys, func(row []driver.Value) error {
		channel.Keys = append(channel.Keys, thingspeak.Key{Text: row[0].(string)})
		return nil
	}, channel.ID)
}

// Writer is part of [relay.Store].
func (s *Store) Writer(ctx context.Context, key string) (int64, error) {
	channel := int64(0)
	err := s.read(ctx, "looking up a write key", func(c *sqlite.Conn) error {
		return c.Query("SELECT channel FROM states WHERE write_key = ?", func(row []driver.Value) error {
			channel = row[0].(int64)
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
		return c.Snapshot(func() error {
			channel, state, err = findChannel(c, id)
			return err
		})
	})
	return channel, state, err
}

// Channels is part of [relay.Store].
func (s *Store) Channels(ctx context.Context, owner int64) (owned []*relay.Channel, err error) {
	err = s.read(ctx, "listing channels", func(c *sqlite.Conn) error {
		return c.Snapshot(func() error {
			err := c.Query(selectOwned, func(row []driver.Value) error {
				channel, state := scanChannel(row)
				channel.LastEntryID = state.Last
				owned = append(owned, channel)
				return nil
			}, owner)
			for _, channel := range owned {
				if err == nil {
					err = addReadKeys(c, channel)
				}
			}
			return err
		})
	})
	return owned, err
}

// CreateChannel is part of [relay.Store].
func (s *Store) CreateChannel(_ context.Context, channel *relay.Channel, limit int) error {
	return s.write("creating a channel", func(c *sqlite.Conn) error {
		if limit > 0 {
			owned := int64(0)
			err := c.Query("SELECT COUNT(*) FROM channels WHERE owner = ?", func(row []driver.Value) error {
				owned = row[0].(int64)
				return nil
			}, channel.Owner)
			if err != nil {
				return err
			}
			if owned >= int64(limit) {
				return relay.ErrFull
			}
		}
		if err := c.Exec(insertChannel, channelArgs(channel)...); err != nil {
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
		if err := c.Exec(insertReadKey, channel.ID, key.Text); err != nil {
			return err
		}
	}
	return nil
}

// ChangeChannel is part of [relay.Store].
func (s *Store) ChangeChannel(_ context.Context, id int64, change func(*relay.Channel) error) error {
	return s.write("changing a channel", func(c *sqlite.Conn) error {
		channel, _, err := findChannel(c, id)
		if err != nil {
			return err
		}
		if err := change(channel); err != nil {
			return err
		}
		if err := c.Exec(updateChannel, append(channelArgs(channel), id)...); err != nil {
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
		if err := c.Exec(deleteReadKey, id); err != nil {
			return err
		}
		return insertReadKeys(c, channel)
	})
}

// ClearChannel is part of [relay.Store].
func (s *Store) ClearChannel(_ context.Context, id int64) error {
	err := s.write("clearing a channel", func(c *sqlite.Conn) error {
		state, err := findState(c, id)
		if err != nil {
			return err
		}
		if err := c.Exec("INSERT INTO abandoned (generation) VALUES (?)", state.Generation); err != nil {
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
		return c.Exec(updateState, stateArgs(nil, &cleared)...)
	})
	if err == nil {
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
		if err := c.Exec("INSERT INTO abandoned (generation) VALUES (?)", state.Generation); err != nil {
			return err
		}
		for _, text := range []string{
			deleteReadKey,
			"DELETE FROM states WHERE channel = ?",
			"DELETE FROM channels WHERE id = ?",
		} {
			if err := c.Exec(text, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.background.Go(s.sweep)
	}
	return err
}

// next returns a number that was not given out before.
func next(c *sqlite.Conn) (n int64, err error) {
	err = c.Query("UPDATE counter SET value = value + 1 RETURNING value", func(row []driver.Value) error {
		n = row[0].(int64)
		return nil
	})
	return n, err
}
