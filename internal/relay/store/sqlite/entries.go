package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

var selectByTime = dialect.SelectEntriesByTime()

// insertTexts are the statements that insert entries: the ones at n name the first n of [store.ValueColumns].
type insertTexts [len(store.ValueColumns) + 1]struct{ one, many string }

// manyRows is how many entries of a bulk call one statement inserts. One by one they cost twice as much.
const manyRows = 50

func newInsertTexts() *insertTexts {
	var t insertTexts
	for n := range t {
		row := "(?, ?, ?, ?" + strings.Repeat(", ?", n) + ")"
		// A statement of several rows that fails need not take back the ones before: the transaction does.
		t[n].one = "INSERT OR FAIL INTO entries (" +
			strings.Join(slices.Concat(store.KeyColumns[:], store.ValueColumns[:n]), ", ") + ") VALUES " + row
		t[n].many = t[n].one + strings.Repeat(", "+row, manyRows-1)
	}
	return &t
}

// insert adds the entries that were accepted.
func (t *insertTexts) insert(c *sqlite.Conn, generation int64, d *relay.Decision) error {
	args := make([]driver.Value, 0, min(len(d.Entries), manyRows)*(len(store.KeyColumns)+len(store.ValueColumns)))
	rows := 1
	for left := d.Entries; len(left) > 0; left = left[rows:] {
		if rows = manyRows; len(left) < manyRows {
			rows = 1
		}
		columns := 0
		for i := range left[:rows] {
			columns = max(columns, store.ColumnsOf(&left[i]))
		}
		args = args[:0]
		for i := range left[:rows] {
			e, unordered := &left[i], int64(0)
			if d.Unordered != 0 && e.ID >= d.Unordered {
				unordered = 1
			}
			args = append(args, generation, unordered, e.ID, e.CreatedAt.Unix())
			for n := range columns {
				args = append(args, nullable(store.ValueOf(e, n)))
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

// Entries is part of [relay.Store].
func (s *Store) Entries(
	ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error,
) error {
	return s.visit(ctx, store.SelectEntries, visit, generation, first, last)
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
		return c.Query(text, func(r sqlite.Row) error {
			store.ScanEntry(row(r), &e)
			return visit(&e)
		}, args...)
	})
}
