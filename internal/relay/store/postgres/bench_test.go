package postgres_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// create makes a channel and returns its write key.
func create(t testing.TB, s relay.Store, id int64) string {
	t.Helper()
	key := fmt.Sprint("WRITE", id)
	err := s.CreateChannel(t.Context(), &relay.Channel{
		Owner:   relay.LocalAccountID,
		Channel: thingspeak.Channel{ID: id, Keys: []thingspeak.Key{{Text: key, Write: true}, {Text: fmt.Sprint("READ", id)}}},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// one is an update of one entry of 248 bytes.
func one(channel int64, key string) relay.Update {
	return relay.Update{
		Channel: channel, Key: key, Limits: &relay.Limits{},
		Entries: []relay.NewEntry{{Entry: thingspeak.Entry{
			Fields: thingspeak.Fields{thingspeak.Text(strings.Repeat("x", 248))},
		}}},
	}
}

// add stores entries, one update each, in one batch per thousand.
func add(t testing.TB, s relay.Store, channel int64, key string, n int) {
	t.Helper()
	for from := 0; from < n; from += 1000 {
		var batch []relay.Update
		for range min(1000, n-from) {
			batch = append(batch, one(channel, key))
		}
		decisions, err := s.Commit(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range decisions {
			if d.Err != nil {
				t.Fatal(d.Err)
			}
		}
	}
}

// engines are what benchmarks compare: ours, on a server that waits for the disk, and SQLite.
func engines(b *testing.B, run func(b *testing.B, s relay.Store)) {
	b.Run("postgres", func(b *testing.B) { run(b, open(b, pgtest.Start(b, pgtest.Durable()).Database(b))) })
	b.Run("sqlite", func(b *testing.B) {
		s, err := sqlite.Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		run(b, s)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkCommit measures batches of updates of 248 bytes over 64 channels. A batch of one is one update per
// transaction.
func BenchmarkCommit(b *testing.B) {
	engines(b, func(b *testing.B, s relay.Store) {
		const channels = 64
		var keys []string
		for id := range int64(channels) {
			keys = append(keys, create(b, s, id+1))
		}
		for _, size := range []int{1, 8, 32, 64, 256} {
			b.Run(fmt.Sprintf("%dupdates", size), func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					batch := make([]relay.Update, size)
					for i := range batch {
						batch[i] = one(int64(n%channels)+1, keys[n%channels])
						n++
					}
					if _, err := s.Commit(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "updates/s")
			})
		}
	})
}

// BenchmarkUpdates measures updates of 64 clients to 64 channels: in the batches that a relay makes of them, and as
// many transactions of one update as the connections allow.
func BenchmarkUpdates(b *testing.B) {
	const clients = 64
	engines(b, func(b *testing.B, s relay.Store) {
		rules := relay.New(s, relay.Limits{Interval: 0, ValueBytes: 255, MessageBytes: 3000})
		var keys []string
		for id := range int64(clients) {
			keys = append(keys, create(b, s, id+1))
		}
		for name, update := range map[string]func(relay.Update) error{
			"batches": func(u relay.Update) error {
				_, err := rules.Update(b.Context(), u)
				return err
			},
			"transactions": func(u relay.Update) error {
				_, err := s.Commit(b.Context(), []relay.Update{u})
				return err
			},
		} {
			b.Run(name, func(b *testing.B) {
				var work sync.WaitGroup
				todo := make(chan struct{})
				for i := range int64(clients) {
					work.Go(func() {
						for range todo {
							if err := update(one(i+1, keys[i])); err != nil {
								b.Error(err)
							}
						}
					})
				}
				b.ReportAllocs()
				for b.Loop() {
					todo <- struct{}{}
				}
				close(todo)
				work.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
			})
		}
	})
}

// BenchmarkPosition measures what every read begins with, with one reader and with 16.
func BenchmarkPosition(b *testing.B) {
	engines(b, func(b *testing.B, s relay.Store) {
		create(b, s, 1)
		ask := func() {
			if _, err := s.Position(b.Context(), 1); err != nil {
				b.Error(err)
			}
		}
		b.Run("1reader", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
		b.Run("16readers", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					ask()
				}
			})
		})
	})
}

// BenchmarkEntries measures reading the newest rows of a feed.
func BenchmarkEntries(b *testing.B) {
	engines(b, func(b *testing.B, s relay.Store) {
		add(b, s, 1, create(b, s, 1), 10_000)
		p, err := s.Position(b.Context(), 1)
		if err != nil {
			b.Fatal(err)
		}
		for _, rows := range []int64{1, 100, 8000} {
			b.Run(fmt.Sprintf("%drows", rows), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					n := int64(0)
					if err := s.Entries(b.Context(), p.Generation, p.Last-rows+1, p.Last, func(*thingspeak.Entry) error {
						n++
						return nil
					}); err != nil || n != rows {
						b.Fatal(n, err)
					}
				}
				b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	})
}
