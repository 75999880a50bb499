package store

import (
	"context"
	"database/sql/driver"
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

// insertTexts are the statements that insert an entry: the one at n names the first n of valueColumns. Most entries have
// a value in the first field only, and a quarter of the work is in the columns.
type insertTexts [len(valueColumns) + 1]string

func newInsertTexts() *insertTexts {
	var t insertTexts
	for n := range t {
		t[n] = "INSERT INTO entries (" + strings.Join(append([]string{"generation", "unordered", "number", "created_s"},
			valueColumns[:n]...), ", ") + ") VALUES (?, ?, ?, ?" + strings.Repeat(", ?", n) + ")"
	}
	return &t
}

// insert adds an entry.
func (t *insertTexts) insert(c *sqlite.Conn, generation, unordered int64, e *thingspeak.Entry) error {
	args := append(make([]driver.Value, 0, 4+len(valueColumns)), generation, unordered, e.ID, e.CreatedAt.Unix())
	given := len(args)
	add := func(v thingspeak.Value) {
		args = append(args, nullable(v))
		if v.Given {
			given = len(args)
		}
	}
	for _, v := range e.Fields {
		add(v)
	}
	add(e.Status)
	add(e.Latitude)
	add(e.Longitude)
	add(e.Elevation)
	return c.Exec(t[given-4], args[:given]...)
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
func (s *SQLite) Entries(
	ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error,
) error {
	return s.visit(ctx, selectEntries, visit, generation, first, last)
}

// EntriesByTime is part of [relay.Store].
func (s *SQLite) EntriesByTime(
	ctx context.Context, t relay.Stretch, limit int, visit func(*thingspeak.Entry) error,
) error {
	start, end := t.Seconds()
	return s.visit(ctx, selectByTime, visit, t.Generation, t.First, t.Last, start, end, int64(limit))
}

func (s *SQLite) visit(
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
