// Package sqlite is the embedded engine behind [relay.Store]: it needs no server and keeps everything in one directory.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// FileName is the name of the database in a relay's data directory.
const FileName = "relay.db"

// maxReaders is how many reads run at once. Each keeps a connection with up to 1 MiB of pages.
const maxReaders = 4

// How long a connection waits for another process that holds a lock.
const (
	busyTimeout = 5 * time.Second
	// busyPoll is how long a write waits inside SQLite, which looks again after 1 ms, after 2 ms more, and then less and
	// less often. Beside a process that writes without a pause it would hardly ever come in time.
	busyPoll = 5 * time.Millisecond
)

// Store keeps a relay's data in one file beside its write-ahead log (WAL). What a method has written is on disk when it
// returns: a commit ends with an fsync of the log (synchronous=FULL). Reads see the last commit and never wait for a
// writer. Several processes may open one file, for instance the admin commands beside a serving relay.
//
// A disk that fails, is full or has become read-only costs the calls that meet it, with relay.ErrUnavailable, and
// nothing else: the next call finds out whether it works again.
type Store struct {
	path string
	disk sqlite.Disk
	// foldWait is waitForReaders, except in tests that must not depend on how busy the machine is.
	foldWait time.Duration
	// readers holds the connections that no read uses; nil stands for one that is not open. positions holds one more,
	// which answers where channels stand: each poll asks that, and must not wait for those who read many entries.
	readers, positions chan *sqlite.Conn

	inserts     *insertTexts
	subscribers store.Subscribers

	// mu guards what follows, and is held during a transaction that writes.
	mu     sync.Mutex
	writer *sqlite.Conn
	// distrusted says that the writer met trouble. The next write replaces it.
	distrusted bool
	log        logSize
	// known are states as the last commits left them, while the data version that the writer sees is knownVersion.
	known        map[int64]relay.State
	knownVersion int64

	// sweeping is held by the one sweep that runs.
	sweeping sync.Mutex
	// closing is closed by Close and ends what runs in the background.
	closing    chan struct{}
	background sync.WaitGroup
}

// Open opens the database in a directory and makes both if they are not there, readable by the owner only. A
// database of a newer program is refused.
func Open(dir string) (*Store, error) { return open(dir, sqlite.Disk{}) }

// open opens the database on a disk.
func open(dir string, on sqlite.Disk) (*Store, error) {
	if err := diskfile.MakeDir(dir); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	if err := create(path); err != nil {
		return nil, err
	}
	s := &Store{
		path:      path,
		disk:      on,
		foldWait:  waitForReaders,
		readers:   make(chan *sqlite.Conn, maxReaders),
		positions: make(chan *sqlite.Conn, 1),
		inserts:   newInsertTexts(),
		known:     map[int64]relay.State{},
		closing:   make(chan struct{}),
	}
	for range maxReaders {
		s.readers <- nil
	}
	s.positions <- nil
	if s.writer, err = s.connectWriter(); err == nil {
		err = s.prepare()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), s.Close())
	}
	s.background.Go(s.sweep)
	return s, nil
}

// prepare makes a database ready to be used.
func (s *Store) prepare() error {
	if err := needLog(s.writer); err != nil {
		return err
	}
	if err := s.foldLeftOver(); err != nil { // nothing is added to it
		return err
	}
	return migrate(s.writer)
}

// create makes an empty file for the owner only; SQLite gives its other files the same mode. One that is there is not
// even opened: closing it would take the locks away that this process may hold on it (POSIX).
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// connect opens a connection.
func (s *Store) connect() (*sqlite.Conn, error) {
	return sqlite.Open(s.path, sqlite.Settings{
		Wait: busyTimeout,
		Pragmas: []string{
			"foreign_keys(1)",
			"cache_size(-1024)",
			"wal_autocheckpoint(0)", // see checkpoint.go
			fmt.Sprintf("journal_size_limit(%d)", logLimit*pageSize),
		},
		Disk: s.disk,
	})
}

