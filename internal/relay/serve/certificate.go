package serve

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// certificateCheck is how often the files are looked at, at most: at the first handshake after it.
const certificateCheck = time.Second

// certificate is a certificate chain and its key from two PEM files. When the files change, the next handshake takes
// the new ones, so a renewed certificate needs no restart; files that do not fit together are reported, and the old
// ones are kept until they do.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	// mu guards what follows.
	mu      sync.Mutex
	current *tls.Certificate
	stamps  [2]fileStamp // of the files that current was read from
	refused [2]fileStamp // of files that were of no use
	looked  time.Time
}

// fileStamp tells whether a file is still the same.
type fileStamp struct {
	size     int64
	modified time.Time
}

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	if certFile == "" || keyFile == "" {
		return nil, errors.New("TLS takes both a certificate and its key: --tls-cert FILE --tls-key FILE")
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, looked: time.Now()}
	stamps, err := c.stat()
	if err != nil {
		return nil, err
	}
	if err := c.load(stamps); err != nil {
		return nil, err
	}
	if expires := c.current.Leaf.NotAfter; time.Now().After(expires) {
		log.Warn("the certificate has expired", "file", certFile, "expired", expires)
	}
	return c, nil
}

// config serves HTTP/1.1 only.
func (c *certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: c.get, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
}

// mqttConfig serves MQTT. Most of its clients name no protocol.
func (c *certificate) mqttConfig() *tls.Config {
	return &tls.Config{GetCertificate: c.get, NextProtos: []string{"mqtt"}, MinVersion: tls.VersionTLS12}
}

// get is called at each handshake.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= certificateCheck {
		c.looked = now
		c.refresh()
	}
	return c.current, nil
}

// refresh reads the files again if they have changed.
func (c *certificate) refresh() {
	stamps, err := c.stat()
	if stamps == c.stamps || stamps == c.refused {
		return
	}
	if err == nil {
		err = c.load(stamps)
	}
	if err != nil {
		c.refused = stamps
		c.log.Error("the certificate stays as it was", "err", err)
		return
	}
	c.log.Info("the certificate was renewed", "expires", c.current.Leaf.NotAfter)
}

func (c *certificate) stat() (stamps [2]fileStamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamps, fmt.Errorf("reading the certificate: %w", err)
		}
		stamps[i] = fileStamp{size: info.Size(), modified: info.ModTime()}
	}
	return stamps, nil
}

// explain says in other words than the library's why a pair of files is none.
func (c *certificate) explain(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	for _, file := range []struct{ name, what, block string }{
		{c.certFile, "certificate", "CERTIFICATE-----"}, {c.keyFile, "private key", "PRIVATE KEY-----"},
	} {
		b, readErr := os.ReadFile(file.name)
		switch {
		case readErr != nil:
		case !bytes.Contains(b, []byte(file.block)):
			return fmt.Errorf("there is no %s in %s: want it in PEM, with a line that ends in %s", file.what, file.name, file.block)
		case bytes.Contains(b, []byte("ENCRYPTED PRIVATE KEY-----")), bytes.Contains(b, []byte("Proc-Type: 4,ENCRYPTED")):
			return fmt.Errorf("%s is locked with a passphrase, which the relay does not ask for: want it without, as from "+
				"openssl pkey -in %s -out NEW", file.name, file.name)
		}
	}
	return fmt.Errorf("one of them is damaged, or they do not belong together (%s)", withoutPackages(err))
}

// withoutPackages is what an error of a library says, without the names of its packages, which tell a user nothing.
func withoutPackages(err error) string {
	return strings.NewReplacer("tls: ", "", "x509: ", "", "asn1: ", "").Replace(err.Error())
}

func (c *certificate) load(stamps [2]fileStamp) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("reading the certificate %s with the key %s: %w", c.certFile, c.keyFile, c.explain(err))
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return fmt.Errorf("reading the certificate %s: it is damaged (%s)", c.certFile, withoutPackages(err))
		}
	}
	c.current, c.stamps = &pair, stamps
	return nil
}

// expires is when the certificate in use does.
func (c *certificate) expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Leaf.NotAfter
}
