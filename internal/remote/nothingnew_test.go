package remote_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// unreadable is a row without a number, as a line of a feed.
const unreadable = "2026-11-29 15:30:15 UTC,-5,\n"

// answersWith has a relay answer the requests for feeds that fit with the lines given, or only add them to what it would
// have answered.
func answersWith(relay *fakeRelay, lines string, add bool, fits func(r *http.Request) bool) {
	relay.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/feeds.csv") || !fits(r) {
			return false
		}
		if add {
			rec := httptest.NewRecorder()
			relay.feed(rec, r)
			header, rows, _ := strings.Cut(rec.Body.String(), "\n")
			fmt.Fprint(w, header+"\n"+lines+rows)
			return true
		}
		fmt.Fprint(w, "created_at,entry_id,field1\n"+lines)
		return true
	}
}

func byDate(r *http.Request) bool { return r.URL.Query().Has("end") }

func byNumber(r *http.Request) bool { return r.URL.Query().Has("end_entry_id") }

func always(*http.Request) bool { return true }

// Whatever a relay fills its answers with: as long as no new row is among it, a reading ends after a bounded number of
// requests, and what can be read was visited.
func TestAnswersWithoutANewRowEndAReading(t *testing.T) {
	const rows, most = 300, 400
	lies := map[string]func(*fakeRelay){
		"an unreadable row for each date": func(f *fakeRelay) { answersWith(f, unreadable, false, byDate) },
		"many for each date": func(f *fakeRelay) {
			answersWith(f, strings.Repeat(unreadable, 500), false, byDate)
		},
		"an unreadable row in each answer": func(f *fakeRelay) { answersWith(f, unreadable, true, always) },
		"many for each range":              func(f *fakeRelay) { answersWith(f, strings.Repeat(unreadable, 100), false, byNumber) },
		"nothing but unreadable rows":      func(f *fakeRelay) { answersWith(f, unreadable, false, always) },
		"a known row with ever older dates": func(f *fakeRelay) {
			at := time.Now()
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if byDate(r) {
					at = at.Add(-time.Hour)
					fmt.Fprintf(w, "created_at,entry_id,field1\n%s,300,x\n", at.UTC().Format("2006-01-02 15:04:05 UTC"))
				}
				return byDate(r)
			}
		},
	}
	for name, lie := range lies {
		for _, ranges := range []bool{true, false} {
			for _, held := range []int{0, 200} { // rows that were read before the relay began to lie
				t.Run(fmt.Sprintf("%s, ranges %v, %d held", name, ranges, held), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						relay := newFakeRelay()
						relay.ranges = ranges
						relay.fill(held)
						c := newClient(t, relay)
						pos := &keeper{}
						since(t, c, pos)
						relay.fill(rows - held)
						relay.hidden = map[int64]bool{1: true, 7: true, 250: true}
						lie(relay)
						relay.requests()
						since(t, c, pos)
						if n := len(relay.requests()); n > most {
							t.Errorf("Follow made %d requests", n)
						}
						s := c.Scan()
						ids := scanAll(t, s, 8000)
						if n := len(relay.requests()); n > most {
							t.Errorf("a scan made %d requests", n)
						}
						if name == "an unreadable row in each answer" {
							wantNumbers(t, ids, slices.DeleteFunc(countTo(1, rows), func(n int64) bool { return relay.hidden[n] }))
							if l := s.Info().Lacking; len(l) != 3 {
								t.Errorf("lacking %v, want 1, 7, and 250", l)
							}
						}
					})
				})
			}
		}
	}
}

// spread is a channel of n rows, one a second, whose numbers are apart; it knows ranges of numbers.
type spread struct {
	n, apart int64
	pageSize int64 // 8000 if 0
	requests int
}

