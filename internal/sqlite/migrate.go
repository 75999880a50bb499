package sqlite

import (
	"fmt"
	"io/fs"
)

// NewerError is a database whose schema was made by a newer program.
type NewerError struct {
	// Schema is how many steps made it, and Known how many there are.
	Schema, Known int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("it has schema %d, and this program knows up to %d: use a newer one", e.Schema, e.Known)
}

// Migrate brings the schema up to date, in one transaction. The files that match a pattern are the steps to it, in order
// of name. They are never edited once released; PRAGMA user_version counts those applied. If there was nothing before,
// fill is called within the transaction. A database with more steps is a [*NewerError].
func (c *Conn) Migrate(files fs.FS, pattern string, fill func() error) error {
	steps, err := fs.Glob(files, pattern)
	if err != nil {
		return err
	}
	// Most starts find nothing to do, and then take no lock.
	if v, err := c.schema(len(steps)); err != nil || v == len(steps) {
		return err
	}
	return c.Transaction(func() error {
		v, err := c.schema(len(steps))
		if err != nil {
			return err
		}
		for _, step := range steps[v:] {
			text, err := fs.ReadFile(files, step)
			if err != nil {
				return err
			}
			if err := c.Script(string(text)); err != nil {
				return fmt.Errorf("applying %s: %w", step, err)
			}
		}
		if v == 0 {
			if err := fill(); err != nil {
				return err
			}
		}
		return c.Script(fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
	})
}

// schema returns how many steps were applied, and refuses more than are known.
func (c *Conn) schema(known int) (v int, err error) {
	err = c.Query("PRAGMA user_version", func(row Row) error {
		v = int(row.Int(0))
		return nil
	})
	if err == nil && v > known {
		err = &NewerError{Schema: v, Known: known}
	}
	return v, err
}
