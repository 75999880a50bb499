package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
)

// queueBulkCalls notes which of the accepted updates are bulk calls.
func queueBulkCalls(b *pgx.Batch, states []relay.State, updates []relay.Update, decisions []relay.Decision) {
	for i := range decisions {
		if first, last, ok := decisions[i].Bulk(&updates[i]); ok {
			b.Queue(store.InsertBulk, store.GenerationOf(states, updates[i].Channel), first, last)
		}
	}
}

// BulkCalls is part of [relay.Store].
func (s *Store) BulkCalls(ctx context.Context, generation, first, last int64) (all []relay.Span, err error) {
	err = s.try(ctx, "looking for bulk calls", func(ctx context.Context, c *conn) error {
		all = nil
		return c.read(ctx, func(r row) error {
			all = append(all, relay.Span{First: r.Number(0), Last: r.Number(1)})
			return nil
		}, store.SelectBulk, generation, first, last)
	})
	return all, err
}
