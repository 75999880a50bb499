package sqlite

import (
	"embed"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. A schema of a newer program is refused.
func migrate(c *sqlite.Conn) error {
	return c.Migrate(migrations, "migrations/*.sql", func() error {
		return c.Exec("INSERT INTO accounts (id, name, key, created_s) VALUES (?, ?, ?, ?)",
			int64(relay.LocalAccountID), relay.LocalAccount, relay.NewKey(), time.Now().Unix())
	})
}
