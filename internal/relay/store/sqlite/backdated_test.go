package sqlite_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
)

// BenchmarkBackdated shows what entries that are dated before others cost the readers of a channel of 100,000. The same
// read is made of four channels in turn, so that a busy machine is busy for all; the results are how many times as long
// as for entries in order of time it takes, in the middle of all reads.
func BenchmarkBackdated(b *testing.B) {
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		b.Fatal(err)
	}
	feeds := []*backdated{
		{name: "in-order"},
		{name: "one-of-2020", date: "2020-01-01"},
		{name: "one-of-2099", date: "2099-01-01"},
		{name: "two-clocks", date: "2024-01-01", late: time.Second},
	}
	for _, f := range feeds {
		dir := b.TempDir()
		fill(b, dir, 100_000, 1, 0, false)
		f.handler = httpapi.New(relay.New(open(b, dir), limits), httpapi.Options{})
		if f.date != "" {
			f.update(b, f.date)
		}
		f.update(b, "")
	}
	for _, read := range []struct {
		name, target string
		written      bool
	}{
		{"8000 rows again", "/channels/1/feeds.csv?results=8000", false},
		{"8000 rows, one new", "/channels/1/feeds.csv?results=8000", true},
		{"by number, one new", "/channels/1/feeds.csv?start_entry_id=95000", true},
		{"since a time, one new", "/channels/1/feeds.csv?start=2023-11-15%2020:00:00", true},
		{"8000 rows as JSON", "/channels/1/feeds.json?results=8000", false},
	} {
		b.Run(read.name, func(b *testing.B) {
			took := make([][]time.Duration, len(feeds))
			for i := 0; b.Loop(); i++ {
				for k, f := range feeds {
					if read.written {
						date := ""
						if f.late > 0 && i%2 == 0 {
							date = time.Now().Add(-f.late).UTC().Format(time.DateTime)
						}
						f.update(b, date)
					}
					begin := time.Now()
					f.get(b, read.target)
					took[k] = append(took[k], time.Since(begin))
				}
			}
			median := func(k int) float64 {
				slices.Sort(took[k])
				return float64(took[k][len(took[k])/2])
			}
			plain := median(0)
			for k, f := range feeds[1:] {
				b.ReportMetric(median(k+1)/plain, f.name)
			}
			b.ReportMetric(plain, "ns/in-order")
		})
	}
}

// backdated is a channel of a relay with an entry of a date, and perhaps with some that are late.
type backdated struct {
	name, date string
	late       time.Duration
	handler    http.Handler
}

func (f *backdated) get(b *testing.B, target string) {
	w := httptest.ResponseRecorder{} // whose body is thrown away
	f.handler.ServeHTTP(&w, httptest.NewRequest(http.MethodGet, target, nil))
	if w.Code != http.StatusOK {
		b.Fatalf("%s: %s: status %d", f.name, target, w.Code)
	}
}

// update adds an entry with a date; without one it is of now.
func (f *backdated) update(b *testing.B, date string) {
	f.get(b, fmt.Sprintf("/update?api_key=WRITE1&field1=%0248d&created_at=%s", 1, url.QueryEscape(date)))
}
