package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// What follows is for whoever runs a relay, beside the process that serves it.

// RenewAccount gives an account another user key; the old one opens nothing from then on. The errors are
// relay.ErrNotFound, and relay.ErrTaken when the key is in use.
func (s *Store) RenewAccount(_ context.Context, id int64, key string) error {
	return s.write("renewing a user key", func(c *sqlite.Conn) error {
		return onOneRow(c, "UPDATE accounts SET key = ? WHERE id = ? RETURNING id", key, id)
	})
}

// RemoveAccount removes an account, which must own no channel: relay.ErrTaken. Another error is relay.ErrNotFound. The
// local account cannot be removed: it is relay.ErrTaken, too.
func (s *Store) RemoveAccount(_ context.Context, id int64) error {
	if id == relay.LocalAccountID {
		return relay.ErrTaken
	}
	return s.write("removing an account", func(c *sqlite.Conn) error {
		return onOneRow(c, "DELETE FROM accounts WHERE id = ? RETURNING id", id)
	})
}

// onOneRow runs a statement that returns the row that it has changed, or fails with relay.ErrNotFound.
func onOneRow(c *sqlite.Conn, text string, args ...driver.Value) error {
	err := relay.ErrNotFound
	if e := c.Query(text, func(sqlite.Row) error {
		err = nil
		return nil
	}, args...); e != nil {
		return e
	}
	return err
}
