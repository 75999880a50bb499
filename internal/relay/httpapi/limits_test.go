package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A client learns what the relay grants before it begins a transfer.
func TestLimitsAreTold(t *testing.T) {
	a, _ := newAPI(t, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/limits.json", nil))
	const want = `{"interval_ms":0,"bulk_interval_ms":0,"bulk_updates":14400}`
	if got := w.Body.String(); w.Code != http.StatusOK || got != want {
		t.Errorf("/limits.json answers %d %s, want %s", w.Code, got, want)
	}
}
