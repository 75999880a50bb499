package postgres

import (
	"context"
	"io/fs"
	"time"
)

// OpenWithClock is Open with a clock for updates instead of the database's.
func OpenWithClock(ctx context.Context, url string, now func() time.Time) (*Store, error) {
	return open(ctx, url, now)
}

// Migrate brings a database up to date with other migrations than ours.
func (s *Store) Migrate(ctx context.Context, migrations fs.FS) error {
	return s.migrate(ctx, migrations)
}
