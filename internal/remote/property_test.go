package remote_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
)

// randomDate returns dates as hostile writers choose them.
func randomDate(rnd *rand.Rand) time.Time {
	now := time.Now()
	switch rnd.IntN(6) {
	case 0:
		return now.Add(-time.Duration(rnd.IntN(1000)) * time.Hour)
	case 1:
		return now.Add(time.Duration(rnd.IntN(100)) * time.Second)
	case 2:
		return time.Date(2099, 1, 1, 0, 0, rnd.IntN(3), 0, time.UTC)
	case 3:
		return time.Date(1990, 1, 1, 0, 0, rnd.IntN(3), 0, time.UTC)
	}
	return now
}

func randomRelay(rnd *rand.Rand) *fakeRelay {
	relay := newFakeRelay()
	relay.ranges = rnd.IntN(2) == 0
	relay.pageSize = 1 + rnd.IntN(12)
	return relay
}

// fillRandomly stores up to most rows, some of them within one second.
func fillRandomly(rnd *rand.Rand, relay *fakeRelay, most int) {
	for range rnd.IntN(most + 1) {
		relay.add(randomDate(rnd), "x")
		if rnd.IntN(3) > 0 {
			time.Sleep(time.Duration(rnd.IntN(2000)) * time.Millisecond)
		}
	}
}

func TestScanVisitsEveryEntryOnce(t *testing.T) {
	for seed := range uint64(testenv.Cases(100)) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			relay := randomRelay(rnd)
			fillRandomly(rnd, relay, 50)
			n := 1 + rnd.IntN(20)
			got := scanAll(t, newClient(t, relay).Scan(), n)
			if want := countTo(1, relay.last); !slices.Equal(got, want) {
				t.Fatalf("seed %d, page %d, ranges %v, n %d: got %v, want 1 to %d",
					seed, relay.pageSize, relay.ranges, n, got, relay.last)
			}
		})
	}
}

func TestSinceVisitsEveryEntryOnce(t *testing.T) {
	for seed := range uint64(testenv.Cases(60)) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			relay := randomRelay(rnd)
			fillRandomly(rnd, relay, 20)
			c := newClient(t, relay)
			pos := &keeper{}
			var got []int64
			for range 4 {
				fillRandomly(rnd, relay, 30)
				for calls := 0; calls == 0 || len(pos.Gaps) > 0; calls++ {
					ids, news := since(t, c, pos)
					got = append(got, ids...)
					if news.Cleared || len(news.Rewritten)+len(news.Lost) > 0 || calls > 50 {
						t.Fatalf("seed %d, page %d, ranges %v, call %d: %+v", seed, relay.pageSize, relay.ranges, calls, news)
					}
					time.Sleep(10 * time.Second)
				}
			}
			slices.Sort(got)
			if want := countTo(1, relay.last); !slices.Equal(got, want) {
				t.Fatalf("seed %d, page %d, ranges %v: got %v, want 1 to %d", seed, relay.pageSize, relay.ranges, got, relay.last)
			}
		})
	}
}

// A relay of several machines, some behind the others, or caches on the way: each answer may be an old one.
func TestSinceWithStaleAnswers(t *testing.T) {
	for seed := range uint64(testenv.Cases(100)) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			relay := randomRelay(rnd)
			relay.pageSize = 0
			begin := time.Now()
			relay.before = func(w http.ResponseWriter, r *http.Request) bool {
				if rnd.IntN(3) > 0 || len(relay.rows) == 0 || time.Since(begin) > 2*time.Minute {
					return false
				}
				old := *newFakeRelay()
				old.ranges, old.fields = relay.ranges, relay.fields
				old.rows = relay.rows[:rnd.IntN(len(relay.rows))]
				if n := len(old.rows); n > 0 {
					old.last = old.rows[n-1].ID
				}
				r.Method = http.MethodGet
				old.ServeHTTP(w, r)
				return true
			}
			c := newClient(t, relay)
			pos := &keeper{}
			var got []int64
			check := func() {
				ids, news := since(t, c, pos)
				got = append(got, ids...)
				if news.Cleared || len(news.Rewritten)+len(news.Lost) > 0 {
					t.Fatalf("seed %d, ranges %v: %+v", seed, relay.ranges, news)
				}
				time.Sleep(3 * time.Second)
			}
			for range 20 {
				for range rnd.IntN(5) {
					relay.add(time.Now(), fmt.Sprint("text ", relay.last))
				}
				check()
			}
			for calls := 0; calls < 20 || len(pos.Gaps) > 0 || pos.Last < relay.last; calls++ {
				check()
			}
			slices.Sort(got)
			if want := countTo(1, relay.last); !slices.Equal(got, want) {
				t.Fatalf("seed %d, ranges %v: got %v, want 1 to %d; position %+v", seed, relay.ranges, got, relay.last, pos)
			}
		})
	}
}
