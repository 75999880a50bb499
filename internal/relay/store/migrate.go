package store

import (
	"database/sql/driver"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
)

// migrations are applied in order of name and never edited once released. PRAGMA user_version counts those applied.
//
//go:embed migrations/sqlite
var migrations embed.FS

// migrate brings the schema up to date, in one transaction. A schema of a newer program is refused.
func migrate(c *conn) error {
	names, err := fs.Glob(migrations, "migrations/sqlite/*.sql")
	if err != nil {
		return err
	}
	// Most starts find nothing to do, and then take no lock.
	if v, err := schemaVersion(c, len(names)); err != nil || v == len(names) {
		return err
	}
	return c.transaction("BEGIN IMMEDIATE", func() error {
		v, err := schemaVersion(c, len(names))
		if err != nil {
			return err
		}
		for _, name := range names[v:] {
			text, err := migrations.ReadFile(name)
			if err != nil {
				return err
			}
			if err := c.script(string(text)); err != nil {
				return fmt.Errorf("applying %s: %w", name, err)
			}
		}
		if v == 0 {
			err = c.exec("INSERT INTO accounts (id, name, key, created_s) VALUES (?, ?, ?, ?)",
				int64(relay.LocalAccountID), relay.LocalAccount, relay.NewKey(), time.Now().Unix())
			if err != nil {
				return err
			}
		}
		return c.script(fmt.Sprintf("PRAGMA user_version = %d", len(names)))
	})
}

// schemaVersion returns how many migrations were applied, and refuses more than are known.
func schemaVersion(c *conn, known int) (v int, err error) {
	err = c.query("PRAGMA user_version", func(row []driver.Value) error {
		v = int(row[0].(int64))
		return nil
	})
	if err == nil && v > known {
		err = fmt.Errorf("the data has schema %d, and this program knows up to %d: use a newer one", v, known)
	}
	return v, err
}
