package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// BulkCalls is part of [relay.Store].
func (s *Store) BulkCalls(ctx context.Context, generation, first, last int64) (all []relay.Span, err error) {
	err = s.read(ctx, "looking for bulk calls", func(c *sqlite.Conn) error {
		return c.Query(store.SelectBulk, func(row []driver.Value) error {
			all = append(all, relay.Span{First: row[0].(int64), Last: row[1].(int64)})
			return nil
		}, generation, first, last)
	})
	return all, err
}
