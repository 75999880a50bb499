package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A client learns what the relay grants before it begins a transfer.
func TestLimitsAreTold(t *testing.T) {
	a, _ := newAPI(t, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/limits.json", nil))
	const want = `{"interval_ms":0,"bulk_interval_ms":0,"bulk_updates":14400,"entries":0}`
	if got := w.Body.String(); w.Code != http.StatusOK || got != want {
		t.Errorf("/limits.json answers %d %s, want %s", w.Code, got, want)
	}
}

// Only an address that ends in .json was told by name what is left out; all others read "error_resource_not_found", and looked for a
// mistake of their own.
func TestWhatIsLeftOutIsNamedWhateverIsAsked(t *testing.T) {
	a, _ := newAPI(t, slog.New(slog.DiscardHandler))
	for path, want := range map[string]string{
		"/channels/1/charts/1": "charts", "/channels/1/maps/1": "maps", "/alerts/send": "alerts", "/plugins/1": "plugins",
		"/apps/thinghttp/send_request": "ThingHTTP", "/talkbacks/1/commands.json": "TalkBack", "/channels/1/charts/1.xml": "charts",
	} {
		for _, accept := range []string{"", "text/html,application/xhtml+xml"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				r := httptest.NewRequest(method, path, nil)
				r.Header.Set("Accept", accept)
				w := httptest.NewRecorder()
				a.ServeHTTP(w, r)
				if got := w.Body.String(); w.Code != http.StatusNotFound || !strings.Contains(got, "This relay has no "+want+".") {
					t.Errorf("%s %s, accepting %q, is answered %d %s", method, path, accept, w.Code, got)
				}
			}
		}
	}
}
