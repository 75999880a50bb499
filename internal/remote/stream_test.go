package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// streaming answers each request for a stream with a status and what a test writes into it.
func streaming(t *testing.T, status int, kind string, body io.Reader, asked func(*http.Request)) *remote.Client {
	return clientOver(t, roundTrip(func(r *http.Request) (*http.Response, error) {
		if asked != nil {
			asked(r)
		}
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(body), ContentLength: -1, Request: r,
		}, nil
	}))
}

// pushedEvent is entry n of our channel as an event.
func pushedEvent(n int64) string {
	e := thingspeak.Entry{ID: n, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	e.Fields[2] = thingspeak.Text(fmt.Sprint("text ", n))
	return fmt.Sprintf("id: 1-%d\ndata: %s\n\n", n, thingspeak.AppendUpdateJSON(nil, channel, &e, 0, time.UTC))
}

// all listens until the stream ends, and returns what was heard but for signs of life.
func all(t *testing.T, c *remote.Client, after int64) (said []remote.Heard, signs int, err error) {
	t.Helper()
	err = c.Stream().Listen(t.Context(), after, func(h remote.Heard) error {
		if h == (remote.Heard{}) {
			signs++
		} else {
			said = append(said, h)
		}
		return nil
	})
	return said, signs, err
}

// A connection begins one entry back, with the key in a header, and hands on entries with the fields that hold something: of
// the others it does not know whether the channel has them.
func TestStreamHandsOnEntries(t *testing.T) {
	var asked *http.Request
	c := streaming(t, 200, "text/event-stream; charset=utf-8",
		strings.NewReader("id: 1-8\n\n: waiting\n\n"+pushedEvent(9)+pushedEvent(10)), func(r *http.Request) { asked = r })
	said, signs, err := all(t, c, 9)
	if err == nil || errors.Is(err, remote.ErrNotOffered) {
		t.Errorf("a stream that ends: %v", err)
	}
	if got := asked.URL.Query().Get("after"); got != "8" || strings.Contains(asked.URL.String(), "api_key") {
		t.Errorf("it asked for %s", asked.URL)
	}
	if asked.Header.Get("X-THINGSPEAKAPIKEY") == "" || asked.Header.Get("Accept") != "text/event-stream" {
		t.Errorf("the headers are %v", asked.Header)
	}
	if len(said) != 2 || signs == 0 {
		t.Fatalf("heard %v and %d signs of life", said, signs)
	}
	for i, h := range said {
		e := h.Entry
		if h.Missed || e == nil || e.ID != int64(9+i) || e.Channel != channel || e.Fields != 1<<2 || e.CreatedAt.Year() != 2026 ||
			e.Entry.Fields[2].Text != fmt.Sprint("text ", 9+i) {
			t.Errorf("heard %+v", h)
		}
	}
}

// Whatever a stream says that is no entry is a reason to read the channel, and nothing more is concluded from it.
func TestStreamMisses(t *testing.T) {
	for name, event := range map[string]string{
		"begins again":       "event: reset\nid: 2-0\ndata: {\"channel_id\":4242}\n\n",
		"too slow":           "event: slow\ndata:\n\n",
		"an unknown event":   "event: news\ndata: {}\n\n",
		"no JSON":            "data: hello\n\n",
		"no channel":         `data: {"entry_id":7,"created_at":"2026-01-02T03:04:05Z"}` + "\n\n",
		"no number":          `data: {"channel_id":4242,"created_at":"2026-01-02T03:04:05Z"}` + "\n\n",
		"no date":            `data: {"channel_id":4242,"entry_id":7}` + "\n\n",
		"a number too large": `data: {"channel_id":4242,"entry_id":1e30,"created_at":"2026-01-02T03:04:05Z"}` + "\n\n",
	} {
		said, _, _ := all(t, streaming(t, 200, "text/event-stream", strings.NewReader(event), nil), 7)
		if len(said) != 1 || !said[0].Missed || said[0].Entry != nil {
			t.Errorf("%s: heard %+v", name, said)
		}
	}
}

// A relay without streams is not asked again; one that is busy, restarted, or cut off is.
func TestStreamNotOffered(t *testing.T) {
	for _, test := range []struct {
		status  int
		kind    string
		offered bool
	}{
		{404, "text/html", false},
		{400, "application/json", false},
		{302, "text/event-stream", false},
		{101, "text/event-stream", false},
		{304, "text/event-stream", false},
		{200, "text/html", false},
		{200, "", false},
		{429, "application/json", true},
		{502, "text/html", true},
		{503, "text/event-stream", true},
		{200, "text/event-stream", true},
	} {
		_, _, err := all(t, streaming(t, test.status, test.kind, strings.NewReader(""), nil), 1)
		if err == nil || errors.Is(err, remote.ErrNotOffered) == test.offered {
			t.Errorf("%d %s: %v", test.status, test.kind, err)
		}
	}
	c := clientOver(t, roundTrip(func(*http.Request) (*http.Response, error) { return nil, errCut }))
	if _, _, err := all(t, c, 1); !errors.Is(err, errCut) || errors.Is(err, remote.ErrNotOffered) {
		t.Errorf("a relay that cannot be reached: %v", err)
	}
}

// An event without end is cut off before it fills the memory.
func TestStreamWithoutEnd(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("data: "), endlessBytes{})
	if _, _, err := all(t, streaming(t, 200, "text/event-stream", endless, nil), 1); err == nil {
		t.Error("an event without end has ended")
	}
}

