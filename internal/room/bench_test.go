package room_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedOf returns a feed of records with a text of size bytes, one an entry, by ten authors.
func feedOf(tb testing.TB, key fernet.Key, records, size int) []thingspeak.Entry {
	tb.Helper()
	ring, err := fernet.NewRing(key)
	if err != nil {
		tb.Fatal(err)
	}
	const authors = 10
	var previous [authors]record.ShortHash
	now := time.Now()
	entries := make([]thingspeak.Entry, records)
	for i := range entries {
		signed, err := record.Sign(record.NewIdentity([record.KeySize]byte{byte(100 + i%authors)}),
			record.Context{Salt: salt, Key: record.KeyID(key.ID())}, record.Record{
				Number: uint32(i/authors + 1), Clock: now.UnixMilli(), Previous: previous[i%authors],
				Nick: fmt.Sprint("author", i%authors), Body: record.Text(strings.Repeat("x", size)),
			})
		if err != nil {
			tb.Fatal(err)
		}
		previous[i%authors] = signed.Hash.Short()
		cells, err := signed.Cells()
		if err != nil {
			tb.Fatal(err)
		}
		e := thingspeak.Entry{ID: int64(i + 1), CreatedAt: now.Truncate(time.Second)}
		for n := range cells {
			text, err := ring.Seal(cells[n][:], now)
			if err != nil {
				tb.Fatal(err)
			}
			e.Fields[n] = thingspeak.Text(text)
		}
		entries[i] = e
	}
	return entries
}

// openConversation opens a home in a new directory.
func openConversation(tb testing.TB, key fernet.Key, dir string) (*room.Conversation, *archive.Room) {
	tb.Helper()
	return openTrying(tb, key, dir, nil)
}

// openTrying opens a conversation that tries chains as often as is said.
func openTrying(tb testing.TB, key fernet.Key, dir string, trying func() func() bool) (*room.Conversation, *archive.Room) {
	tb.Helper()
	store, err := archive.OpenRoom(dir, "lab")
	if err != nil {
		tb.Fatal(err)
	}
	c, err := room.Open(store, room.Options{
		Keys: []fernet.Key{key}, Salt: salt, Identity: record.NewIdentity([record.KeySize]byte{1}), Nick: "ana",
		Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, Trying: trying,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c, store
}

// take hands entries to a conversation.
func take(tb testing.TB, c *room.Conversation, entries []thingspeak.Entry) model.Arrivals {
	tb.Helper()
	in, err := c.Receive(10)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range entries {
		if err := in.Add(&entries[i]); err != nil {
			tb.Fatal(err)
		}
	}
	last := int64(0)
	if len(entries) > 0 {
		last = entries[len(entries)-1].ID
	}
	got, err := in.Finish(room.Facts{View: record.View{}, LastID: last, Now: time.Now()})
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

func BenchmarkReadRecords(b *testing.B) {
	key := fernet.GenerateKey()
	const n = 8000
	entries := feedOf(b, key, n, 100)
	b.Run(fmt.Sprintf("%d new records", n), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			c, store := openConversation(b, key, b.TempDir())
			b.StartTimer()
			if got := take(b, c, entries); got.Fresh != n {
				b.Fatalf("%d messages, want %d: %+v", got.Fresh, n, got)
			}
			b.StopTimer()
			store.Close()
			b.StartTimer()
		}
	})
	b.Run(fmt.Sprintf("%d known records", n), func(b *testing.B) {
		c, store := openConversation(b, key, b.TempDir())
		defer store.Close()
		take(b, c, entries)
		b.ReportAllocs()
		for b.Loop() {
			if got := take(b, c, entries); got.Fresh != 0 || got.Repeats != 0 {
				b.Fatalf("%+v", got)
			}
		}
	})
}

// One more message costs the same however long the history is.
func BenchmarkOneMore(b *testing.B) {
	key := fernet.GenerateKey()
	const more = 20_000
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("after %d", n), func(b *testing.B) {
			entries := feedOf(b, key, n+more, 100)
			c, store := openConversation(b, key, b.TempDir())
			defer store.Close()
			take(b, c, entries[:n])
			b.ReportAllocs()
			for i := n; b.Loop(); i++ {
				if i == n+more {
					b.Fatalf("more than %d messages: use a shorter -benchtime", more)
				}
				if got := take(b, c, entries[i:i+1]); got.Fresh != 1 {
					b.Fatalf("%+v", got)
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{200, 1 << 20} {
		b.Run(fmt.Sprintf("%d bytes with the archive", size), func(b *testing.B) {
			c, store := openConversation(b, fernet.GenerateKey(), filepath.Join(b.TempDir(), "state"))
			defer store.Close()
			text := record.Text(strings.Repeat("x", size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(text, time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A file is written, posted, read and joined.
func BenchmarkFile(b *testing.B) {
	for _, size := range []int{1 << 20} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			h := newHall(b)
			ana, bo := h.join(1, "ana"), h.join(2, "bo")
			ana.look()
			bo.look()
			body := record.File{Name: "a", Media: "b", Content: make([]byte, size)}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ana.Write(body, time.Now()); err != nil {
					b.Fatal(err)
				}
				ana.deliver()
				if got := bo.look(); got.Fresh != 1 {
					b.Fatalf("%d messages", got.Fresh)
				}
			}
		})
	}
}
