package remote

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// silence returns the error for a relay that kept us waiting.
func (c *Client) silence(doing string, s stage) error {
	e := &UnreachableError{Doing: doing, Host: c.set.base.Host, Cause: TimedOut, Sent: s != connecting}
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
	e := &UnreachableError{Doing: doing, Host: c.set.base.Host, Sent: s != connecting}
	netErr, isNet := errors.AsType[net.Error](err)
	switch detail, isTLS := tlsProblem(err, c.set.base.Scheme == "https" && s == connecting); {
	case isTLS:
		e.Cause, e.Detail = TLSFailed, c.clean(detail)
	case isNet && netErr.Timeout():
		return c.silence(doing, s)
	case s != connecting && isNonsense(err):
		return &UnexpectedError{Doing: doing, Host: e.Host, Problem: "this is not proper HTTP"}
	case s != connecting:
		e.Cause = Cut
	default:
		e.Cause, e.Detail = c.noConnection(err)
	}
	return e
}

func (c *Client) noConnection(err error) (Cause, string) {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return NoConnection, "the proxy that the environment names does not answer"
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return NoSuchHost, ""
		}
		return NoConnection, "its name cannot be looked up"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return NobodyListens, ""
	}
	if no, ok := errors.AsType[syscall.Errno](err); ok {
		return NoConnection, no.Error()
	}
	return NoConnection, c.clean(innermost(err).Error())
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
		return noTLS, true
	}
	if inner := innermost(err); handshaking && (inner == io.EOF || strings.HasPrefix(inner.Error(), "tls: ")) {
		return "the handshake failed: " + strings.TrimPrefix(inner.Error(), "tls: "), true
	}
	return "", false
}

// unexpected returns an error to be completed for an answer that no relay should give.
func (c *Client) unexpected(re *reply) *UnexpectedError {
	return &UnexpectedError{Doing: re.doing, Host: c.set.base.Host, Status: re.status, Wait: re.retryAfter()}
}

// statusError returns the error for an answer whose status is not the expected one.
func (c *Client) statusError(re *reply) error {
	switch re.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		e := c.unexpected(re)
		e.RedirectTo = "somewhere"
		if to, err := url.Parse(re.header.Get("Location")); err == nil {
			e.RedirectTo = c.clean(cmp.Or(to.Host, c.set.base.Host))
			if to.Scheme != "" && to.Scheme != c.set.base.Scheme {
				e.RedirectTo = c.clean(to.Scheme) + "://" + e.RedirectTo
			}
		}
		return e
	}
	service := thingspeak.ParseErrorBody(re.words())
	reason, ok := reasonOf(re.status, service)
	if !ok {
		e := c.unexpected(re)
		if service.HTML {
			e.Problem = "an HTML page"
		}
		e.Excerpt = c.clean(cmp.Or(service.Details, service.Message))
		return e
	}
	detail := cmp.Or(service.Details, service.Message)
	switch detail {
	case "0", "-1", `"-1"`, reason.standard():
		detail = "" // says no more than the reason does
	}
	return &RefusedError{
		Doing: re.doing, Reason: reason, Status: re.status, Wait: re.retryAfter(), Detail: c.clean(detail), Above: c.above(),
	}
}

// reasonOf reads a refusal (contract section 4). What does not look like a relay's is none: a 400 or 403 with a page is
// a proxy's or another server's. Any 404 means that the channel is not there.
func reasonOf(status int, service *thingspeak.ServiceError) (Reason, bool) {
	switch status {
	case http.StatusUnauthorized:
		return KeyRefused, true
	case http.StatusPaymentRequired:
		return QuotaSpent, true
	case http.StatusNotFound:
		return NotFound, true
	case http.StatusRequestEntityTooLarge:
		return TooLarge, true
	case http.StatusTooManyRequests:
		return TooSoon, true
	}
	if service.HTML || status < 400 || status > 499 {
		return 0, false
	}
	switch status {
	case http.StatusBadRequest:
		if service.Message == "0" || errors.Is(service, thingspeak.ErrDenied) {
			return KeyRefused, true
		}
		return Malformed, service.Code != ""
	case http.StatusUnprocessableEntity:
		return Malformed, true
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusConflict:
		return NotAllowed, true
	}
	return 0, false
}

