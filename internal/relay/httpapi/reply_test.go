package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/storetest"
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

// TestTrouble: what goes wrong on our side is 503 in the route's format, is logged once, and names no key.
func TestTrouble(t *testing.T) {
	var logged bytes.Buffer
	a, memory := newAPI(t, slog.New(slog.NewTextHandler(&logged, nil)))
	memory.Fail(errors.New("disk full"))
	for _, tt := range []struct{ path, contentType, body string }{
		{"/update?api_key=SECRETSECRET1234", "text/html; charset=utf-8", "unavailable, try again"},
		{"/channels/1/feeds.csv?api_key=SECRETSECRET1234", "text/csv; charset=utf-8", "unavailable, try again"},
		{
			"/channels/1/feeds.json?key=SECRETSECRET1234", "application/json; charset=utf-8",
			`{"status":"503","error":{"message":"Service Unavailable","details":"Try again."}}`,
		},
		{
			"/channels/1/feeds/last.xml?key=SECRETSECRET1234", "application/xml; charset=utf-8",
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>Service Unavailable</message>\n</error>\n",
		},
	} {
		logged.Reset()
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
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

// TestUnderWay: bytes on their way to slow clients are bounded.
func TestUnderWay(t *testing.T) {
	a, _ := newAPI(t, nil)
	get := func() int {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/nowhere", nil))
		return w.Code
	}
	a.underWay.Store(maxUnderWay)
	if code := get(); code != http.StatusServiceUnavailable {
		t.Errorf("with %d bytes under way: status %d, want 503", maxUnderWay, code)
	}
	if n := a.underWay.Load(); n != maxUnderWay {
		t.Errorf("after that reply %d bytes are under way, want %d", n, maxUnderWay)
	}
	a.underWay.Store(0)
	if code := get(); code != http.StatusNotFound {
		t.Errorf("with nothing under way: status %d", code)
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

func TestDecimal(t *testing.T) {
	for s, want := range map[string]string{
		"48.2": "48.2", "-16": "-16", " 7.5 ": "7.5", "+3": "+3", ".5": ".5", "1.12345678901": "1.1234567890",
		"": "-", "north": "-", "1e3": "-", "1,5": "-", "-": "-", "1.2.3": "-", "123456789012": "-",
	} {
		v := decimal(s)
		if !v.Given {
			v.Text = "-"
		}
		if v.Text != want {
			t.Errorf("decimal(%q) = %q, want %q", s, v.Text, want)
		}
	}
	if v := decimal("nonsense", "5"); v.Text != "5" {
		t.Errorf("the second of two is %q, want 5", v.Text)
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
