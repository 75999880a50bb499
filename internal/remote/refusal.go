package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/fernpost/fernpost/internal/wire"
)

// silence returns the error for a relay that kept us waiting.
func (c *Client) silence(doing string, s stage) error {
	e := &wire.UnreachableError{Doing: doing, Host: c.at.Base.Host, Cause: wire.TimedOut, Sent: s != connecting}
	switch s {
	case connecting:
		e.Detail = fmt.Sprintf("did not take a connection within %s", c.set.Timeout)
	case answering:
		e.Detail = fmt.Sprintf("took the connection and did not answer for %s", c.set.Timeout)
	case sending:
		e.Detail = fmt.Sprintf("stopped in the middle of its answer for %s", c.set.Timeout)
	default:
		e.Detail = "sent its answer too slowly to wait for the rest"
	}
	return e
}

// broken returns the error for a request that the network failed. The cause is told in words of ours where we know it,
// and never wrapped: it may hold an address with a query.
func (c *Client) broken(doing string, err error, s stage) error {
	e := &wire.UnreachableError{Doing: doing, Host: c.at.Base.Host, Sent: s != connecting}
	netErr, isNet := errors.AsType[net.Error](err)
	switch detail, isTLS := tlsProblem(err, c.at.Base.Scheme == "https" && s == connecting); {
	case isTLS:
		e.Cause, e.Detail = wire.TLSFailed, c.at.Clean(detail)
	case isNet && netErr.Timeout():
		return c.silence(doing, s)
	case s != connecting && isNonsense(err):
		return &wire.UnexpectedError{Doing: doing, Host: e.Host, Problem: "this is not proper HTTP"}
	case s != connecting:
		e.Cause = wire.Cut
	default:
		e.Cause, e.Detail = c.noConnection(err)
	}
	return e
}

func (c *Client) noConnection(err error) (wire.Cause, string) {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return wire.NoConnection, "the proxy that the environment names does not answer"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return wire.NoSuchHost, ""
		}
		return wire.NoConnection, "its name cannot be looked up"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return wire.NobodyListens, ""
	}
	if no, ok := errors.AsType[syscall.Errno](err); ok {
		return wire.NoConnection, no.Error()
	}
	return wire.NoConnection, c.at.Clean(innermost(err).Error())
}

// isNonsense reports whether net/http could not read the answer, or where it redirects to. It has no types for that.
func isNonsense(err error) bool {
	text := innermost(err).Error()
	return strings.Contains(text, "malformed") || strings.Contains(text, "response headers exceeded") ||
		strings.Contains(text, "Location header")
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// tlsProblem says in a few words what keeps TLS from being spoken, if that is what err is about.
func tlsProblem(err error, handshaking bool) (string, bool) {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "its certificate is out of date, or the clock here is wrong", true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its certificate is signed by an unknown authority", true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "its certificate is for another name", true
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return innermost(e).Error(), true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return wire.NoTLS, true
	}
	if inner := innermost(err); handshaking && (inner == io.EOF || strings.HasPrefix(inner.Error(), "tls: ")) {
		return "the handshake failed: " + strings.TrimPrefix(inner.Error(), "tls: "), true
	}
	return "", false
}
