package remote_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// bulk makes rows of one second each that end now.
func bulk(n int) (rows []thingspeak.Entry, fields []thingspeak.Fields) {
	now := time.Now().Truncate(time.Second)
	for i := range n {
		f := oneField(fmt.Sprintf("row %d", i))
		rows = append(rows, thingspeak.Entry{CreatedAt: now.Add(time.Duration(i-n+1) * time.Second), Fields: f})
		fields = append(fields, f)
	}
	return rows, fields
}

func TestBulkRowsAreStoredAndFound(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		ctx := t.Context()
		s.Seed(t, ch.ID, 20, seeded(20))
		rows, fields := bulk(300)
		if err := c.BulkUpdate(ctx, rows[:200]); err != nil {
			t.Fatal(err)
		}
		got, err := c.FindAll(ctx, fields, 20)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range got {
			want := int64(21 + i)
			if i >= 200 {
				want = 0
			}
			if id != want {
				t.Fatalf("row %d is entry %d, want %d", i, id, want)
			}
		}
		stored := s.Entries(t, ch.ID)[20:]
		if !slices.EqualFunc(stored, rows[:200], func(e thingspeak.Entry, r thingspeak.Entry) bool {
			return e.CreatedAt.Equal(r.CreatedAt) && e.Fields[0].Text == r.Fields[0].Text
		}) {
			t.Error("what is stored is not what was posted")
		}
	})
}

// Of rows that are there twice the lower ones count, however far below the others they stand.
func TestBulkRowsThatAreThereTwiceAreFoundAtTheLowest(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		ctx := t.Context()
		s.Seed(t, ch.ID, 20, seeded(20))
		rows, fields := bulk(300)
		for _, part := range [][]thingspeak.Entry{rows[:50], rows[50:], rows[:50]} {
			if err := c.PostBulk(ctx, part, nil); err != nil {
				t.Fatal(err)
			}
		}
		got, err := c.FindAll(ctx, fields[:50], 20)
		if err != nil || !slices.Equal(got, countTo(21, 70)) {
			t.Errorf("found %v: %v", got, err)
		}
	})
}

func TestBulkRefusals(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		ctx := t.Context()
		rows, _ := bulk(2)
		for name, answer := range map[string]struct {
			fault  relaytest.Fault
			reason wire.Reason
			noBulk bool
		}{
			"wrong key":     {relaytest.Answer(401, "application/json", `{"status":"401","error":{"error_code":"error_auth_required","message":"Authorization Required","details":""}}`), wire.KeyRefused, false},
			"too soon":      {relaytest.Answer(429, "application/json", `{}`), wire.TooSoon, false},
			"no such route": {relaytest.Answer(404, "text/html", "<html>"), wire.NotFound, true},
		} {
			s.Inject(answer.fault)
			err := c.BulkUpdate(ctx, rows)
			e, ok := errors.AsType[*wire.RefusedError](err)
			if !ok || e.Reason != answer.reason || wire.HasNoBulk(err) != answer.noBulk {
				t.Errorf("%s: %v", name, err)
			}
			if err != nil && strings.Contains(err.Error(), ch.WriteKey) {
				t.Errorf("%s: the error shows the key: %v", name, err)
			}
		}
		s.Inject(relaytest.Answer(202, "application/json", `{"success":false}`))
		if _, ok := errors.AsType[*wire.UnexpectedError](c.BulkUpdate(ctx, rows)); !ok {
			t.Error("a 202 without success passes")
		}
		s.Inject(nil)
		many, _ := bulk(exchange.MaxBulkRows + 1)
		for name, rows := range map[string][]thingspeak.Entry{
			"none": nil, "too many": many, "too long": {{Fields: oneField(strings.Repeat("x", 256))}},
		} {
			if err := c.BulkUpdate(ctx, rows); !errors.Is(err, exchange.ErrTooLong) {
				t.Errorf("%s: %v, want ErrTooLong", name, err)
			}
		}
		if n := len(s.Entries(t, ch.ID)); n != 0 {
			t.Errorf("%d entries are stored", n)
		}
	})
}
