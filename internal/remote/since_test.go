package remote_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// keeper is what a follower keeps: its position, and the highest entry whose text a key opens, as an archive does. Rows
// whose text begins with "junk" open with none.
type keeper struct {
	exchange.Position

	anchor thingspeak.Entry
}

// atEnd begins behind the channel's newest entry.
func atEnd(t *testing.T, c *remote.Client) *keeper {
	t.Helper()
	news, err := c.Follow(t.Context(), exchange.Position{}, exchange.Visitor{Entry: func(*thingspeak.Entry) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return &keeper{Position: news.Position}
}

func (k *keeper) shows() exchange.Anchor {
	return exchange.Anchor{Entry: k.anchor.ID, Shows: func(e *thingspeak.Entry) bool {
		return e.Fields[0].Text == k.anchor.Fields[0].Text
	}}
}

func (k *keeper) take(e *thingspeak.Entry) {
	if e.ID >= k.anchor.ID && e.Fields[0].Text != "" && !strings.HasPrefix(e.Fields[0].Text, "junk") {
		k.anchor = *e
	}
}

// since follows the channel, keeps the position through JSON as is done between runs, and returns the numbers visited.
func since(t *testing.T, c *remote.Client, k *keeper) ([]int64, exchange.News) {
	t.Helper()
	ids, news, err := follow(t, c, k, exchange.Visitor{})
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != news.Visited {
		t.Errorf("visited %d entries, News says %d", len(ids), news.Visited)
	}
	return ids, news
}

func follow(t *testing.T, c *remote.Client, k *keeper, v exchange.Visitor) (ids []int64, news exchange.News, err error) {
	t.Helper()
	stored, err := json.Marshal(k.Position)
	if err != nil {
		t.Fatal(err)
	}
	var loaded exchange.Position
	if err := json.Unmarshal(stored, &loaded); err != nil {
		t.Fatal(err)
	}
	visit := v.Entry
	v.Anchor = k.shows()
	cleared := v.Cleared
	v.Cleared = func() error {
		k.anchor = thingspeak.Entry{}
		if cleared != nil {
			return cleared()
		}
		return nil
	}
	v.Entry = func(e *thingspeak.Entry) error {
		ids = append(ids, e.ID)
		k.take(e)
		if visit != nil {
			return visit(e)
		}
		return nil
	}
	news, err = c.Follow(t.Context(), loaded, v)
	if len(news.Rewritten) > 0 {
		k.anchor = thingspeak.Entry{}
	}
	k.Position = news.Position
	return ids, news, err
}

func wantNumbers(t *testing.T, got, want []int64) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
}

func TestSinceFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(300)
		c := newClient(t, relay)
		pos := atEnd(t, c)
		relay.requests()

		ids, _ := since(t, c, pos)
		wantNumbers(t, ids, nil)
		if diff := cmp.Diff([]string{"GET last_entry_id.txt"}, relay.requests()); diff != "" {
			t.Errorf("a poll without news (-want +got):\n%s", diff)
		}

		time.Sleep(time.Second)
		relay.add(time.Now(), "new")
		relay.add(time.Now(), "new")
		ids, _ = since(t, c, pos)
		wantNumbers(t, ids, []int64{301, 302})
		want := []string{"GET last_entry_id.txt", "GET feeds.csv?results=100"}
		if diff := cmp.Diff(want, relay.requests()); diff != "" {
			t.Errorf("a poll with news (-want +got):\n%s", diff)
		}

		time.Sleep(time.Hour)
		relay.fill(1000)
		ids, _ = since(t, c, pos)
		wantNumbers(t, ids, countTo(303, 1302))
		ids, _ = since(t, c, pos)
		wantNumbers(t, ids, nil)
	})
}

func TestSinceFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		c := newClient(t, relay)
		pos := &keeper{}
		ids, _ := since(t, c, pos)
		wantNumbers(t, ids, nil)
		if pos.Last != 0 || len(pos.Gaps) > 0 {
			t.Errorf("position in an empty channel: %+v", pos)
		}
		relay.fill(250)
		ids, _ = since(t, c, pos)
		wantNumbers(t, ids, countTo(1, 250))
	})
}

func TestSincePassesOverWhatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ranges := range []bool{true, false} {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(1000)
			relay.last = 1<<39 - 1
			relay.add(time.Now(), "a lie")
			c := newClient(t, relay)
			pos := &keeper{}
			ids, news, err := follow(t, c, pos, exchange.Visitor{Newest: 500})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(ids); n < 501 || n > 600 || ids[n-2] != 1000 || news.Passed != ids[0]-1 {
				t.Errorf("visited %d entries from %d to %d, passed over %d", n, ids[0], ids[n-2], news.Passed)
			}
			relay.rows, relay.last = relay.rows[:1000], 1000
			relay.fill(1)
			if ids, _ := since(t, c, pos); !slices.Contains(ids, 1001) {
				t.Errorf("visited %v, want 1001 among them", ids)
			}
			time.Sleep(time.Hour)
			ids, _, err = follow(t, c, pos, exchange.Visitor{Again: []exchange.Range{{First: 1, Last: news.Passed}}})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(ids)
			wantNumbers(t, ids, countTo(1, news.Passed))
		}
	})
}

// An answer without the rows that it names is no reason to pass over what an honest one shows.
func TestSincePassesOverNothingThatIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.last = 1 << 39
		c := newClient(t, relay)
		pos := &keeper{}
		if _, news, err := follow(t, c, pos, exchange.Visitor{Newest: 10}); err != nil || news.Passed > 0 || pos.Last > 0 {
			t.Fatalf("%v, %+v", err, news)
		}
		relay.last = 0
		relay.fill(5)
		ids, _, _ := follow(t, c, pos, exchange.Visitor{Newest: 10})
		wantNumbers(t, ids, countTo(1, 5))
	})
}

func TestSinceWithRowsOf2099(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ranges := range []bool{true, false} {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.pageSize = 10
			relay.fill(20)
			for range 15 {
				relay.add(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), "future")
			}
			c := newClient(t, relay)
			pos := &keeper{}
			var all []int64
			for range 5 {
				ids, _ := since(t, c, pos)
				all = append(all, ids...)
			}
			slices.Sort(all)
			wantNumbers(t, all, countTo(1, 35))
			time.Sleep(time.Second)
			relay.add(time.Now(), "present")
			ids, _ := since(t, c, pos)
			wantNumbers(t, ids, []int64{36})
		}
	})
}

func TestSinceBackDatedRow(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(300)
			c := newClient(t, relay)
			pos := atEnd(t, c)
			time.Sleep(time.Second)
			relay.add(time.Now().Add(-1000*time.Hour), "back-dated")
			relay.add(time.Now(), "new")
			ids, _ := since(t, c, pos)
			slices.Sort(ids)
			wantNumbers(t, ids, []int64{301, 302})
		})
	}
}

func TestSinceRowThatComesLate(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(10)
			c := newClient(t, relay)
			pos := atEnd(t, c)
			relay.fill(2)
			relay.hidden = map[int64]bool{11: true}
			ids, news := since(t, c, pos)
			wantNumbers(t, ids, []int64{12})
			if g := news.Position.Gaps; len(g) != 1 || g[0].First != 11 || g[0].Last != 11 || g[0].Times != 1 {
				t.Errorf("gaps: %v", g)
			}
			relay.requests()
			since(t, c, pos)
			if n := len(relay.requests()); n != 1 {
				t.Errorf("%d requests for an entry that was asked for a moment ago, want only the last number", n)
			}
			time.Sleep(time.Minute)
			relay.hidden = nil
			ids, news = since(t, c, pos)
			wantNumbers(t, ids, []int64{11})
			if len(news.Position.Gaps)+len(news.Lost) > 0 {
				t.Errorf("still lacking: %+v", news)
			}
			relay.fill(1)
			ids, _ = since(t, c, pos)
			wantNumbers(t, ids, []int64{13})
		})
	}
}

func TestGapIsTakenForAbsentAfterFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ranges := range []bool{true, false} {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(10)
			relay.hidden = map[int64]bool{9: true}
			c := newClient(t, relay)
			pos := &keeper{}
			begin := time.Now()
			var lost []exchange.Range
			for time.Since(begin) < time.Hour {
				_, news := since(t, c, pos)
				if took := time.Since(begin); len(news.Lost) > 0 && (took < 5*time.Minute || took > 6*time.Minute) {
					t.Errorf("taken for absent after %v", took)
				}
				lost = append(lost, news.Lost...)
				time.Sleep(10 * time.Second)
			}
			if len(lost) != 1 || lost[0].First != 9 || lost[0].Last != 9 || !lost[0].Since.Equal(begin) {
				t.Errorf("lost %v, want 9 once", lost)
			}
			if g := pos.Gaps; len(g) != 1 || !g[0].Asked() || pos.Last != 10 {
				t.Errorf("position %+v", pos)
			}
		}
	})
}

// What the relay names and never shows is told after a minute, and nothing waits for it.
func TestTheNewestThatIsNeverShownIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(10)
		relay.hidden = map[int64]bool{10: true}
		c := newClient(t, relay)
		pos := &keeper{}
		begin := time.Now()
		for time.Since(begin) < time.Hour {
			_, news := since(t, c, pos)
			if late := time.Since(begin) >= time.Minute; late != (news.Named.First == 10 && news.Named.Last == 10) {
				t.Fatalf("after %v named %+v", time.Since(begin), news.Named)
			}
			if pos.Last != 9 || len(pos.Gaps)+len(news.Lost) > 0 {
				t.Fatalf("news %+v", news)
			}
			time.Sleep(10 * time.Second)
		}
		relay.hidden = nil
		if ids, news := since(t, c, pos); !slices.Equal(ids, []int64{10}) || news.Named.Last != 0 {
			t.Errorf("visited %v, news %+v", ids, news)
		}
	})
}

func TestSinceClearedChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(20)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		time.Sleep(time.Second)
		relay.clear()
		relay.fill(3)

		ids, news := since(t, c, pos)
		wantNumbers(t, ids, nil)
		if news.Cleared || !news.Doubtful {
			t.Errorf("one low answer: %+v", news)
		}
		time.Sleep(59 * time.Second)
		if _, news = since(t, c, pos); news.Cleared {
			t.Error("believed before a minute was over")
		}
		time.Sleep(time.Second)
		ids, news = since(t, c, pos)
		wantNumbers(t, ids, []int64{1, 2, 3})
		if !news.Cleared || news.Doubtful {
			t.Errorf("after a minute: %+v", news)
		}
		relay.fill(1)
		ids, news = since(t, c, pos)
		wantNumbers(t, ids, []int64{4})
		if news.Cleared {
			t.Error("told twice")
		}
	})
}

func TestSinceClearedAndEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(20)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		relay.clear()
		since(t, c, pos)
		time.Sleep(time.Minute)
		if _, news := since(t, c, pos); !news.Cleared || pos.Last != 0 {
			t.Errorf("news %+v", news)
		}
		if _, news := since(t, c, pos); news.Cleared {
			t.Error("told twice")
		}
	})
}

// A channel that was cleared and has more rows than before by the next poll still has the same last number or a higher
// one; only the entry that was held gives it away.
func TestSinceClearedAndRefilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(5)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		relay.clear()
		time.Sleep(time.Minute)
		for i := range 9 {
			relay.add(time.Now(), fmt.Sprintf("another %d", i))
		}
		ids, news := since(t, c, pos)
		wantNumbers(t, ids, nil)
		if !news.Doubtful {
			t.Errorf("news %+v", news)
		}
		time.Sleep(time.Minute)
		ids, news = since(t, c, pos)
		wantNumbers(t, ids, countTo(1, 9))
		if !news.Cleared {
			t.Errorf("news %+v", news)
		}
	})
}

