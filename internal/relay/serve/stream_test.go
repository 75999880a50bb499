package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// made is a channel that was made over HTTP.
type made struct {
	ID   int64
	Keys []struct {
		Key string `json:"api_key"`
	} `json:"api_keys"`
}

func newChannel(t *testing.T, at string) (c made) {
	t.Helper()
	answer, err := http.PostForm(at+"/channels.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&c); err != nil || len(c.Keys) != 2 {
		t.Fatalf("making a channel: %+v, %v", c, err)
	}
	return c
}

// TestStopEndsStreams: streams would never finish, so that a stop does not wait for them; what is under way ends as it should.
func TestStopEndsStreams(t *testing.T) {
	r := start(t, serve.Options{Data: t.TempDir()})
	c := newChannel(t, r.URL())
	answer, err := http.Get(fmt.Sprintf("%s/channels/%d/feeds/stream?api_key=%s", r.URL(), c.ID, c.Keys[1].Key))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	events := relaytest.NewEvents(answer.Body)
	if _, err := events.Next(); err != nil {
		t.Fatal(err)
	}
	if metrics := get(t, r.URL()+"/metrics"); !strings.Contains(metrics, "fernpost_relay_streams 1\n") {
		t.Errorf("the metrics tell of no open stream:\n%s", metrics)
	}
	if err := r.Close(); err != nil {
		t.Errorf("closing beside a stream: %v", err)
	}
	if e, err := events.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %+v, %v", e, err)
	}
}

// reader follows channels, and goes on by the id of the last event however often it is cut off.
type reader struct {
	t      *testing.T
	random *rand.Rand
	// target is the address of its stream at the relay that is served at base.
	base   func() string
	target string
	id     string
	// got are the entries of each channel since it began anew.
	got                map[int64][]string
	cuts, resets, slow int
}

// follow connects until done says that all is there.
func (r *reader) follow(done func(*reader) bool) {
	for !done(r) {
		if err := r.connect(done); err != nil {
			<-time.After(5 * time.Millisecond) // the relay may be away
		}
	}
}

// connect reads for a while.
func (r *reader) connect(done func(*reader) bool) error {
	ctx, cut := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cut()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base()+r.target, nil)
	if err != nil {
		return err
	}
	if r.id != "" {
		request.Header.Set("Last-Event-ID", r.id)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	events := relaytest.NewEvents(answer.Body)
	for left := r.random.IntN(400); left > 0 && !done(r); left-- {
		e, err := events.Next()
		if err != nil {
			return err
		}
		var entry struct {
			Channel int64  `json:"channel_id"`
			ID      int64  `json:"entry_id"`
			Value   string `json:"field1"`
		}
		if e.Data != "" {
			if err := json.Unmarshal([]byte(e.Data), &entry); err != nil {
				r.t.Errorf("%q: %v", e.Data, err)
			}
		}
		switch {
		case e.Name == "slow":
			r.slow++
			return nil
		case e.Name == "reset":
			r.resets++
			r.got[entry.Channel] = nil
		case e.Data != "":
			r.got[entry.Channel] = append(r.got[entry.Channel], fmt.Sprint(entry.ID, " ", entry.Value))
		}
		r.id = e.ID
	}
	r.cuts++
	return nil
}

