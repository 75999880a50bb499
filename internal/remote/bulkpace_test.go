package remote_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// Bulk calls keep their own interval, wait where somebody else was quicker, and a lost reply is settled by looking.
func TestBulkCallsWaitForTheirInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, _ *remote.Client) {
		c := clientOver(t, s.Transport(t), func(o *remote.Options) {
			o.BaseURL, o.Channel, o.WriteKey, o.Interval = s.URL, ch.ID, remote.Secret(ch.WriteKey), 0
		})
		rows, fields := bulk(4)
		var waits []exchange.Wait
		post := func(n int) {
			t.Helper()
			err := c.PostBulk(t.Context(), rows[n:n+1], func(w exchange.Wait) { waits = append(waits, w) })
			if err != nil {
				t.Fatal(err)
			}
		}
		post(0) // of the interval nothing is known yet
		post(1)
		if _, err := c.Limits(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.Inject(relaytest.On("bulk_update", relaytest.LoseReply()))
		post(2)
		s.Inject(nil)
		post(3)
		want := []exchange.Wait{
			{Reason: exchange.ChannelBusy, For: 20 * time.Second, Round: 1},
			{Reason: exchange.ReplyLost, For: 5 * time.Second, Round: 1},
			{Reason: exchange.OwnInterval, For: 20 * time.Second},
		}
		if d := cmp.Diff(want, waits); d != "" {
			t.Error(d)
		}
		found, err := c.Settle(t.Context(), fields, 0, true, nil)
		if d := cmp.Diff([]int64{1, 2, 3, 4}, found); d != "" || err != nil {
			t.Error(err, d)
		}
	}, relaytest.Interval(20*time.Second))
}

func TestBulkCallsGiveUpWhereTheChannelStaysBusy(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		rows, _ := bulk(1)
		s.Inject(relaytest.AnswerWith(http.Header{"Retry-After": {"7"}}, http.StatusTooManyRequests, "{}"))
		began := time.Now()
		err := c.PostBulk(t.Context(), rows, nil)
		e, ok := errors.AsType[*wire.RefusedError](err)
		const random = (1 + 3 + 7) * 15 * time.Second // intervals, from the second refusal on
		took := time.Since(began)
		if !ok || e.Reason != wire.TooSoon || busy(err) != 5 || took < 28*time.Second || took > 28*time.Second+random {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// A relay may show what it has promised a few seconds later only.
func TestPromisedRowsAreLookedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		rows, fields := bulk(2)
		go func() {
			time.Sleep(5 * time.Second)
			if err := c.BulkUpdate(t.Context(), rows); err != nil {
				t.Error(err)
			}
		}()
		found, err := c.Settle(t.Context(), fields, 0, true, nil)
		if d := cmp.Diff([]int64{1, 2}, found); d != "" || err != nil {
			t.Error(err, d)
		}
		found, err = c.Settle(t.Context(), []thingspeak.Fields{oneField("never posted")}, 0, true, nil)
		if d := cmp.Diff([]int64{0}, found); d != "" || err != nil {
			t.Error(err, d)
		}
	})
}

// Our relays tell what they grant; of others, a free licence is assumed.
func TestLimits(t *testing.T) {
	told := exchange.Limits{Interval: 3 * time.Second, BulkInterval: 3 * time.Second, BulkRows: 960}
	open := exchange.Limits{BulkRows: 960}
	for name, c := range map[string]struct {
		fault relaytest.Fault
		want  exchange.Limits
	}{
		"ours":             {nil, told},
		"no such address":  {relaytest.Answer(404, "text/html", "<html>"), open},
		"nobody answers":   {relaytest.LoseRequest(), open},
		"a page":           {relaytest.Answer(200, "text/html", "<html>"), open},
		"nonsense":         {relaytest.Answer(200, "application/json", `{"interval_ms":-5,"bulk_updates":10}`), open},
		"beyond reason":    {relaytest.Answer(200, "application/json", `{"bulk_interval_ms":9e9,"bulk_updates":10}`), open},
		"small bulk calls": {relaytest.Answer(200, "application/json", `{"bulk_updates":10}`), exchange.Limits{BulkRows: 10}},
		"large bulk calls": {relaytest.Answer(200, "application/json", `{"bulk_updates":99999}`), open},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, _ *remote.Client) {
				client := clientOver(t, s.Transport(t), func(o *remote.Options) {
					o.BaseURL, o.Channel, o.Interval = s.URL, ch.ID, 0
				})
				s.Inject(c.fault)
				got, err := client.Limits(t.Context())
				if d := cmp.Diff(c.want, got); d != "" || err != nil {
					t.Error(err, d)
				}
			}, relaytest.Interval(3*time.Second))
		})
	}
}

