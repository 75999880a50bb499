package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// batchID is the random number of a transaction.
type batchID = [16]byte

func newBatchID() (id batchID) {
	rand.Read(id[:])
	return id
}

const (
	insertBatch = "INSERT INTO batches (id, committed) VALUES ($1, TRUE)"
	// settleBatch waits for a transaction of that number that still runs. It always writes something, so its own commit
	// waits for the standby, and with it for all that was committed before.
	settleBatch = `INSERT INTO batches (id, committed) VALUES ($1, FALSE)
		ON CONFLICT (id) DO UPDATE SET at = now() RETURNING committed`
)

// lostError says that the answer to a COMMIT was lost.
type lostError struct {
	id    batchID
	cause error
}

func (e *lostError) Error() string { return fmt.Sprintf("the answer to COMMIT was lost: %v", e.cause) }

func (e *lostError) Unwrap() error { return e.cause }

// errNotReplicated: the server has committed, and has stopped to wait for the standby.
var errNotReplicated = errors.New("the standby has not confirmed it")

// settle finds out what became of a transaction whose answer was lost, by inserting a row with its number. If one is
// there, the transaction has committed. If not, it never will: its own row would be the second. Should that answer be
// lost too, asking again gives the same, as each row says which of the two it is.
func (s *Store) settle(ctx context.Context, deadline time.Time, id batchID) (committed bool, err error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err = s.try(ctx, "settling an update", func(ctx context.Context, c *conn) error {
		committed, err = settle(ctx, c, id)
		return err
	})
	return committed, err
}

func settle(ctx context.Context, c *conn, id batchID) (committed bool, err error) {
	err = c.QueryRow(ctx, settleBatch, id).Scan(&committed)
	if tookNotReplicated(c) && err == nil {
		err = &brokenError{errNotReplicated}
	}
	return committed, err
}

// unsettled are transactions of which nobody found out in time whether they committed. Until they are settled nothing
// more is written: the server may still be at work on them, as it is when it waits for a standby, and each further one
// would tie up one more of its processes.
type unsettled struct {
	// mu guards ids, and is held while they are settled: others would only do the same.
	mu  sync.Mutex
	ids []batchID
}

func (u *unsettled) add(id batchID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ids = append(u.ids, id)
}

// settleOld settles them.
func (s *Store) settleOld(ctx context.Context, c *conn) error {
	s.unsettled.mu.Lock()
	defer s.unsettled.mu.Unlock()
	for len(s.unsettled.ids) > 0 {
		if _, err := settle(ctx, c, s.unsettled.ids[0]); err != nil {
			return err
		}
		s.unsettled.ids = s.unsettled.ids[1:]
	}
	return nil
}

// notReplicated is the mark of a connection on which a commit did not reach the standby.
const notReplicated = "not replicated"

// noteNotReplicated marks a connection whose server warns that it has stopped to wait for the standby ("canceling wait
// for synchronous replication …"). The text is in the server's language; the routine that says it is not.
func noteNotReplicated(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.Routine == "SyncRepWaitForLSN" {
		c.CustomData()[notReplicated] = true
	}
}

// tookNotReplicated reports whether a connection is marked, and takes the mark away.
func tookNotReplicated(c *conn) bool {
	marked := c.PgConn().CustomData()[notReplicated] != nil
	delete(c.PgConn().CustomData(), notReplicated)
	return marked
}
