package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// streaming is a relay in a bubble with clients that watch it.
type streaming struct {
	*relaytest.Server
	t      *testing.T
	client *http.Client
}

// inBubble runs a test on a relay in a bubble.
func inBubble(t *testing.T, test func(*streaming), with ...relaytest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := relaytest.InBubble(t, with...)
		test(&streaming{Server: s, t: t, client: s.Client(t)})
	})
}

// watcher is a client's end of a stream.
type watcher struct {
	t      *testing.T
	answer *http.Response
	events *relaytest.Events
}

// get asks for an address, with headers as "Name: value".
func (s *streaming) get(target string, headers ...string) *http.Response {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+target, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// watch opens a stream.
func (s *streaming) watch(target string, headers ...string) *watcher {
	s.t.Helper()
	answer := s.get(target, headers...)
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		s.t.Fatalf("%s: status %d: %s", target, answer.StatusCode, body)
	}
	return &watcher{t: s.t, answer: answer, events: relaytest.NewEvents(answer.Body)}
}

// next returns the next event.
func (w *watcher) next() relaytest.Event {
	w.t.Helper()
	e, err := w.events.Next()
	if err != nil {
		w.t.Fatalf("the stream ended: %v", err)
	}
	return e
}

// want compares the next event.
func (w *watcher) want(e relaytest.Event) {
	w.t.Helper()
	if got := w.next(); got != e {
		w.t.Errorf("the event is %+v, want %+v", got, e)
	}
}

// wantEntries takes entries with these values, from a number on.
func (w *watcher) wantEntries(from int64, values ...string) {
	w.t.Helper()
	for i, value := range values {
		e := w.next()
		entry := decodeEntry(w.t, e.Data)
		if e.Name != "" || entry.EntryID != from+int64(i) || entry.Field1 != value ||
			!strings.HasSuffix(e.ID, fmt.Sprint("-", entry.EntryID)) {
			w.t.Errorf("the event is %+v, want entry %d with %q", e, from+int64(i), value)
		}
	}
}

// wantEnd makes sure that the stream is over.
func (w *watcher) wantEnd() {
	w.t.Helper()
	if e, err := w.events.Next(); !errors.Is(err, io.EOF) {
		w.t.Errorf("instead of the end came %+v, %v", e, err)
	}
}

type streamedEntry struct {
	ChannelID int64  `json:"channel_id"`
	EntryID   int64  `json:"entry_id"`
	Field1    string `json:"field1"`
}

func decodeEntry(t testing.TB, text string) (e streamedEntry) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return e
}

// write posts values to a channel, an update each.
func (s *streaming) write(c relaytest.Channel, values ...string) {
	s.t.Helper()
	for _, value := range values {
		postValue(s.t, s.client, s.URL, c, value)
	}
}

