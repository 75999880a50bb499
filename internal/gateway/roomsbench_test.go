package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	access "github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// BenchmarkPostMessage posts texts, one after the other, while 100 consumers wait, or none. It tells the median and the 99th percentile of
// the answers, and how many bytes of heap each consumer takes.
func BenchmarkPostMessage(b *testing.B) {
	for _, consumers := range []int{0, 100} {
		b.Run(fmt.Sprint(consumers, " consumers"), func(b *testing.B) {
			server := relaytest.New(b, relaytest.InMemory())
			channel := server.CreateChannel(b, relaytest.AllFields(true))
			home := b.TempDir()
			engine := newEngine(home, access.Access{Timeout: testenv.Patience})
			err := engine.Add(model.Room{
				Name: "lab", Relay: server.URL, Channel: channel.ID, WriteKey: model.Secret(channel.WriteKey),
				Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, Interval: "0s", Profile: "fernpost",
				Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
			})
			g, startErr := Start(b.Context(), Options{
				Listen: "127.0.0.1:0", Home: filepath.Join(home, "gateway"), Engine: engine, Pace: testPace,
			})
			if err := errors.Join(err, startErr); err != nil {
				b.Fatal(err)
			}
			r := &running{Running: g}
			b.Cleanup(func() { r.stop(b) })
			h := g.roomDoor
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
			token := g.FirstToken()
			ask := func(method, path, body string) error {
				request, err := http.NewRequest(method, g.URL()+path, strings.NewReader(body))
				if err != nil {
					return err
				}
				request.Header.Set("Authorization", "Bearer "+token)
				request.Header.Set("Content-Type", "text/plain")
				answer, err := client.Do(request)
				if err != nil {
					return err
				}
				defer answer.Body.Close()
				if all, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode > 299 {
					return fmt.Errorf("%d %s, %w", answer.StatusCode, all, err)
				}
				return nil
			}
			if err := ask("GET", "/rooms/lab/messages", ""); err != nil { // from now on it is followed
				b.Fatal(err)
			}
			heap := func() uint64 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			before, each := heap(), 0.0
			for n := range consumers {
				path := fmt.Sprintf("/rooms/lab/messages?consumer=c%d", n)
				if err := ask("GET", path, ""); err != nil {
					b.Fatal(err)
				}
				go func() {
					for ask("GET", path+"&limit=1&wait=1m", "") == nil && b.Context().Err() == nil {
						time.Sleep(time.Second) // it acknowledges nothing
					}
				}()
			}
			if consumers > 0 {
				testenv.Await(b, "all wait", func() bool { return int(h.waiting.Load()) == consumers })
				each = float64(int64(heap())-int64(before)) / float64(consumers)
			}
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if err := ask("POST", "/rooms/lab/messages", "hello"); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(each, "B/consumer")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms/p99")
		})
	}
}