// Where other rows are there as they were, a row that is not was not cleared away. What stands in its place is visited at
// once; that the old one is not there is told once it has lasted for a minute.
func TestSinceRewrittenEntry(t *testing.T) {
	tests := map[string]struct {
		change  func(f *fakeRelay)
		visited []int64
	}{
		"altered": {func(f *fakeRelay) { f.rows[4].Fields = oneField("junk") }, []int64{5, 6}},
		"gone":    {func(f *fakeRelay) { f.hidden = map[int64]bool{5: true} }, []int64{6}},
	}
	for name, test := range tests {
		for _, ranges := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					relay := newFakeRelay()
					relay.ranges = ranges
					relay.fill(5)
					c := newClient(t, relay)
					pos := &keeper{}
					since(t, c, pos)
					test.change(relay)
					time.Sleep(time.Second)
					relay.add(time.Now(), "junk, too")
					ids, news := since(t, c, pos)
					wantNumbers(t, ids, test.visited)
					if news.Doubtful || len(news.Rewritten) > 0 {
						t.Errorf("news %+v", news)
					}
					time.Sleep(time.Minute)
					ids, news = since(t, c, pos)
					wantNumbers(t, ids, nil)
					if news.Cleared || !slices.Equal(news.Rewritten, []int64{5}) {
						t.Errorf("news %+v", news)
					}
					if _, news = since(t, c, pos); news.Doubtful || len(news.Rewritten) > 0 {
						t.Errorf("told twice: %+v", news)
					}
				})
			})
		}
	}
}

// A field that is switched on later makes old values visible: they are unread, and that is no rewriting.
func TestSinceFieldSwitchedOnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		for range 3 {
			relay.addLocked(time.Now(), thingspeak.Fields{thingspeak.Text("a"), thingspeak.Text("b")})
		}
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		relay.fields = thingspeak.FieldsOf(1, 2)
		relay.fill(1)
		ids, news := since(t, c, pos)
		wantNumbers(t, ids, []int64{1, 2, 3, 4})
		if news.Doubtful || len(news.Altered) > 0 || news.Header.Fields != thingspeak.FieldsOf(1, 2) {
			t.Errorf("news %+v", news)
		}
	})
}

func TestSinceStaleAnswerConcludesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(20)
		c := newClient(t, relay)
		pos := &keeper{}
		since(t, c, pos)
		rows, last := relay.rows, relay.last
		relay.rows, relay.last = rows[:10], 10
		for range 10 {
			if _, news := since(t, c, pos); news.Cleared || len(news.Rewritten) > 0 {
				t.Fatalf("news %+v", news)
			}
			time.Sleep(5 * time.Second)
		}
		relay.rows, relay.last = rows, last
		since(t, c, pos)
		time.Sleep(time.Minute)
		relay.rows, relay.last = rows[:10], 10
		if _, news := since(t, c, pos); news.Cleared {
			t.Error("two stale answers count as one long one, though a good one came between")
		}
	})
}

func TestSinceVisitErrorLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(10)
		c := newClient(t, relay)
		full := errors.New("disk full")
		var ids []int64
		pos := &keeper{}
		_, news, err := follow(t, c, pos, exchange.Visitor{Entry: func(e *thingspeak.Entry) error {
			if e.ID == 4 {
				return full
			}
			ids = append(ids, e.ID)
			return nil
		}})
		if err != full || news.Visited != 3 || news.Position.Last != 3 {
			t.Fatalf("Follow = %+v, %v", news, err)
		}
		rest, _ := since(t, c, pos)
		wantNumbers(t, append(ids, rest...), countTo(1, 10))
	})
}

func TestSinceSurvivesBriefTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(30)
		n := 0
		relay.before = func(w http.ResponseWriter, _ *http.Request) bool {
			switch n++; n % 4 {
			case 1:
				w.WriteHeader(http.StatusBadGateway)
				return true
			case 2:
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			case 3:
				panic(http.ErrAbortHandler)
			}
			return false
		}
		c := newClient(t, relay)
		pos := &keeper{}
		begin := time.Now()
		ids, _ := since(t, c, pos)
		wantNumbers(t, ids, countTo(1, 30))
		if took := time.Since(begin); took < 14*time.Second || took > time.Minute {
			t.Errorf("took %v; the relay asked for 7s twice", took)
		}
	})
}

func TestSinceFeedCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := newFakeRelay()
		relay.fill(3)
		cut := true
		relay.before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("results") == "" || !cut {
				return false
			}
			cut = false
			fmt.Fprint(w, "created_at,entry_id,field1\n1999-12-31 23:59:58 UTC,1,text 1\n1999-12-31 23:59:59 UTC,2,te")
			return true
		}
		c := newClient(t, relay)
		texts := map[int64]string{}
		_, news, err := follow(t, c, &keeper{}, exchange.Visitor{Entry: func(e *thingspeak.Entry) error {
			texts[e.ID] = e.Fields[0].Text
			return nil
		}})
		want := map[int64]string{1: "text 1", 2: "text 2", 3: "text 3"}
		if diff := cmp.Diff(want, texts); err != nil || diff != "" || news.Visited != 3 {
			t.Errorf("news %+v, %v, texts (-want +got):\n%s", news, err, diff)
		}
	})
}

func TestSinceManyMissedRows(t *testing.T) {
	testenv.Unwatched(t)
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.pageSize = 2000
			relay.fill(10)
			c := newClient(t, relay)
			pos := atEnd(t, c)
			time.Sleep(24 * time.Hour)
			relay.fill(25_000)
			ids, _ := since(t, c, pos)
			slices.Sort(ids)
			if !slices.Equal(ids, countTo(11, 25_010)) {
				t.Errorf("visited %d entries, want 25000", len(ids))
			}
			if len(pos.Gaps) > 0 {
				t.Errorf("lacking %v", pos.Gaps)
			}
		})
	}
}

// What an interrupted catching up has left out is read by paging where the relay knows no ranges of numbers.
func TestSinceLargeGap(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.ranges = ranges
			relay.fill(9000)
			c := newClient(t, relay)
			pos := &keeper{}
			relay.hidden = map[int64]bool{}
			for _, n := range countTo(1000, 1999) {
				relay.hidden[n] = true
			}
			since(t, c, pos)
			relay.hidden = nil
			time.Sleep(time.Minute)
			begin := time.Now()
			ids, _ := since(t, c, pos)
			slices.Sort(ids)
			wantNumbers(t, ids, countTo(1000, 1999))
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// One false answer had all that a channel really holds passed over, by every call after it.
func TestSinceIsNotMisledAboutWhatIsOld(t *testing.T) {
	for _, high := range []int64{20_000, 1 << 33} {
		synctest.Test(t, func(t *testing.T) {
			relay := newFakeRelay()
			relay.last = high - 100
			relay.fill(100)
			c := newClient(t, relay)
			pos := &keeper{}
			_, news, err := follow(t, c, pos, exchange.Visitor{Newest: 8000})
			if err != nil || news.Passed == 0 {
				t.Fatalf("%v, %+v", err, news)
			}
			passed := news.Passed
			relay.rows, relay.last = nil, 0
			relay.fill(321)
			var got []int64
			for range 20 { // the position says that another channel was there: that takes its minute
				ids, news, err := follow(t, c, pos, exchange.Visitor{Newest: 8000, Passed: passed})
				if err != nil {
					t.Fatal(err)
				}
				if passed = news.Passed; passed > 0 {
					t.Fatalf("%d are passed over", passed)
				}
				got = append(got, ids...)
				time.Sleep(10 * time.Second)
			}
			slices.Sort(got)
			wantNumbers(t, slices.Compact(got), countTo(1, 321))
		})
	}
}