// standard returns the contract's own message for the reason, which adds nothing to it.
func (r Reason) standard() string {
	switch r {
	case KeyRefused:
		return thingspeak.CodeAuthRequired.Message()
	case TooSoon:
		return thingspeak.CodeTooManyRequests.Message()
	case NotFound:
		return thingspeak.CodeNotFound.Message()
	case QuotaSpent:
		return thingspeak.CodePaymentRequired.Message()
	case TooLarge:
		return thingspeak.CodeRequestTooLarge.Message()
	case Malformed:
		return thingspeak.CodeBadRequest.Message()
	}
	return thingspeak.CodeMethodInvalid.Message()
}

// contentError turns what package thingspeak says about the content of an answer of status 200 into an error of ours.
// Errors that are ours already, from reading the body, stay.
func (c *Client) contentError(re *reply, err error) error {
	if service, ok := errors.AsType[*thingspeak.ServiceError](err); ok {
		if reason, ok := reasonOf(service.Code.Status(), service); ok {
			return &RefusedError{
				Doing: re.doing, Reason: reason, Status: re.status, Wait: re.retryAfter(), Detail: c.clean(service.Details),
			}
		}
	}
	e := c.unexpected(re)
	switch other, isOther := errors.AsType[*thingspeak.NotDataError](err); {
	case errors.Is(err, thingspeak.ErrDenied):
		return &RefusedError{Doing: re.doing, Reason: KeyRefused, Status: re.status}
	case errors.Is(err, thingspeak.ErrEmptyReply):
		e.Problem = "an empty answer"
	case isOther && other.HTML:
		e.Problem, e.Excerpt = "expected "+other.Want+", got an HTML page", c.clean(other.Excerpt)
	case isOther:
		e.Problem, e.Excerpt = "expected "+other.Want+", got something else", c.clean(other.Excerpt)
	default:
		e.Problem = c.clean(err.Error())
	}
	return e
}

// maxRetryAfter bounds what is believed of a Retry-After header.
const maxRetryAfter = 24 * time.Hour

// retryAfter returns the pause that the relay asks for: a number of seconds, or a date by its own clock (RFC 9110
// section 10.2.3).
func (re *reply) retryAfter() time.Duration {
	text := strings.TrimSpace(re.header.Get("Retry-After"))
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if until, err := http.ParseTime(text); err == nil && !re.date.IsZero() {
		wait = until.Sub(re.date)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// maxExcerpt is how many characters of a relay's words an error repeats.
const maxExcerpt = 100

// clean makes a relay's words fit for an error: printable, short, and without our keys, should it repeat them.
func (c *Client) clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, strings.ToValidUTF8(text, "\ufffd"))
	for _, key := range []Secret{c.set.WriteKey, c.set.ReadKey, c.set.UserKey} {
		text = hide(text, strings.TrimSpace(string(key)))
	}
	if runes := []rune(text); len(runes) > maxExcerpt {
		text = string(runes[:maxExcerpt]) + "…"
	}
	return strings.TrimSpace(text)
}

// hide replaces a key in a text, in whatever case it stands there, and its beginning where the text was cut inside it.
func hide(text, key string) string {
	const enough = 4 // characters of a key that must not show
	if key == "" {
		return text
	}
	var s strings.Builder
	for i := 0; i < len(text); {
		n := min(len(key), len(text)-i)
		if n >= min(enough, len(key)) && strings.EqualFold(text[i:i+n], key[:n]) {
			s.WriteString("[key]")
			i += n
			continue
		}
		s.WriteByte(text[i])
		i++
	}
	return s.String()
}