// Close ends the store. It waits for what is under way, and folds the log into the database if no other process uses it.
func (s *Store) Close() error {
	close(s.closing)
	s.background.Wait()
	idle := []*sqlite.Conn{<-s.positions}
	for range maxReaders {
		idle = append(idle, <-s.readers)
	}
	var errs []error
	for _, c := range idle {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}

// read runs work on a connection of its own.
func (s *Store) read(ctx context.Context, doing string, work func(*sqlite.Conn) error) error {
	return s.readOn(ctx, s.readers, doing, work)
}

// readOn runs work on one of the connections that no read uses, which it opens if need be.
func (s *Store) readOn(
	ctx context.Context, idle chan *sqlite.Conn, doing string, work func(*sqlite.Conn) error,
) (err error) {
	var c *sqlite.Conn
	select {
	case c = <-idle:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { idle <- c }()
	if c == nil {
		opened, err := s.connect()
		if err != nil {
			return fmt.Errorf("%s: %w: %w", doing, relay.ErrUnavailable, err)
		}
		c = opened
	}
	if err = translate(doing, work(c)); errors.Is(err, relay.ErrUnavailable) {
		err = errors.Join(err, c.Close())
		c = nil
	}
	return err
}

// write runs work that may change any channel, in a transaction that holds the write lock from its start.
func (s *Store) write(doing string, work func(*sqlite.Conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.known)
	return s.transaction(doing, work)
}

// transaction does the work of write; the caller holds mu.
func (s *Store) transaction(doing string, work func(*sqlite.Conn) error) error {
	if err := s.renewWriter(); err != nil {
		return fmt.Errorf("%s: %w: %w", doing, relay.ErrUnavailable, err)
	}
	s.foldDue()
	var err error
	for begun := time.Now(); ; {
		err = s.writer.Transaction(func() error { return work(s.writer) })
		if !isBusy(err) || time.Since(begun) > busyTimeout {
			break
		}
	}
	if err == nil {
		s.committed()
		return nil
	}
	err = translate(doing, err)
	// After a failed write or fsync nothing that this connection believes about the file is worth keeping. That another
	// process is writing is no such trouble.
	s.distrusted = errors.Is(err, relay.ErrUnavailable) && !isBusy(err)
	return err
}

// committed looks after what a commit leaves to be done. The caller holds mu.
func (s *Store) committed() {
	written, err := s.writer.PagesWritten()
	if err != nil || written == s.log.written {
		return // nothing was accepted
	}
	s.log.written = written
	s.foldSoon()
}

// connectWriter opens a connection for writing.
func (s *Store) connectWriter() (*sqlite.Conn, error) {
	c, err := s.connect()
	if err != nil {
		return nil, err
	}
	if err := c.Wait(busyPoll); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// needLog makes sure that there is a write-ahead log. SQLite goes on without one where processes cannot share memory, such
// as on network file systems; readers would wait for writers then.
func needLog(c *sqlite.Conn) error {
	mode := ""
	err := c.Query("PRAGMA journal_mode", func(row sqlite.Row) error {
		mode = row.Text(0)
		return nil
	})
	if err == nil && mode != "wal" {
		err = errors.New("its file system does not let processes share memory")
	}
	return err
}

// renewWriter replaces a writer that is distrusted. The old one is closed last: as long as some connection is open, the
// log ends for everybody where the last commit that succeeded ended. With all of them closed the next one would look for
// the end itself, and could take for a commit what an fsync has failed to bring to disk.
func (s *Store) renewWriter() error {
	if !s.distrusted {
		return nil
	}
	c, err := s.connectWriter()
	if err != nil {
		return err
	}
	err = s.writer.Close()
	s.writer, s.distrusted, s.log = c, false, logSize{}
	clear(s.known) // data versions of two connections tell nothing about each other
	return err
}