// With an interval of ours the relay is a stranger's, unless it tells otherwise.
func TestAssumedLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, _ *remote.Client) {
		c := clientOver(t, s.Transport(t), func(o *remote.Options) {
			o.BaseURL, o.Channel, o.Interval = s.URL, ch.ID, 20*time.Second
		})
		got, err := c.Limits(t.Context())
		want := exchange.Limits{Interval: 20 * time.Second, BulkInterval: 2 * time.Second, BulkRows: 960}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Error(err, d)
		}
		s.Inject(relaytest.Answer(404, "text/html", "<html>"))
		got, err = c.Limits(t.Context())
		want = exchange.Limits{Interval: 20 * time.Second, BulkInterval: 15 * time.Second, BulkRows: 960, Daily: 8200}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Error(err, d)
		}
	}, relaytest.Interval(2*time.Second))
}

// Whoever follows a channel knows what came before a clear and what after.
func TestFollowTellsAClearBeforeWhatComesAfter(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, c *remote.Client) {
		var seen []string
		k := &keeper{}
		read := func() {
			t.Helper()
			_, _, err := follow(t, c, k, exchange.Visitor{
				Entry: func(e *thingspeak.Entry) error {
					seen = append(seen, e.Fields[0].Text)
					return nil
				},
				Cleared: func() error {
					seen = append(seen, "cleared")
					return nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		s.Seed(t, ch.ID, 2, seeded(2))
		read()
		s.Clear(t, ch.ID)
		s.Seed(t, ch.ID, 1, seeded(1))
		read()
		time.Sleep(2 * time.Minute) // what looks like a clear may be a stale answer
		read()
		if d := cmp.Diff([]string{"text 1", "text 2", "cleared", "text 1"}, seen); d != "" {
			t.Error(d)
		}
	})
}

// After a refusal one leaves room for others by the relay's own interval, which may be another one since it was started anew:
// those who were refused at a relay with an interval of two seconds waited by one of 15.
func TestARefusedUpdateWaitsByTheIntervalThatTheRelayTells(t *testing.T) {
	const writers, interval = 4, 2 * time.Second
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, _ *remote.Client) {
		for range 20 {
			c := clientOver(t, s.Transport(t), func(o *remote.Options) {
				o.BaseURL, o.Channel, o.WriteKey, o.Interval = s.URL, ch.ID, remote.Secret(ch.WriteKey), 0
			})
			c.SetWriters(func() int { return writers })
			_, err := c.Post(t.Context(), oneField("text"), 0, func(w exchange.Wait) {
				if most := writers * interval; w.For > most {
					t.Errorf("it waits %v, at most %v is of use", w.For, most)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}, relaytest.Interval(interval))
}

// Once the relay has told its interval, updates keep to it without being refused first.
func TestUpdatesKeepToTheIntervalThatWasTold(t *testing.T) {
	inBubble(t, func(t *testing.T, s *relaytest.Server, ch relaytest.Channel, _ *remote.Client) {
		c := clientOver(t, s.Transport(t), func(o *remote.Options) {
			o.BaseURL, o.Channel, o.WriteKey, o.Interval = s.URL, ch.ID, remote.Secret(ch.WriteKey), 0
		})
		if _, err := c.Limits(t.Context()); err != nil {
			t.Fatal(err)
		}
		var waits []exchange.Wait
		for _, text := range []string{"one", "two"} {
			_, err := c.Post(t.Context(), oneField(text), 0, func(w exchange.Wait) { waits = append(waits, w) })
			if err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff([]exchange.Wait{{Reason: exchange.OwnInterval, For: 20 * time.Second}}, waits); d != "" {
			t.Error(d)
		}
	}, relaytest.Interval(20*time.Second))
}
