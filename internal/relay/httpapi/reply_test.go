package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// newAPI is a handler on a store in memory.
func newAPI(t *testing.T, log *slog.Logger) (*api, *storetest.Memory) {
	t.Helper()
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	memory := storetest.NewMemory()
	return New(relay.New(memory, limits), Options{Log: log}).(*api), memory
}

// TestTagsOfFeeds: whoever asks again is told that nothing is new exactly if nothing is.
func TestTagsOfFeeds(t *testing.T) {
	a, _ := newAPI(t, nil)
	c, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	write := func(value string) {
		u := relay.Update{Key: c.Keys[0].Text, Entries: []relay.NewEntry{{Entry: thingspeak.Entry{
			CreatedAt: time.Unix(1_700_000_000, 0), Fields: thingspeak.Fields{thingspeak.Text(value)},
		}}}}
		if _, err := a.relay.Update(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	get := func(format, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/channels/%d/feeds.%s", c.ID, format), nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w
	}
	for _, format := range []string{"csv", "json", "xml"} {
		if err := a.relay.ClearChannel(t.Context(), relay.LocalAccountID, c.ID); err != nil {
			t.Fatal(err)
		}
		write("one")
		tag := get(format, "").Header().Get("Etag")
		if w := get(format, tag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
			t.Errorf("%s: asked again, the relay answers %d with %q", format, w.Code, w.Body)
		}
		// As long as before, and of the same second.
		if err := a.relay.ClearChannel(t.Context(), relay.LocalAccountID, c.ID); err != nil {
			t.Fatal(err)
		}
		write("two")
		if w := get(format, tag); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "two") {
			t.Errorf("%s: when another entry is there, the relay answers %d with %q", format, w.Code, w.Body)
		}
	}
}

// TestTrouble: what goes wrong on our side is 503 in the route's format, is logged once, and names no key.
func TestTrouble(t *testing.T) {
	var logged bytes.Buffer
	a, memory := newAPI(t, slog.New(slog.NewTextHandler(&logged, nil)))
	memory.Fail(errors.New("disk full"))
	const (
		get, asJSON = http.MethodGet, "application/json; charset=utf-8"
		inJSON      = `{"status":"503","error":{"message":"Service Unavailable","details":"Try again."}}`
	)
	for _, tt := range []struct{ method, path, contentType, body string }{
		{get, "/update", "text/html; charset=utf-8", "unavailable, try again"},
		{get, "/channels/1/feeds.csv", "text/csv; charset=utf-8", "unavailable, try again"},
		{get, "/channels/1/feeds.json", asJSON, inJSON},
		{
			get, "/channels/1/feeds/last.xml", "application/xml; charset=utf-8",
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>Service Unavailable</message>\n</error>\n",
		},
		{http.MethodPost, "/channels/1/feeds.json", asJSON, inJSON},
		{http.MethodDelete, "/channels/1/feeds.json", asJSON, inJSON},
		{http.MethodPost, "/channels/1/bulk_update.csv", asJSON, inJSON},
		{http.MethodPost, "/channels.json", asJSON, inJSON},
		{get, "/channels/public.json", asJSON, inJSON},
		{get, "/users/local/channels.json", asJSON, inJSON},
		{get, "/stream/channels/1/feeds", "text/html; charset=utf-8", "unavailable, try again"},
	} {
		logged.Reset()
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path+"?key=SECRETSECRET1234", nil))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" ||
			w.Header().Get("Content-Type") != tt.contentType || w.Body.String() != tt.body {
			t.Errorf("%s: %d %v %q", tt.path, w.Code, w.Header(), w.Body)
		}
		text := logged.String()
		if strings.Count(text, "\n") != 1 || !strings.Contains(text, "disk full") || strings.Contains(text, "SECRET") {
			t.Errorf("%s: logged %q", tt.path, text)
		}
	}
}

// TestUnderWay: bytes on their way to slow clients are bounded, and small replies pass all the same.
func TestUnderWay(t *testing.T) {
	a, _ := newAPI(t, nil)
	get := func(size int) int {
		w := httptest.NewRecorder()
		a.send(w, httptest.NewRequest(http.MethodGet, "/", nil), textReply(http.StatusOK, formatText, strings.Repeat("x", size)))
		return w.Code
	}
	a.underWay.Store(maxUnderWay)
	if code := get(smallReply + 1); code != http.StatusServiceUnavailable {
		t.Errorf("a large reply with %d bytes under way: status %d, want 503", maxUnderWay, code)
	}
	if code := get(smallReply); code != http.StatusOK {
		t.Errorf("a small reply with %d bytes under way: status %d, want 200", maxUnderWay, code)
	}
	if n := a.underWay.Load(); n != maxUnderWay {
		t.Errorf("after these replies %d bytes are under way, want %d", n, maxUnderWay)
	}
	a.underWay.Store(0)
	if code := get(smallReply + 1); code != http.StatusOK {
		t.Errorf("a large reply with nothing under way: status %d", code)
	}
}

