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
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// names makes a relay name a last entry number of its own choice, as long as that is above 0.
func names(relay *fakeRelay, last *int64) {
	relay.before = func(w http.ResponseWriter, r *http.Request) bool {
		if *last == 0 || !strings.HasSuffix(r.URL.Path, "last_entry_id.txt") {
			return false
		}
		fmt.Fprint(w, *last)
		return true
	}
}

// put shows a row under any number.
func (f *fakeRelay) put(id int64, created time.Time, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, thingspeak.Entry{ID: id, CreatedAt: created.Truncate(time.Second).UTC(), Fields: oneField(text)})
}

// take removes the rows of a number.
func (f *fakeRelay) take(id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = slices.DeleteFunc(f.rows, func(e thingspeak.Entry) bool { return e.ID == id })
}

func TestOneClaimOf2To53BlindsNobody(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(3)
			named := int64(1 << 53)
			names(relay, &named)
			c := newClient(t, relay)
			pos := &keeper{}
			ids, _ := since(t, c, pos)
			wantNumbers(t, ids, []int64{1, 2, 3})
			if n := len(relay.requests()); pos.Last != 3 || len(pos.Gaps) > 0 || n > 15 {
				t.Errorf("position %+v after %d requests", pos.Position, n)
			}
			named = 0
			time.Sleep(time.Second)
			relay.add(time.Now(), "new")
			ids, news := since(t, c, pos)
			wantNumbers(t, ids, []int64{4})
			if news.Named.Last != 0 || news.Doubtful {
				t.Errorf("news %+v", news)
			}
		})
	}
}

func TestOneRowFarAboveIsNoClear(t *testing.T) {
	const far = 1 << 40
	for _, ranges := range []bool{true, false} {
		for name, begin := range map[string]func(*testing.T, *remote.Client) *keeper{
			"from the start": func(*testing.T, *remote.Client) *keeper { return &keeper{} },
			"from the end":   atEnd,
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					relay := newFakeRelay()
					relay.ranges = ranges
					relay.fill(3)
					relay.put(far, time.Now(), "junk")
					named := int64(far)
					names(relay, &named)
					c := newClient(t, relay)
					pos := begin(t, c)
					lied := time.Now()
					since(t, c, pos)
					relay.take(far) // and never again
					named = 0
					for n := range 60 {
						time.Sleep(time.Minute)
						relay.add(time.Now(), "new")
						ids, news := since(t, c, pos)
						wantNumbers(t, ids, []int64{int64(n) + 4})
						if news.Cleared || news.Doubtful {
							t.Fatalf("news %+v", news)
						}
					}
					for _, g := range pos.Gaps {
						if !g.Since.Equal(lied) || !g.Asked() {
							t.Errorf("gap %+v is younger than the row that it is below, or was not asked for", g)
						}
					}
				})
			})
		}
	}
}

// One row with an invented number, and a relay that names it ever since, must not hold up what is posted below it.
func TestARowFarAboveHoldsNothingUp(t *testing.T) {
	const far = 1 << 53
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(3)
			relay.put(far, time.Now(), "junk")
			named := int64(far)
			names(relay, &named)
			c := newClient(t, relay)
			pos := &keeper{}
			since(t, c, pos)
			for n := range 50 {
				time.Sleep(30 * time.Minute)
				id, posted := int64(n)+4, time.Now()
				relay.put(id, posted, "new")
				for ids, _ := since(t, c, pos); !slices.Contains(ids, id); ids, _ = since(t, c, pos) {
					if time.Since(posted) > time.Minute+10*time.Second {
						t.Fatalf("with ranges %v: entry %d is not there after %v", ranges, id, time.Since(posted))
					}
					time.Sleep(5 * time.Second)
				}
			}
		})
	}
}

// A relay that goes on lying about the newest number must not keep what is below from being judged.
func TestAGapIsJudgedWhateverTheRelayNames(t *testing.T) {
	for name, lie := range map[string]func(since time.Duration) int64{
		"one more every 200 s":            func(since time.Duration) int64 { return 11 + int64(since/(200*time.Second)) },
		"a number taken back every 240 s": func(since time.Duration) int64 { return 11 + int64(since/(240*time.Second))%2 },
		"one more every time":             func(since time.Duration) int64 { return 11 + int64(since/time.Second) },
	} {
		for _, ranges := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					relay := newFakeRelay()
					relay.ranges = ranges
					relay.fill(10)
					relay.hidden = map[int64]bool{5: true}
					var named int64
					names(relay, &named)
					c := newClient(t, relay)
					pos := &keeper{}
					begin := time.Now()
					for time.Since(begin) < 6*time.Minute {
						named = lie(time.Since(begin))
						since(t, c, pos)
						time.Sleep(5 * time.Second)
					}
					if g := pos.Gaps; len(g) != 1 || !g[0].Asked() || !g[0].Since.Equal(begin) {
						t.Errorf("gaps %+v", g)
					}
				})
			})
		}
	}
}

