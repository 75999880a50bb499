package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// transaction is one that writes. It costs two round trips where that is enough: BEGIN goes out with the first
// questions, and what is to be written goes out with COMMIT.
type transaction struct {
	ctx   context.Context // of the call that the transaction is part of
	conn  *conn
	begun bool
	// last is written at the end.
	last pgx.Batch
}

// ask sends questions at once and does with the answers what they say.
func (t *transaction) ask(b *pgx.Batch) error {
	if !t.begun {
		b.QueuedQueries = slices.Insert(b.QueuedQueries, 0, &pgx.QueuedQuery{SQL: "BEGIN"})
		t.begun = true
	}
	return t.conn.SendBatch(t.ctx, b).Close()
}

// query asks one question and calls visit for each row of the answer.
func (t *transaction) query(visit func(row) error, text string, args ...any) error {
	var b pgx.Batch
	b.Queue(text, args...).Query(each(visit))
	return t.ask(&b)
}

// write runs work in a transaction. It returns without error when that is known to have committed, or work had nothing
// to write. Where the answer to COMMIT is lost it finds out, and begins again if the transaction had no effect.
func (s *Store) write(ctx context.Context, doing string, work func(*transaction) error) error {
	deadline := time.Now().Add(patience)
	if own, ok := ctx.Deadline(); ok && own.Before(deadline) {
		deadline = own
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for {
		err := s.try(ctx, doing, func(ctx context.Context, c *conn) error {
			if err := s.settleOld(ctx, c); err != nil {
				return err
			}
			return runTransaction(ctx, c, work)
		})
		lost, ok := errors.AsType[*lostError](err)
		if !ok {
			return err
		}
		committed, unknown := s.settle(context.WithoutCancel(ctx), deadline, lost.id)
		if unknown != nil {
			s.unsettled.add(lost.id)
			return translate(doing, fmt.Errorf("whether it was stored is not known: %w", lost.cause))
		}
		if committed {
			return nil
		}
	}
}

// runTransaction runs work in a transaction once. A *lostError says that nobody knows whether it committed.
func runTransaction(ctx context.Context, c *conn, work func(*transaction) error) error {
	t := &transaction{ctx: ctx, conn: c}
	err := work(t)
	if err == nil && len(t.last.QueuedQueries) > 0 {
		err = t.commit()
		if err == nil {
			return nil
		}
	}
	if t.begun && !c.IsClosed() {
		// If this fails the connection is closed when it is released, which does the same.
		_, _ = c.Exec(ctx, "ROLLBACK")
	}
	return err
}

// commit writes what is left to write and ends the transaction.
func (t *transaction) commit() error {
	id := newBatchID()
	committed := false
	t.last.Queue(insertBatch, id)
	t.last.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String() == "COMMIT" // and not ROLLBACK
		return nil
	})
	err := t.ask(&t.last)
	replicated := !tookNotReplicated(t.conn)
	switch {
	case committed && replicated:
		return nil // whatever befell the connection afterwards
	case committed:
		return refusal{&lostError{id, errNotReplicated}}
	case isFinal(err):
		return err
	default:
		closeConn(t.conn.Conn)
		return refusal{&lostError{id, err}}
	}
}

// isFinal reports whether the server has refused a statement of a transaction, which cannot commit any more then. An
// error that ends the connection is no such answer.
func isFinal(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.SeverityUnlocalized == "ERROR"
}
