package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay/store"
)

const (
	// sweepEvery is how often a relay looks for what is to be removed, if nothing of its own calls for it.
	sweepEvery = time.Minute
	// sweepRows is how many entries of an abandoned generation one transaction removes: what it writes at once must not
	// keep updates waiting.
	sweepRows = 500
)

// The transactions of a sweep wait neither for the disk nor for a standby: one that is undone is done again. A relay
// skips what another one is removing.
const (
	sweepQuietly = "SET LOCAL synchronous_commit = off"
	// removeSettled removes rows that nobody will ask for any more: requests end after seconds.
	removeSettled = `DELETE FROM batches WHERE at < now() - INTERVAL '10 minutes' AND
		(SELECT pg_try_advisory_xact_lock(hashtext('fernpost relay sweep')))`
	selectAbandoned = "SELECT generation FROM abandoned LIMIT 1 FOR UPDATE SKIP LOCKED"
	removeEntries   = `DELETE FROM entries WHERE ctid = ANY(ARRAY(
		SELECT ctid FROM entries WHERE generation = $1 ORDER BY number LIMIT $2))`
	removeAbandoned = "DELETE FROM abandoned WHERE generation = $1"
)

// sweepSoon lets the sweep look for work.
func (s *Store) sweepSoon() {
	select {
	case s.sweepNow <- struct{}{}:
	default: // it was told already
	}
}

// sweep removes the entries of abandoned generations, a few at a time, and old rows of batches, until ctx ends. What it
// does not get to because of an error is left for the next time.
func (s *Store) sweep(ctx context.Context) {
	again := time.NewTicker(sweepEvery)
	defer again.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = s.sweepSome(ctx); err != nil {
				break
			}
		}
		_ = s.try(ctx, "removing settled batches", func(ctx context.Context, c *conn) error {
			return sendAll(ctx, c, "BEGIN", sweepQuietly, removeSettled, "COMMIT")
		})
		select {
		case <-s.sweepNow:
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweepSome removes some entries of one abandoned generation, or if none is left its note. It tells whether there may
// be more to do.
func (s *Store) sweepSome(ctx context.Context) (more bool, err error) {
	err = s.try(ctx, "removing cleared entries", func(ctx context.Context, c *conn) error {
		generation := int64(0)
		var b pgx.Batch
		b.Queue("BEGIN")
		b.Queue(sweepQuietly)
		b.Queue(selectAbandoned).Query(each(func(r row) error {
			generation = r.Number(0)
			return nil
		}))
		if err := c.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		more = generation != 0
		if !more {
			return sendAll(ctx, c, "ROLLBACK")
		}
		removed, err := c.Exec(ctx, removeEntries, generation, sweepRows)
		if err != nil {
			return err
		}
		if removed.RowsAffected() == 0 {
			for _, text := range []string{store.DeleteBulk, removeAbandoned} {
				if _, err := c.Exec(ctx, text, generation); err != nil {
					return err
				}
			}
		}
		return sendAll(ctx, c, "COMMIT")
	})
	return more, err
}

// sendAll runs statements in one round trip.
func sendAll(ctx context.Context, c *conn, texts ...string) error {
	var b pgx.Batch
	for _, text := range texts {
		b.Queue(text)
	}
	return c.SendBatch(ctx, &b).Close()
}
