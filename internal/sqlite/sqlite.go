// Package sqlite speaks to SQLite databases, without the pool of database/sql: its users have one connection or a handful
// that live as long as they do, and a pool's bookkeeping would cost a third of a small query. It owns the driver
// modernc.org/sqlite.
package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// Settings are what a connection begins with. All have a write-ahead log (WAL), and wait for the disk at each commit
// (synchronous=FULL).
type Settings struct {
	// Wait is how long the connection waits for another one that holds a lock, 0 for not at all.
	Wait time.Duration
	// Pragmas are further ones, such as "cache_size(-1024)".
	Pragmas []string
	// Disk is where the file lies.
	Disk Disk
}

// Disk is how files are reached. The zero Disk is the usual way; tests have others.
type Disk struct {
	// VFS is what SQLite reaches them through.
	VFS string
	// Rewrite writes a file once more, to the same place, and waits until it is on disk.
	Rewrite func(path string) error
}

// Conn is a connection with its prepared statements. It must not be used by two goroutines at once.
type Conn struct {
	driver     driver.Conn
	statements map[string]driver.Stmt
	args       []driver.NamedValue
	rows       [][]driver.Value // of finished queries, to be used again
	changed    int64
	log        string // the file with the write-ahead log
	rewrite    func(path string) error
}

// Open connects to the database in a file, which is made if it is not there. The path must be absolute.
func Open(path string, s Settings) (*Conn, error) {
	connector, err := sqlite.NewConnector(source(path, s))
	if err != nil {
		return nil, err
	}
	c, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	rewrite := s.Disk.Rewrite
	if rewrite == nil {
		rewrite = rewriteFile
	}
	return &Conn{driver: c, statements: map[string]driver.Stmt{}, log: path + "-wal", rewrite: rewrite}, nil
}

// source names a file and the settings, in the form of a URI (SQLite's documentation, "URI Filenames").
func source(path string, s Settings) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	settings := url.Values{"_pragma": append([]string{
		busyTimeout(s.Wait),
		"journal_mode(wal)",
		"synchronous(full)",
	}, s.Pragmas...)}
	if s.Disk.VFS != "" {
		settings.Set("vfs", s.Disk.VFS)
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + settings.Encode()
}

func busyTimeout(d time.Duration) string { return fmt.Sprintf("busy_timeout(%d)", d.Milliseconds()) }

// Close ends the connection. The last one to a database folds the log into it.
func (c *Conn) Close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.driver.Close())...)
}

// prepared returns the statement of a text; texts are constants, so there are few.
func (c *Conn) prepared(text string) (driver.Stmt, error) {
	if s := c.statements[text]; s != nil {
		return s, nil
	}
	// PrepareContext would watch the context with a goroutine; nothing here takes long enough for that.
	s, err := c.driver.Prepare(text)
	if err != nil {
		return nil, err
	}
	c.statements[text] = s
	return s, nil
}

// bind makes arguments into what the driver takes. It is valid until the next call.
func (c *Conn) bind(args []driver.Value) []driver.NamedValue {
	c.args = c.args[:0]
	for i, v := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args
}

// Exec runs a statement that returns no rows. Arguments are int64, float64, string, bool, []byte or nil.
func (c *Conn) Exec(text string, args ...driver.Value) error {
	s, err := c.prepared(text)
	if err != nil {
		return err
	}
	result, err := s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return err
	}
	c.changed, err = result.RowsAffected()
	return err
}

// Changed returns how many rows the last Exec has changed.
func (c *Conn) Changed() int64 { return c.changed }

// Query runs a statement and calls visit for each row, which is valid during the call only. visit may run other
// statements, but not this one. Arguments are int64, float64, string, bool, []byte or nil, and columns are one of these.
func (c *Conn) Query(text string, visit func(row Row) error, args ...driver.Value) (err error) {
	defer recoverRefused(&err)
	s, err := c.prepared(text)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var row []driver.Value
	if n := len(c.rows); n > 0 {
		row, c.rows = c.rows[n-1], c.rows[:n-1]
	}
	if n := len(rows.Columns()); cap(row) < n {
		row = make([]driver.Value, n)
	} else {
		row = row[:n]
	}
	defer func() { c.rows = append(c.rows, row) }()
	for {
		if err := rows.Next(row); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := visit(row); err != nil {
			return err
		}
	}
}

// Script runs several statements, without arguments.
func (c *Conn) Script(text string) error {
	_, err := c.driver.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

// Transaction runs work in a transaction that keeps others from writing from its start. If work fails nothing of it stays.
func (c *Conn) Transaction(work func() error) error { return c.transact("BEGIN IMMEDIATE", work) }

// Snapshot runs work that reads, all of it as of one moment.
func (c *Conn) Snapshot(work func() error) error { return c.transact("BEGIN", work) }

func (c *Conn) transact(begin string, work func() error) error {
	if err := c.Exec(begin); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			_ = c.Exec("ROLLBACK") // after some errors SQLite has done so by itself, and refuses
		}
	}()
	if err := work(); err != nil {
		return err
	}
	err := c.Exec("COMMIT")
	committed = err == nil
	return err
}

// Wait changes how long the connection waits for another one that holds a lock.
func (c *Conn) Wait(d time.Duration) error {
	return c.Query("PRAGMA "+busyTimeout(d), func(Row) error { return nil })
}

// KeepLog lets the log's file stay, empty, when the last connection is closed. Making a file anew, with its entry in the
// directory, takes longer than writing to it.
func (c *Conn) KeepLog() error {
	_, err := c.driver.(sqlite.FileControl).FileControlPersistWAL("main", 1)
	return err
}

// Checkpoint folds the log into the database in a mode of PRAGMA wal_checkpoint. It returns how many pages the log has, and
// whether all of them were folded; others that read or write may prevent it.
func (c *Conn) Checkpoint(mode string) (length int, whole bool, err error) {
	err = c.Query("PRAGMA wal_checkpoint("+mode+")", func(row Row) error {
		length = int(row.Int(1))
		whole = row.Int(0) == 0
		return nil
	})
	return length, whole, err
}

// SecureLog brings all of the log to disk, whatever the system believes to be there. What a fsync that failed should have
// brought there can still be read, and looks as if it were stored, but goes with the power; then what was added behind it
// goes as well, and what was folded from it does not fit what is left. It waits for others that write.
func (c *Conn) SecureLog() error {
	return c.Transaction(func() error { return c.rewrite(c.log) })
}

func rewriteFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err == nil && len(b) > 0 {
		_, err = f.WriteAt(b, 0)
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}

// PagesWritten is how many pages this connection has written so far, all of them to the log.
func (c *Conn) PagesWritten() (pages int, err error) {
	pages, _, err = c.driver.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, false)
	return pages, err
}

// PagesRead is how many pages this connection has read so far, because it had none or no longer any of them.
func (c *Conn) PagesRead() (pages int, err error) {
	pages, _, err = c.driver.(sqlite.DBStatus).Status(sqlite.DBStatusCacheMiss, false)
	return pages, err
}

// CopyInto writes a copy of the database, as of one moment, to a file that is empty or not there. Ending ctx ends it.
func (c *Conn) CopyInto(ctx context.Context, file string) error {
	_, err := c.driver.(driver.ExecerContext).ExecContext(ctx, "VACUUM INTO ?",
		[]driver.NamedValue{{Ordinal: 1, Value: file}})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}