// Numbers that jump leave more gaps with each row than a relay without ranges is asked for.
func TestSparseRowsDoNotKeepAGapFromBeingJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.ranges = false
		relay.fill(10)
		relay.hidden = map[int64]bool{5: true}
		c := newClient(t, relay)
		pos := &keeper{}
		begin := time.Now()
		for time.Since(begin) < 15*time.Minute {
			since(t, c, pos)
			time.Sleep(30 * time.Second)
			relay.last += 10
			relay.put(relay.last, time.Now(), "junk")
		}
		if g := pos.Gaps; g[0].First != 5 || !g[0].Asked() || !g[0].Since.Equal(begin) {
			t.Errorf("gap %+v", g[0])
		}
	})
}

func TestARowThatComesAfterItWasGivenUpIsVisited(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		for _, n := range []int{20, 2000} { // among the newest rows, and far below
			synctest.Test(t, func(t *testing.T) {
				relay := newFakeRelay()
				relay.ranges = ranges
				relay.fill(n)
				relay.hidden = map[int64]bool{7: true}
				c := newClient(t, relay)
				pos := &keeper{}
				for range 120 {
					since(t, c, pos)
					time.Sleep(time.Minute)
				}
				relay.hidden = nil
				relay.requests()
				var got []int64
				polls := 0
				for ; len(got) == 0 && polls < 200; polls++ {
					ids, _ := since(t, c, pos)
					got = append(got, ids...)
					time.Sleep(time.Minute)
				}
				wantNumbers(t, got, []int64{7})
				if polls > 130 {
					t.Errorf("it took %d minutes", polls)
				}
			})
		}
	}
}

// What was given up costs ever less.
func TestGivenUpIsAskedForEverMoreRarely(t *testing.T) {
	testenv.Unwatched(t)
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(20)
		relay.hidden = map[int64]bool{7: true}
		c := newClient(t, relay)
		pos := &keeper{}
		var times []time.Duration
		for begin := time.Now(); time.Since(begin) < 48*time.Hour; time.Sleep(30 * time.Second) {
			since(t, c, pos)
			for _, r := range relay.requests() {
				if strings.Contains(r, "start_entry_id") {
					times = append(times, time.Since(begin))
				}
			}
		}
		for i := 7; i < len(times); i++ {
			if last, now := times[i-1]-times[i-2], times[i]-times[i-1]; now < 2*last-time.Minute {
				t.Errorf("asked after %v", times)
			}
		}
		if len(times) < 10 || len(times) > 20 {
			t.Errorf("asked after %v", times)
		}
	})
}

func TestNothingIsForgottenBeyond4096Gaps(t *testing.T) {
	testenv.Unwatched(t)
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(10)
		relay.hidden = map[int64]bool{5: true}
		c := newClient(t, relay)
		pos := &keeper{}
		begin := time.Now()
		since(t, c, pos)
		time.Sleep(10 * time.Minute)
		relay.fill(20_000)
		for n := range int64(10_000) {
			relay.hidden[2*n+11] = true
		}
		visited := map[int64]bool{}
		read := func() {
			ids, _ := since(t, c, pos)
			for _, id := range ids {
				visited[id] = true
			}
			if len(pos.Gaps) > 4096 || len(pos.Rows) > 200 {
				t.Fatalf("%d gaps, %d rows", len(pos.Gaps), len(pos.Rows))
			}
			if g := pos.Gaps; len(g) > 0 && g[0].First == 5 && (g[0].Last != 5 || !g[0].Since.Equal(begin)) {
				t.Fatalf("the oldest gap became %+v", g[0])
			}
		}
		for range 20 {
			read()
			time.Sleep(time.Minute)
		}
		relay.hidden = nil
		all := func() bool {
			for n := int64(11); n <= 20_010; n++ {
				if !visited[n] {
					return false
				}
			}
			return true
		}
		for calls := 0; calls < 60 && !all(); calls++ {
			read()
			time.Sleep(time.Minute)
		}
		for n := int64(11); n <= 20_010; n++ {
			if !visited[n] {
				t.Fatalf("entry %d was never visited; gaps %v", n, pos.Gaps)
			}
		}
	})
}

