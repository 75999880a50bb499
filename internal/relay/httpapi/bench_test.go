package httpapi_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// nowhere takes a reply without keeping it.
type nowhere struct {
	header http.Header
	status int
}

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) WriteHeader(status int)      { w.status = status }
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }

func benchRequest(b *testing.B, h http.Handler, make func() *http.Request) {
	b.ReportAllocs()
	w := &nowhere{header: http.Header{}}
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, make())
		if w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
	}
}

func seeded(b *testing.B, rows int) (http.Handler, relaytest.Channel) {
	s := relaytest.New(b)
	channel := s.CreateChannel(b, relay.Settings{Public: new(true)})
	s.Seed(b, channel.ID, rows, func(i int) thingspeak.Entry {
		return thingspeak.Entry{
			CreatedAt: time.Unix(1_700_000_000+int64(i), 0),
			Fields:    thingspeak.Fields{thingspeak.Text(strings.Repeat("x", 248))},
		}
	})
	return httpapi.New(s.Relay, httpapi.Options{}), channel
}

func BenchmarkRead(b *testing.B) {
	h, channel := seeded(b, 8000)
	for _, path := range []string{
		"feeds/last.json", "fields/1/last", "last_entry_id.txt", "feeds.csv?results=100", "feeds.csv?results=8000",
		"feeds.json?results=100", "feeds.json?results=8000",
	} {
		b.Run(path, func(b *testing.B) {
			target := fmt.Sprintf("/channels/%d/%s", channel.ID, path)
			benchRequest(b, h, func() *http.Request { return httptest.NewRequest(http.MethodGet, target, nil) })
		})
	}
}

// BenchmarkServed measures small replies through net/http on a connection that stays, beside a handler that does nothing:
// what one costs more than the other is ours.
func BenchmarkServed(b *testing.B) {
	h, channel := seeded(b, 10)
	nothing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "1") })
	for _, tt := range []struct {
		name, path string
		handler    http.Handler
	}{
		{"nothing", "/", nothing},
		{"last_entry_id.txt", fmt.Sprintf("/channels/%d/last_entry_id.txt", channel.ID), h},
		{"last.json", fmt.Sprintf("/channels/%d/feeds/last.json", channel.ID), h},
	} {
		b.Run(tt.name, func(b *testing.B) {
			s := httptest.NewServer(tt.handler)
			defer s.Close()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			request := []byte("GET " + tt.path + " HTTP/1.1\r\nHost: relay\r\n\r\n")
			ask := func(answer []byte, least int) int {
				if _, err := c.Write(request); err != nil {
					b.Fatal(err)
				}
				n, err := io.ReadAtLeast(c, answer, least)
				if err != nil || !strings.HasPrefix(string(answer[:20]), "HTTP/1.1 200") {
					b.Fatalf("%q, %v", answer[:n], err)
				}
				return n
			}
			answer := make([]byte, 4096)
			length := ask(answer, 1) // it comes in one piece, and all are as long
			b.ReportAllocs()
			for b.Loop() {
				ask(answer, length)
			}
		})
	}
}

// BenchmarkUpdate measures an update from many clients at once, without the network: on disk the fsync is shared by those
// who wait for it.
func BenchmarkUpdate(b *testing.B) {
	for name, on := range map[string]relaytest.Option{"memory": relaytest.InMemory(), "disk": relaytest.OnDisk()} {
		for _, clients := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/248B/%dclients", name, clients), func(b *testing.B) {
				s := relaytest.New(b, on)
				channel := s.CreateChannel(b, relay.Settings{})
				h := httpapi.New(s.Relay, httpapi.Options{})
				body := "api_key=" + channel.WriteKey + "&field1=" + strings.Repeat("x", 248)
				b.ReportAllocs()
				var left atomic.Int64
				left.Store(int64(b.N))
				var work sync.WaitGroup
				for range clients {
					work.Go(func() {
						w := &nowhere{header: http.Header{}}
						for left.Add(-1) >= 0 {
							clear(w.header)
							r := httptest.NewRequest(http.MethodPost, "/update", strings.NewReader(body))
							r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
							if h.ServeHTTP(w, r); w.status != http.StatusOK {
								b.Errorf("status %d", w.status)
							}
						}
					})
				}
				work.Wait()
			})
		}
	}
}

// BenchmarkStream measures how long an update takes until everybody who watches the channel has it, over real connections.
func BenchmarkStream(b *testing.B) {
	for _, watchers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("%dwatchers", watchers), func(b *testing.B) {
			s := relaytest.New(b, relaytest.InMemory())
			channel := s.CreateChannel(b, relaytest.AllFields(true))
			var have sync.WaitGroup
			have.Add(watchers)
			for range watchers {
				c, err := s.Dial(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				fmt.Fprintf(c, "GET /channels/%d/feeds/stream HTTP/1.1\r\nHost: relay\r\n\r\n", channel.ID)
				events := relaytest.NewEvents(c)
				go func() {
					for {
						e, err := events.Next()
						if err != nil {
							return
						}
						if e.ID != "" {
							have.Done()
						}
					}
				}()
			}
			have.Wait()
			update := relay.Update{Channel: channel.ID, Key: channel.WriteKey, Entries: []relay.NewEntry{{Entry: thingspeak.Entry{
				Fields: thingspeak.Fields{thingspeak.Text(strings.Repeat("x", 248))},
			}}}}
			b.ReportAllocs()
			for b.Loop() {
				have.Add(watchers)
				if _, err := s.Relay.Update(b.Context(), update); err != nil {
					b.Fatal(err)
				}
				have.Wait()
			}
		})
	}
}
