package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// Position is part of [relay.Store].
func (s *Store) Position(ctx context.Context, channel int64) (p relay.Position, err error) {
	err = s.readOn(ctx, s.positions, "reading where a channel stands", func(c *sqlite.Conn) error {
		err := relay.ErrNotFound
		if e := c.Query("SELECT settings, generation, last FROM states WHERE channel = ?", func(row []driver.Value) error {
			p = relay.Position{Settings: row[0].(int64), Generation: row[1].(int64), Last: row[2].(int64)}
			err = nil
			return nil
		}, channel); e != nil {
			err = e
		}
		return err
	})
	return p, err
}
