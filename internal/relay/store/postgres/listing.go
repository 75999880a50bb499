package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
)

// PublicChannels is part of [relay.Store].
func (s *Store) PublicChannels(
	ctx context.Context, l relay.Listing,
) (page []*relay.Channel, total int, err error) {
	if !isText(l.Tag) {
		return nil, 0, nil
	}
	where, args := listed(&l)
	err = s.try(ctx, "listing public channels", func(ctx context.Context, c *conn) error {
		page = nil
		var b pgx.Batch
		b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
		b.Queue("SELECT COUNT(*) FROM channels AS c"+where, args...).Query(each(func(r row) error {
			total = int(r.number(0))
			return nil
		}))
		b.Queue("SELECT "+channelColumns+", "+stateColumns+" FROM channels AS c JOIN states AS s ON s.channel = c.id"+
			where+fmt.Sprintf(" ORDER BY c.id LIMIT $%d OFFSET $%d", len(args)+1, len(args)+2),
			append(args[:len(args):len(args)], int64(max(0, l.Limit)), int64(l.Skip))...).Query(each(func(r row) error {
			page = append(page, scanListed(r))
			return nil
		}))
		b.Queue("COMMIT")
		return c.SendBatch(ctx, &b).Close()
	})
	return page, total, err
}

// listed is the condition of a listing. Each part is one of a few texts, so that few statements are prepared.
func listed(l *relay.Listing) (where string, args []any) {
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	where = " WHERE c.public"
	if l.Owner != 0 {
		where += " AND c.owner = " + arg(l.Owner)
	}
	if l.Tag != "" {
		where += " AND " + arg(l.Tag) + " = ANY(string_to_array(c.tags, E'\\n'))"
	}
	if l.Near != nil && !math.IsInf(l.Near.Haversine(), 1) {
		// relay.Circle as SQL; the columns hold decimals, or nothing.
		latitude, longitude := arg(l.Near.Latitude), arg(l.Near.Longitude)
		const number = "CAST(NULLIF(c.%s, '') AS DOUBLE PRECISION)"
		own := fmt.Sprintf(number, "latitude")
		where += fmt.Sprintf(` AND pow(sin(radians(%s - %s) / 2), 2) +
			cos(radians(%s)) * cos(radians(%s)) * pow(sin(radians(%s - %s) / 2), 2) <= %s`,
			own, latitude, own, latitude, fmt.Sprintf(number, "longitude"), longitude, arg(l.Near.Haversine()))
	}
	return where, args
}
