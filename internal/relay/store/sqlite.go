// Package store holds the engines behind [relay.Store]. SQLite is the embedded one; it needs no server and keeps
// everything in one directory.
package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fernpost/fernpost/internal/relay"
)

// FileName is the name of the database in a relay's data directory.
const FileName = "relay.db"

// maxReaders is how many reads run at once. Each keeps a connection with up to 1 MiB of pages.
const maxReaders = 4

// SQLite keeps a relay's data in one file beside its write-ahead log (WAL). What a method has written is on disk when it
// returns: a commit ends with an fsync of the log (synchronous=FULL). Reads see the last commit and never wait for a
// writer. Several processes may open one file, for instance the admin commands beside a serving relay.
type SQLite struct {
	dsn string
	// readers holds the connections that no read uses; nil stands for one that is not open.
	readers chan *conn

	inserts *insertTexts

	// mu guards what follows, and is held during a transaction that writes.
	mu sync.Mutex
	// writer is nil after trouble with it; the next write opens a new one.
	writer *conn
	// known are states as the last commits left them, while the data version that the writer sees is knownVersion.
	known        map[int64]relay.State
	knownVersion int64

	// closing is closed by Close and ends what runs in the background.
	closing    chan struct{}
	background sync.WaitGroup
}

// OpenSQLite opens the database in a directory and makes both if they are not there, readable by the owner only. A
// database of a newer program is refused.
func OpenSQLite(dir string) (*SQLite, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	// SQLite gives its other files the mode of this one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	s := &SQLite{
		dsn:     dataSource(path),
		readers: make(chan *conn, maxReaders),
		inserts: newInsertTexts(),
		known:   map[int64]relay.State{},
		closing: make(chan struct{}),
	}
	for range maxReaders {
		s.readers <- nil
	}
	if s.writer, err = connect(s.dsn); err == nil {
		err = migrate(s.writer)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), s.Close())
	}
	s.background.Go(s.sweep)
	return s, nil
}

// dataSource names a file with the settings that every connection needs.
func dataSource(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	settings := url.Values{"_pragma": {
		"busy_timeout(5000)",
		"journal_mode(wal)",
		"synchronous(full)",
		"foreign_keys(1)",
		"cache_size(-1024)",
	}}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + settings.Encode()
}

// Close ends the store. It waits for what is under way, and folds the log into the database if no other process uses it.
func (s *SQLite) Close() error {
	close(s.closing)
	s.background.Wait()
	var errs []error
	for range maxReaders {
		if c := <-s.readers; c != nil {
			errs = append(errs, c.close())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer != nil {
		errs = append(errs, s.writer.close())
		s.writer = nil
	}
	return errors.Join(errs...)
}

// read runs work on a connection of its own.
func (s *SQLite) read(ctx context.Context, doing string, work func(*conn) error) error {
	var c *conn
	select {
	case c = <-s.readers:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { s.readers <- c }()
	if c == nil {
		opened, err := connect(s.dsn)
		if err != nil {
			return fmt.Errorf("%s: %w: %w", doing, relay.ErrUnavailable, err)
		}
		c = opened
	}
	return translate(doing, work(c))
}

// write runs work in a transaction that holds the write lock from its start.
func (s *SQLite) write(doing string, work func(*conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.known)
	return s.transaction(doing, work)
}

// transaction does the work of write; the caller holds mu.
func (s *SQLite) transaction(doing string, work func(*conn) error) error {
	if s.writer == nil {
		c, err := connect(s.dsn)
		if err != nil {
			return fmt.Errorf("%s: %w: %w", doing, relay.ErrUnavailable, err)
		}
		s.writer = c
		clear(s.known) // data versions of two connections tell nothing about each other
	}
	err := s.writer.transaction("BEGIN IMMEDIATE", func() error { return work(s.writer) })
	err = translate(doing, err)
	if errors.Is(err, relay.ErrUnavailable) {
		// After a failed write or fsync nothing that this connection believes about the file is worth keeping.
		err = errors.Join(err, s.writer.close())
		s.writer = nil
	}
	return err
}
