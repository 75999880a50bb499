package sqlite

import (
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/sqlite"
)

// pageSize is SQLite's, in bytes.
const pageSize = 4096

// Bounds of the write-ahead log, in pages.
const (
	// foldAfter is how many pages are written before the log is folded into the database.
	foldAfter = 1000
	// logLimit is how long the log may become because of reads that still need its older part. Beyond it writers wait
	// for those reads, which is a matter of milliseconds.
	logLimit = 4 * foldAfter
	// waitForReaders is how long they wait. A read that is longer is another process's, such as a backup: it must not
	// hold up anybody.
	waitForReaders = 500 * time.Millisecond
)

// logSize is what the writer knows about the log, in pages.
type logSize struct {
	// written is what the writer has written so far, and folded what it had when the log was folded last.
	written, folded int
	// patience is how long the log has to be for writers to wait for readers.
	patience int
	// due says that the log is to be folded before anything else is written.
	due bool
}

// foldSoon sees to it that the log is folded if enough was written; the caller holds mu. SQLite would do it within some
// unlucky commit, and let that fail if it fails, although its entries are on disk.
func (s *Store) foldSoon() {
	if s.log.due || s.log.written-s.log.folded < foldAfter {
		return
	}
	select {
	case <-s.closing:
		return // closing the last connection folds
	default:
	}
	s.log.due = true
	s.background.Go(func() { // those whom the commit has made wait get their answers meanwhile
		s.mu.Lock()
		defer s.mu.Unlock()
		s.foldDue()
	})
}

// foldDue folds the log if that is due; the caller holds mu.
func (s *Store) foldDue() {
	if s.log.due && !s.distrusted {
		s.log.due = false
		s.fold()
	}
}

// fold copies the log into the database, so that the next commit can begin it anew; the caller holds mu. If it fails the
// log stays as it is and nothing is lost; the next commits tell whether the disk still takes anything.
func (s *Store) fold() {
	s.log.folded = s.log.written
	length, _, err := checkpoint(s.writer, "PASSIVE", 0)
	if err != nil {
		return
	}
	if length < logLimit {
		s.log.patience = logLimit
	}
	// As long as there are always some reads that need the log, commits append to it.
	if length < max(s.log.patience, logLimit) {
		return
	}
	s.log.patience = logLimit
	if _, whole, err := checkpoint(s.writer, "RESTART", s.foldWait); err == nil && !whole {
		s.log.patience = 2 * length
	}
}

// foldLeftOver folds what an earlier process has left in the log, so that it is on disk beyond doubt: a commit whose
// fsync failed is in the system's memory all the same, and may have been read from there as if it were stored. While
// another process has the database open, that one knows.
func (s *Store) foldLeftOver() error {
	if err := s.writer.SecureLog(); err != nil && !isBusy(err) {
		return err
	}
	// On a full disk all can be read as long as nobody writes, and the log is on disk.
	if _, _, err := checkpoint(s.writer, "TRUNCATE", 0); err != nil && sqlite.CodeOf(err) != sqlite.Full {
		return err
	}
	return nil
}

// checkpoint folds the log in a mode of PRAGMA wal_checkpoint, and waits for others for some time.
func checkpoint(c *sqlite.Conn, mode string, wait time.Duration) (length int, whole bool, err error) {
	if err := c.Wait(wait); err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, c.Wait(busyPoll)) }()
	return c.Checkpoint(mode)
}
