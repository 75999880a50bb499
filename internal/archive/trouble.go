package archive

import (
	"errors"
	"io"
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

// isTrouble reports whether an error may be the disk's.
func isTrouble(err error) bool {
	code := sqlite.CodeOf(err)
	return code != 0 && code != sqlite.Busy
}

// noteTrouble notes that the disk has failed, for this process and for those that open the database later. What a fsync
// that failed should have brought to disk can still be read, and so looks as if it were stored, until the power goes.
func (r *Room) noteTrouble() {
	r.inTrouble = true
	if mark, err := os.OpenFile(r.path+markEnd, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_ = mark.Close()
	}
}

// markEnd is what the name of noteTrouble's mark has behind the database's.
const markEnd = "-trouble"

// mend brings all of the log to disk after trouble. Nothing may be added to it or copied from it before: what follows a
// gap would be lost with it.
func (r *Room) mend() error {
	if err := r.conn.Transaction(func() error { return r.disk.rewrite(r.path + "-wal") }); err != nil {
		return err
	}
	r.inTrouble = false
	if err := os.Remove(r.path + markEnd); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// disk is how files are written.
type disk struct {
	// vfs is what SQLite reaches them through, empty for the usual way.
	vfs string
	// rewrite brings a file to disk, whatever the system believes to be there already.
	rewrite func(path string) error
}

var usualDisk = disk{rewrite: rewriteFile}

// rewriteFile writes what is in a file to the same place again, and waits until it is on disk.
func rewriteFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
