package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay"
)

func testBulkCalls(t *testing.T, s relay.Store) {
	c, other := newChannel(t, s, 7), newChannel(t, s, 8)
	bulk := func(c *relay.Channel, entries int) relay.Update {
		u := update(c, "bulk", time.Time{})
		u.Bulk = true
		for len(u.Entries) < entries {
			u.Entries = append(u.Entries, u.Entries[0])
		}
		return u
	}
	refused := bulk(c, 5)
	refused.Key = "WRONG"
	if _, err := s.Commit(t.Context(), []relay.Update{
		update(c, "single", time.Time{}), bulk(c, 3), bulk(other, 2), refused, update(c, "single", time.Time{}), bulk(c, 1),
	}); err != nil {
		t.Fatal(err)
	}
	commit(t, s, bulk(c, 2))
	generation := stateOf(t, s, 7).Generation
	for _, x := range []struct {
		first, last int64
		want        []relay.Span
	}{
		{1, 8, []relay.Span{{First: 2, Last: 4}, {First: 6, Last: 6}, {First: 7, Last: 8}}},
		{3, 5, []relay.Span{{First: 2, Last: 4}}},
		{1, 1, nil},
		{5, 5, nil},
		{8, 100, []relay.Span{{First: 7, Last: 8}}},
		{9, 100, nil},
	} {
		if got, err := s.BulkCalls(t.Context(), generation, x.first, x.last); err != nil || !cmp.Equal(got, x.want) {
			t.Errorf("of entries %d to %d: %v, %v; want %v", x.first, x.last, got, err, x.want)
		}
	}
	if err := s.ClearChannel(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	cleared := stateOf(t, s, 7).Generation
	if got, err := s.BulkCalls(t.Context(), cleared, 1, 100); err != nil || len(got) > 0 {
		t.Errorf("after a clear: %v, %v", got, err)
	}
}
