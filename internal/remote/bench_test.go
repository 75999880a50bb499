package remote_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// newTCPClient is newClient over a loopback connection.
func newTCPClient(tb testing.TB, h http.Handler) *remote.Client {
	tb.Helper()
	srv := httptest.NewServer(h)
	tb.Cleanup(srv.Close)
	c, err := remote.New(remote.Options{BaseURL: srv.URL, Channel: channel, WriteKey: writeKey})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := remote.New(remote.Options{BaseURL: "http://127.0.0.1:3000", Channel: channel}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	c := newTCPClient(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "1") }))
	fields := oneField(strings.Repeat("x", 248))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Update(b.Context(), fields); err != nil {
			b.Fatal(err)
		}
	}
}

// A row has a token of 127 bytes of plaintext in one field, as the messenger writes it.
func feedBody(rows int) []byte {
	var s strings.Builder
	s.WriteString("created_at,entry_id,field1\n")
	token := strings.Repeat("x", 248)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		fmt.Fprintf(&s, "%s,%d,%s\n", at.Add(time.Duration(i)*time.Second).Format("2006-01-02 15:04:05 UTC"), i+1, token)
	}
	return []byte(s.String())
}

func BenchmarkFeed(b *testing.B) {
	for _, rows := range []int{10, 8000} {
		b.Run(fmt.Sprintf("%drows", rows), func(b *testing.B) {
			body := feedBody(rows)
			c := newTCPClient(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				_, _ = w.Write(body)
			}))
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				n := 0
				_, err := readFeed(b.Context(), c, exchange.Query{Results: rows}, func(*thingspeak.Entry) error { n++; return nil })
				if err != nil || n != rows {
					b.Fatalf("%d rows, %v", n, err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	for _, rows := range []int{10, 8000} {
		b.Run(fmt.Sprintf("%drows", rows), func(b *testing.B) {
			body := feedBody(rows)
			c := newTCPClient(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, ".txt") {
					fmt.Fprint(w, rows)
					return
				}
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				_, _ = w.Write(body)
			}))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				more, err := c.Scan().Back(b.Context(), rows, func(*thingspeak.Entry) error { n++; return nil })
				if err != nil || n != rows || more {
					b.Fatalf("%d rows, %v, %v", n, more, err)
				}
			}
		})
	}
}
