package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fernpost/fernpost/internal/relay"
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
		WHERE generation = $1 AND number BETWEEN $2 AND $3 ORDER BY number`
	selectByTime = "SELECT " + entryColumns + ` FROM entries
		WHERE generation = $1 AND unordered AND number BETWEEN $2 AND $3 AND created_s BETWEEN $4 AND $5
		ORDER BY created_s DESC, number DESC LIMIT $6`
)

// insertTexts are the statements that insert entries, given as one array for each column: the one at n names the first
// n of valueColumns. Most entries have a value in the first field only.
type insertTexts [len(valueColumns) + 1]string

func newInsertTexts() *insertTexts {
	var t insertTexts
	for n := range t {
		names := strings.Join(append([]string{"generation", "unordered", "number", "created_s"}, valueColumns[:n]...), ", ")
		arrays := []string{"$1::BIGINT[]", "$2::BOOLEAN[]", "$3::BIGINT[]", "$4::BIGINT[]"}
		for i := range n {
			arrays = append(arrays, fmt.Sprintf("$%d::TEXT[]", 5+i))
		}
		t[n] = fmt.Sprintf("INSERT INTO entries (%s) SELECT %s FROM unnest(%s) AS e (%s)",
			names, names, strings.Join(arrays, ", "), names)
	}
	return &t
}

// queue adds what inserts the accepted entries to a batch.
func (t *insertTexts) queue(
	b *pgx.Batch, states []relay.State, updates []relay.Update, decisions []relay.Decision,
) {
	var generations, numbers, created []int64
	var unordered []bool
	var values [len(valueColumns)][]pgtype.Text
	given := 0
	for i := range decisions {
		d := &decisions[i]
		if d.Err != nil {
			continue
		}
		generation := generationOf(states, updates[i].Channel)
		for j := range d.Entries {
			e, column := &d.Entries[j], 0
			generations = append(generations, generation)
			numbers = append(numbers, e.ID)
			created = append(created, e.CreatedAt.Unix())
			unordered = append(unordered, d.Unordered != 0 && e.ID >= d.Unordered)
			add := func(v thingspeak.Value) {
				values[column] = append(values[column], pgtype.Text{String: v.Text, Valid: v.Given})
				if column++; v.Given {
					given = max(given, column)
				}
			}
			for _, v := range e.Fields {
				add(v)
			}
			add(e.Status)
			add(e.Latitude)
			add(e.Longitude)
			add(e.Elevation)
		}
	}
	if len(numbers) == 0 {
		return
	}
	args := []any{generations, unordered, numbers, created}
	for _, column := range values[:given] {
		args = append(args, column)
	}
	b.Queue(t[given], args...)
}

func scanEntry(r row, e *thingspeak.Entry) {
	e.ID, e.CreatedAt = r.number(0), r.seconds(1)
	for i := range e.Fields {
		e.Fields[i] = r.value(2 + i)
	}
	const after = 2 + thingspeak.FieldCount
	e.Status, e.Latitude = r.value(after), r.value(after+1)
	e.Longitude, e.Elevation = r.value(after+2), r.value(after+3)
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
	return s.visit(ctx, selectByTime, visit, t.Generation, t.First, t.Last, start, end, int64(max(0, limit)))
}

// visit calls visit for the entries of an answer. Entries do not change, so after a lost connection the same question
// goes on behind those that were visited.
func (s *Store) visit(
	ctx context.Context, text string, visit func(*thingspeak.Entry) error, args ...any,
) error {
	visited := 0
	return s.try(ctx, "reading entries", func(ctx context.Context, c *conn) error {
		var e thingspeak.Entry
		at := 0
		return c.read(ctx, func(r row) error {
			if at++; at <= visited {
				return nil
			}
			visited++
			scanEntry(r, &e)
			if err := visit(&e); err != nil {
				return refusal{err}
			}
			return nil
		}, text, args...)
	})
}
