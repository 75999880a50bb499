package serve_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/serve"
)

// writeCertificate writes a certificate for 127.0.0.1 that bears a serial number, and its key.
func writeCertificate(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "relay"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	var log relaytest.Log
	first := writeCertificate(t, certFile, keyFile, 1)
	r := start(t, serve.Options{
		Data: t.TempDir(), TLSCert: certFile, TLSKey: keyFile, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	defer r.Close()
	if !strings.HasPrefix(r.URL(), "https://127.0.0.1:") || !r.Encrypted() {
		t.Fatalf("it serves on %s", r.URL())
	}
	pool := x509.NewCertPool()
	pool.AddCert(first)
	// A client that would rather speak HTTP/2.
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true,
	}}
	answer, err := client.Get(r.URL() + "/update")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || string(body) != "0" || answer.Proto != "HTTP/1.1" {
		t.Errorf("the answer is %s %q, %v", answer.Proto, body, err)
	}
	// A sketch without an HTTP version gets its bare answer here as well.
	bare, err := tls.Dial("tcp", strings.TrimPrefix(r.URL(), "https://"), &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if _, err := io.WriteString(bare, "GET /update?field1=12\r\n"); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(bare); err != nil || string(body) != "0" {
		t.Errorf("without a version the answer is %q, %v", body, err)
	}
	// Whoever does not speak TLS is told so, and nothing is served.
	plain, err := http.Get("http" + strings.TrimPrefix(r.URL(), "https") + "/update")
	if err != nil {
		t.Fatal(err)
	}
	words, err := io.ReadAll(plain.Body)
	plain.Body.Close()
	if plain.StatusCode != http.StatusBadRequest || !strings.Contains(string(words), "HTTPS server") {
		t.Errorf("without TLS: %d %q, %v", plain.StatusCode, words, err)
	}
	if text := log.String(); text != "" {
		t.Errorf("logged %q", text)
	}
}

func TestTLSFilesThatDoNotFit(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	otherCert, otherKey := filepath.Join(dir, "cert2.pem"), filepath.Join(dir, "key2.pem")
	writeCertificate(t, certFile, keyFile, 1)
	writeCertificate(t, otherCert, otherKey, 2)
	for name, o := range map[string]serve.Options{
		"no key":          {TLSCert: certFile},
		"no certificate":  {TLSKey: keyFile},
		"missing":         {TLSCert: filepath.Join(dir, "nothing"), TLSKey: keyFile},
		"another's key":   {TLSCert: certFile, TLSKey: otherKey},
		"the wrong way":   {TLSCert: keyFile, TLSKey: certFile},
		"not even a file": {TLSCert: dir, TLSKey: dir},
	} {
		o.Listen, o.Data = "127.0.0.1:0", t.TempDir()
		r, err := serve.Start(t.Context(), o)
		if err == nil {
			t.Errorf("%s: it serves", name)
			_ = r.Close()
		} else if !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
