package archive

import (
	"errors"
	"io/fs"
	"os"

	"github.com/fernpost/fernpost/internal/sqlite"
)

// foldAfter is how many pages are written before the log is folded into the database.
const foldAfter = 1000

// fold copies the log into the database as far as other processes let it. If it fails nothing is lost, as the log stays.
// SQLite would fold by itself now and then, but would not tell that a fsync failed.
func (r *Room) fold() {
	if r.inTrouble && r.mend() != nil {
		return
	}
	r.folded, _ = r.conn.PagesWritten()
	if _, _, err := r.conn.Checkpoint("PASSIVE"); isTrouble(err) {
		r.noteTrouble()
	}
}

// isTrouble reports whether an error is the disk's.
func isTrouble(err error) bool {
	code := sqlite.CodeOf(err)
	return code == sqlite.IOErr || code == sqlite.Full
}

// noteTrouble notes that the disk has failed, for this process and for those that open the database later.
func (r *Room) noteTrouble() {
	r.inTrouble = true
	if mark, err := os.OpenFile(r.path+markEnd, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = mark.Close()
	}
}

// markEnd is what the name of noteTrouble's mark has behind the database's.
const markEnd = "-trouble"

// mend brings all of the log to disk after trouble. Before that nothing may be added to it or folded.
func (r *Room) mend() error {
	if err := r.conn.SecureLog(); err != nil {
		return err
	}
	r.inTrouble = false
	if err := os.Remove(r.path + markEnd); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
