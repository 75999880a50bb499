package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fernpost/fernpost/internal/netfault"
	"github.com/fernpost/fernpost/internal/relay"
)

// Error codes of the server (PostgreSQL's documentation, appendix A).
const (
	undefinedTable       = "42P01"
	tooManyConnections   = "53300"
	readOnlyTransaction  = "25006"
	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	unknownDatabase      = "3D000"
	insufficientRights   = "42501"
	noSchema             = "3F000"
)

// How long a call waits between two tries.
const (
	shortestPause = 10 * time.Millisecond
	longestPause  = 500 * time.Millisecond
)

// refusal is an error that is not the database's: one of the rules, or of whoever called.
type refusal struct{ error }

func isRefusal(err error) bool {
	_, ok := errors.AsType[refusal](err)
	return ok
}

// try is attempt with the relay's errors, which say what was attempted.
func (s *Store) try(ctx context.Context, doing string, work func(context.Context, *conn) error) error {
	return translate(doing, s.attempt(ctx, work))
}

// attempt runs work on a connection. When the database is in trouble it does so again, on another connection and
// perhaps another server, until patience ends. Work may begin several times, so it must leave nothing behind when it
// fails.
//
// Ending ctx takes nobody's connection away: it ends the waiting only. A deadline of ctx holds.
func (s *Store) attempt(ctx context.Context, work func(context.Context, *conn) error) error {
	deadline := time.Now().Add(patience)
	if own, ok := ctx.Deadline(); ok && own.Before(deadline) {
		deadline = own
	}
	working, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	var trouble error
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		err := s.once(working, ctx, work)
		if isRefusal(err) {
			return err
		}
		// A dial ends at the same instant as working, and may be told so first: its time-out says less than the trouble
		// before it.
		if err != nil && !time.Now().Before(deadline) {
			return cmp.Or(trouble, err) // why it took so long, if that is known
		}
		if err == nil || !s.isTransient(err) {
			return err
		}
		trouble = err
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return err
		case <-working.Done():
			return err
		}
	}
}

// once does one try.
func (s *Store) once(ctx, waiting context.Context, work func(context.Context, *conn) error) error {
	c, err := s.pool.acquire(ctx, waiting)
	if err != nil {
		return err
	}
	defer s.pool.release(c)
	err = work(ctx, c)
	if isCode(err, readOnlyTransaction) { // it was demoted
		closeConn(c.Conn)
	}
	if c.IsClosed() {
		s.pool.renew(c)
		if err != nil && !isRefusal(err) {
			err = &brokenError{err}
		}
	}
	return err
}

// brokenError is an error of a connection that is no more.
type brokenError struct{ cause error }

func (e *brokenError) Error() string { return e.cause.Error() }

func (e *brokenError) Unwrap() error { return e.cause }

// isCode reports whether an error is the server's, with a code.
func isCode(err error, code string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == code
}

// isTransient reports whether an error may be over soon. Those that somebody has to mend are told at once.
func (s *Store) isTransient(err error) bool {
	if _, ok := errors.AsType[*brokenError](err); ok {
		return true
	}
	e, said := errors.AsType[*pgconn.PgError](err)
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		// Once it was let in a relay believes in its settings: a standby may lack a database, or a password, as long as
		// it has not caught up.
		return s.opened || !said || !slices.Contains(
			[]string{invalidPassword, invalidAuthorization, unknownDatabase}, e.Code)
	}
	if !said {
		return false
	}
	switch e.Code {
	case tooManyConnections, readOnlyTransaction,
		"40001", "40P01", // serialization failure, deadlock
		"55P03", "57014": // waited for a lock for too long
		return true
	}
	// Connections; shut down, starting, crashed.
	return strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57P")
}

// translate turns the database's errors into the relay's and says what was attempted. Refusals stay what they are.
func translate(doing string, err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[refusal](err); ok {
		return r.error
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && strings.HasPrefix(e.Code, "23") { // a constraint
		return relay.ErrTaken
	}
	return fmt.Errorf("%s: %w: %w", doing, relay.ErrUnavailable, &plainError{err})
}

// plainError shows an error of the driver on one line.
type plainError struct{ cause error }

func (e *plainError) Error() string { return strings.Join(strings.Fields(e.cause.Error()), " ") }

func (e *plainError) Unwrap() error { return e.cause }

// isConnect reports whether no server could be reached. The driver says that in several lines, of each address.
func isConnect(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}

// explain says what to do about an error at the start.
func (c *config) explain(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	user := c.connect.User
	nobody, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case !ok && unknown && nobody.IsNotFound:
		return fmt.Errorf("no machine is called %s", nobody.Name)
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		return fmt.Errorf("none of its servers takes writes: is the standby promoted? (%w)", err)
	case !ok && isConnect(err) && !errors.Is(err, context.Canceled):
		return fmt.Errorf("no connection: %w", netfault.Words(err))
	case !ok:
		return err
	case e.Code == invalidPassword:
		return fmt.Errorf("the server refuses the password of %q: set PGPASSWORD, or write it into ~/.pgpass", user)
	case e.Code == invalidAuthorization:
		return fmt.Errorf("the server does not let %q in, see its pg_hba.conf: %s", user, e.Message)
	case e.Code == unknownDatabase:
		return fmt.Errorf("there is no such database: make it with \"createdb -E UTF8 -T template0 -O %s %s\"",
			user, c.connect.Database)
	case e.Code == insufficientRights, e.Code == noSchema:
		return fmt.Errorf("%q may not make tables there: %s; let it own the database", user, e.Message)
	default:
		return err
	}
}
