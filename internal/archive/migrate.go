package archive

import (
	"database/sql/driver"
	_ "embed" // of the migrations
	"fmt"
)

//go:embed migrations/0001_begin.sql
var begin string

// migrations returns what brings the schema from each version to the next. They are never edited once released. PRAGMA
// user_version counts those applied.
func migrations() []string { return []string{begin} }

// migrate brings the schema up to date, in one transaction. It refuses the schema of a newer program with [ErrNewer].
func migrate(c *conn) error {
	steps := migrations()
	version := func() (v int, err error) {
		err = c.query("PRAGMA user_version", func(row []driver.Value) error {
			v = int(row[0].(int64))
			return nil
		})
		return v, err
	}
	// Most starts find nothing to do, and then take no lock.
	if v, err := version(); err != nil || v == len(steps) {
		return err
	}
	return c.transaction("BEGIN IMMEDIATE", func() error {
		v, err := version()
		if err != nil {
			return err
		}
		if v > len(steps) {
			return fmt.Errorf("%w: it has schema %d, and this one knows up to %d", ErrNewer, v, len(steps))
		}
		for _, step := range steps[v:] {
			if err := c.script(step); err != nil {
				return fmt.Errorf("changing the schema: %w", err)
			}
		}
		return c.script(fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
	})
}
