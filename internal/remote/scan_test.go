package remote_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/exchange"
)

// scanAll reads a channel to its beginning, n rows a call, and returns the numbers in order.
func scanAll(t *testing.T, s *exchange.Scan, n int) []int64 {
	t.Helper()
	var ids []int64
	for calls := 0; ; calls++ {
		if calls > 10_000 {
			t.Fatal("the scan does not end")
		}
		more, err := s.Back(t.Context(), n, collect(&ids))
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			slices.Sort(ids)
			return ids
		}
	}
}

func TestScanAsksForWhatItNeedsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(500)
		s := newClient(t, relay).Scan()
		var ids []int64
		more, err := s.Back(t.Context(), 10, collect(&ids))
		if err != nil || !more {
			t.Fatalf("Back(10) = %v, %v", more, err)
		}
		if want := countTo(491, 500); !slices.Equal(ids, want) {
			t.Errorf("visited %v, want %v", ids, want)
		}
		want := []string{"GET last_entry_id.txt", "GET feeds.csv?results=10"}
		if diff := cmp.Diff(want, relay.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		ids = nil
		more, err = s.Back(t.Context(), 10, collect(&ids))
		if err != nil || more {
			t.Fatalf("second Back(10) = %v, %v; the whole channel fits one page", more, err)
		}
		if want := countTo(1, 490); !slices.Equal(ids, want) {
			t.Errorf("visited %d rows, want 1 to 490", len(ids))
		}
		if reqs := relay.requests(); len(reqs) != 1 {
			t.Errorf("requests %q, want one", reqs)
		}
	})
}

func TestScan(t *testing.T) {
	day := 24 * time.Hour
	tests := map[string]struct {
		fill  func(f *fakeRelay)
		rows  int64
		skips func(t *testing.T, info exchange.ScanInfo)
	}{
		"empty channel": {fill: func(*fakeRelay) {}},
		"one row":       {fill: func(f *fakeRelay) { f.fill(1) }, rows: 1},
		"more than one page": {
			fill: func(f *fakeRelay) { f.pageSize = 7; f.fill(50) }, rows: 50,
		},
		"rows of 2099 fill the newest page": {
			fill: func(f *fakeRelay) {
				f.fill(30)
				for range 20 {
					f.add(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), "future")
				}
				f.add(time.Now(), "present")
				f.pageSize = 5
			}, rows: 51,
		},
		"back-dated rows near the top": {
			fill: func(f *fakeRelay) {
				f.fill(30)
				f.add(time.Now().Add(-400*day), "back-dated")
				f.add(time.Now().Add(-400*day), "back-dated")
				f.fill(3)
			}, rows: 35,
		},
		"a second with more rows than a page": {
			fill: func(f *fakeRelay) {
				f.pageSize = 10
				now := time.Now()
				f.add(now.Add(-time.Hour), "before")
				for range 35 {
					f.add(now, "crowd")
				}
				f.add(now.Add(time.Second), "after")
			}, rows: 37,
		},
	}
	for name, test := range tests {
		for _, ranges := range []bool{true, false} {
			for _, n := range []int{1, 4, 8000} {
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						relay := newFakeRelay()
						relay.ranges = ranges
						test.fill(relay)
						time.Sleep(2 * time.Second)
						s := newClient(t, relay).Scan()
						if diff := cmp.Diff(countTo(1, test.rows), scanAll(t, s, n)); diff != "" {
							t.Errorf("ranges %v, n %d: numbers (-want +got):\n%s", ranges, n, diff)
						}
						if w := s.Info().Lacking; len(w) > 0 {
							t.Errorf("ranges %v, n %d: waiting for %v", ranges, n, w)
						}
					})
				})
			}
		}
	}
}

