package remote_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
)

// What is suspect is visited again from the highest number down: all of it, a little in a call, at most once a minute, and
// then in rounds ever more rarely, by both ways of asking and through rows that the relay does not show.
func TestSuspectsAreVisitedInRounds(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(1000)
			c := newClient(t, relay)
			pos := &keeper{}
			since(t, c, pos)
			relay.hidden = map[int64]bool{}
			for n := int64(600); n < 660; n += 2 {
				relay.hidden[n] = true // it was visited: nothing is concluded from that
			}
			pos.Suspected.Restart(time.Now())
			relay.requests()
			suspect := []exchange.Range{{First: 10, Last: 20}, {First: 600, Last: 630}, {First: 990, Last: 5000}}
			var want, got []int64
			for _, n := range slices.Concat(countTo(10, 20), countTo(600, 630)) {
				if !relay.hidden[n] {
					want = append(want, n)
				}
			}
			calls, rounds := 0, 0
			look := func() {
				t.Helper()
				if !pos.Suspected.Due(time.Now()) {
					return
				}
				ids, news, err := follow(t, c, pos, exchange.Visitor{Suspect: suspect})
				if err != nil || len(news.Position.Gaps) > 0 {
					t.Fatalf("gaps %v, %v", news.Position.Gaps, err)
				}
				got = append(got, ids...)
				if calls++; pos.Suspected.Below == 0 {
					rounds++
				}
				asked := 0
				for _, r := range relay.requests() {
					if strings.Contains(r, "end_entry_id") || strings.HasPrefix(r, "GET feeds/") {
						asked++
					}
				}
				if asked > 9 {
					t.Errorf("ranges %v: a call has asked %d times", ranges, asked)
				}
			}
			for rounds == 0 && calls < 20 {
				look()
				time.Sleep(time.Second)
				if pos.Suspected.Due(time.Now()) {
					t.Fatal("due within a minute")
				}
				time.Sleep(time.Minute)
			}
			// The newest hundred rows are compared in each call anyway.
			got = slices.DeleteFunc(got, func(n int64) bool { return n > 900 })
			slices.Sort(got)
			wantNumbers(t, slices.Compact(got), want)
			if most := map[bool]int{true: 3, false: 8}[ranges]; calls > most {
				t.Errorf("ranges %v: the first round took %d calls, want at most %d", ranges, calls, most)
			}
			for range 5 * 24 * 60 {
				time.Sleep(time.Minute)
				look()
			}
			if rounds < 8 || rounds > 18 {
				t.Errorf("ranges %v: %d rounds in five days", ranges, rounds)
			}
		})
	}
}
