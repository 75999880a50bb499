package sqlite

import (
	"context"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// Position is part of [relay.Store].
func (s *Store) Position(ctx context.Context, channel int64) (p relay.Position, err error) {
	err = s.readOn(ctx, s.positions, "reading where a channel stands", func(c *sqlite.Conn) error {
		err := relay.ErrNotFound
		if e := c.Query("SELECT settings, generation, last FROM states WHERE channel = ?", func(row sqlite.Row) error {
			p = relay.Position{Settings: row.Int(0), Generation: row.Int(1), Last: row.Int(2)}
			err = nil
			return nil
		}, channel); e != nil {
			err = e
		}
		return err
	})
	return p, err
}