func postValue(t testing.TB, client *http.Client, to string, c relaytest.Channel, value string) {
	t.Helper()
	answer, err := client.PostForm(to+"/update", url.Values{"api_key": {c.WriteKey}, "field1": {value}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || string(body) == "0" {
		t.Fatalf("writing %q: status %d, %s, %v", value, answer.StatusCode, body, err)
	}
}

// feed is the part of an id that names the channel's feed.
func (s *streaming) feed(c relaytest.Channel) string {
	s.t.Helper()
	p, err := s.Store.Position(s.t.Context(), c.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint(p.Generation)
}

func of(c relaytest.Channel, more string) string {
	return fmt.Sprintf("/channels/%d/feeds/stream%s", c.ID, more)
}

// TestStream: entries come as they are written, each with an id to go on from.
func TestStream(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		s.write(c, "before")
		w := s.watch(of(c, ""))
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no",
			"Access-Control-Allow-Origin": "*", "Content-Length": "",
		} {
			if got := w.answer.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		g := s.feed(c)
		w.want(relaytest.Event{ID: g + "-1"})
		s.write(c, "<a>\nb")
		w.want(relaytest.Event{ID: g + "-2", Data: fmt.Sprintf(`{"channel_id":%d,"created_at":"2000-01-01T00:00:00Z",`+
			`"entry_id":2,"field1":"\u003ca\u003e\nb","field2":null,"field3":null,"field4":null,"field5":null,`+
			`"field6":null,"field7":null,"field8":null,"latitude":null,"longitude":null,"elevation":null,"status":null}`, c.ID)})
		s.write(c, "3", "4")
		w.wantEntries(3, "3", "4")
	})
}

// TestStreamGoesOn: a stream begins where it is told to.
func TestStreamGoesOn(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		s.write(c, "1", "2", "3")
		g := s.feed(c)
		all := []string{"1", "2", "3"}
		for _, tt := range []struct {
			after, header string
			begin         string
			reset         bool
			want          []string
		}{
			{"0", "", "0", false, all},
			{"1", "", "1", false, all[1:]},
			{"3", "", "3", false, nil},
			{g + "-2", "", "2", false, all[2:]},
			{"", g + "-1", "1", false, all[1:]},
			{"0", g + "-2", "2", false, all[2:]},
			{"4", "", "0", true, all},
			{g + "-4", "", "0", true, all},
			{"12345-1", "", "0", true, all},
			{"0-3", "", "0", true, all},
			{g + "-3", "9223372036854775807-1", "0", true, all},
		} {
			var headers []string
			if tt.header != "" {
				headers = append(headers, "Last-Event-ID: "+tt.header)
			}
			w := s.watch(of(c, "?after="+tt.after), headers...)
			w.want(relaytest.Event{ID: g + "-" + tt.begin})
			if tt.reset {
				w.want(relaytest.Event{Name: "reset", ID: g + "-0", Data: fmt.Sprintf(`{"channel_id":%d}`, c.ID)})
			}
			w.wantEntries(int64(len(all)-len(tt.want)+1), tt.want...)
			w.answer.Body.Close()
		}
		for _, bad := range []string{"x", "-1", "1-", "-", "1-2-3", "1.5", "9223372036854775808", "%2B1"} {
			if answer := s.get(of(c, "?after="+bad)); answer.StatusCode != http.StatusBadRequest {
				t.Errorf("after=%s: status %d, want 400", bad, answer.StatusCode)
			}
		}
	})
}

// TestStreamOfSeveralChannels: every id carries all places, so that one id is enough to go on with all channels.
func TestStreamOfSeveralChannels(t *testing.T) {
	inBubble(t, func(s *streaming) {
		a := s.CreateChannel(t, relaytest.AllFields(false))
		b := s.CreateChannel(t, relaytest.AllFields(true))
		c := s.CreateChannel(t, relaytest.AllFields(false))
		s.write(b, "b1", "b2")
		query := fmt.Sprintf("/stream?channels=%d,%d,%d&api_key=%s,,%s", a.ID, b.ID, c.ID, a.ReadKey, c.WriteKey)
		id := func(na, nb, nc int) string {
			return fmt.Sprintf("%d:%s-%d,%d:%s-%d,%d:%s-%d", a.ID, s.feed(a), na, b.ID, s.feed(b), nb, c.ID, s.feed(c), nc)
		}
		w := s.watch(query)
		w.want(relaytest.Event{ID: id(0, 2, 0)})
		for _, step := range []struct {
			to    relaytest.Channel
			value string
			id    string
		}{{c, "c1", id(0, 2, 1)}, {a, "a1", id(1, 2, 1)}, {b, "b3", id(1, 3, 1)}, {c, "c2", id(1, 3, 2)}} {
			s.write(step.to, step.value)
			e := w.next()
			if entry := decodeEntry(t, e.Data); e.ID != step.id || entry.ChannelID != step.to.ID || entry.Field1 != step.value {
				t.Errorf("the event is %+v, want id %s and %q in channel %d", e, step.id, step.value, step.to.ID)
			}
		}
		// In the place of an earlier event: what has come since comes again, and nothing else.
		again := s.watch(query, "Last-Event-ID: "+id(1, 2, 1))
		again.want(relaytest.Event{ID: id(1, 2, 1)})
		got := map[string]bool{}
		for range 2 {
			got[decodeEntry(t, again.next().Data).Field1] = true
		}
		if !cmp.Equal(got, map[string]bool{"b3": true, "c2": true}) {
			t.Errorf("behind %s came %v", id(1, 2, 1), got)
		}
		// A channel that the id does not name begins now, and one of another feed anew.
		part := s.watch(query + fmt.Sprintf("&after=%d:1-7", b.ID))
		part.want(relaytest.Event{ID: id(1, 0, 2)})
		part.want(relaytest.Event{Name: "reset", ID: id(1, 0, 2), Data: fmt.Sprintf(`{"channel_id":%d}`, b.ID)})
		part.wantEntriesOf(b, "b1", "b2", "b3")
		s.Clear(t, a.ID)
		w.want(relaytest.Event{Name: "reset", ID: id(0, 3, 2), Data: fmt.Sprintf(`{"channel_id":%d}`, a.ID)})
	})
}

