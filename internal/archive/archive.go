// Package archive keeps what a device remembers of its rooms between two runs, in one directory. A room has an SQLite
// database there, ROOM.db, with the tokens that were read, what was learnt from them, and the outbox; plaintext and keys
// are not in it. What it holds and when is up to internal/room: the methods of [Room] are the Store that it asks for.
package archive

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/filelock"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// migrations make the schema.
//
//go:embed migrations/*.sql
var migrations embed.FS

// busyTimeout is how long one process waits for another's transaction. Those that verify thousands of records take a
// fraction of a second.
const busyTimeout = 30 * time.Second

// Room is the database of one room. What [Room.Transact] has written is on disk when it ends: the write-ahead log is
// synchronised (synchronous=FULL). What [Room.Note] has written outlives the process, but not a power cut. Several
// processes may have one open; within one, a Room is not safe for concurrent use.
type Room struct {
	path, lockPath string
	disk           sqlite.Disk

	// folded is how many pages the connection had written when it folded the log last.
	folded int
	// inTrouble says that the disk has failed, see mend.
	inTrouble bool
	conn      *sqlite.Conn // nil when it was closed; the next use opens a new one
	// within means that a transaction is open.
	within bool
	// ids are those of authors, which never change.
	ids map[record.PublicKey]int64
	// rereading means that what an older version has kept is being read through.
	rereading bool
	// noGroups means that, in this transaction, there are no groups, so that nobody need ask for one.
	noGroups bool
}

// OpenRoom opens the database of a room in a directory, and makes both if they are not there, readable by the owner
// only. The error is [model.ErrNewerArchive], [model.ErrDiskFull], [model.ErrArchiveDamaged] or one of the file system's.
func OpenRoom(dir, room string) (*Room, error) { return openRoom(dir, room, sqlite.Disk{}) }

// openRoom opens a database on a disk.
func openRoom(dir, room string, on sqlite.Disk) (*Room, error) {
	if err := diskfile.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("making the archive: %w", err)
	}
	path, err := filepath.Abs(filepath.Join(dir, room+".db"))
	if err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(dir, path, on); err != nil {
			return nil, err
		}
	}
	r := newRoom(path, on)
	if err := r.connect(); err != nil {
		return nil, err
	}
	return r, nil
}

func newRoom(path string, on sqlite.Disk) *Room {
	return &Room{
		path: path, disk: on, lockPath: strings.TrimSuffix(path, ".db") + ".lock",
		ids: map[record.PublicKey]int64{},
	}
}

// create makes an empty database under another name and puts it in its place, unless another process is quicker. Two
// that made one in place would wait for each other: a new file has to be changed to write-ahead logging first.
func create(dir, path string, on sqlite.Disk) (err error) {
	f, err := os.CreateTemp(dir, ".new-*.db") // mode 0600, which SQLite gives its other files as well
	if err != nil {
		return fmt.Errorf("making the archive: %w", err)
	}
	defer func() {
		for _, end := range []string{"", "-wal", "-shm", markEnd} { // the others are there only if it fails
			if rm := os.Remove(f.Name() + end); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
				err = errors.Join(err, rm)
			}
		}
	}()
	if err := f.Close(); err != nil {
		return fmt.Errorf("making the archive: %w", err)
	}
	r := newRoom(f.Name(), on)
	if err := r.connect(); err != nil {
		return err
	}
	_, _, err = r.conn.Checkpoint("TRUNCATE") // the log stays behind
	if err := errors.Join(r.explain("making", err), r.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the archive: %w", err)
	}
	return nil
}

// Close ends the use. The last process to do so folds the log into the database and empties it.
func (r *Room) Close() error {
	if r.conn == nil {
		return nil
	}
	r.fold()
	return r.explain("closing", r.disconnect())
}

// disconnect closes the connection, but not in trouble: the last one to be closed folds the log, which the next process
// has to mend first.
func (r *Room) disconnect() (err error) {
	if !r.inTrouble {
		err = r.conn.Close()
	}
	r.conn = nil
	return err
}

// longLog is from how many bytes on a log is folded by whoever leaves. The next process to open the database reads it.
const longLog = 256 << 10

// Leave ends the use in a process that ends now. Unlike Close it may leave the log as it is, as a killed process does:
// to fold it after every short message would cost two more fsyncs each time.
func (r *Room) Leave() error {
	if info, err := os.Stat(r.path + "-wal"); err != nil || info.Size() > longLog || r.inTrouble {
		return r.Close()
	}
	r.conn = nil // the connection ends with the process
	return nil
}

// connect opens a connection and brings the schema up to date.
func (r *Room) connect() error {
	c, err := sqlite.Open(r.path, sqlite.Settings{
		Wait: busyTimeout, Disk: r.disk,
		Pragmas: []string{"cache_size(-16384)", "journal_size_limit(0)", "wal_autocheckpoint(0)"}, // see fold
	})
	if err != nil {
		return r.explain("opening", err)
	}
	r.conn, r.folded = c, 0
	if _, err := os.Stat(r.path + markEnd); err == nil {
		r.inTrouble = true
		_ = r.mend() // or before the next transaction
	}
	if err = c.KeepLog(); err == nil {
		err = c.Migrate(migrations, "migrations/*.sql", func() error { return nil })
	}
	if isTrouble(err) {
		r.noteTrouble()
	}
	if err != nil {
		return errors.Join(r.explain("opening", err), r.disconnect())
	}
	return nil
}

