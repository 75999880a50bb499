package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// OpenRoomOn is OpenRoom on another disk.
func OpenRoomOn(dir, room string, on sqlite.Disk) (*Room, error) { return openRoom(dir, room, on) }

// LimitPages makes the database full once it has that many pages more than now, as a full disk does.
func (r *Room) LimitPages(more int) error {
	pages, err := r.highest("PRAGMA page_count")
	if err != nil {
		return err
	}
	return r.conn.Script(fmt.Sprintf("PRAGMA max_page_count = %d", pages+int64(more)))
}

// PagesRead is how many pages of the file were read since it was opened.
func (r *Room) PagesRead() (int, error) { return r.conn.PagesRead() }

// SetSchema pretends that the database has a schema of that version.
func (r *Room) SetSchema(version int) error {
	return r.conn.Script(fmt.Sprintf("PRAGMA user_version = %d", version))
}

// WriteFinding and ReadFinding are for findings as the table has them.
func WriteFinding(f *record.Finding) (string, error) {
	var w writer
	return w.json(f, false), w.err
}

var ReadFinding = readFinding

// Script runs statements on the database in a file, whatever its schema.
func Script(path, text string) error {
	c, err := sqlite.Open(path, sqlite.Settings{})
	if err != nil {
		return err
	}
	return errors.Join(c.Script(text), c.Close())
}

// Schema is the version of the schema of the database in a file.
func Schema(path string) (version int, err error) {
	c, err := sqlite.Open(path, sqlite.Settings{})
	if err != nil {
		return 0, err
	}
	err = c.Query("PRAGMA user_version", func(row sqlite.Row) error {
		version = int(row.Int(0))
		return nil
	})
	return version, errors.Join(err, c.Close())
}

// OpenAt opens the database in a file as a program does that knows so many steps of the schema.
func OpenAt(path string, steps int) error {
	all, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	known := fstest.MapFS{}
	for _, step := range all[:steps] {
		text, err := migrations.ReadFile(step)
		if err != nil {
			return err
		}
		known[step] = &fstest.MapFile{Data: text}
	}
	c, err := sqlite.Open(path, sqlite.Settings{})
	if err != nil {
		return err
	}
	return errors.Join(c.Migrate(known, "migrations/*.sql", func() error { return nil }), c.Close())
}
