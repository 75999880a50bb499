package remote_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// hide withholds the rows from first to last.
func (f *fakeRelay) hide(first, last int64) {
	f.hidden = map[int64]bool{}
	for n := first; n <= last; n++ {
		f.hidden[n] = true
	}
}

// readFor polls once a minute and returns the numbers that were visited, in order.
func readFor(t *testing.T, c *remote.Client, k *keeper, minutes int) (all []int64) {
	t.Helper()
	for range minutes {
		ids, _ := since(t, c, k)
		all = append(all, ids...)
		time.Sleep(time.Minute)
	}
	slices.Sort(all)
	return all
}

// Only paging through all that was read before reaches many old rows of a relay without ranges.
func TestRowsAtTheBottomAreReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.ranges, relay.pageSize = false, 100
		relay.fill(3000)
		relay.hide(1, 100)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		relay.hidden = nil
		wantNumbers(t, readFor(t, c, pos, 3), countTo(1, 100))
	})
}

// Paging that was interrupted goes on; the next one begins with the newest row again.
func TestTheNextPagingBeginsWithTheNewestRow(t *testing.T) {
	for name, crowd := range map[string]int{"that ended": 0, "that a crowded second hides rows from": 300} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := newFakeRelay()
				relay.ranges, relay.pageSize = false, 100
				for range crowd {
					relay.add(time.Now().Add(-time.Hour), "crowd")
				}
				relay.fill(2000)
				first := int64(crowd) + 1500
				relay.hide(first, first+99)
				c := newClient(t, relay, func(o *remote.Options) { o.Budget = 50_000 })
				pos := &keeper{}
				interrupted := false
				for range 3 {
					_, news := since(t, c, pos)
					interrupted = interrupted || news.Stopped && len(pos.Gaps) > 0 && !pos.Gaps[len(pos.Gaps)-1].Back.IsZero()
					time.Sleep(time.Minute)
				}
				readFor(t, c, pos, 5)
				relay.hidden = nil
				got := readFor(t, c, pos, 30)
				if !interrupted || !slices.Equal(got[max(len(got)-100, 0):], countTo(first, first+99)) {
					t.Errorf("interrupted %v; visited %v", interrupted, got)
				}
			})
		})
	}
}

// Of a second with more rows than an answer has, paging shows but one answer: that is not to have asked for the others.
func TestACrowdedSecondIsReadOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.ranges, relay.pageSize = false, 10
		for range 200 {
			relay.add(time.Now(), "crowd")
		}
		relay.fill(5)
		c := newClient(t, relay)
		pos := &keeper{}
		wantNumbers(t, readFor(t, c, pos, 60), countTo(1, 205))
	})
}

// A gap far wider than it has rows costs requests by its rows.
func TestAWideGapIsFilledInFewRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.pageSize = 50
		relay.fill(100)
		relay.put(1<<40, time.Now(), "junk")
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		time.Sleep(time.Minute)
		for range 300 { // which the newest rows hide
			relay.add(time.Now().Add(-1000*time.Hour), "back-dated")
		}
		relay.requests()
		ids, _ := since(t, c, pos)
		slices.Sort(ids)
		wantNumbers(t, ids, countTo(101, 400))
		if n := len(relay.requests()); n > 15 {
			t.Errorf("%d requests", n)
		}
	})
}

// However a relay scatters what it shows, a call makes few requests, and the next goes on.
func TestACallMakesFewRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.pageSize = 5
		relay.fill(1000)
		relay.hide(1, 900)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		relay.hidden = nil
		var all []int64
		for calls := 0; len(all) < 900 && calls < 60; calls++ {
			time.Sleep(time.Hour)
			relay.requests()
			ids, _ := since(t, c, pos)
			if n := len(relay.requests()); n > 40 {
				t.Fatalf("call %d: %d requests", calls, n)
			}
			all = append(all, ids...)
		}
		slices.Sort(all)
		wantNumbers(t, all, countTo(1, 900))
	})
}

// Both rows of a number come where it is asked for by itself.
func TestTwoRowsOfOneNumberThatComeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(300)
		relay.put(15, time.Now().Add(-time.Hour), "second")
		relay.hide(15, 15)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		relay.hidden = nil
		time.Sleep(time.Minute)
		wantNumbers(t, readFor(t, c, pos, 3), []int64{15, 15})
	})
}

