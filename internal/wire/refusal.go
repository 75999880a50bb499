package wire

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Status codes of HTTP (RFC 9110, section 15, and RFC 6585), whose names are in a package that links a server.
const (
	statusOK                    = 200
	statusAccepted              = 202
	statusMovedPermanently      = 301
	statusFound                 = 302
	statusSeeOther              = 303
	statusNotModified           = 304
	statusTemporaryRedirect     = 307
	statusPermanentRedirect     = 308
	statusBadRequest            = 400
	statusUnauthorized          = 401
	statusPaymentRequired       = 402
	statusForbidden             = 403
	statusNotFound              = 404
	statusMethodNotAllowed      = 405
	statusConflict              = 409
	statusRequestEntityTooLarge = 413
	statusUnprocessableEntity   = 422
	statusTooManyRequests       = 429
)

// Unexpected returns an error to be completed for an answer that no relay should give.
func (c *Channel) Unexpected(re *Reply) *UnexpectedError {
	return &UnexpectedError{Doing: re.Doing, Host: c.Base.Host, Status: re.Status, Wait: re.RetryAfter()}
}

// StatusError returns the error for an answer whose status is not the expected one.
func (c *Channel) StatusError(re *Reply) error {
	switch re.Status {
	case statusMovedPermanently, statusFound, statusSeeOther, statusTemporaryRedirect, statusPermanentRedirect:
		e := c.Unexpected(re)
		e.RedirectTo = "somewhere"
		if to, err := url.Parse(re.Header.Get("Location")); err == nil {
			e.RedirectTo = c.Clean(cmp.Or(to.Host, c.Base.Host))
			if to.Scheme != "" && to.Scheme != c.Base.Scheme {
				e.RedirectTo = c.Clean(to.Scheme) + "://" + e.RedirectTo
			}
		}
		return e
	}
	service := thingspeak.ParseErrorBody(re.words())
	reason, ok := reasonOf(re.Status, service)
	if !ok {
		e := c.Unexpected(re)
		if service.HTML {
			e.Problem = "an HTML page"
		}
		e.Excerpt = c.Clean(cmp.Or(service.Details, service.Message))
		return e
	}
	detail := cmp.Or(service.Details, service.Message)
	switch detail {
	case "0", "-1", `"-1"`, reason.standard():
		detail = "" // says no more than the reason does
	}
	return &RefusedError{
		Doing: re.Doing, Reason: reason, Status: re.Status, Wait: re.RetryAfter(), Detail: c.Clean(detail), Above: c.above(),
	}
}

