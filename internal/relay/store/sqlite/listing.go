package sqlite

import (
	"context"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// PublicChannels is part of [relay.Store].
func (s *Store) PublicChannels(
	ctx context.Context, l relay.Listing,
) (page []*relay.Channel, total int, err error) {
	count, selected, args := dialect.Listing(&l)
	err = s.read(ctx, "listing public channels", func(c *sqlite.Conn) error {
		return c.Snapshot(func() error {
			err := c.Query(count, func(r sqlite.Row) error {
				total = int(row(r).Number(0))
				return nil
			}, values(args[:len(args)-2])...)
			if err != nil {
				return err
			}
			return c.Query(selected, func(r sqlite.Row) error {
				page = append(page, store.ScanListed(row(r)))
				return nil
			}, values(args)...)
		})
	})
	return page, total, err
}
