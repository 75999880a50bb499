package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
)

// migrations are applied in order of name and never edited once released. They only add, so that relays of the version
// before go on working with what is there, and can be replaced one by one. They have as much time as any call. The
// table schema_version counts those applied.
//
//go:embed migrations
var migrations embed.FS

const (
	// lockMigrations lets one relay at a time bring the schema up to date.
	lockMigrations = "SELECT pg_advisory_xact_lock(hashtext('fernpost relay schema'))"
	createVersion  = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)"
	selectVersion  = "SELECT coalesce(max(version), 0) FROM schema_version"
)

// migrate brings the schema up to date, in one transaction. A schema of a newer program is refused.
func (s *Store) migrate(ctx context.Context, migrations fs.FS) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	return s.attempt(ctx, func(ctx context.Context, c *conn) error {
		// Most starts find nothing to do, and then take no lock.
		if v, err := c.schemaVersion(ctx, len(names)); err != nil || v == len(names) {
			return err
		}
		if err := sendAll(ctx, c, "BEGIN", lockMigrations, createVersion); err != nil {
			return err
		}
		v, err := c.schemaVersion(ctx, len(names))
		if err != nil {
			return err
		}
		for _, name := range names[v:] {
			text, err := fs.ReadFile(migrations, name)
			if err != nil {
				return err
			}
			if err := c.PgConn().Exec(ctx, string(text)).Close(); err != nil {
				return fmt.Errorf("applying %s: %w", name, err)
			}
		}
		if v == 0 {
			_, err := c.Exec(ctx, "INSERT INTO accounts (id, name, key, created_s) VALUES ($1, $2, $3, $4)",
				relay.LocalAccountID, relay.LocalAccount, relay.NewKey(), time.Now().Unix())
			if err != nil {
				return err
			}
		}
		if _, err := c.Exec(ctx, "INSERT INTO schema_version (version) VALUES ($1)", len(names)); err != nil {
			return err
		}
		return sendAll(ctx, c, "COMMIT")
	})
}

// schemaVersion returns how many migrations were applied, and refuses more than are known.
func (c *conn) schemaVersion(ctx context.Context, known int) (v int, err error) {
	err = c.QueryRow(ctx, selectVersion).Scan(&v)
	if isCode(err, undefinedTable) {
		return 0, nil
	}
	if err == nil && v > known {
		err = refusal{fmt.Errorf("its schema is %d, and this program knows up to %d: use a newer one", v, known)}
	}
	return v, err
}