// reasonOf reads a refusal (contract section 4). What does not look like a relay's is none: a 400 or 403 with a page is
// a proxy's or another server's. Any 404 means that the channel is not there.
func reasonOf(status int, service *thingspeak.ServiceError) (Reason, bool) {
	switch status {
	case statusUnauthorized:
		return KeyRefused, true
	case statusPaymentRequired:
		return QuotaSpent, true
	case statusNotFound:
		return NotFound, true
	case statusRequestEntityTooLarge:
		return TooLarge, true
	case statusTooManyRequests:
		return TooSoon, true
	}
	if service.HTML || status < 400 || status > 499 {
		return 0, false
	}
	switch status {
	case statusBadRequest:
		if service.Message == "0" || errors.Is(service, thingspeak.ErrDenied) {
			return KeyRefused, true
		}
		return Malformed, service.Code != ""
	case statusUnprocessableEntity:
		return Malformed, true
	case statusForbidden, statusMethodNotAllowed, statusConflict:
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

// ContentError turns what package thingspeak says about the content of an answer of status 200 into an error of ours.
// Errors that are ours already, from reading the body, stay.
func (c *Channel) ContentError(re *Reply, err error) error {
	if service, ok := errors.AsType[*thingspeak.ServiceError](err); ok {
		if reason, ok := reasonOf(service.Code.Status(), service); ok {
			return &RefusedError{
				Doing: re.Doing, Reason: reason, Status: re.Status, Wait: re.RetryAfter(), Detail: c.Clean(service.Details),
			}
		}
	}
	e := c.Unexpected(re)
	switch other, isOther := errors.AsType[*thingspeak.NotDataError](err); {
	case errors.Is(err, thingspeak.ErrDenied):
		return &RefusedError{Doing: re.Doing, Reason: KeyRefused, Status: re.Status}
	case errors.Is(err, thingspeak.ErrEmptyReply):
		e.Problem = "an empty answer"
	case isOther && other.HTML:
		e.Problem, e.Excerpt = "expected "+other.Want+", got an HTML page", c.Clean(other.Excerpt)
	case isOther:
		e.Problem, e.Excerpt = "expected "+other.Want+", got something else", c.Clean(other.Excerpt)
	default:
		e.Problem = c.Clean(err.Error())
	}
	return e
}

// maxRetryAfter bounds what is believed of a Retry-After header.
const maxRetryAfter = 24 * time.Hour

// RetryAfter returns the pause that the relay asks for: a number of seconds, or a date by its own clock (RFC 9110
// section 10.2.3).
func (re *Reply) RetryAfter() time.Duration {
	text := strings.TrimSpace(re.Header.Get("Retry-After"))
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if until := ParseDate(text); !until.IsZero() && !re.Date.IsZero() {
		wait = until.Sub(re.Date)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// maxExcerpt is how many characters of a relay's words an error repeats.
const maxExcerpt = 100

// Clean makes a relay's words fit for an error: printable, short, and without our keys, should it repeat them.
func (c *Channel) Clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, strings.ToValidUTF8(text, "\ufffd"))
	for _, key := range []string{c.WriteKey, c.ReadKey, c.UserKey} {
		text = hide(text, strings.TrimSpace(key))
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

// above is the relay's address without its path; "" if it has none.
func (c *Channel) above() string {
	if c.Base.Path == "" {
		return ""
	}
	return c.Base.Scheme + "://" + c.Base.Host
}

// tooMuch returns the error for an answer longer than [MaxReply], of which the beginning is given.
func (c *Channel) tooMuch(re *Reply, beginning []byte) error {
	e := c.Unexpected(re)
	e.Problem = fmt.Sprintf("expected a short answer, got more than %d KiB", MaxReply>>10)
	e.Excerpt = c.Clean(thingspeak.ParseErrorBody(beginning).Message)
	return e
}

// HasNoBulk reports whether an error of a bulk call says that the relay knows none.
func HasNoBulk(err error) bool {
	e, ok := errors.AsType[*RefusedError](err)
	return ok && (e.Reason == NotFound || e.Reason == NotAllowed)
}

// IsAway reports whether an error is that the relay cannot be reached, or not now.
func IsAway(err error) bool {
	switch FailureOf(err).Kind {
	case exchange.NoFailure, exchange.Refused, exchange.NoSuchEntry:
		return false
	}
	return true
}

// FailureOf returns what an error means for what is asked next.
func FailureOf(err error) (f exchange.Failure) {
	if errors.Is(err, ErrNoEntry) {
		f.Kind = exchange.NoSuchEntry
	} else if e, ok := errors.AsType[*RefusedError](err); ok {
		f = exchange.Failure{Kind: exchange.Refused, Wait: e.Wait}
		if e.Reason == TooSoon {
			f.Kind = exchange.TooSoon
		}
	} else if e, ok := errors.AsType[*UnexpectedError](err); ok {
		f = exchange.Failure{Kind: exchange.Senseless, Wait: e.Wait, Sent: e.Status/100 == 2}
		if e.Temporary() {
			f.Kind, f.Sent = exchange.ServerFailed, true
		}
	} else if e, ok := errors.AsType[*UnreachableError](err); ok {
		f = exchange.Failure{Kind: exchange.NotReached, Sent: e.Sent}
		if e.Cause == Cut {
			f.Kind = exchange.Cut
		}
	}
	return f
}
