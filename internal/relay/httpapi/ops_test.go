package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

// askLocal asks a handler as a program on this machine does.
func askLocal(h http.Handler, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr, r.Host = "127.0.0.1:5000", "127.0.0.1:3000"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHealthAndReadiness(t *testing.T) {
	var trouble error
	ready := func(context.Context) error { return trouble }
	a := New(relay.New(storetest.NewMemory(), relay.Limits{}), Options{Ready: ready})
	alone := NewOps(metrics.New(), ready)
	for _, tt := range []struct {
		path    string
		trouble error
		status  int
		body    string
	}{
		{"/healthz", nil, 200, "ok\n"},
		{"/healthz", errors.New("disk full"), 200, "ok\n"},
		{"/readyz", nil, 200, "ready\n"},
		{"/readyz", errors.New("disk full"), 503, "disk full\n"},
		{"/readyz/", errors.New("stopping"), 503, "stopping\n"},
	} {
		trouble = tt.trouble
		for name, h := range map[string]http.Handler{"relay": a, "alone": alone} {
			if name == "alone" && strings.HasSuffix(tt.path, "/") {
				continue
			}
			w := askLocal(h, http.MethodGet, tt.path)
			if w.Code != tt.status || w.Body.String() != tt.body || w.Header().Get("Content-Length") != fmt.Sprint(len(tt.body)) {
				t.Errorf("%s: %s with %v: %d %q %v", name, tt.path, tt.trouble, w.Code, w.Body, w.Header())
			}
		}
	}
}

func TestMetricsAreForThisMachine(t *testing.T) {
	a := New(relay.New(storetest.NewMemory(), relay.Limits{}), Options{Metrics: metrics.New()})
	w := askLocal(a, http.MethodGet, "/metrics")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "\nprocess_") {
		t.Errorf("on this machine: %d %q", w.Code, w.Body)
	}
	for _, remote := range []string{"203.0.113.7:1", "pipe"} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr, r.Host = remote, "127.0.0.1:3000"
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "fernpost_") {
			t.Errorf("from %s: %d %q", remote, w.Code, w.Body)
		}
	}
	// A relay that counts nothing has none.
	none := New(relay.New(storetest.NewMemory(), relay.Limits{}), Options{})
	if w := askLocal(none, http.MethodGet, "/metrics"); w.Code != http.StatusNotFound {
		t.Errorf("without metrics: %d", w.Code)
	}
}

