package remote

import (
	"fmt"
	"io"
	"strings"

	"github.com/fernpost/fernpost/internal/netfault"
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
	shaking := c.at.Base.Scheme == "https" && s == connecting
	kind, words := netfault.Of(err)
	switch {
	case kind == netfault.NoTLS:
		e.Cause, e.Detail = wire.TLSFailed, wire.NoTLS
	case kind == netfault.BadCertificate, kind == netfault.NoHandshake && shaking:
		e.Cause, e.Detail = wire.TLSFailed, c.at.Clean(words)
	case netfault.Innermost(err) == io.EOF && shaking:
		e.Cause, e.Detail = wire.TLSFailed, "the handshake failed: EOF"
	case kind == netfault.TimedOut:
		return c.silence(doing, s)
	case s != connecting && isNonsense(err):
		return &wire.UnexpectedError{Doing: doing, Host: e.Host, Problem: "this is not proper HTTP"}
	case s != connecting:
		e.Cause = wire.Cut
	case kind == netfault.NoSuchHost:
		e.Cause = wire.NoSuchHost
	case kind == netfault.NobodyListens:
		e.Cause = wire.NobodyListens
	default:
		e.Cause, e.Detail = wire.NoConnection, c.at.Clean(words)
	}
	return e
}

// isNonsense reports whether net/http could not read the answer, or where it redirects to. It has no types for that.
func isNonsense(err error) bool {
	text := netfault.Innermost(err).Error()
	return strings.Contains(text, "malformed") || strings.Contains(text, "response headers exceeded") ||
		strings.Contains(text, "Location header")
}
