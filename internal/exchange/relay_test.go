package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

var errNotThere = errors.New("there is no such entry")

// memoryRelay is a port to a relay in memory. It answers as contract section 7.3 says: the newest rows by date, shown
// oldest first.
type memoryRelay struct {
	rows     []thingspeak.Entry
	asked    []exchange.Request
	noRanges bool // of numbers: they are ignored
	rowBytes int64
	// onUpdate, if set, answers updates in place of the relay.
	onUpdate func(*exchange.Answer) error
}

func (m *memoryRelay) Begin(ctx context.Context) (context.Context, func()) { return ctx, func() {} }

func (m *memoryRelay) Wait(ctx context.Context, until time.Time) error {
	select {
	case <-time.After(time.Until(until)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memoryRelay) Ask(
	_ context.Context, r exchange.Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (a exchange.Answer, err error) {
	m.asked = append(m.asked, r)
	a.Header.Fields, a.Date = thingspeak.FieldsOf(1), time.Now()
	switch r.What {
	case exchange.LastNumber:
		if len(m.rows) > 0 {
			a.Number = m.rows[len(m.rows)-1].ID
		}
	case exchange.OneEntry:
		for i := range m.rows {
			if m.rows[i].ID == r.Entry {
				return a, row(&m.rows[i], a.Header.Fields)
			}
		}
		a.Failure.Kind = exchange.NoSuchEntry
		return a, errNotThere
	case exchange.FeedRows:
		for _, e := range m.feed(r.Query) {
			if a.Bytes += m.rowBytes; r.Most > 0 && a.Bytes > r.Most {
				return a, &exchange.BudgetError{}
			}
			a.Rows++
			if err := row(&e, a.Header.Fields); err != nil {
				return a, err
			}
		}
	case exchange.Update:
		if m.onUpdate != nil {
			return a, m.onUpdate(&a)
		}
		a.Number = m.add(time.Now(), r.Fields)
	}
	return a, nil
}

func (m *memoryRelay) feed(q exchange.Query) []thingspeak.Entry {
	rows := slices.DeleteFunc(slices.Clone(m.rows), func(e thingspeak.Entry) bool {
		outside := e.ID < q.FirstID || q.LastID > 0 && e.ID > q.LastID
		return outside && !m.noRanges || !q.End.IsZero() && e.CreatedAt.After(q.End)
	})
	slices.SortStableFunc(rows, func(a, b thingspeak.Entry) int { return a.CreatedAt.Compare(b.CreatedAt) })
	n := q.Results
	if n == 0 {
		n = thingspeak.DefaultResults
	}
	return rows[max(len(rows)-n, 0):]
}

func (m *memoryRelay) add(at time.Time, fields thingspeak.Fields) int64 {
	id := int64(len(m.rows) + 1)
	m.rows = append(m.rows, thingspeak.Entry{ID: id, CreatedAt: at.Truncate(time.Second).UTC(), Fields: fields})
	return id
}

// fill adds n rows, a second apart, the last one now.
func (m *memoryRelay) fill(n int) {
	for i := range n {
		m.add(time.Now().Add(time.Duration(i-n+1)*time.Second), oneField(fmt.Sprintf("text %d", i+1)))
	}
}

func oneField(text string) thingspeak.Fields { return thingspeak.Fields{thingspeak.Text(text)} }

var settings = exchange.Settings{Address: "relay.test/", Channel: 4242, Interval: 15 * time.Second}

func collect(ids *[]int64) func(*thingspeak.Entry) error {
	return func(e *thingspeak.Entry) error {
		*ids = append(*ids, e.ID)
		return nil
	}
}

func wantCount(t *testing.T, ids []int64, n int) {
	t.Helper()
	if slices.Sort(ids); len(ids) != n || len(slices.Compact(slices.Clone(ids))) != n {
		t.Errorf("%d entries came, want each of %d once: %v", len(ids), n, ids)
	}
}
