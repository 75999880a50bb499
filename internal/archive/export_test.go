package archive

import "fmt"

// OpenRoomOn is OpenRoom on another disk: a VFS of SQLite's, and what brings a file there once more.
func OpenRoomOn(dir, room, vfs string, rewrite func(path string) error) (*Room, error) {
	return openRoom(dir, room, disk{vfs: vfs, rewrite: rewrite})
}

// LimitPages makes the database full once it has that many pages more than now, as a full disk does.
func (r *Room) LimitPages(more int) error {
	pages, err := r.highest("PRAGMA page_count")
	if err != nil {
		return err
	}
	return r.conn.Script(fmt.Sprintf("PRAGMA max_page_count = %d", pages+int64(more)))
}

// SetSchema pretends that the database has a schema of that version.
func (r *Room) SetSchema(version int) error {
	return r.conn.Script(fmt.Sprintf("PRAGMA user_version = %d", version))
}

// Findings as the table has them.
var (
	WriteFinding = writeFinding
	ReadFinding  = readFinding
)
