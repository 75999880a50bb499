package sqlite

import (
	"context"

	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// sweepRows is how many entries of an abandoned generation one transaction removes: a clear of a large channel must not
// keep updates waiting.
const sweepRows = 500

// sweep removes the entries of abandoned generations, a few at a time. What it does not get to, for lack of time or
// because of an error, is left for the next one: each start of the store begins with one.
func (s *Store) sweep() {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	for {
		select {
		case <-s.closing:
			return
		default:
		}
		generation, err := s.abandoned()
		if err != nil || generation == 0 {
			return
		}
		if s.sweepSome(generation) != nil {
			return
		}
	}
}

// abandoned returns a generation whose entries are to be removed, 0 if there is none.
func (s *Store) abandoned() (generation int64, err error) {
	err = s.read(context.Background(), "looking for cleared entries", func(c *sqlite.Conn) error {
		return c.Query("SELECT generation FROM abandoned LIMIT 1", func(row sqlite.Row) error {
			generation = row.Int(0)
			return nil
		})
	})
	return generation, err
}

// sweepSome removes some entries of a generation, or if none is left its note. No channel's state changes.
func (s *Store) sweepSome(generation int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transaction("removing cleared entries", func(c *sqlite.Conn) error { return removeSome(c, generation) })
}

func removeSome(c *sqlite.Conn, generation int64) error {
	left := false
	err := c.Query("SELECT 1 FROM entries WHERE generation = ? LIMIT 1", func(sqlite.Row) error {
		left = true
		return nil
	}, generation)
	if err != nil {
		return err
	}
	if !left {
		if err := c.Exec(store.DeleteBulk, generation); err != nil {
			return err
		}
		return c.Exec("DELETE FROM abandoned WHERE generation = ?", generation)
	}
	return c.Exec(`DELETE FROM entries WHERE rowid IN
		(SELECT rowid FROM entries WHERE generation = ? ORDER BY number LIMIT ?)`, generation, int64(sweepRows))
}
