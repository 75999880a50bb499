package gateway

import (
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
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// newBenchRoom is a room of records in a new channel of a relay in memory.
func newBenchRoom(b *testing.B) model.Room {
	b.Helper()
	server := relaytest.New(b, relaytest.InMemory())
	channel := server.CreateChannel(b, relaytest.AllFields(true))
	return model.Room{
		Name: "lab", Relay: server.URL, Channel: channel.ID, WriteKey: model.Secret(channel.WriteKey),
		Fields: []int{1, 2, 3, 4, 5, 6, 7, 8}, Interval: "0s", Profile: "fernpost",
		Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}
}

// startWithRoom starts a gateway of somebody who has a room, in a home of their own.
func startWithRoom(b *testing.B, room model.Room, home string) *running {
	b.Helper()
	engine := newEngine(home, access.Access{Timeout: testenv.Patience})
	if err := engine.Add(room); err != nil {
		b.Fatal(err)
	}
	g, err := Start(b.Context(), Options{Listen: "127.0.0.1:0", Home: filepath.Join(home, "gateway"), Engine: engine, Pace: testPace})
	if err != nil {
		b.Fatal(err)
	}
	r := &running{Running: g, home: home}
	b.Cleanup(func() { r.stop(b) })
	return r
}

// keyOf makes a key of the room lab.
func (r *running) keyOf(b *testing.B, channel int64, wait time.Duration, scopes ...Scope) string {
	b.Helper()
	key, _, err := r.grants.Add(Grant{Room: "lab", RoomID: "lab", Channel: channel, Scopes: scopes, Wait: wait})
	if err != nil {
		b.Fatal(err)
	}
	return key
}

// BenchmarkThereAndBack takes a reading at one gateway, with an answer that waits for the cloud, until another gateway shows it.
func BenchmarkThereAndBack(b *testing.B) {
	room := newBenchRoom(b)
	ana, bo := startWithRoom(b, room, b.TempDir()), startWithRoom(b, room, b.TempDir())
	write, read := ana.keyOf(b, room.Channel, 3*time.Second, Write), bo.keyOf(b, room.Channel, 0, Read)
	last := fmt.Sprintf("/channels/%d/fields/1/last.txt?api_key=%s", room.Channel, read)
	bo.ask(b, "GET", last, "") // from here on it is followed
	var took, there []time.Duration
	n := 0
	for b.Loop() {
		n++
		began := time.Now()
		ana.ask(b, "POST", "/update", fmt.Sprintf("api_key=%s&field1=%d", write, n))
		there = append(there, time.Since(began))
		for body := ""; body != fmt.Sprint(n); {
			_, body = bo.ask(b, "GET", last, "")
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	slices.Sort(there)
	b.ReportMetric(there[len(there)/2].Seconds()*1000, "there-p50-ms")
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
}

// BenchmarkFeed reads 8,000 rows as JSON, of 100,000 behind the door and of as many at a relay.
func BenchmarkFeed(b *testing.B) {
	const rows = 100_000
	entry := func(n int) thingspeak.Entry {
		e := thingspeak.Entry{CreatedAt: testTime.Add(time.Duration(n) * time.Second)}
		e.Fields[0], e.Fields[1] = thingspeak.Text(fmt.Sprintf("%.1f", 20+float64(n%100)/10)), thingspeak.Text(fmt.Sprint(n%90))
		return e
	}
	fetch := func(b *testing.B, url string) {
		b.Helper()
		for b.Loop() {
			answer, err := http.Get(url)
			if err != nil {
				b.Fatal(err)
			}
			size, err := io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if err != nil || answer.StatusCode != 200 || size < 8000*60 {
				b.Fatalf("%d, %d bytes, %v", answer.StatusCode, size, err)
			}
		}
	}
	b.Run("door", func(b *testing.B) {
		home := b.TempDir()
		g := startGateway(b, home, newRooms(b))
		s, err := g.readings.open("lab", labChannel)
		if err != nil {
			b.Fatal(err)
		}
		for n := 0; n < rows; n += 1000 {
			var arrivals []arrival
			for i := n; i < n+1000; i++ {
				e := entry(i)
				arrivals = append(arrivals, newArrival(fmt.Append(nil, i), e, e.CreatedAt))
			}
			if err := g.readings.take(s, &news{arrivals: arrivals}); err != nil {
				b.Fatal(err)
			}
		}
		began := time.Now()
		g.stop(b)
		stopped := time.Now()
		g = startGateway(b, home, newRooms(b))
		g.ask(b, "GET", fmt.Sprintf("/channels/%d/feeds/last.json?api_key=%s", labChannel, g.readKey), "")
		b.Logf("it stops in %v, and answers after %v", stopped.Sub(began), time.Since(stopped))
		fetch(b, fmt.Sprintf("%s/channels/%d/feeds.json?results=8000&api_key=%s", g.URL(), labChannel, g.readKey))
	})
	b.Run("relay", func(b *testing.B) {
		server := relaytest.New(b, relaytest.OnDisk())
		channel := server.CreateChannel(b, relaytest.AllFields(true))
		server.Seed(b, channel.ID, rows, entry)
		fetch(b, fmt.Sprintf("%s/channels/%d/feeds.json?results=8000&api_key=%s", server.URL, channel.ID, channel.ReadKey))
	})
}

// BenchmarkPostMessage posts texts, one after the other, while 100 consumers wait, or none. It tells the median and the 99th percentile of
// the answers, and how many bytes of heap each consumer takes.
func BenchmarkPostMessage(b *testing.B) {
	for _, consumers := range []int{0, 100} {
		b.Run(fmt.Sprint(consumers, " consumers"), func(b *testing.B) {
			g := startWithRoom(b, newBenchRoom(b), b.TempDir())
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
