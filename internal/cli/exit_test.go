package cli

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/filelock"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/wire"
)

// On a file system without locks every change of the keyring failed, and nothing said what to do.
func TestAKeyringWithoutLocksHasANextStep(t *testing.T) {
	err := fmt.Errorf("locking the keyring: %w", filelock.ErrNoLocks)
	if got := nextStep(err); !strings.Contains(got, "XDG_DATA_HOME") {
		t.Errorf("the next step is %q", got)
	}
}

// An address with https for a relay that speaks http, and the other way round, was called a fault of the network.
func TestTheWrongSchemeHasANextStep(t *testing.T) {
	plain, encrypted := httptest.NewServer(http.NotFoundHandler()), httptest.NewUnstartedServer(http.NotFoundHandler())
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	encrypted.StartTLS()
	nginx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "<html>\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>")
	}))
	for _, s := range []*httptest.Server{plain, encrypted, nginx} {
		defer s.Close()
	}
	host := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	for given, meant := range map[string]string{
		"https://" + host(plain): "http://" + host(plain), "http://" + host(encrypted): "https://" + host(encrypted),
		"http://" + host(nginx): "https://" + host(nginx),
	} {
		client, err := remote.New(remote.Options{BaseURL: given, Channel: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.LastID(t.Context())
		client.Close()
		if got := nextStep(err); !strings.HasPrefix(got, "is it "+meant+"?") {
			t.Errorf("%s: %v; the next step is %q, want %s", given, err, got, meant)
		}
	}
}

// A certificate that is not trusted was told as a relay that does not run, and whoever had no room yet was sent to its
// settings.
func TestNextStepsFitWhatIsThere(t *testing.T) {
	signed := httptest.NewUnstartedServer(http.NotFoundHandler())
	signed.Config.ErrorLog = log.New(io.Discard, "", 0)
	signed.StartTLS()
	defer signed.Close()
	client, err := remote.New(remote.Options{BaseURL: signed.URL, Channel: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.LastID(t.Context())
	if got := nextStep(err); !strings.Contains(got, "certificate") || strings.Contains(got, "running") {
		t.Errorf("%v; the next step is %q", err, got)
	}
	for _, err := range []error{
		err, &wire.UnreachableError{Host: "127.0.0.1:1", Cause: wire.NobodyListens},
		&wire.UnreachableError{Host: "relay.example", Cause: wire.NoSuchHost},
		&wire.RefusedError{Reason: wire.KeyRefused},
	} {
		if got := nextStep(beforeRoom(err)); got == "" || strings.Contains(got, "rooms set") || strings.Contains(got, "fernpost rooms") {
			t.Errorf("%v, without a room: the next step is %q", err, got)
		}
		// A hint that says ROOM of the room at hand does not run as it is printed.
		if got := nextStep(inRoom(err, "lab")); strings.Contains(got, "ROOM") {
			t.Errorf("%v, in the room lab: the next step is %q", err, got)
		}
	}
}
