package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
)

// ErrNoEntry says that the channel shows no entry of that number: not yet, not any more, or never.
var ErrNoEntry = errors.New("no such entry")

// Cause is why a relay could not be reached.
type Cause int

// The causes of an [UnreachableError].
const (
	NoConnection  Cause = iota // any failure to connect that has no name of its own below
	NoSuchHost                 // the name in the address is unknown
	NobodyListens              // the host refused the connection: no relay runs there
	TLSFailed                  // no secure connection: a wrong certificate, or no TLS at all
	TimedOut                   // no connection, no answer or no more of it within the time-out
	Cut                        // the connection ended before the answer did
)

// UnreachableError says that no answer came, or only a part of one.
type UnreachableError struct {
	// Doing is what was attempted, such as "reading channel 42".
	Doing string
	// Host is the relay's host and port as the address has them.
	Host  string
	Cause Cause
	// Detail says more, in a few words that hold neither a path nor a key.
	Detail string
	// Sent tells that the request may have reached the relay. An update that failed without it was not stored.
	Sent bool
}

func (e *UnreachableError) Error() string {
	what := ""
	switch e.Cause {
	case NoSuchHost:
		what = "no host is called " + hostname(e.Host)
	case NobodyListens:
		what = "nothing answers at " + e.Host + ": connection refused"
		if hostname(e.Host) == e.Host {
			what += " (the address names no port)"
		}
	case TLSFailed:
		what = "no secure connection (TLS) to " + e.Host
	case TimedOut:
		what = e.Host
	case Cut:
		what = e.Host + " cut the connection"
	default:
		what = "no connection to " + e.Host
	}
	switch {
	case e.Detail == "":
	case e.Cause == TimedOut:
		what += " " + e.Detail
	default:
		what += ": " + e.Detail
	}
	return e.Doing + ": " + what
}

// Is makes it [exchange.ErrNotSent], and [exchange.ErrNotStored], if nothing was sent.
func (e *UnreachableError) Is(target error) bool {
	return (target == exchange.ErrNotStored || target == exchange.ErrNotSent) && !e.Sent
}

// Loopback reports whether the relay's address is this machine's own.
func (e *UnreachableError) Loopback() bool { return IsLoopback(e.Host) }

// NoTLS is the Detail of an address with https where plain http is spoken.
const NoTLS = "what answers there does not speak TLS"

// OtherScheme returns the address that is meant, as far as that shows: of a relay that speaks plain http, where the address
// that was given has https. It is empty otherwise.
func (e *UnreachableError) OtherScheme() string {
	if e.Cause != TLSFailed || e.Detail != NoTLS {
		return ""
	}
	return "http://" + e.Host
}

// hostname takes the port off a host, and the brackets off an IPv6 address.
func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

// IsLoopback reports whether a host, with a port or not, is this machine.
func IsLoopback(host string) bool {
	name := hostname(host)
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// Reason is why a relay refused a request.
type Reason int

// The reasons of a [RefusedError].
const (
	// NotAllowed: the relay does not do this, or not for us.
	NotAllowed Reason = iota
	// KeyRefused: no key, a wrong one, or one that may only read.
	KeyRefused
	// TooSoon: another update came within the channel's interval, or there were too many requests.
	TooSoon
	// NotFound: there is no such channel.
	NotFound
	// QuotaSpent: the account has no messages or channels left.
	QuotaSpent
	// TooLarge: the update is longer than the relay takes.
	TooLarge
	// Malformed: the relay could not read the request.
	Malformed
)

var reasonTexts = [...]string{
	NotAllowed: "the relay does not allow it",
	KeyRefused: "the relay refused the key",
	TooSoon:    "too soon, the relay wants longer pauses",
	NotFound:   "the relay has no such channel",
	QuotaSpent: "the quota is spent",
	TooLarge:   "too large for the relay",
	Malformed:  "the relay could not read the request",
}

// String returns the reason as a few words, such as "the relay refused the key".
func (r Reason) String() string {
	if r < 0 || int(r) >= len(reasonTexts) {
		return fmt.Sprintf("reason %d", int(r))
	}
	return reasonTexts[r]
}

// RefusedError is a relay's clear no. An update that it answers was not stored.
type RefusedError struct {
	// Doing is what was attempted, such as "posting to channel 42".
	Doing  string
	Reason Reason
	// Status is the HTTP status; 200 for an update that was answered with 0.
	Status int
	// Wait is the pause that the relay asked for, 0 if it named none.
	Wait time.Duration
	// Detail is what the relay says about it, cleaned and cut, often empty.
	Detail string
	// Above is the relay's address without the path in it, if there is one: the path may be too much.
	Above string
}

func (e *RefusedError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s", e.Doing, e.Reason)
	if e.Detail != "" {
		fmt.Fprintf(&s, " (it says %q)", e.Detail)
	}
	if e.Wait > 0 {
		fmt.Fprintf(&s, "; try again in %s", e.Wait)
	}
	return s.String()
}

// Is makes it [exchange.ErrNotStored].
func (e *RefusedError) Is(target error) bool { return target == exchange.ErrNotStored }

// UnexpectedError is an answer that no relay should give: a redirect, a page, an error of the server, or nonsense.
type UnexpectedError struct {
	// Doing is what was attempted, such as "reading channel 42".
	Doing string
	// Host is the relay's host and port as the address has them.
	Host string
	// Status is the HTTP status, 0 if the answer had none that could be read.
	Status int
	// RedirectTo is the host that a redirect names. None is followed: the key would go along.
	RedirectTo string
	// Problem says what is wrong in a few words, such as "expected a CSV feed, got an HTML page".
	Problem string
	// Excerpt is the title of the page or the beginning of the answer, cleaned and cut; often empty.
	Excerpt string
	// Wait is the pause that the relay asked for, 0 if it named none.
	Wait time.Duration
}

func (e *UnexpectedError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s ", e.Doing, e.Host)
	switch {
	case e.RedirectTo != "":
		fmt.Fprintf(&s, "redirects to %s (status %d), which is not followed", e.RedirectTo, e.Status)
	case e.Status == 0:
		fmt.Fprintf(&s, "answered: %s", e.Problem)
	case e.Status == statusNotModified:
		s.WriteString("answered that nothing has changed (status 304), which nobody asked: a cache stands in between, or this is no relay")
	case e.Problem != "":
		fmt.Fprintf(&s, "answered with status %d: %s", e.Status, e.Problem)
	default:
		fmt.Fprintf(&s, "answered with status %d", e.Status)
	}
	if e.Excerpt != "" {
		fmt.Fprintf(&s, ": %q", e.Excerpt)
	}
	return s.String()
}

// Temporary reports whether the same request may well succeed later: the server failed, not the request.
func (e *UnexpectedError) Temporary() bool { return e.Status >= 500 }

// OtherScheme returns the address that is meant, as far as that shows: of a relay that speaks TLS, where the address that
// was given has http. It is empty otherwise.
func (e *UnexpectedError) OtherScheme() string {
	// The words are those of servers made with Go, and of nginx and Apache.
	if e.Status != statusBadRequest || !strings.Contains(e.Excerpt, "HTTPS") && !strings.Contains(e.Excerpt, "SSL-enabled") {
		return ""
	}
	return "https://" + e.Host
}