func TestSplitPath(t *testing.T) {
	for _, tt := range []struct {
		path, want string
		format     format
	}{
		{"/update", "/update", formatNone},
		{"/update/", "/update", formatNone},
		{"/update.json///", "/update", formatJSON},
		{"//channels//9/feeds.CSV", "/channels/9/feeds", formatCSV},
		{"/channels/9/feeds.text", "/channels/9/feeds", formatText},
		{"/channels/9/feeds.html", "/channels/9/feeds", formatNone},
		{"/channels/9/feeds.xml.json", "/channels/9/feeds.xml", formatJSON},
		{"/users/ana.b/channels.xml", "/users/ana.b/channels", formatXML},
		{"/channels/9.5/feeds", "/channels/9.5/feeds", formatNone},
		{"/channels/../etc/./x", "/channels/etc/x", formatNone},
		{"", "/", formatNone},
		{"/", "/", formatNone},
		{"/.json", "/", formatJSON},
	} {
		if got, f := splitPath(tt.path); got != tt.want || f != tt.format {
			t.Errorf("splitPath(%q) = %q, %d; want %q, %d", tt.path, got, f, tt.want, tt.format)
		}
	}
}

func TestInteger(t *testing.T) {
	for s, want := range map[string]int64{
		"": 0, "7": 7, " 42 ": 42, "-3": -3, "+3": 3, "12abc": 12, "abc": 0, "1.9": 1, "--3": 0, "-": 0,
		"99999999999999999999": 1<<63 - 1, "0x10": 0,
	} {
		if got := integer(s); got != want {
			t.Errorf("integer(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestSince(t *testing.T) {
	for n, want := range map[int64]time.Duration{
		0: 0, -5: 0, 2: 48 * time.Hour, 1 << 62: 100 * 366 * 24 * time.Hour,
	} {
		if got := since(n, 24*time.Hour); got != want {
			t.Errorf("since(%d days) = %v, want %v", n, got, want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost:3000": true, "127.0.0.1": true, "127.1.2.3:80": true, "[::1]:3000": true, "::1": true,
		"": false, "example.org": false, "localhost.example.org": false, "10.0.0.1:3000": false, "0.0.0.0": false,
		"127.0.0.1.example.org": false, "api.thingspeak.com": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("isLoopback(%q) = %v, want %v", host, got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	const tag = `W/"a-1"`
	for header, want := range map[string]bool{
		`W/"a-1"`: true, `"a-1"`: true, `"x", W/"a-1"`: true, `*`: true, `"a-2"`: false, ``: false, `a-1`: false,
	} {
		if got := matches([]string{header}, tag); got != want {
			t.Errorf("matches(%s) = %v, want %v", header, got, want)
		}
	}
	if matches(nil, tag) {
		t.Error("no header matches")
	}
}

// TestDeepJSON: nesting is bounded by the decoder, not by our stack.
func TestDeepJSON(t *testing.T) {
	a, _ := newAPI(t, nil)
	for _, body := range []string{
		strings.Repeat("[", 60_000),
		`{"field1":` + strings.Repeat("[", 25_000) + strings.Repeat("]", 25_000) + `}`,
		fmt.Sprintf(`{"field1":%s1%s}`, strings.Repeat(`{"a":`, 9_000), strings.Repeat("}", 9_000)),
	} {
		q := httptest.NewRequest(http.MethodPost, "/update", strings.NewReader(body))
		q.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, q)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%d bytes of nesting: status %d, want 400", len(body), w.Code)
		}
	}
}

// TestBuilding: large replies and calculated ones wait for a slot, small ones and those that are kept do not, and who gives
// up waiting gets no answer.
func TestBuilding(t *testing.T) {
	a, _ := newAPI(t, nil)
	c, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	update := relay.Update{Channel: c.ID, Key: c.Keys[0].Text, Bulk: true, Entries: make([]relay.NewEntry, 600)}
	if _, err := a.relay.Update(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	get := func(ctx context.Context, query string) int {
		w := httptest.NewRecorder()
		path := fmt.Sprintf("/channels/%d/feeds%s", c.ID, query)
		a.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		return w.Code
	}
	if code := get(t.Context(), ".csv?results=8000"); code != http.StatusOK {
		t.Fatalf("the first read: status %d", code)
	}
	v, err := a.relay.View(t.Context(), c.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	// Readers that stand still take all slots.
	hour := relay.Calculation{Method: relay.Sum, Bucket: time.Hour}
	var readers sync.WaitGroup
	release := make(chan struct{})
	standing := make(chan struct{})
	for range 2 * runtime.GOMAXPROCS(0) {
		readers.Go(func() {
			err := a.relay.Calculate(t.Context(), v, relay.Window{Results: 8000}, hour, thingspeak.AllFields,
				func(*thingspeak.Entry) error {
					standing <- struct{}{}
					<-release
					return nil
				})
			if err != nil {
				t.Error(err)
			}
		})
		<-standing
	}
	for _, query := range []string{".json?results=100", ".xml?results=500", ".csv?results=8000", ".csv?end=2020-01-01&results=9"} {
		if code := get(t.Context(), query); code != http.StatusOK {
			t.Errorf("%s without a slot: status %d", query, code)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	large := []string{
		".json?results=8000", ".csv?end=2020-01-01&status=true", ".csv?start=2020-01-01&timezone=Asia/Tokyo", ".xml?sum=60&days=1",
		".json?results=2&median=10", ".csv?days=9&round=2", ".json?days=9&min=1&max=2",
	}
	for _, query := range large {
		if code := get(gone, query); code != http.StatusServiceUnavailable {
			t.Errorf("%s without a slot: status %d", query, code)
		}
	}
	close(release)
	readers.Wait()
	for _, query := range large {
		if code := get(t.Context(), query); code != http.StatusOK {
			t.Errorf("%s with a slot: status %d", query, code)
		}
	}
}
