package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
)

// BenchmarkFlat shows that what a request costs does not grow with what the relay holds: the same requests, up to a
// million entries in a channel and up to a hundred thousand channels. They go through all layers but the network. With
// -benchtime 0.3s it takes half a minute. With TMPDIR on a file system in memory it shows the work without the disk.
func BenchmarkFlat(b *testing.B) {
	for _, entries := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%dentries", entries), func(b *testing.B) {
			f := newFlat(b, entries, 1, 0)
			f.channel(b)
		})
	}
	for _, channels := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("%dchannels", channels), func(b *testing.B) {
			f := newFlat(b, 10_000, channels, 10)
			f.channel(b)
			f.channels(b)
		})
	}
}

// flat is a relay that holds much.
type flat struct {
	handler http.Handler
	// entries is how many channel 1 has, and others the number of channels.
	entries, others int
}

// newFlat fills a relay as fill does.
func newFlat(b *testing.B, entries, channels, each int) *flat {
	b.Helper()
	dir := b.TempDir()
	fill(b, dir, entries, channels, each, false)
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		b.Fatal(err)
	}
	return &flat{
		handler: httpapi.New(relay.New(open(b, dir), limits), httpapi.Options{}), entries: entries, others: channels,
	}
}

// answer makes one request.
func (f *flat) answer(b *testing.B, target string) {
	w := httptest.ResponseRecorder{} // whose body is thrown away
	f.handler.ServeHTTP(&w, httptest.NewRequest(http.MethodGet, target, nil))
	if w.Code != http.StatusOK {
		b.Fatalf("%s: status %d", target, w.Code)
	}
}

// run measures requests, of which before makes what comes before each, if anything does.
func (f *flat) run(b *testing.B, name string, target, before func() string) {
	b.Run(name, func(b *testing.B) {
		if before == nil {
			f.answer(b, target())
		}
		b.ReportAllocs()
		for b.Loop() {
			if before != nil {
				b.StopTimer()
				f.answer(b, before())
				b.StartTimer()
			}
			f.answer(b, target())
		}
	})
}

// channel measures requests of channel 1.
func (f *flat) channel(b *testing.B) {
	always := func(target string) func() string { return func() string { return target } }
	value := strings.Repeat("x", 248)
	update := always("/update?api_key=WRITE1&field1=" + value)
	rows := min(f.entries, 8000)
	between := func() string {
		start := time.Unix(1_700_000_000+rand.Int64N(int64(f.entries-100)), 0).UTC()
		return "/channels/1/feeds.csv?start=" + url.QueryEscape(start.Format(time.DateTime)) +
			"&end=" + url.QueryEscape(start.Add(100*time.Second).Format(time.DateTime))
	}
	f.run(b, "last.json", always("/channels/1/feeds/last.json"), nil)
	f.run(b, "entry by id", func() string { return fmt.Sprintf("/channels/1/feeds/%d.json", 1+rand.IntN(f.entries)) }, nil)
	f.run(b, "100 rows again", always("/channels/1/feeds.csv?results=100"), nil)
	f.run(b, fmt.Sprintf("%d rows again", rows), always(fmt.Sprintf("/channels/1/feeds.csv?results=%d", rows)), nil)
	f.run(b, "100 rows by time", between, nil)
	f.run(b, fmt.Sprintf("%d rows, one new", rows), always(fmt.Sprintf("/channels/1/feeds.csv?results=%d", rows)), update)
	f.run(b, "update", update, nil)
}

// channels measures requests of any channel.
func (f *flat) channels(b *testing.B) {
	to := func(format string) func() string {
		return func() string { return fmt.Sprintf(format, 1+rand.IntN(f.others)) }
	}
	f.run(b, "last.json of any", to("/channels/%d/feeds/last.json"), nil)
	f.run(b, "10 rows of any", to("/channels/%d/feeds.csv?results=10"), nil)
	f.run(b, "update of any", to("/update?api_key=WRITE%d&field1="+strings.Repeat("x", 248)), nil)
}
