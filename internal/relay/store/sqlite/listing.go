package sqlite

import (
	"context"
	"database/sql/driver"
	"math"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// PublicChannels is part of [relay.Store].
func (s *Store) PublicChannels(
	ctx context.Context, l relay.Listing,
) (page []*relay.Channel, total int, err error) {
	where, args := listed(&l)
	err = s.read(ctx, "listing public channels", func(c *sqlite.Conn) error {
		return c.Snapshot(func() error {
			err := c.Query("SELECT COUNT(*) FROM channels AS c"+where, func(row []driver.Value) error {
				total = int(row[0].(int64))
				return nil
			}, args...)
			if err != nil || l.Limit < 1 {
				return err
			}
			err = c.Query("SELECT "+channelColumns+", "+stateColumns+
				" FROM channels AS c JOIN states AS s ON s.channel = c.id"+where+" ORDER BY c.id LIMIT ? OFFSET ?",
				func(row []driver.Value) error {
					channel, state := scanChannel(row)
					channel.LastEntryID = state.Last
					page = append(page, channel)
					return nil
				}, append(args, int64(l.Limit), int64(l.Skip))...)
			for _, channel := range page {
				if err == nil {
					err = addReadKeys(c, channel)
				}
			}
			return err
		})
	})
	return page, total, err
}

// listed is the condition of a listing. Each part is one of a few texts, so that few statements are prepared.
func listed(l *relay.Listing) (where string, args []driver.Value) {
	where = " WHERE c.public = 1"
	if l.Owner != 0 {
		where += " AND c.owner = ?"
		args = append(args, l.Owner)
	}
	if l.Tag != "" {
		where += " AND instr(char(10) || c.tags || char(10), char(10) || ? || char(10)) > 0"
		args = append(args, l.Tag)
	}
	if l.Near != nil && !math.IsInf(l.Near.Haversine(), 1) {
		// relay.Circle as SQL; the columns hold decimals.
		where += ` AND pow(sin(radians(CAST(c.latitude AS DOUBLE PRECISION) - ?) / 2), 2) +
			cos(radians(CAST(c.latitude AS DOUBLE PRECISION))) * cos(radians(?)) *
			pow(sin(radians(CAST(c.longitude AS DOUBLE PRECISION) - ?) / 2), 2) <= ?`
		args = append(args, l.Near.Latitude, l.Near.Latitude, l.Near.Longitude, l.Near.Haversine())
	}
	return where, args
}
