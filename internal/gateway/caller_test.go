package gateway

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/form"
)

// testTime is when what tests seal was sealed.
var testTime = time.Unix(1_700_000_000, 0)

// TestWhomItAnswers: no page of another site is answered, whether it asks under its own name or under one that it leads
// here, and whether it reads or writes; boards are, by whatever name they know.
func TestWhomItAnswers(t *testing.T) {
	h, _, _ := newTestHandler(t, Options{AllowHosts: []string{"Pi.Home"}})
	own := hostname()
	for _, tt := range []struct {
		host    string
		headers string // NAME: VALUE, with semicolons between
		want    int    // 0: it is let in
	}{
		{"", "", 0},
		{"localhost", "", 0},
		{"LOCALHOST.:8080", "", 0},
		{"127.0.0.1:8080", "", 0},
		{"192.168.1.9", "", 0},
		{"[::1]:8080", "", 0},
		{"[fe80::1%eth0]:8080", "", 0},
		{"api.thingspeak.com", "", 0},
		{"thingspeak.com:80", "", 0},
		{own, "", 0},
		{own + ".local:8080", "", 0},
		{"pi.home:8080", "", 0},

		{"evil.example", "", 421},
		{"evil.example:8080", "", 421},
		{"localhost.evil.example", "", 421},
		{"127.0.0.1.evil.example", "", 421},
		{"api.thingspeak.com.evil.example", "", 421},
		{"mqtt3.thingspeak.com", "", 421},
		{"other.local", "", 421},
		{"127.1", "", 421},
		{"0x7f000001", "", 421},

		{"localhost:8080", "Origin: http://localhost:8080", 0},
		{"localhost:8080", "Origin: http://localhost:8080; Sec-Fetch-Site: same-origin", 0},
		{"localhost:8080", "Sec-Fetch-Site: none", 0},
		{"pi.home", "Origin: http://pi.home", 0},
		{"localhost:8080", "Origin: https://localhost:8080", 403},
		{"localhost:8080", "Origin: http://localhost:3000", 403},
		{"localhost:8080", "Origin: http://127.0.0.1:8080", 403},
		{"localhost:8080", "Origin: null", 403},
		{"localhost:8080", "Origin: ", 403},
		{"localhost:8080", "Origin: https://evil.example", 403},
		{"", "Origin: http://", 403},
		{"localhost:8080", "Sec-Fetch-Site: cross-site", 403},
		{"localhost:8080", "Sec-Fetch-Site: Cross-Site", 403},
		{"evil.example", "Origin: http://evil.example", 421},

		// Over plain HTTP a browser sends no Sec-Fetch-Site, and no Origin with what a page only includes.
		{"localhost:8080", "Referer: http://localhost:8080/page?x", 0},
		{"localhost:8080", "Referer: ", 0},
		{"localhost:8080", "Referer: http://evil.example/", 403},
		{"localhost:8080", "Referer: https://localhost:8080/", 403},
		{"localhost:8080", "Referer: http://localhost:3000/", 403},
		{"localhost:8080", "Referer: about:blank", 403},
		{"localhost:8080", "Referer: http://localhost:8080@evil.example/", 403},
		{"localhost:8080", "Sec-Fetch-Site: same-site", 403},
		{"localhost:8080", "Sec-Fetch-Site: same-site; Origin: http://localhost:3000", 403},
		{"localhost:8080", "Sec-Fetch-Site: same-site; Origin: http://localhost:8080", 0},
		{"localhost:8080", "Sec-Fetch-Site: whatever", 403},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodHead} {
			for _, path := range []string{"/update?api_key=AAAABBBBCCCCDDDD&field1=1", "/channels/7/feeds.json", "/encrypt", "/healthz"} {
				r := httptest.NewRequest(method, path, nil)
				r.Host = tt.host
				for header := range strings.SplitSeq(tt.headers, ";") {
					if name, value, ok := strings.Cut(header, ":"); ok {
						r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
					}
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				refused := w.Code == http.StatusMisdirectedRequest || w.Code == http.StatusForbidden
				if slices.Contains(boardHosts, plainHost(tt.host)) && !isThingSpeak(r.URL.Path) { // no board asks for that
					if w.Code != http.StatusMisdirectedRequest {
						t.Errorf("%s %s with Host %q: %d", method, path, tt.host, w.Code)
					}
					continue
				}
				if tt.want != 0 && w.Code != tt.want || tt.want == 0 && refused {
					t.Errorf("%s %s with Host %q and %q: %d, want %d", method, path, tt.host, tt.headers, w.Code, tt.want)
				}
				if w.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%s %s: a page of another site may include it: %v", method, path, w.Header())
				}
				for name := range w.Header() {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s %s: there is a header %s", method, path, name)
					}
				}
			}
		}
	}
}

// Where no token is wanted, a name that somebody else in the network can have lead elsewhere first opens nothing.
func TestNoTokenWantsAName(t *testing.T) {
	h, _, _ := newTestHandler(t, Options{NoToken: true})
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1:80": true, "": true, hostname(): false, hostname() + ".local": false, "api.thingspeak.com": false} {
		r := httptest.NewRequest(http.MethodGet, "/encrypt", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if (w.Code != http.StatusMisdirectedRequest) != want {
			t.Errorf("Host %q: %d", host, w.Code)
		}
	}
}

// A dashboard that misspelt what it wanted got all rows for verified ones.
func TestMisspeltChoicesAreRefused(t *testing.T) {
	for query, want := range map[string]bool{
		"verified=true": true, "signed=TRUE&verified=false": true, "author=ana": true, "x=1": true,
		"verified=1": false, "verified=": false, "signed=yes": false, "author=": false, "signed=true&signed=maybe": false,
	} {
		asked, err := form.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseChoice(asked); (err == nil) != want {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestProblems: what is refused outside the doors of others is told as RFC 9457 has it.
func TestProblems(t *testing.T) {
	h, _, _ := newTestHandler(t, Options{})
	r := httptest.NewRequest(http.MethodGet, "http://localhost/nothing", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	const want = `{"title":"Not Found","status":404,"detail":"there is nothing at this address"}`
	if w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" || w.Body.String() != want {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// TestTooMany: an address that asks without end is told to wait, and this machine is not.
func TestTooMany(t *testing.T) {
	h, _, _ := newTestHandler(t, Options{})
	for from, want := range map[string]bool{"192.168.1.7:5": true, "127.0.0.1:5": false} {
		refused := false
		for range 3 * limits.Requests {
			r := httptest.NewRequest(http.MethodGet, "http://localhost/healthz", nil)
			r.RemoteAddr = from
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			refused = refused || w.Code == http.StatusTooManyRequests
		}
		if refused != want {
			t.Errorf("%s is refused: %v", from, refused)
		}
	}
}