// TestStreamsLoseNothing: thousands of entries are written, one by one and in bulk, while streams are cut at random, the relay
// is restarted, and another process clears a channel. Who goes on by the id of the last event ends with every entry once, in
// order.
func TestStreamsLoseNothing(t *testing.T) {
	dir, random := t.TempDir(), testenv.Random(t)
	var address atomic.Value
	run := func(listen string) *serve.Running {
		r, err := serve.Start(t.Context(), serve.Options{Listen: listen, Data: dir})
		if err != nil {
			t.Fatal(err)
		}
		address.Store(r.URL())
		return r
	}
	relay := run("127.0.0.1:0")
	base := func() string { return address.Load().(string) }
	a, b := newChannel(t, base()), newChannel(t, base())
	admin, err := serve.OpenSQLite(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()

	// What is there in the end is asked of the store when all is written.
	var written atomic.Bool
	final := map[int64][]string{}
	complete := func(r *reader) bool {
		if !written.Load() {
			return t.Failed()
		}
		for id, all := range r.got {
			if len(all) < len(final[id]) {
				return t.Failed()
			}
		}
		return true
	}
	var readers []*reader
	for _, target := range []string{
		fmt.Sprintf("/channels/%d/feeds/stream?after=0&api_key=%s", a.ID, a.Keys[1].Key),
		fmt.Sprintf("/channels/%d/feeds/stream?after=0&api_key=%s", b.ID, b.Keys[1].Key),
		fmt.Sprintf("/stream?channels=%d,%d&after=%[1]d:0,%[2]d:0&api_key=%s,%s", a.ID, b.ID, a.Keys[1].Key, b.Keys[1].Key),
	} {
		r := &reader{t: t, random: rand.New(rand.NewPCG(random.Uint64(), 0)), base: base, target: target, got: map[int64][]string{}}
		for _, c := range []made{a, b} {
			if strings.Contains(target, fmt.Sprint(c.ID)) {
				r.got[c.ID] = nil
			}
		}
		readers = append(readers, r)
	}
	var reading, writing sync.WaitGroup
	for _, r := range readers {
		reading.Go(func() { r.follow(complete) })
	}
	var posted atomic.Int64
	post := func(path string, form url.Values) {
		for !t.Failed() {
			if answer, err := http.PostForm(base()+path, form); err == nil {
				answer.Body.Close()
				if answer.StatusCode < 300 {
					posted.Add(1)
					return
				}
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	singles := testenv.Cases(1000)
	for w, c := range []made{a, b} {
		writing.Go(func() {
			for i := range singles {
				post("/update", url.Values{"api_key": {c.Keys[0].Key}, "field1": {fmt.Sprint(w, " single ", i)}})
				if i%200 == 100 {
					var rows []string
					for j := range 200 {
						rows = append(rows, fmt.Sprintf("%d,%d bulk %d", 1_700_000_000+i+j, w, i+j))
					}
					post(fmt.Sprintf("/channels/%d/bulk_update.csv", c.ID), url.Values{
						"write_api_key": {c.Keys[0].Key}, "time_format": {"absolute"}, "updates": {strings.Join(rows, "|")},
					})
				}
				if w == 0 && i == singles/2 {
					if err := admin.ClearChannel(t.Context(), c.ID); err != nil {
						t.Errorf("clearing: %v", err)
					}
				}
			}
		})
	}
	for n := range 3 {
		after := int64(n*singles/2 + random.IntN(singles/2))
		testenv.Await(t, fmt.Sprint(after, " entries"), func() bool { return posted.Load() >= after || t.Failed() })
		ctx, cancel := context.WithCancel(t.Context())
		if random.IntN(2) == 0 {
			cancel() // nothing is waited for
		}
		_ = relay.Shutdown(ctx) // an error says that something was cut off
		cancel()
		relay = run(strings.TrimPrefix(base(), "http://"))
	}
	writing.Wait()
	for _, c := range []made{a, b} {
		p, err := admin.Position(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		err = admin.Entries(t.Context(), p.Generation, 1, p.Last, func(e *thingspeak.Entry) error {
			final[c.ID] = append(final[c.ID], fmt.Sprint(e.ID, " ", e.Fields[0].Text))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	written.Store(true)
	post("/update", url.Values{"api_key": {a.Keys[0].Key}, "field1": {"the end"}}) // who waits for an event gets one
	post("/update", url.Values{"api_key": {b.Keys[0].Key}, "field1": {"the end"}})
	reading.Wait()
	for _, r := range readers {
		for id, got := range r.got {
			want := final[id]
			for i := range want {
				if i >= len(got) || got[i] != want[i] {
					t.Errorf("%s: of %d entries, %d came, and in place %d %q instead of %q",
						r.target, len(want), len(got), i, append(got, "nothing")[min(i, len(got))], want[i])
					break
				}
			}
		}
		t.Logf("%s: cut %d times, %d resets, %d times too slow", r.target, r.cuts, r.resets, r.slow)
	}
	if err := relay.Close(); err != nil {
		t.Error(err)
	}
}
