package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

var selectByTime = dialect.SelectEntriesByTime()

// insertTexts are the statements that insert entries, given as one array for each column: the one at n names the first
// n of [store.ValueColumns].
type insertTexts [len(store.ValueColumns) + 1]string

func newInsertTexts() *insertTexts {
	var t insertTexts
	for n := range t {
		names := strings.Join(slices.Concat(store.KeyColumns[:], store.ValueColumns[:n]), ", ")
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
	var values [len(store.ValueColumns)][]pgtype.Text
	given := 0
	for i := range decisions {
		d := &decisions[i]
		if d.Err != nil {
			continue
		}
		generation := store.GenerationOf(states, updates[i].Channel)
		for j := range d.Entries {
			e := &d.Entries[j]
			generations = append(generations, generation)
			numbers = append(numbers, e.ID)
			created = append(created, e.CreatedAt.Unix())
			unordered = append(unordered, d.Unordered != 0 && e.ID >= d.Unordered)
			for n := range values {
				v := store.ValueOf(e, n)
				values[n] = append(values[n], pgtype.Text{String: v.Text, Valid: v.Given})
			}
			given = max(given, store.ColumnsOf(e))
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
			store.ScanEntry(r, &e)
			if err := visit(&e); err != nil {
				return refusal{err}
			}
			return nil
		}, text, args...)
	})
}