// Whatever a call was stopped by: what it has paged through it need not page through again.
func TestALongChannelWithoutRangesGetsFurtherWithEachCall(t *testing.T) {
	testenv.Unwatched(t)
	synctest.Test(t, func(t *testing.T) {
		const rows = 100_000
		relay := newFakeRelay()
		relay.ranges = false
		relay.fill(rows)
		c := newClient(t, relay, func(o *remote.Options) { o.Budget = 1 << 20 })
		pos := &keeper{}
		visited, calls := map[int64]bool{}, 0
		for ; len(visited) < rows && calls < 12; calls++ {
			before := len(visited)
			ids, news, err := follow(t, c, pos, exchange.Visitor{})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				visited[id] = true
			}
			if gain := len(visited) - before; gain < 10_000 && news.Stopped {
				t.Fatalf("call %d has brought %d rows, of %d in all; gaps %+v", calls, gain, len(visited), pos.Gaps)
			}
			relay.add(time.Now(), "another") // the newest rows are read all the same
			time.Sleep(time.Minute)
		}
		if len(visited) < rows || len(pos.Gaps) > 0 {
			t.Errorf("after %d calls %d rows are visited, gaps %+v", calls, len(visited), pos.Gaps)
		}
	})
}

func TestTwoRowsOfOneNumberAreBothVisited(t *testing.T) {
	for name, put := range map[string]func(*fakeRelay){
		"in one answer":      func(f *fakeRelay) { f.put(15, time.Now(), "second") },
		"in several answers": func(f *fakeRelay) { f.put(15, time.Now().Add(-time.Hour), "second") },
	} {
		for _, ranges := range []bool{true, false} {
			for _, later := range []bool{true, false} {
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						relay := newFakeRelay()
						relay.ranges = ranges
						relay.pageSize = 8
						relay.fill(20)
						if name == "in one answer" {
							relay.pageSize = 0
						}
						c := newClient(t, relay)
						pos := &keeper{}
						var texts []string
						read := func() {
							_, news, err := follow(t, c, pos, exchange.Visitor{Entry: func(e *thingspeak.Entry) error {
								if e.ID == 15 {
									texts = append(texts, e.Fields[0].Text)
								}
								return nil
							}})
							if err != nil || len(news.Altered) > 0 {
								t.Fatalf("news %+v, %v", news, err)
							}
						}
						if later && name == "in one answer" {
							read()
							time.Sleep(time.Minute)
						}
						put(relay)
						relay.add(time.Now(), "new")
						for range 3 {
							read()
							time.Sleep(time.Minute)
						}
						slices.Sort(texts)
						if !slices.Equal(texts, []string{"second", "text 15"}) {
							t.Errorf("of number 15 came %q", texts)
						}
						scanned := 0
						scan := c.Scan()
						for more := true; more; {
							var err error
							more, err = scan.Back(t.Context(), 8000, func(e *thingspeak.Entry) error {
								if e.ID == 15 {
									scanned++
								}
								return nil
							})
							if err != nil {
								t.Fatal(err)
							}
						}
						if scanned != 2 {
							t.Errorf("a scan has visited %d rows of number 15", scanned)
						}
					})
				})
			}
		}
	}
}

func TestWhatIsWantedIsAskedForFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.ranges = false
		relay.fill(60)
		relay.hidden = map[int64]bool{}
		for n := range int64(50) {
			relay.hidden[n+5] = true
		}
		c := newClient(t, relay)
		pos := &keeper{}
		wanted := []exchange.Range{{First: 20, Last: 22}, {First: 58, Last: 1 << 53}}
		if _, _, err := follow(t, c, pos, exchange.Visitor{Wanted: wanted}); err != nil {
			t.Fatal(err)
		}
		var singles []string
		for _, r := range relay.requests() {
			if n, ok := strings.CutPrefix(r, "GET feeds/"); ok {
				singles = append(singles, strings.TrimSuffix(n, ".csv"))
			}
		}
		// Then by turns the highest, and what has waited longest, which is all the same here.
		if want := []string{"22", "21", "20", "54", "53", "52", "51", "50"}; !slices.Equal(singles, want) {
			t.Errorf("asked for %v, want %v", singles, want)
		}
	})
}

