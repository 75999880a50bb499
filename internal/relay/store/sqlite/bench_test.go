package sqlite_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// BenchmarkCommit measures batches of updates of 248 bytes, spread over channels. With TMPDIR on a file system in memory
// it shows the work without the disk.
func BenchmarkCommit(b *testing.B) {
	for _, channels := range []int{1, 64} {
		for _, batch := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%dchannels/%dupdates", channels, batch), func(b *testing.B) {
				s := open(b, b.TempDir())
				var keys []string
				for i := range channels {
					keys = append(keys, create(b, s, int64(i)+1))
				}
				updates := make([]relay.Update, batch)
				value := thingspeak.Text(strings.Repeat("x", 248))
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					for i := range updates {
						updates[i] = relay.Update{
							Channel: int64(n%channels) + 1,
							Key:     keys[n%channels],
							Limits:  &relay.Limits{},
							Entries: []relay.NewEntry{{Entry: thingspeak.Entry{Fields: thingspeak.Fields{value}}}},
						}
						n++
					}
					if _, err := s.Commit(b.Context(), updates); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// BenchmarkEntries measures reading the newest rows of a feed.
func BenchmarkEntries(b *testing.B) {
	s := open(b, b.TempDir())
	add(b, s, 1, create(b, s, 1), 10_000)
	p, err := s.Position(b.Context(), 1)
	if err != nil {
		b.Fatal(err)
	}
	for _, rows := range []int64{1, 100, 8000} {
		b.Run(fmt.Sprintf("%drows", rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				err := s.Entries(b.Context(), p.Generation, p.Last-rows+1, p.Last, func(*thingspeak.Entry) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkPosition measures what every read begins with.
func BenchmarkPosition(b *testing.B) {
	s := open(b, b.TempDir())
	create(b, s, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Position(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen measures the start of a store that is there already.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		s, err := sqlite.Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
