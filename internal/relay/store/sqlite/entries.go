package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// valueColumns are the columns of an entry that may be null.
var valueColumns = [...]string{
	"field1", "field2", "field3", "field4", "field5", "field6", "field7", "field8",
	"status", "latitude", "longitude", "elevation",
}

// entryColumns are the columns of an entry, in the order of scanEntry.
const entryColumns = `number, created_s, field1, field2, field3, field4, field5, field6, field7, field8,
	status, latitude, longitude, elevation`

const (
	selectEntries = "SELECT " + entryColumns + ` FROM entries
		WHERE generation = ? AND number BETWEEN ? AND ? ORDER BY number`
	selectByTime = "SELECT " + entryColumns + ` FROM entries
		WHERE generation = ? AND unordered = 1 AND number BETWEEN ? AND ? AND created_s BETWEEN ? AND ?
		ORDER BY created_s DESC, number DESC LIMIT ?`
)

// insertTexts are the statements that insert entries: the ones at n name the first n of valueColumns. Most entries have
// a value in the first field only, and a quarter of the work is in the columns.
type insertTexts [len(valueColumns) + 1]struct{ one, many string }

// manyRows is how many entries of a bulk call one statement inserts. One by one they cost twice as much.
const manyRows = 50

// keyColumns are the columns of an entry that are never null.
var keyColumns = [...]string{"generation", "unordered", "number", "created_s"}

func newInsertTexts() *insertTexts {
	var t insertTexts
	for n := range t {
		row := "(?, ?, ?, ?" + strings.Repeat(", ?", n) + ")"
		// A statement of several rows that fails need not take back the ones before: the transaction does.
		t[n].one = "INSERT OR FAIL INTO entries (" +
			strings.Join(slices.Concat(keyColumns[:], valueColumns[:n]), ", ") + ") VALUES " + row
		t[n].many = t[n].one + strings.Repeat(", "+row, manyRows-1)
	}
	return &t
}

// insert adds the entries that were accepted.
func (t *insertTexts) insert(c *sqlite.Conn, generation int64, d *relay.Decision) error {
	args := make([]driver.Value, 0, min(len(d.Entries), manyRows)*(len(keyColumns)+len(valueColumns)))
	rows := 1
	for left := d.Entries; len(left) > 0; left = left[rows:] {
		if rows = manyRows; len(left) < manyRows {
			rows = 1
		}
		columns := 0
		for i := range left[:rows] {
			columns = max(columns, columnsOf(&left[i]))
		}
		args = args[:0]
		for i := range left[:rows] {
			e, unordered := &left[i], int64(0)
			if d.Unordered != 0 && e.ID >= d.Unordered {
				unordered = 1
			}
			args = append(args, generation, unordered, e.ID, e.CreatedAt.Unix())
			for n := range columns {
				args = append(args, nullable(valueOf(e, n)))
			}
		}
		text := t[columns].one
		if rows > 1 {
			text = t[columns].many
		}
		if err := c.Exec(text, args...); err != nil {
			return err
		}
	}
	return nil
}

// columnsOf is how many of valueColumns it takes to hold an entry's values.
func columnsOf(e *thingspeak.Entry) int {
	n := len(valueColumns)
	for n > 0 && !valueOf(e, n-1).Given {
		n--
	}
	return n
}

// valueOf returns the value of an entry in the column n of valueColumns.
func valueOf(e *thingspeak.Entry, n int) thingspeak.Value {
	switch n -= thingspeak.FieldCount; n {
	case 0:
		return e.Status
	case 1:
		return e.Latitude
	case 2:
		return e.Longitude
	case 3:
		return e.Elevation
	}
	return e.Fields[n+thingspeak.FieldCount]
}

func scanEntry(row []driver.Value, e *thingspeak.Entry) {
	e.ID, e.CreatedAt = row[0].(int64), time.Unix(row[1].(int64), 0).UTC()
	for i := range e.Fields {
		e.Fields[i] = value(row[2+i])
	}
	const after = 2 + thingspeak.FieldCount
	e.Status, e.Latitude = value(row[after]), value(row[after+1])
	e.Longitude, e.Elevation = value(row[after+2]), value(row[after+3])
}

func nullable(v thingspeak.Value) driver.Value {
	if !v.Given {
		return nil
	}
	return v.Text
}

func value(v driver.Value) thingspeak.Value {
	if v == nil {
		return thingspeak.Value{}
	}
	return thingspeak.Text(v.(string))
}

// Entries is part of [relay.Store].
func (s *Store) Entries(
	ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error,
) error {
	return s.visit(ctx, selectEntries, visit, generation, first, last)
}

// EntriesByTime is part of [relay.Store].
func (s *Store) EntriesByTime(
	ctx context.Context, t relay.Stretch, limit int, visit func(*thingspeak.Entry) error,
) error {
	start, end := t.Seconds()
	return s.visit(ctx, selectByTime, visit, t.Generation, t.First, t.Last, start, end, int64(limit))
}

func (s *Store) visit(
	ctx context.Context, text string, visit func(*thingspeak.Entry) error, args ...driver.Value,
) error {
	return s.read(ctx, "reading entries", func(c *sqlite.Conn) error {
		var e thingspeak.Entry
		return c.Query(text, func(row []driver.Value) error {
			scanEntry(row, &e)
			return visit(&e)
		}, args...)
	})
}
