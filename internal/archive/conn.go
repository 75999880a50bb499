package archive

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// conn is the connection to SQLite with its prepared statements. It speaks to the driver without database/sql: there is
// one connection, it lives as long as the process, and a pool's bookkeeping would cost a third of a small query.
type conn struct {
	driver     driver.Conn
	statements map[string]driver.Stmt
	args       []driver.NamedValue
	rows       [][]driver.Value // of finished queries, to be used again
}

func connect(dsn string) (*conn, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	c, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	// The log stays, empty, when the last process is done: making a file anew, with its entry in the directory, takes
	// longer than writing to it.
	if _, err := c.(sqlite.FileControl).FileControlPersistWAL("main", 1); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &conn{driver: c, statements: map[string]driver.Stmt{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.driver.Close())...)
}

// prepared returns the statement of a text; texts are constants, so there are few.
func (c *conn) prepared(text string) (driver.Stmt, error) {
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

// bind makes the arguments int64, string, []byte or nil into what the driver takes. It is valid until the next call.
func (c *conn) bind(args []driver.Value) []driver.NamedValue {
	c.args = c.args[:0]
	for i, v := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args
}

// exec runs a statement that returns no rows, and returns how many it has changed.
func (c *conn) exec(text string, args ...driver.Value) (changed int64, err error) {
	s, err := c.prepared(text)
	if err != nil {
		return 0, err
	}
	result, err := s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query runs a statement and calls visit for each row, which is valid during the call only. visit may run other
// statements, but not this one.
func (c *conn) query(text string, visit func(row []driver.Value) error, args ...driver.Value) (err error) {
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

// script runs several statements, without arguments.
func (c *conn) script(text string) error {
	_, err := c.driver.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

// transaction runs work between begin ("BEGIN" or "BEGIN IMMEDIATE") and COMMIT, or ROLLBACK if it fails.
func (c *conn) transaction(begin string, work func() error) error {
	if _, err := c.exec(begin); err != nil {
		return err
	}
	err := work()
	if err == nil {
		_, err = c.exec("COMMIT")
	}
	if err != nil {
		if _, rollback := c.exec("ROLLBACK"); rollback != nil && !errors.Is(err, rollback) {
			err = fmt.Errorf("%w (and rolling back: %w)", err, rollback)
		}
	}
	return err
}
