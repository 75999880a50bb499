package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
)

// PublicChannels is part of [relay.Store].
func (s *Store) PublicChannels(
	ctx context.Context, l relay.Listing,
) (page []*relay.Channel, total int, err error) {
	if !isText(l.Tag) {
		return nil, 0, nil
	}
	count, selected, args := dialect.Listing(&l)
	err = s.try(ctx, "listing public channels", func(ctx context.Context, c *conn) error {
		page = nil
		var b pgx.Batch
		b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
		b.Queue(count, args[:len(args)-2]...).Query(each(func(r row) error {
			total = int(r.Number(0))
			return nil
		}))
		b.Queue(selected, args...).Query(each(func(r row) error {
			page = append(page, store.ScanListed(r))
			return nil
		}))
		b.Queue("COMMIT")
		return c.SendBatch(ctx, &b).Close()
	})
	return page, total, err
}
