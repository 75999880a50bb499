package serve

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pemPair makes a certificate with a serial number, and its key.
func pemPair(t *testing.T, serial int64, expires time.Time) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: expires}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// TestUselessCertificateIsExplained: a key that is locked with a passphrase was called damaged, and of what else is wrong the
// cause was kept back.
func TestUselessCertificateIsExplained(t *testing.T) {
	expires := time.Now().Add(time.Hour)
	cert, key := pemPair(t, 1, expires)
	_, another := pemPair(t, 2, expires)
	block, _ := pem.Decode(key)
	encoded := func(b pem.Block) []byte { return pem.EncodeToMemory(&b) }
	sealed := []byte("what only a passphrase opens")
	for name, x := range map[string]struct {
		key  []byte
		want string
	}{
		"locked": {encoded(pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: sealed}), "is locked with a passphrase"},
		"locked, as of old": {encoded(pem.Block{
			Type: "EC PRIVATE KEY", Bytes: sealed,
			Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"},
		}), "is locked with a passphrase"},
		"another's": {another, "private key does not match public key"},
		"damaged":   {encoded(pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes[1:]}), "failed to parse private key"},
		"none":      {cert, "there is no private key"},
	} {
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		if err := os.WriteFile(certFile, cert, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(keyFile, x.key, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil ||
			!strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "damaged") && strings.Contains(name, "locked") {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// TestCertificateIsRenewed: files that change are taken up at the next handshake, and only when they fit together.
func TestCertificateIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		stamp := time.Now()
		write := func(name string, b []byte) {
			t.Helper()
			stamp = stamp.Add(time.Minute) // the bubble's clock is not the file system's
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(name, stamp, stamp); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		in := time.Now().Add(48 * time.Hour)
		cert1, key1 := pemPair(t, 1, in)
		cert2, key2 := pemPair(t, 2, in.Add(time.Hour))
		write(certFile, cert1)
		write(keyFile, key1)
		c, err := loadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		serial := func() int64 {
			t.Helper()
			got, err := c.get(nil)
			if err != nil {
				t.Fatal(err)
			}
			return got.Leaf.SerialNumber.Int64()
		}
		if n := serial(); n != 1 {
			t.Errorf("it begins with certificate %d", n)
		}
		write(certFile, cert2) // the key is still to come
		time.Sleep(certificateCheck)
		for range 3 {
			if n := serial(); n != 1 {
				t.Errorf("with half a renewal it serves certificate %d", n)
			}
			time.Sleep(certificateCheck)
		}
		if n := strings.Count(log.String(), "stays as it was"); n != 1 {
			t.Errorf("that was told %d times:\n%s", n, &log)
		}
		write(keyFile, key2)
		if n := serial(); n != 2 {
			t.Errorf("after the renewal it serves certificate %d", n)
		}
		if got := c.expires(); !got.Equal(in.Add(time.Hour).Truncate(time.Second)) {
			t.Errorf("it expires at %v", got)
		}
		if err := os.Remove(certFile); err != nil {
			t.Fatal(err)
		}
		time.Sleep(certificateCheck)
		if n := serial(); n != 2 {
			t.Errorf("without the file it serves certificate %d", n)
		}
	})
}
