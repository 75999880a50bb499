// Package netfault says in words what keeps a connection from being made, for whoever connects to a relay, a broker or a
// database. Of the address that was dialled it says the host's name at most, and so no secret.
package netfault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// Kind is what a failure is, as far as that has a name.
type Kind int

// The kinds of failures.
const (
	// Other is any that has no name of its own below.
	Other Kind = iota
	// NoSuchHost: the name in the address is unknown.
	NoSuchHost
	// NobodyListens: the host refuses the connection.
	NobodyListens
	// ProxyAway: the proxy that the environment names cannot be reached.
	ProxyAway
	// TimedOut: nothing came in time.
	TimedOut
	// BadCertificate: TLS is spoken, by somebody who does not prove who they are.
	BadCertificate
	// NoTLS: what answers does not speak TLS.
	NoTLS
	// NoHandshake: TLS fails for another reason.
	NoHandshake
)

// Of tells what a failure to connect is, and says it in a few words.
func Of(err error) (Kind, string) {
	if kind, words := ofTLS(err); kind != Other {
		return kind, words
	}
	netErr, isNet := errors.AsType[net.Error](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case isOp && op.Op == "proxyconnect":
		return ProxyAway, "the proxy that the environment names does not answer"
	case isDNS && dns.IsNotFound:
		return NoSuchHost, "no host is called " + dns.Name
	case isNet && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return TimedOut, "no answer in time"
	case isDNS:
		return Other, "its name cannot be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return NobodyListens, "nothing answers there: connection refused"
	}
	if no, ok := errors.AsType[syscall.Errno](err); ok {
		return Other, no.Error()
	}
	if e, ok := errors.AsType[*url.Error](err); ok && e.Op == "parse" { // which quotes it
		return Other, "the address cannot be read"
	}
	switch inner := Innermost(err); {
	case strings.HasPrefix(inner.Error(), "tls: "):
		return NoHandshake, "the handshake failed: " + strings.TrimPrefix(inner.Error(), "tls: ")
	case inner == io.EOF || inner == io.ErrUnexpectedEOF:
		return Other, "the connection was cut"
	default:
		return Other, inner.Error()
	}
}

func ofTLS(err error) (Kind, string) {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return BadCertificate, "its certificate is out of date, or the clock here is wrong"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return BadCertificate, "its certificate is signed by an unknown authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return BadCertificate, "its certificate is for another name"
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return BadCertificate, Innermost(e).Error()
	}
	// net/http has an error of its own for this; importing it would have a database's driver reach it.
	mismatch := strings.Contains(Innermost(err).Error(), "HTTP response to HTTPS client")
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || mismatch {
		return NoTLS, "what answers there does not speak TLS"
	}
	return Other, ""
}

// Words says what a failure to connect is. It keeps none of what err wraps, which may hold an address with a password.
func Words(err error) error {
	_, words := Of(err)
	return errors.New(words)
}

// Innermost returns the error that others are wrapped around; of several the last, where libraries put the cause.
func Innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 {
			inner = several.Unwrap()[len(several.Unwrap())-1]
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}