// A page of 8,000 rows of one second is what a flood or a bulk import leaves.
func TestScanMoreThanAPageInOneSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		for range 8100 {
			relay.add(time.Now(), "x")
		}
		time.Sleep(time.Minute)
		s := newClient(t, relay).Scan()
		if got := scanAll(t, s, 8000); !slices.Equal(got, countTo(1, 8100)) {
			t.Errorf("visited %d rows, want 8100", len(got))
		}
	})
}

func TestScanAsksSinglyAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.ranges = false
		relay.pageSize = 10
		for range 15 {
			relay.add(time.Now(), "crowd")
		}
		time.Sleep(2 * time.Second)
		s := newClient(t, relay).Scan()
		begin := time.Now()
		if got := scanAll(t, s, 15); !slices.Equal(got, countTo(1, 15)) {
			t.Errorf("visited %v", got)
		}
		// The five that the full second hides are asked for at 0, 1, 2, 3 and 4 s.
		if took := time.Since(begin); took != 4*time.Second {
			t.Errorf("took %v, want 4s", took)
		}
	})
}

func TestScanOfAChannelWhoseOldRowsWereDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ranges := range []bool{true, false} {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.last = 1_000_000
			relay.fill(50)
			time.Sleep(2 * time.Second)
			s := newClient(t, relay).Scan()
			begin := time.Now()
			if got := scanAll(t, s, 20); !slices.Equal(got, countTo(1_000_001, 1_000_050)) {
				t.Errorf("visited %v", got)
			}
			if w := s.Info().Lacking; len(w) > 0 {
				t.Errorf("lacking %v, but the channel begins above", w)
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("took %v", took)
			}
		}
	})
}

func TestScanOfMissingRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ranges := range []bool{true, false} {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(20)
			relay.hidden = map[int64]bool{7: true, 8: true}
			s := newClient(t, relay).Scan()
			if got := scanAll(t, s, 5); len(got) != 18 {
				t.Errorf("visited %v", got)
			}
			want := []exchange.Range{{First: 7, Last: 8}}
			if diff := cmp.Diff(want, s.Info().Lacking); diff != "" {
				t.Errorf("lacking (-want +got):\n%s", diff)
			}
		}
	})
}

// Dates are compared with the relay's clock only, so neither clock need be right.
func TestScanWithClocksFarOff(t *testing.T) {
	year := 365 * 24 * time.Hour
	tests := map[string]struct {
		clock, rows time.Duration // the relay's clock, and that of its rows, beside ours
		requests    int           // for the newest ten, 0 if that does not matter
	}{
		"the relay is ahead":                  {35 * year, 35 * year, 2},
		"the relay is behind":                 {-20 * year, -20 * year, 2},
		"its rows are ahead of its own clock": {-20 * year, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := newFakeRelay()
				relay.pageSize = 30
				for range 100 {
					time.Sleep(time.Second)
					relay.add(time.Now().Add(test.rows), "x")
				}
				relay.before = func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Date", time.Now().Add(test.clock).UTC().Format(http.TimeFormat))
					return false
				}
				s := newClient(t, relay).Scan()
				var ids []int64
				if _, err := s.Back(t.Context(), 10, collect(&ids)); err != nil {
					t.Fatal(err)
				}
				if n := len(relay.requests()); test.requests > 0 && n != test.requests {
					t.Errorf("%d requests, want %d", n, test.requests)
				}
				ids = append(ids, scanAll(t, s, 10)...)
				slices.Sort(ids)
				if !slices.Equal(ids, countTo(1, 100)) {
					t.Errorf("visited %v", ids)
				}
			})
		})
	}
}

// A relay that does not say what time it is cannot have rows of the future, so numbers are what is left to go by.
func TestScanWithoutDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(20)
		for range 15 {
			relay.add(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), "future")
		}
		relay.fill(2)
		relay.pageSize = 10
		relay.before = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header()["Date"] = nil
			return false
		}
		if got := scanAll(t, newClient(t, relay).Scan(), 5); !slices.Equal(got, countTo(1, 37)) {
			t.Errorf("visited %v", got)
		}
	})
}
