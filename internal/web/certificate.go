package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/fernpost/fernpost/internal/relay/serve"
)

// lesson is how long a certificate holds that is made for one.
const lesson = 24 * time.Hour

// certify makes a certificate for the lesson, where TLS is wanted and none is named.
func (c *Class) certify(o *serve.Options) error {
	if !c.options.TLS || o.TLSCert != "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", o.Listen, err)
	}
	hosts := []string{host, "localhost"}
	if u, err := url.Parse(c.options.Address); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	der, key, err := newCertificate(hosts, time.Now())
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	o.TLSCert, o.TLSKey = c.dir.Join("cert.pem"), c.dir.Join("key.pem")
	for name, block := range map[string]pem.Block{
		o.TLSCert: {Type: "CERTIFICATE", Bytes: der}, o.TLSKey: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(&block), 0o600); err != nil {
			return fmt.Errorf("keeping the certificate: %w", err)
		}
	}
	sum := sha256.Sum256(der)
	c.certificate = fmt.Sprintf("% X", sum)
	return nil
}

// newCertificate signs a certificate by its own key: browsers do not know it, and say so.
func newCertificate(hosts []string, now time.Time) (der, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "fernpost class"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(lesson), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private); err != nil {
		return nil, nil, err
	}
	key, err = x509.MarshalPKCS8PrivateKey(private)
	return der, key, err
}
