package serve_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

// status asks for a path and returns the status and the body.
func status(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode, get(t, url)
}

func TestMetricsListen(t *testing.T) {
	r := start(t, serve.Options{Data: t.TempDir(), MetricsListen: "127.0.0.1:0"})
	defer r.Close()
	for _, base := range []string{r.URL(), r.MetricsURL()} {
		for path, want := range map[string]string{
			"/healthz": "ok\n", "/readyz": "ready\n", "/metrics": "\nfernpost_relay_connections ",
		} {
			if code, body := status(t, base+path); code != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s: %d %q", base+path, code, body)
			}
		}
	}
	for _, want := range []string{
		"fernpost_relay_store_bytes ", "fernpost_relay_disk_free_bytes ", "fernpost_relay_cache_bytes 0",
		"fernpost_relay_connections_refused_total 0",
	} {
		if body := get(t, r.MetricsURL()+"/metrics"); !strings.Contains(body, "\n"+want) {
			t.Errorf("the metrics lack %q", want)
		}
	}
	if code, _ := status(t, r.MetricsURL()+"/channels.json"); code != http.StatusNotFound {
		t.Errorf("the API is served beside the metrics: %d", code)
	}
	taken := strings.TrimPrefix(r.MetricsURL(), "http://")
	other := serve.Options{Listen: "127.0.0.1:0", Data: t.TempDir(), MetricsListen: taken}
	if _, err := serve.Start(t.Context(), other); err == nil {
		t.Error("two relays serve metrics on one port")
	}
	// What failed has let go of everything.
	other.MetricsListen = ""
	if err := start(t, other).Close(); err != nil {
		t.Error(err)
	}
}

// TestNotReady: a relay whose data went away says so, and serves what it still can.
func TestNotReady(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	r := start(t, serve.Options{Data: dir})
	defer r.Close()
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Skip("an open file cannot be moved here:", err)
	}
	// Which of the two depends on whether the store has to open the file again.
	words := []string{"data directory is not writable\n", "store unavailable\n"}
	if code, body := status(t, r.URL()+"/readyz"); code != http.StatusServiceUnavailable || !slices.Contains(words, body) {
		t.Errorf("without its directory: %d %q", code, body)
	}
	if code, body := status(t, r.URL()+"/healthz"); code != http.StatusOK {
		t.Errorf("its health: %d %q", code, body)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if code, body := status(t, r.URL()+"/readyz"); code != http.StatusOK {
		t.Errorf("after it came back: %d %q", code, body)
	}
	if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
		t.Error(err)
	}
}
