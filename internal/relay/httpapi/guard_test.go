package httpapi

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/relay/storetest"
)

// limited is a handler with limits by address, behind a proxy at 10.0.0.1.
func limited(
	t *testing.T, l guard.Limits,
) (h http.Handler, ask func(from, path string, headers ...string) *httptest.ResponseRecorder) {
	t.Helper()
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	h = New(relay.New(storetest.NewMemory(), limits), Options{
		Loopback: true, Clients: guard.New(l, proxies(t, "10.0.0.1"), nil), Metrics: metrics.New(),
	})
	return h, func(from, path string, headers ...string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.RemoteAddr = net.JoinHostPort(from, "5000")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
}

func TestRequestsOfAnAddressAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ask := limited(t, guard.Limits{Requests: 5})
		count := func(from string, headers ...string) (passed int) {
			for range 20 {
				w := ask(from, "/channels/1/feeds.csv", headers...)
				if w.Code != http.StatusTooManyRequests {
					passed++
				} else if w.Header().Get("Retry-After") != "1" || w.Header().Get("Content-Length") == "" {
					t.Errorf("refused with headers %v", w.Header())
				}
			}
			return passed
		}
		if n := count("203.0.113.7"); n != 10 {
			t.Errorf("%d of 20 requests at once passed, want 10", n)
		}
		if n := count("203.0.113.8"); n != 10 {
			t.Errorf("of another address %d requests passed, want 10", n)
		}
		time.Sleep(time.Second)
		if n := count("203.0.113.7"); n != 5 {
			t.Errorf("a second later %d requests passed, want 5", n)
		}
		if n := count("127.0.0.1"); n != 20 {
			t.Errorf("of this machine %d requests passed, want all", n)
		}
		if n := count("2001:db8::1"); n != 10 {
			t.Errorf("%d requests of an IPv6 address passed, want 10", n)
		}
		if n := count("2001:db8::2"); n != 0 {
			t.Errorf("%d more requests of its network passed", n)
		}
		if n := count("10.0.0.1", "X-Forwarded-For", "198.51.100.1"); n != 10 {
			t.Errorf("through the proxy %d requests of one client passed, want 10", n)
		}
		if n := count("10.0.0.1", "X-Forwarded-For", "198.51.100.2"); n != 10 {
			t.Errorf("through the proxy %d requests of another passed, want 10", n)
		}
		if n := count("10.0.0.1", "X-Forwarded-For", "127.0.0.1"); n != 10 {
			t.Errorf("through the proxy %d requests of its own machine passed, want 10", n)
		}
	})
}

// TestWrongKeysAreLimited: guessing is slow, whichever way the key is shown, and does not get answers by luck.
func TestWrongKeysAreLimited(t *testing.T) {
	for _, path := range []string{
		"/update?api_key=WRONG&field1=1",
		"/channels/PRIVATE/feeds.json?api_key=WRONG",
		"/channels/PRIVATE.json?api_key=WRONG",
		"/channels.json?api_key=WRONG",
		"/channels/PRIVATE/fields/1/last?key=WRONG",
		"/users/local/channels.json?api_key=WRONG",
		// A guess at the owner's key shows in what is public all the same.
		"/channels/PUBLIC.json?api_key=WRONG",
	} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, ask := limited(t, guard.Limits{WrongKeys: 6})
				a := h.(*api)
				private, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{})
				if err != nil {
					t.Fatal(err)
				}
				public, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
				if err != nil {
					t.Fatal(err)
				}
				target := strings.NewReplacer("PRIVATE", fmt.Sprint(private.ID), "PUBLIC", fmt.Sprint(public.ID)).Replace(path)
				codes := func(from, target string) string {
					var all []string
					for range 8 {
						all = append(all, fmt.Sprint(ask(from, target).Code))
					}
					return strings.Join(all, " ")
				}
				first := ask("203.0.113.7", target).Code
				want := strings.TrimSpace(strings.Repeat(fmt.Sprint(first, " "), 5) + strings.Repeat("429 ", 3))
				if got := codes("203.0.113.7", target); got != want {
					t.Errorf("after one wrong key: %s, want %s", got, want)
				}
				right := fmt.Sprintf("/channels/%d/feeds.json?api_key=%s", private.ID, url.QueryEscape(private.Keys[0].Text))
				if code := ask("203.0.113.7", right).Code; code != http.StatusTooManyRequests {
					t.Errorf("then a right key: %d, want it unseen", code)
				}
				open := fmt.Sprintf("/channels/%d/feeds.json", public.ID)
				if code := ask("203.0.113.7", open).Code; code != http.StatusOK {
					t.Errorf("then a request without a key: %d", code)
				}
				if code := ask("203.0.113.8", right).Code; code != http.StatusOK {
					t.Errorf("another address: %d", code)
				}
				time.Sleep(11 * time.Second)
				if code := ask("203.0.113.7", right).Code; code != http.StatusOK {
					t.Errorf("after a while: %d", code)
				}
				if got := codes("127.0.0.1", target); strings.Contains(got, "429") {
					t.Errorf("this machine: %s", got)
				}
			})
		})
	}
}

// TestRightKeysAreNotCounted: keys of public channels, which need none, included.
func TestRightKeysAreNotCounted(t *testing.T) {
	h, ask := limited(t, guard.Limits{WrongKeys: 3})
	a := h.(*api)
	c, err := a.relay.CreateChannel(t.Context(), relay.LocalAccountID, relay.Settings{Public: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		for _, path := range []string{
			fmt.Sprintf("/channels/%d.json?api_key=%s", c.ID, c.Keys[1].Text),
			fmt.Sprintf("/update?api_key=%s&field1=x", c.Keys[0].Text),
			fmt.Sprintf("/channels/%d/feeds.json?api_key=%s", c.ID, c.Keys[1].Text),
		} {
			if w := ask("203.0.113.7", path); w.Code != http.StatusOK {
				t.Fatalf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
}

// TestProxyThatIsNotTrusted: what it says is not believed, its clients count as one, and it is told once.
func TestProxyThatIsNotTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := guard.New(guard.Limits{Requests: 5}, nil, slog.New(slog.NewTextHandler(&log, nil)))
		h := New(relay.New(storetest.NewMemory(), relay.Limits{}), Options{Clients: c})
		passed := 0
		for i := range 30 {
			r := httptest.NewRequest(http.MethodGet, "/update", nil)
			r.RemoteAddr = "127.0.0.1:5000"
			r.Header.Set("X-Forwarded-For", fmt.Sprint("203.0.113.", i))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusTooManyRequests {
				passed++
			}
		}
		if passed != 10 {
			t.Errorf("%d requests passed, want 10", passed)
		}
		if n := strings.Count(log.String(), "--trust-proxy"); n != 1 {
			t.Errorf("it is told %d times:\n%s", n, &log)
		}
	})
}
