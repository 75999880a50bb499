package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// conn is one connection to SQLite with its prepared statements. It speaks to the driver without database/sql: a relay
// has one writer and a handful of readers, which live as long as it does, and a third of the time of a small query would
// go into a pool's bookkeeping. It must not be used by two goroutines at once.
type conn struct {
	driver     driver.Conn
	statements map[string]driver.Stmt
	args       []driver.NamedValue
	row        []driver.Value
}

// connect opens a connection. All settings are in the data source name, so that each connection has them.
func connect(dsn string) (*conn, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	c, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
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

// bind makes the arguments int64, string or nil into what the driver takes. It is valid until the next call.
func (c *conn) bind(args []driver.Value) []driver.NamedValue {
	c.args = c.args[:0]
	for i, v := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args
}

// exec runs a statement that returns no rows.
func (c *conn) exec(text string, args ...driver.Value) error {
	s, err := c.prepared(text)
	if err != nil {
		return err
	}
	_, err = s.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	return err
}

// query runs a statement and calls visit for each row; the row is valid during the call only.
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
	if n := len(rows.Columns()); cap(c.row) < n {
		c.row = make([]driver.Value, n)
	}
	row := c.row[:len(rows.Columns())]
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
	if err := c.exec(begin); err != nil {
		return err
	}
	err := work()
	if err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil {
		if rollback := c.exec("ROLLBACK"); rollback != nil && !errors.Is(err, rollback) {
			err = fmt.Errorf("%w (and rolling back: %w)", err, rollback)
		}
	}
	return err
}
