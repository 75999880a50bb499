package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func TestASlowCallSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(3)
		pause := time.Duration(0)
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(pause)
			relay.ServeHTTP(w, r)
		})
		var told []string
		began := time.Now()
		c := newClient(t, slow, func(o *remote.Options) {
			o.Slow = func(s exchange.SlowCall) {
				told = append(told, fmt.Sprint(time.Since(began), " ", s.Doing, " at ", s.Host, " ", s.For, " ", s.Bytes > 0, " ", s.Over))
			}
		})
		if _, err := c.Follow(t.Context(), exchange.Position{}, exchange.Visitor{Entry: ignore}); err != nil || len(told) > 0 {
			t.Fatalf("a quick call: %v, told %q", err, told)
		}
		pause, began = 2300*time.Millisecond, time.Now()
		if _, err := c.Follow(t.Context(), exchange.Position{}, exchange.Visitor{Entry: ignore}); err != nil { // two requests, one call
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{
			"3s reading channel 4242 at relay.test:3000 3s true false",
			"4s reading channel 4242 at relay.test:3000 4s true false",
			"4.6s reading channel 4242 at relay.test:3000 4.6s true true",
		}, told); d != "" {
			t.Error(d)
		}
		told, pause, began = nil, 9500*time.Millisecond, time.Now()
		_, err := c.Update(t.Context(), oneField("x"))
		if last := "9.5s posting to channel 4242 at relay.test:3000 9.5s true true"; len(told) != 8 || told[7] != last {
			t.Errorf("a single request: %v, told %q", err, told)
		}
	})
}

// Readers were led on without end: what a reading may bring was bounded by request only.
func TestABudgetStopsAReadingAndTheNextGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.pageSize = 50
		for i := range 1000 {
			relay.add(time.Now().Add(time.Duration(i-1000)*time.Second), strings.Repeat("x", 200))
		}
		c := newClient(t, relay, func(o *remote.Options) { o.Budget = 64 << 10 })
		seen := map[int64]int{}
		visit := func(e *thingspeak.Entry) error { seen[e.ID]++; return nil }
		var pos exchange.Position
		for calls := 1; ; calls++ {
			before := len(seen)
			news, err := c.Follow(t.Context(), pos, exchange.Visitor{Entry: visit})
			if err != nil || news.Bytes > 80<<10 {
				t.Fatalf("call %d: %d bytes, %v", calls, news.Bytes, err)
			}
			if pos = news.Position; !news.Stopped {
				break
			}
			if len(seen) == before || calls > 10 {
				t.Fatalf("call %d has brought %d of %d", calls, len(seen)-before, len(seen))
			}
		}
		for id := int64(1); id <= 1000; id++ {
			if seen[id] != 1 {
				t.Errorf("entry %d was visited %d times", id, seen[id])
			}
		}
		news, err := c.Follow(t.Context(), exchange.Position{}, exchange.Visitor{Entry: visit, Budget: 1 << 20})
		if err != nil || news.Stopped {
			t.Errorf("with a budget of its own: %+v, %v", news, err)
		}
		scan := c.Scan()
		for more := true; more && err == nil; {
			more, err = scan.Back(t.Context(), 8000, ignore)
		}
		if _, ok := errors.AsType[*exchange.BudgetError](err); !ok {
			t.Errorf("a scan: %v", err)
		}
		if _, err := c.Update(t.Context(), oneField("x")); err != nil {
			t.Errorf("posting: %v", err)
		}
	})
}

// A relay that shows one more row in each answer is not followed for ever, however little it sends, nor for days by
// answering slowly.
func TestACallEnds(t *testing.T) {
	for name, c := range map[string]struct {
		pause time.Duration
		want  func(error) bool
	}{
		"quick answers": {0, func(err error) bool { _, ok := errors.AsType[*exchange.BudgetError](err); return ok }},
		"slow answers":  {9 * time.Second, func(err error) bool { return strings.Contains(err.Error(), "too slow") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := int64(1_000_000)
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(c.pause)
					if strings.HasSuffix(r.URL.Path, ".txt") {
						fmt.Fprint(w, next)
						return
					}
					next--
					fmt.Fprintf(w, "created_at,entry_id,field1\n%s,%d,x\n",
						time.Unix(next, 0).UTC().Format("2006-01-02 15:04:05 UTC"), next)
				})
				client := newClient(t, h, func(o *remote.Options) { o.Budget = 1 << 20 })
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				scan := client.Scan()
				var err error
				for more := true; more && err == nil; {
					more, err = scan.Back(ctx, 8000, ignore)
				}
				if took := time.Since(began); took > 6*time.Minute || !c.want(err) {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

// The time of whoever takes the rows is not the relay's.
func TestASlowReaderIsNoSlowRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(100)
		c := newClient(t, relay)
		news, err := c.Follow(t.Context(), exchange.Position{}, exchange.Visitor{Entry: func(*thingspeak.Entry) error {
			time.Sleep(time.Minute)
			return nil
		}})
		if err != nil || news.Visited != 100 {
			t.Errorf("%d visited: %v", news.Visited, err)
		}
	})
}
