package serve_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func keysOf(write, read string) []thingspeak.Key {
	return []thingspeak.Key{{Text: write, Write: true}, {Text: read}}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// getFrom asks a relay, which has the certificate, or none ("").
func getFrom(t *testing.T, r *serve.Running, certFile, path string) string {
	t.Helper()
	pool := x509.NewCertPool()
	if certFile != "" {
		pem, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		pool.AppendCertsFromPEM(pem)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(r.URL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return readAll(t, answer.Body)
}

// received takes a value if one is there.
func received[T any](from <-chan T) (v T, ok bool) {
	select {
	case v = <-from:
		return v, true
	default:
		return v, false
	}
}