// A device sends what cannot be read again and again: the log says so once a minute and reason, with how many there were,
// and neither a key nor what it sent.
func TestRefusedBodiesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		a := New(relay.New(storetest.NewMemory(), relay.Limits{}), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		for range 10 {
			for _, body := range []string{`{"api_key":"SECRET`, "<SECRET"} {
				r := httptest.NewRequest(http.MethodPost, "/update", strings.NewReader(body))
				w := httptest.NewRecorder()
				a.ServeHTTP(w, r)
				if w.Code != http.StatusBadRequest {
					t.Errorf("%s: status %d", body, w.Code)
				}
			}
			time.Sleep(15 * time.Second)
		}
		for line, want := range map[string]int{
			"reason=json count=1 route=/update": 1, "reason=json count=4 route=/update": 2,
			"reason=form count=1 route=/update": 1, "reason=form count=4 route=/update": 2, "SECRET": 0, "level=WARN": 6,
		} {
			if got := strings.Count(log.String(), line); got != want {
				t.Errorf("%q stands %d times in the log, want %d", line, got, want)
			}
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
}

func TestMetrics(t *testing.T) {
	memory, m := storetest.NewMemory(), metrics.New()
	rules := relay.New(m.Observe(memory), relay.Limits{
		Interval: time.Hour, ValueBytes: 255, MessageBytes: 3000, Results: 100, OpenChannels: 10, BulkUpdates: 10,
	})
	a := New(rules, Options{Loopback: true, Metrics: m})
	m.Gauge("fernpost_relay_answer", func() float64 { return 42 })
	c, err := rules.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	write := "/update?field1=x&api_key=" + url.QueryEscape(c.Keys[0].Text)
	askLocal(a, http.MethodGet, write)                                           // accepted
	askLocal(a, http.MethodGet, write)                                           // too soon
	askLocal(a, http.MethodGet, "/update?api_key=WRONG")                         // no channel: not committed
	askLocal(a, http.MethodGet, fmt.Sprintf("/channels/%d/feeds.csv", c.ID))     // read
	askLocal(a, http.MethodHead, fmt.Sprintf("/channels/%d/feeds/last/", c.ID))  // another route
	askLocal(a, http.MethodOptions, fmt.Sprintf("/channels/%d/feeds.csv", c.ID)) // no route
	for body, media := range map[string]string{                                  // refused bodies
		"{": "application/json", "--X": "multipart/form-data; boundary=X", "21.5": "",
		"field1=" + strings.Repeat("x", 256) + "&key=" + c.Keys[0].Text: "application/x-www-form-urlencoded",
	} {
		r := httptest.NewRequest(http.MethodPost, "/update", strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		a.ServeHTTP(httptest.NewRecorder(), r)
	}
	memory.Fail(errors.New("disk full"))
	askLocal(a, http.MethodGet, write) // unavailable
	memory.Fail(nil)

	text := askLocal(a, http.MethodGet, "/metrics").Body.String()
	for _, want := range []string{
		`fernpost_relay_requests_total{route="/update",status="200"} 2`,
		`fernpost_relay_requests_total{route="/update",status="400"} 5`,
		`fernpost_relay_refused_bodies_total{reason="json"} 1`,
		`fernpost_relay_refused_bodies_total{reason="multipart"} 1`,
		`fernpost_relay_refused_bodies_total{reason="form"} 1`,
		`fernpost_relay_refused_bodies_total{reason="value"} 1`,
		`fernpost_relay_refused_bodies_total{reason="coded"} 0`,
		`fernpost_relay_requests_total{route="/update",status="503"} 1`,
		`fernpost_relay_requests_total{route="/channels/{id}/feeds",status="200"} 1`,
		`fernpost_relay_requests_total{route="/channels/{id}/feeds/last",status="200"} 1`,
		`fernpost_relay_updates_total{outcome="accepted"} 1`,
		`fernpost_relay_updates_total{outcome="too_soon"} 1`,
		`fernpost_relay_updates_total{outcome="unavailable"} 1`,
		`fernpost_relay_updates_total{outcome="key"} 0`,
		`fernpost_relay_entries_total 1`,
		`fernpost_relay_batch_updates_bucket{le="1"} 3`,
		`fernpost_relay_batch_updates_bucket{le="+Inf"} 3`,
		`fernpost_relay_batch_updates_sum 3`,
		`fernpost_relay_commit_seconds_count 3`,
		`fernpost_relay_answer 42`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("the metrics lack %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	for _, key := range c.Keys {
		if strings.Contains(text, key.Text) {
			t.Errorf("the metrics name the key %s", key.Text)
		}
	}
	if strings.Contains(text, fmt.Sprint(c.ID)) {
		t.Error("the metrics name a channel")
	}
	line := regexp.MustCompile(`^[a-z_]+(\{[a-zA-Z]+="[^"]*"(, ?[a-zA-Z]+="[^"]*")*\})? -?[0-9.e+-]+$`)
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if !strings.HasPrefix(l, "#") && !line.MatchString(l) {
			t.Errorf("the line %q is not in the format", l)
		}
	}
}

// TestPanics: a mistake of ours is logged without what the request holds, counted, and ends one request only.
func TestPanics(t *testing.T) {
	var logged bytes.Buffer
	m := metrics.New()
	a := New(relay.New(storetest.NewMemory(), relay.Limits{}), Options{
		Log: slog.New(slog.NewTextHandler(&logged, nil)), Metrics: m,
	}).(*api)
	a.mux.HandleFunc("/panics", func(_ http.ResponseWriter, r *http.Request) { panic(r.URL.RawQuery) })
	server := httptest.NewServer(a)
	defer server.Close()
	got, err := http.Get(server.URL + "/panics?api_key=SECRETSECRET1234")
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	if got.StatusCode != http.StatusInternalServerError || !got.Close {
		t.Errorf("the answer is %d, and the connection is kept", got.StatusCode)
	}
	if text := logged.String(); !strings.Contains(text, "ops_test.go") || strings.Contains(text, "SECRET") {
		t.Errorf("logged: %s", text)
	}
	metrics := askLocal(a, http.MethodGet, "/metrics").Body.String()
	if !strings.Contains(metrics, "fernpost_relay_panics_total 1\n") {
		t.Error("the panic is not counted")
	}
}

// TestLogsHoldNoSecrets asks every route in every way, with keys and values everywhere, while all is well and while the
// store fails, and looks for them in the log.
func TestLogsHoldNoSecrets(t *testing.T) {
	var logged bytes.Buffer
	memory := storetest.NewMemory()
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	m := metrics.New()
	rules := relay.New(m.Observe(memory), limits)
	a := New(rules, Options{
		Log: log, Loopback: true, Metrics: m, Clients: guard.New(guard.Limits{WrongKeys: 1_000_000}, nil, nil),
	})
	c, err := rules.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	owner, err := rules.AccountByName(t.Context(), relay.LocalAccount)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{c.Keys[0].Text, c.Keys[1].Text, owner.Key, "WRONGWRONGWRONG1"}
	const value = "whatpeoplewrite"
	paths := []string{
		"/", "/update", "/s/update", "/channels", "/channels/public", "/users/local", "/users/local/channels", "/nowhere",
		"/talkbacks/1", "/page/style.css", "/healthz", "/readyz", "/metrics", "/stream/channels/ID/feeds",
	}
	for _, part := range []string{
		"", "/feeds", "/feed", "/feeds/last", "/feeds/last_data_age", "/feeds/last_average", "/feeds/1", "/feeds/entry/1",
		"/fields/1",
		"/fields/1/last", "/fields/1/last_data_age", "/fields/1/1", "/last_entry_id", "/status", "/status/last", "/bulk_update",
		"/clear", "/charts/1",
	} {
		paths = append(paths, "/channels/ID"+part)
	}
	requests := 0
	ask := func(method, path, key, mediaType, body string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.RemoteAddr, r.Host = "127.0.0.1:5000", "127.0.0.1:3000"
		if mediaType != "" {
			r.Header.Set("Content-Type", mediaType)
		}
		r.Header.Set("Accept", browser)
		r.Header.Set("X-THINGSPEAKAPIKEY", key)
		a.ServeHTTP(httptest.NewRecorder(), r)
		requests++
	}
	for _, trouble := range []error{errors.New("disk full"), nil} {
		memory.Fail(trouble)
		for _, path := range paths {
			path = strings.ReplaceAll(path, "ID", fmt.Sprint(c.ID))
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodOptions} {
				for _, key := range keys {
					query := fmt.Sprintf("?api_key=%s&key=%[1]s&field1=%s&name=%[2]s", key, value)
					form := fmt.Sprintf("write_api_key=%s&field1=%s&updates=0,%[2]s&time_format=relative", key, value)
					object := fmt.Sprintf(`{"write_api_key":%q,"api_key":%[1]q,"field1":%q,`+
						`"updates":[{"delta_t":0,"field1":%[2]q}]}`, key, value)
					ask(method, path+query, "", "", "")
					ask(method, path+".json", key, "application/x-www-form-urlencoded", form)
					ask(method, path+".csv", key, "application/x-www-form-urlencoded", form)
					ask(method, path+".json", "", "application/json", object)
					ask(method, path, key, "application/json", object[:len(object)-1]) // broken
				}
			}
		}
	}
	text := logged.String()
	if !strings.Contains(text, "disk full") {
		t.Errorf("nothing was logged in %d requests", requests)
	}
	for _, secret := range append(keys, value, "api_key", "field1=", fmt.Sprint(c.ID)) {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("the log holds %q: %s", secret, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}