// Transact runs work in one transaction: all that it writes is kept, or nothing. It begins when no other process is
// within one. Transactions do not nest.
func (r *Room) Transact(work func() error) error {
	return r.use("writing", func() error { return r.transact(work) })
}

// Note is [Room.Transact] for what can be learnt again: after a power cut the last notes may be lost, all of them from
// some point on. That saves waiting for the disk.
func (r *Room) Note(work func() error) error {
	return r.use("writing", func() error {
		if err := r.conn.Script("PRAGMA synchronous=NORMAL"); err != nil {
			return err
		}
		return errors.Join(r.transact(work), r.conn.Script("PRAGMA synchronous=FULL"))
	})
}

func (r *Room) transact(work func() error) error {
	if r.inTrouble {
		if err := r.mend(); err != nil {
			return err
		}
	}
	clear(r.ids) // a transaction that was rolled back may have given some of them
	err := r.conn.Transaction(func() (err error) {
		r.within = true
		defer func() { r.within = false }()
		if r.noGroups, err = r.lacksGroups(); err != nil {
			return err
		}
		return work()
	})
	r.noGroups = false
	if err != nil {
		return err
	}
	if written, err := r.conn.PagesWritten(); err == nil && written-r.folded >= foldAfter {
		r.fold()
	}
	return nil
}

// use runs work on the connection and explains its errors.
func (r *Room) use(doing string, work func() error) error {
	if r.within {
		return work() // Transact explains
	}
	if r.conn == nil {
		if err := r.connect(); err != nil {
			return err
		}
	}
	err := work()
	if isTrouble(err) {
		r.noteTrouble()
	}
	return r.explain(doing, err)
}

// Path is the file of the database, for people.
func (r *Room) Path() string { return r.path }

// Check looks whether the pages of the file fit together, which takes as long as reading all of it. The error is
// [model.ErrArchiveDamaged].
func (r *Room) Check() error {
	said := ""
	err := r.query("PRAGMA quick_check(1)", func(row sqlite.Row) error {
		said = row.Text(0)
		return nil
	})
	if err == nil && said != "ok" {
		said = said[strings.LastIndexByte(said, '\n')+1:] // the line above it names the database
		err = fmt.Errorf("checking the archive %s: %w: %s", r.path, model.ErrArchiveDamaged, said)
	}
	return err
}

// explain says what was attempted and names the error where it has a name. Errors that are not the database's pass.
func (r *Room) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.NewerError](err); ok {
		return fmt.Errorf("%s the archive %s: %w: %w", doing, r.path, model.ErrNewerArchive, e)
	}
	var named error
	switch sqlite.CodeOf(err) {
	case 0:
		return err
	case sqlite.Full:
		named = model.ErrDiskFull
	case sqlite.Busy:
		named = model.ErrArchiveBusy
	case sqlite.Corrupt, sqlite.NotADB:
		named = model.ErrArchiveDamaged
	}
	if named == nil {
		return fmt.Errorf("%s the archive %s: %w", doing, r.path, err)
	}
	return fmt.Errorf("%s the archive %s: %w: %w", doing, r.path, named, err)
}

// RemoveRoom removes the database of a room, if there is one, once no process holds the lock of the room; the file of that
// lock stays. A damaged database goes like any other. Killed in between, it leaves an older state of the database, or none.
func RemoveRoom(ctx context.Context, dir, room string) error {
	r := newRoom(filepath.Join(dir, room+".db"), sqlite.Disk{})
	unlock, err := r.Lock(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nor is there a directory
	}
	if err != nil {
		return err
	}
	defer unlock()
	files, err := r.taken()
	for _, end := range []string{"-wal", "-shm", markEnd, waitingEnd, sentEnd} {
		files = append(files, r.path+end)
	}
	for _, file := range files {
		if rm := os.Remove(file); !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}
	// A power cut that took the database's name alone would leave its log for the next database of the name.
	if err = errors.Join(err, diskfile.SyncNames(dir)); err == nil {
		err = os.Remove(r.path)
	}
	if err == nil {
		err = diskfile.SyncNames(dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the archive: %w", err)
	}
	return nil
}

// Has reports whether there is an archive of a room.
func Has(dir, room string) bool {
	_, err := os.Stat(filepath.Join(dir, room+".db"))
	return err == nil
}

// waitingEnd is how the name of the file ends that says that something waits in an outbox.
const waitingEnd = ".waiting"

// IsWaiting reports whether something may wait in the outbox of a room: whoever asks need not open its archive.
func IsWaiting(dir, room string) bool {
	_, err := os.Stat(filepath.Join(dir, room+".db"+waitingEnd))
	return err == nil
}

// SetWaiting sets what [IsWaiting] reports. Only a transaction in which nothing waits may set it to false.
func (r *Room) SetWaiting(waiting bool) (err error) {
	if waiting {
		err = os.WriteFile(r.path+waitingEnd, nil, 0o600)
	} else if err = os.Remove(r.path + waitingEnd); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("noting whether something waits in the outbox: %w", err)
	}
	return nil
}

// Lock waits until no other process holds the lock of the room, and takes it. The system lets go of it when the process
// ends, however it ends. Whoever holds it posts what is in the outbox; reading and writing need no lock.
func (r *Room) Lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(r.lockPath, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the outbox: %w", err)
	}
	if err := filelock.Wait(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { filelock.Release(f) }, nil
}