func (w *watcher) wantEntriesOf(c relaytest.Channel, values ...string) {
	w.t.Helper()
	for _, value := range values {
		if e := decodeEntry(w.t, w.next().Data); e.ChannelID != c.ID || e.Field1 != value {
			w.t.Errorf("the entry is %+v, want %q of channel %d", e, value, c.ID)
		}
	}
}

// TestStreamIsRefused: who may not read the channel, or asks for something odd, is told as by the other routes.
func TestStreamIsRefused(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(false))
		public := s.CreateChannel(t, relaytest.AllFields(true))
		var many []string
		for id := range 101 {
			many = append(many, fmt.Sprint(id+1))
		}
		for _, tt := range []struct {
			target string
			status int
			body   string
		}{
			{of(c, ""), 400, "-1"},
			{of(c, "?api_key=WRONG"), 400, "-1"},
			{of(c, "?api_key="+public.ReadKey), 400, "-1"},
			{"/channels/5555555/feeds/stream", 400, "-1"},
			{"/channels/5/feeds/stream", 404, ""},
			{"/channels/x/feeds/stream", 404, ""},
			{fmt.Sprintf("/stream?channels=%d,%d", public.ID, c.ID), 400, "-1"},
			{fmt.Sprintf("/stream?channels=%d,%d&api_key=%s", public.ID, c.ID, public.ReadKey), 400, "-1"},
			{fmt.Sprintf("/stream?channels=%d,%d&api_key=%s,", public.ID, c.ID, c.ReadKey), 400, "-1"},
			{fmt.Sprintf("/stream?channels=%d&api_key=A,B", public.ID), 400, ""},
			{fmt.Sprintf("/stream?channels=%d,%d", public.ID, public.ID), 400, ""},
			{"/stream", 400, ""},
			{"/stream?channels=", 400, ""},
			{"/stream?channels=x", 400, ""},
			{"/stream?channels=" + strings.Join(many, ","), 400, ""},
			{fmt.Sprintf("/stream?channels=%d&after=17", public.ID), 400, ""},
		} {
			answer := s.get(tt.target, "Accept: text/event-stream")
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != tt.status || tt.body != "" && string(body) != tt.body {
				t.Errorf("%s: status %d, %q, %v; want %d, %q", tt.target, answer.StatusCode, body, err, tt.status, tt.body)
			}
			if answer.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s: a page of another origin cannot read the refusal", tt.target)
			}
		}
		// What is wrong with an address stands in the body, also for whoever asks for no JSON.
		for target, says := range map[string]string{
			fmt.Sprintf("/stream?channels=%d&after=17", public.ID):              "after=7:17,9:1",
			fmt.Sprintf("/stream?channels=%d&api_key=A,B", public.ID):           "more keys than channels",
			"/stream?channels=" + strings.Join(many, ","):                       "up to 100 different channels",
			of(public, "?after=x"):                                              "after=17",
			fmt.Sprintf("/stream?channels=%d,%d&after=0", public.ID, public.ID): "different channels",
		} {
			answer := s.get(target, "Accept: text/event-stream")
			body, err := io.ReadAll(answer.Body)
			if err != nil || !strings.Contains(string(body), says) {
				t.Errorf("%s answers %q, %v, want that it says %q", target, body, err, says)
			}
		}
		// A key in the header, and one key for the channel that it opens.
		s.watch(of(c, ""), "X-THINGSPEAKAPIKEY: "+c.ReadKey)
		s.watch(fmt.Sprintf("/stream?channels=%d,%d", public.ID, c.ID), "X-THINGSPEAKAPIKEY: "+c.ReadKey)
	})
}