// A relay that sent resets, comments or one entry again and again without an end was listened to for ever.
func TestStreamThatBringsNoEntriesIsGivenUp(t *testing.T) {
	for name, text := range map[string]string{
		"comments":              ": waiting\n\n",
		"places":                "id: 1-8\n\n",
		"resets":                "event: reset\nid: 2-0\ndata: {\"channel_id\":4242}\n\n",
		"resets and an entry":   "event: reset\nid: 2-0\ndata: {\"channel_id\":4242}\n\n" + pushedEvent(1),
		"one entry":             pushedEvent(9),
		"entries that go down":  pushedEvent(9) + pushedEvent(8),
		"another channel's row": "data: {\"channel_id\":4242}\n\n",
	} {
		_, _, err := all(t, streaming(t, 200, "text/event-stream", &repeated{text: text}, nil), 7)
		if !errors.Is(err, remote.ErrNotOffered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A stream that is quiet for weeks, and one that brings many entries, go on.
func TestStreamThatBringsEntriesIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := &repeated{text: ": waiting\n\n", pause: 15 * time.Second, most: 20 * 24 * 240}
		if _, _, err := all(t, streaming(t, 200, "text/event-stream", quiet, nil), 7); errors.Is(err, remote.ErrNotOffered) {
			t.Errorf("the quiet one: %v", err)
		}
		var busy strings.Builder
		for n := range int64(10_000) {
			busy.WriteString(pushedEvent(n + 1))
		}
		said, _, err := all(t, streaming(t, 200, "text/event-stream", strings.NewReader(busy.String()), nil), 0)
		if errors.Is(err, remote.ErrNotOffered) || len(said) != 10_000 {
			t.Errorf("the busy one brought %d entries: %v", len(said), err)
		}
	})
}

// repeated reads as a text again and again, most times unless that is 0, with a pause before each.
type repeated struct {
	text  string
	pause time.Duration
	most  int
	n     int
	left  string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == "" {
		if r.n++; r.most > 0 && r.n > r.most {
			return 0, io.EOF
		}
		time.Sleep(r.pause)
		r.left = r.text
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

type endlessBytes struct{}

func (endlessBytes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Comments are signs of life: a stream that sends one every 15 seconds is kept, and one that falls silent is given up after
// 45 and tried again.
func TestStreamIsAliveWhileItSendsComments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		dials := 0
		c := clientOver(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			if dials++; dials > 1 {
				return nil, errCut
			}
			context.AfterFunc(r.Context(), func() { from.CloseWithError(r.Context().Err()) })
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: from, ContentLength: -1, Request: r,
			}, nil
		}))
		a := follows(c.Stream())
		defer a.Close()
		go func() {
			for range 40 {
				_, _ = io.WriteString(to, ": waiting\n\n")
				time.Sleep(15 * time.Second)
			}
		}()
		if a.until(t, 10*time.Minute-time.Second); a.Watch.Via != exchange.Stream || dials != 1 {
			t.Fatalf("after ten minutes with comments entries come by %v, dialled %d times", a.Watch.Via, dials)
		}
		if a.until(t, time.Minute); a.Watch.Via != exchange.Polling || dials < 2 {
			t.Errorf("after a minute of silence entries come by %v, dialled %d times", a.Watch.Via, dials)
		}
	})
}

// FuzzStream reads any bytes as a stream: it ends, and whatever is handed on has a number, a date and a channel.
func FuzzStream(f *testing.F) {
	f.Add("id: 1-8\n\n: waiting\n\n" + pushedEvent(9))
	f.Add("event: reset\r\nid: 2-0\r\ndata: {}\r\n\r\n")
	f.Add("\ufeffdata:\ndata: {\ndata: }\n\nretry: 99999999999\n\n")
	f.Add(`data: {"channel_id":[1],"entry_id":"9","created_at":null,"field1":{}}` + "\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		said, _, err := all(t, streaming(t, 200, "text/event-stream", strings.NewReader(text), nil), 1)
		if err == nil {
			t.Error("a stream that ends is no error")
		}
		for _, h := range said {
			if e := h.Entry; e != nil && (e.ID <= 0 || e.CreatedAt.IsZero() || e.Channel <= 0) {
				t.Errorf("handed on %+v", e)
			}
		}
	})
}