func TestAgainVisitsWhatWasVisited(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(1000)
			c := newClient(t, relay)
			pos := &keeper{}
			since(t, c, pos)
			ids, _, err := follow(t, c, pos, exchange.Visitor{Again: []exchange.Range{{First: 300, Last: 305}, {First: 990, Last: 2000}}})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(ids)
			wantNumbers(t, ids, append(countTo(300, 305), countTo(990, 1000)...))
			if len(pos.Gaps) > 0 {
				t.Errorf("gaps %v", pos.Gaps)
			}
		})
	}
}

// Positions that an earlier version has kept: of a relay that named 2^53 once, that showed one row of 2^40, that gave that
// up, and of an honest one.
func TestEarlierPositionsHeal(t *testing.T) {
	const row5 = `"row":{"fields":1,"sum":"%s"},"at":"2000-01-01T00:00:00Z"`
	tests := map[string]struct {
		kept    string
		visited []int64 // by the next calls, of a channel with seven rows
	}{
		"a claim that waits": {
			`{"last":5,` + row5 + `,"waiting":[{"first":3,"last":3,"asked":"1999-12-31T23:59:00Z","next":"2000-01-01T00:00:00Z"},` +
				`{"first":6,"last":9007199254740992,"asked":"2000-01-01T00:00:00Z","next":"2001-01-01T00:00:00Z"}]}`,
			[]int64{3, 6, 7},
		},
		"a claim that was given up":      {`{"last":9007199254740992}`, countTo(1, 7)},
		"a smaller claim":                {`{"last":1000000}`, countTo(1, 7)},
		"a row far above":                {`{"last":1099511627776,` + row5 + `,"waiting":[{"first":6,"last":1099511627775}]}`, countTo(1, 7)},
		"an honest relay":                {`{"last":5,` + row5 + `}`, []int64{6, 7}},
		"an honest relay, and one waits": {`{"last":5,` + row5 + `,"waiting":[{"first":2,"last":2}]}`, []int64{2, 6, 7}},
		"a relay that had shown less":    {`{"last":5,` + row5 + `,"low":"1999-12-31T23:00:00Z"}`, []int64{6, 7}},
		"ranges that nobody has written": {`{"last":5,` + row5 + `,"waiting":[{"first":-4,"last":2},{"first":9,"last":1},{"first":2,"last":3}]}`, []int64{1, 2, 3, 6, 7}},
		"a sum that is none":             {`{"last":5,"row":{"fields":1,"sum":"x"},"at":"2000-01-01T00:00:00Z"}`, []int64{6, 7}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := newFakeRelay()
				relay.fill(5)
				// The sum of "text 5" in field 1.
				const sum = "0db02ef654a259e3478b32872272be05"
				kept := test.kept
				if strings.Contains(kept, "%s") {
					kept = fmt.Sprintf(kept, sum)
				}
				pos := &keeper{}
				if err := json.Unmarshal([]byte(kept), &pos.Position); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				relay.add(time.Now(), "new")
				relay.add(time.Now(), "new, too")
				c := newClient(t, relay)
				var got []int64
				for range 4 {
					ids, news := since(t, c, pos)
					if got = append(got, ids...); news.Cleared {
						t.Errorf("news %+v", news)
					}
					time.Sleep(time.Minute)
				}
				slices.Sort(got)
				wantNumbers(t, got, test.visited)
				relay.add(time.Now(), "newest")
				ids, _ := since(t, c, pos)
				wantNumbers(t, ids, []int64{8})
				if pos.Last != 8 || len(pos.Gaps) > 0 {
					t.Errorf("position %+v", pos.Position)
				}
			})
		})
	}
}

func TestAScanTellsWhatIsNamedAndNotShown(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(15)
			relay.hidden = map[int64]bool{4: true}
			named := int64(16)
			names(relay, &named)
			s := newClient(t, relay).Scan()
			scanAll(t, s, 8000)
			info := s.Info()
			if info.Named != (exchange.Range{First: 16, Last: 16}) || !slices.Equal(info.Lacking, []exchange.Range{{First: 4, Last: 4}}) {
				t.Errorf("%+v", info)
			}
		})
	}
}