func (s *spread) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests++
	if strings.HasSuffix(r.URL.Path, ".txt") {
		fmt.Fprint(w, s.n*s.apart)
		return
	}
	q := r.URL.Query()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first, last := int64(1), s.n
	if end, err := time.Parse(time.DateTime, q.Get("end")); err == nil {
		last = min(last, int64(end.Sub(begin)/time.Second))
	}
	if id, err := strconv.ParseInt(q.Get("start_entry_id"), 10, 64); err == nil {
		first = max(first, (id+s.apart-1)/s.apart)
	}
	if id, err := strconv.ParseInt(q.Get("end_entry_id"), 10, 64); err == nil {
		last = min(last, id/s.apart)
	}
	results, _ := strconv.ParseInt(q.Get("results"), 10, 64)
	results = min(results, cmp.Or(s.pageSize, thingspeak.MaxResults))
	feed := []byte("created_at,entry_id,field1\n")
	for i := max(first, last-results+1); i <= last; i++ {
		feed = begin.Add(time.Duration(i)*time.Second).AppendFormat(feed, "2006-01-02 15:04:05 UTC,")
		feed = append(strconv.AppendInt(feed, i*s.apart, 10), ",\n"...)
	}
	_, _ = w.Write(feed)
}

// Numbers that were invented, none beside another, stop a reading as too many bytes do; the next one goes on.
func TestScatteredNumbersStopAReading(t *testing.T) {
	testenv.Unwatched(t)
	synctest.Test(t, func(t *testing.T) {
		relay := &spread{n: 400_000, apart: 3}
		c := newClient(t, relay)
		var pos exchange.Position
		for range 2 {
			relay.requests = 0
			news, err := c.Follow(t.Context(), pos, exchange.Visitor{Entry: ignore})
			if err != nil || !news.Stopped || !news.Scattered || news.Visited < 50_000 || relay.requests > 30 {
				t.Fatalf("%d visited after %d requests; stopped %v, scattered %v: %v",
					news.Visited, relay.requests, news.Stopped, news.Scattered, err)
			}
			pos = news.Position
		}
		relay.requests = 0
		_, err := c.Scan().Back(t.Context(), 400_000, ignore)
		if e, ok := errors.AsType[*exchange.BudgetError](err); !ok || e.Spans == 0 || relay.requests > 30 {
			t.Errorf("a scan of %d requests: %v", relay.requests, err)
		}
	})
}

func TestAHundredThousandRowsAreNotTooScattered(t *testing.T) {
	testenv.Unwatched(t)
	for _, apart := range []int64{1, 3} { // also of a channel that has lost many
		synctest.Test(t, func(t *testing.T) {
			relay := &spread{n: 100_000, apart: apart}
			relay.n -= apart / 3 // the rows are then as many as the gaps
			c := newClient(t, relay)
			visited := map[int64]bool{}
			visit := func(e *thingspeak.Entry) error { visited[e.ID] = true; return nil }
			news, err := c.Follow(t.Context(), exchange.Position{}, exchange.Visitor{Entry: visit})
			if err != nil || news.Stopped || int64(len(visited)) != relay.n {
				t.Errorf("%d apart: %d visited, stopped %v: %v", apart, len(visited), news.Stopped, err)
			}
			clear(visited)
			scan := c.Scan()
			for more := true; more && err == nil; {
				more, err = scan.Back(t.Context(), thingspeak.MaxResults, visit)
			}
			if err != nil || int64(len(visited)) != relay.n {
				t.Errorf("%d apart: a scan visited %d: %v", apart, len(visited), err)
			}
		})
	}
}

// Three times as many scattered numbers take about three times the work.
func TestScatteredNumbersTakeWorkInProportion(t *testing.T) {
	testenv.Unwatched(t)
	work := func(rows int64) uint64 {
		var before, after runtime.MemStats
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, &spread{n: rows, apart: 3, pageSize: 100})
			runtime.ReadMemStats(&before)
			if _, err := c.Follow(t.Context(), exchange.Position{}, exchange.Visitor{Entry: ignore}); err != nil {
				t.Error(err)
			}
			runtime.ReadMemStats(&after)
		})
		return after.TotalAlloc - before.TotalAlloc
	}
	work(1_000)
	small, large := work(10_000), work(30_000)
	if large > 4*small {
		t.Errorf("%d bytes of memory for 30,000 rows, %d for 10,000", large, small)
	}
}
