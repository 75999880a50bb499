package sqlite

import (
	"context"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// BulkCalls is part of [relay.Store].
func (s *Store) BulkCalls(ctx context.Context, generation, first, last int64) (all []relay.Span, err error) {
	err = s.read(ctx, "looking for bulk calls", func(c *sqlite.Conn) error {
		return c.Query(store.SelectBulk, func(row sqlite.Row) error {
			all = append(all, relay.Span{First: row.Int(0), Last: row.Int(1)})
			return nil
		}, generation, first, last)
	})
	return all, err
}