// TestStreamHead: HEAD tells the headers and is over, whatever happens in the channel.
func TestStreamHead(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		answer, err := s.client.Head(s.URL + of(c, ""))
		if err != nil {
			t.Fatal(err)
		}
		if answer.Header.Get("Content-Type") != "text/event-stream" || answer.Header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("the headers are %v", answer.Header)
		}
	})
}

// TestStreamOfLines: programs get a JSON object a line, and now and then an empty line.
func TestStreamOfLines(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		s.write(c, "1")
		answer := s.get(of(c, "?after=5"), "Accept: application/x-ndjson")
		if got := answer.Header.Get("Content-Type"); got != "application/x-ndjson" {
			t.Errorf("Content-Type is %q", got)
		}
		lines := bufio.NewScanner(answer.Body)
		next := func() string {
			t.Helper()
			if !lines.Scan() {
				t.Fatalf("the stream ended: %v", lines.Err())
			}
			return lines.Text()
		}
		if got, want := next(), fmt.Sprintf(`{"event":"reset","channel_id":%d}`, c.ID); got != want {
			t.Errorf("the first line is %q, want %q", got, want)
		}
		if e := decodeEntry(t, next()); e.EntryID != 1 || e.Field1 != "1" {
			t.Errorf("the next line is %+v", e)
		}
		began := time.Now()
		if got := next(); got != "" || time.Since(began) != 15*time.Second {
			t.Errorf("after %v came %q, want an empty line after 15 s", time.Since(began), got)
		}
		s.write(c, "2")
		if e := decodeEntry(t, next()); e.EntryID != 2 {
			t.Errorf("the next line is %+v", e)
		}
	})
}

// TestStreamComments: a stream on which nothing happens says so every 15 s, for longer than any deadline of the server.
func TestStreamComments(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		w := s.watch(of(c, ""))
		w.next()
		done := make(chan relaytest.Event)
		go func() { done <- w.next() }()
		time.Sleep(10*time.Minute + time.Second)
		s.write(c, "late")
		if e := <-done; decodeEntry(t, e.Data).Field1 != "late" || w.events.Comments != 40 {
			t.Errorf("after ten minutes came %+v and %d comments, want 40", e, w.events.Comments)
		}
	})
}

// unwoken is a store that tells nobody of anything, as one is that another process writes to.
type unwoken struct{ relay.Store }

func (unwoken) Subscribe(int64) (woken <-chan struct{}, end func()) { return nil, func() {} }

// TestStreamLooksByItself: what another process has written is told within 5 s.
func TestStreamLooksByItself(t *testing.T) {
	open := func(t testing.TB) relay.Store { return unwoken{memoryStore(t)} }
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		w := s.watch(of(c, ""))
		w.next()
		time.Sleep(time.Second)
		for n := range 3 {
			s.Seed(t, c.ID, 1, func(int) thingspeak.Entry { return value("imported") })
			began := time.Now()
			w.wantEntries(int64(n+1), "imported")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("an entry came after %v", took)
			}
		}
		s.Clear(t, c.ID)
		w.want(relaytest.Event{Name: "reset", ID: s.feed(c) + "-0", Data: fmt.Sprintf(`{"channel_id":%d}`, c.ID)})
		s.Seed(t, c.ID, 2, func(int) thingspeak.Entry { return value("before") })
		w.wantEntries(1, "before", "before")
		s.Clear(t, c.ID) // and there are as many again before anybody looks
		s.Seed(t, c.ID, 3, func(int) thingspeak.Entry { return value("after") })
		w.want(relaytest.Event{Name: "reset", ID: s.feed(c) + "-0", Data: fmt.Sprintf(`{"channel_id":%d}`, c.ID)})
		w.wantEntries(1, "after", "after", "after")
	}, relaytest.WithStore(open))
}