// A row far below the newest may be another one than the one visited. Who can tell gets it, once a reading.
func TestAnOldRowThatComesOtherwiseIsHandedToWhoCanTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(300)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		time.Sleep(time.Minute)
		relay.put(50, time.Now(), "second")
		relay.add(time.Now(), "new")
		var seen []string
		read := func(v exchange.Visitor) {
			if _, _, err := follow(t, c, pos, v); err != nil {
				t.Fatal(err)
			}
			relay.add(time.Now(), "new")
		}
		read(exchange.Visitor{})
		v := exchange.Visitor{Seen: func(e *thingspeak.Entry) error {
			seen = append(seen, fmt.Sprint(e.ID, " ", e.Fields[0].Text))
			return nil
		}}
		read(v)
		if !slices.Equal(seen, []string{"50 second"}) {
			t.Errorf("seen %q", seen)
		}
		for i := range pos.Rows[1:] {
			if pos.Rows[i] == pos.Rows[i+1] {
				t.Errorf("the position has the row of entry %d twice", pos.Rows[i].Entry)
			}
		}
	})
}

// Before the answers are known to be of the same channel nothing is visited, however much comes.
func TestNothingIsVisitedBeforeTheAnswersAreTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.ranges = false
		relay.fill(20)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		relay.clear()
		relay.last = 30
		for n := range int64(16_000) {
			relay.put(n+31, time.Now(), fmt.Sprint("another ", n))
		}
		half := false
		relay.before = func(_ http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "feeds.csv") {
				return false
			}
			q := r.URL.Query()
			q.Set("results", "8000") // more than was asked for, and other ones each time
			r.URL.RawQuery = q.Encode()
			if half {
				relay.hidden = nil
			} else {
				relay.hidden = map[int64]bool{}
				for n := range int64(8000) {
					relay.hidden[n+8031] = true
				}
			}
			half = !half
			return false
		}
		ids, news := since(t, c, pos)
		if len(ids) > 0 || !news.Doubtful {
			t.Errorf("visited %d rows; doubtful %v", len(ids), news.Doubtful)
		}
	})
}

// An absence begins anew once the relay has shown the entry.
func TestTwoShortAbsencesAreNotALongOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(20)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		for range 5 {
			relay.add(time.Now(), "junk")
			relay.hide(20, 20)
			if _, news := since(t, c, pos); len(news.Rewritten) > 0 {
				t.Fatalf("news %+v", news)
			}
			time.Sleep(40 * time.Second)
			relay.hidden = nil
			since(t, c, pos)
			time.Sleep(40 * time.Second)
		}
	})
}

// What a position of the earlier form holds above the anchor may never have been there.
func TestEarlierPositionsHealByTheAnchor(t *testing.T) {
	for _, kept := range []string{
		`{"last":1000000}`,
		`{"last":1099511627776,"row":{"fields":1,"sum":"00112233445566778899aabbccddeeff"},"at":"2000-01-01T00:00:00Z"}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.fill(7)
			pos := &keeper{anchor: relay.rows[4]}
			if err := json.Unmarshal([]byte(kept), &pos.Position); err != nil {
				t.Fatal(err)
			}
			ids, news := since(t, newClient(t, relay), pos)
			if !slices.Equal(ids[max(len(ids)-2, 0):], []int64{6, 7}) || news.Doubtful {
				t.Errorf("%s: visited %v, news %+v", kept, ids, news)
			}
		})
	}
}

// What one address has named another one need not show.
func TestAClaimIsOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(3)
		named := int64(9)
		names(relay, &named)
		pos := &keeper{}
		tr := serve(t, relay)
		for i, step := range []struct {
			address string
			named   int64
		}{
			{"http://one.test", 0}, {"http://two.test", 0}, {"http://two.test", 9}, {"http://one.test", 0},
		} {
			c := clientOver(t, tr, func(o *remote.Options) { o.BaseURL = step.address })
			if _, news := since(t, c, pos); news.Named.Last != step.named {
				t.Errorf("step %d: named %+v", i, news.Named)
			}
			time.Sleep(time.Minute)
		}
	})
}