func value(text string) thingspeak.Entry {
	return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(text)}}
}

// TestStreamOfBulkCalls: entries of bulk calls come as all others, and however many there are nobody is too slow for them.
func TestStreamOfBulkCalls(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		w := s.watch(of(c, ""))
		w.next()
		synctest.Wait()
		const n = 3000 // some 700 KB
		u := relay.Update{Channel: c.ID, Key: c.WriteKey, Bulk: true}
		for i := range n {
			u.Entries = append(u.Entries, relay.NewEntry{Entry: value(fmt.Sprint("bulk ", i))})
		}
		if _, err := s.Relay.Update(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range n {
			w.wantEntries(int64(i+1), fmt.Sprint("bulk ", i))
		}
	})
}

// TestStreamToASlowClient: who is more than 256 KiB behind is told and let go; nobody waits for them, and they lose nothing.
func TestStreamToASlowClient(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		slow, quick := s.watch(of(c, "")), s.watch(of(c, ""))
		slow.next()
		quick.next()
		synctest.Wait()
		text := strings.Repeat("x", 250)
		const n = 1200
		for i := range n {
			s.write(c, text)
			quick.wantEntries(int64(i+1), text)
		}
		got := int64(0)
		for {
			e := slow.next()
			if e.Name == "slow" {
				break
			}
			got = decodeEntry(t, e.Data).EntryID
		}
		slow.wantEnd()
		if got == 0 || got >= n {
			t.Errorf("a client that took nothing for %d entries got %d of them", n, got)
		}
		again := s.watch(of(c, fmt.Sprint("?after=", got)))
		again.next()
		for i := got; i < n; i++ {
			again.wantEntries(i+1, text)
		}
	})
}

// TestStreamIsNotWaitedFor: who takes nothing for 10 s is let go, and counted, before they take anything again; others get
// what comes meanwhile and after that.
func TestStreamIsNotWaitedFor(t *testing.T) {
	counts := metrics.New()
	wantSlow := func(when string, n int) {
		t.Helper()
		w := httptest.NewRecorder()
		counts.ServeHTTP(w, nil)
		if want := fmt.Sprintf("fernpost_relay_streams_slow_total %d\n", n); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s the metrics have not %q:\n%s", when, want, w.Body)
		}
	}
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		slow, quick := s.watch(of(c, "")), s.watch(of(c, ""))
		slow.next()
		quick.next()
		text := strings.Repeat("x", 250)
		const n = 100 // more than the client's own buffers take
		for i := range n {
			s.write(c, text)
			quick.wantEntries(int64(i+1), text)
		}
		wantSlow("at first", 0)
		time.Sleep(11 * time.Second)
		wantSlow("after 11 s", 1)
		s.write(c, "for others")
		quick.wantEntries(n+1, "for others")
		for {
			e, err := slow.events.Next()
			if err != nil {
				break
			}
			if e.ID != "" && decodeEntry(t, e.Data).EntryID > n {
				t.Errorf("who was let go got %+v", e)
			}
		}
	}, relaytest.Counted(counts))
}

// TestStreamEndsWithTheKey: whoever may not read the channel any more gets nothing more of it.
func TestStreamEndsWithTheKey(t *testing.T) {
	for name, change := range map[string]func(s *streaming, c relaytest.Channel) error{
		"private": func(s *streaming, c relaytest.Channel) error {
			_, err := s.Relay.ChangeChannel(s.t.Context(), relay.LocalAccountID, c.ID, relay.Settings{Public: new(false)})
			return err
		},
		"deleted": func(s *streaming, c relaytest.Channel) error {
			_, err := s.Relay.DeleteChannel(s.t.Context(), relay.LocalAccountID, c.ID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *streaming) {
				c := s.CreateChannel(t, relaytest.AllFields(true))
				w, owner := s.watch(of(c, "")), s.watch(of(c, "?api_key="+c.ReadKey))
				w.next()
				owner.next()
				synctest.Wait()
				if err := change(s, c); err != nil {
					t.Fatal(err)
				}
				w.wantEnd()
				if name == "private" {
					s.write(c, "x")
					owner.wantEntries(1, "x")
				} else {
					owner.wantEnd()
				}
			})
		})
	}
}

// TestStreamWithoutAStore: a store that does not answer for a while costs time, and no entry.
func TestStreamWithoutAStore(t *testing.T) {
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		w := s.watch(of(c, ""))
		w.next()
		synctest.Wait()
		s.write(c, "1")
		w.wantEntries(1, "1")
		failing := s.Store.(interface{ Fail(error) })
		failing.Fail(errors.New("disk full"))
		read := make(chan struct{})
		go func() {
			defer close(read)
			w.wantEntries(2, "2")
		}()
		time.Sleep(time.Minute)
		failing.Fail(nil)
		s.write(c, "2")
		<-read
	})
}

// TestStreamsAreLimited: an address has its share of the streams, all together have no more than there may be, and who goes
// makes room.
func TestStreamsAreLimited(t *testing.T) {
	rules := relay.New(memoryStore(t), relay.Limits{Results: 100, ValueBytes: 255, MessageBytes: 3000})
	c, err := rules.CreateChannel(t.Context(), relay.LocalAccountID, relaytest.AllFields(true))
	if err != nil {
		t.Fatal(err)
	}
	ending := make(chan struct{})
	server := httptest.NewServer(httpapi.New(rules, httpapi.Options{
		Clients: guard.New(guard.Limits{Streams: 2, AllStreams: 4}, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, nil),
		Ending:  ending,
	}))
	defer server.Close()
	open := func(from string) *http.Response {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/channels/%d/feeds/stream", server.URL, c.ID), nil)
		if err != nil {
			t.Fatal(err)
		}
		if from != "" {
			r.Header.Set("X-Forwarded-For", from)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	want := func(from string, status int) *http.Response {
		t.Helper()
		answer := open(from)
		if answer.StatusCode != status || (status != http.StatusOK) != (answer.Header.Get("Retry-After") != "") {
			t.Errorf("a stream from %q: status %d, Retry-After %q; want %d", from, answer.StatusCode, answer.Header.Get("Retry-After"), status)
		}
		return answer
	}
	want("192.0.2.1", http.StatusOK)
	one := want("192.0.2.1", http.StatusOK)
	want("192.0.2.1", http.StatusTooManyRequests)
	want("192.0.2.2", http.StatusOK)
	want("", http.StatusOK) // a program on this machine, which has no share
	want("", http.StatusServiceUnavailable)
	want("192.0.2.3", http.StatusServiceUnavailable)
	one.Body.Close()
	testenv.Await(t, "the place is free", func() bool {
		answer := open("192.0.2.1")
		return answer.StatusCode == http.StatusOK
	})
	close(ending)
	want("192.0.2.9", http.StatusServiceUnavailable)
}

// TestStreamOfACheat: a relay that lies tells its lies as the entries come, under numbers without a hole; a feed that looks
// wiped begins anew.
func TestStreamOfACheat(t *testing.T) {
	const lies = cheat.Drop | cheat.Repeat | cheat.Reorder | cheat.Alter | cheat.Backdate | cheat.Wipe
	inBubble(t, func(s *streaming) {
		c := s.CreateChannel(t, relaytest.AllFields(true))
		w := s.watch(of(c, ""))
		w.next()
		synctest.Wait()
		number := int64(1)
		for n, told := range [][]string{
			{"1"}, {"2"}, {}, {"4"}, {"5", "1"}, {}, {"7", "6"}, {"8"}, {"9"}, {"10"}, {"reset", "11"}, {"12"},
		} {
			s.write(c, fmt.Sprint(n+1))
			if len(told) > 0 && told[0] == "reset" {
				if e := w.next(); e.Name != "reset" {
					t.Errorf("after ten posts came %+v, want a reset", e)
				}
				number, told = 1, told[1:]
			}
			w.wantEntries(number, told...)
			number += int64(len(told))
		}
	}, relaytest.Cheat(lies))
}
