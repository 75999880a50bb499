package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// refusal is an error of the request itself. Its texts are ours, never a cause's.
type refusal struct {
	code thingspeak.ErrorCode
	hint string
	// retryAfter is when to try again, in seconds; 0 says nothing about it.
	retryAfter int
}

func (e *refusal) Error() string { return string(e.code) + ": " + e.hint }

// tooMany refuses an address that does too much.
func tooMany(hint string, wait time.Duration) error {
	return &refusal{code: thingspeak.CodeTooManyRequests, hint: hint, retryAfter: wholeSeconds(wait)}
}

// errorTable makes a reply of an error. The data routes are older than the service's table of errors, and their clients
// know bare numbers only (contract section 4): that is why there are several.
type errorTable func(q *request, err error) *reply

// updateErrors is how /update says no: "0", with 400 for a key and 200 for an update that came too soon.
func updateErrors(q *request, err error) *reply {
	q.noteKey(err)
	tooSoon, isTooSoon := errors.AsType[*relay.TooSoonError](err)
	switch {
	case isTooSoon:
		answer := textReply(http.StatusOK, q.format, "0")
		answer.retryAfter = wholeSeconds(tooSoon.Wait)
		return answer
	case errors.Is(err, relay.ErrKey), errors.Is(err, relay.ErrTooLarge):
		return textReply(http.StatusBadRequest, q.format, "0")
	case errors.Is(err, relay.ErrFull):
		return textReply(http.StatusPaymentRequired, q.format, "0")
	default:
		return serviceErrors(q, err)
	}
}

// byTable is an error that the service's table tells, of a route that stands beside reads.
type byTable struct{ error }

func (e byTable) Unwrap() error { return e.error }

// tellReader is how the reads say no: "-1" where the key does not open the channel.
func tellReader(q *request, err error) *reply {
	q.noteKey(err)
	if _, ok := errors.AsType[byTable](err); !ok && errors.Is(err, relay.ErrKey) {
		return textReply(http.StatusBadRequest, q.format, "-1")
	}
	return serviceErrors(q, err)
}

// streamErrors is tellReader of the streams of entries, which the service does not have: whoever names no format reads what is
// wrong as JSON.
func streamErrors(q *request, err error) *reply {
	if _, ok := errors.AsType[*refusal](err); ok && q.format == formatNone {
		q.format = formatJSON
	}
	return tellReader(q, err)
}

// serviceErrors is the service's table of errors.
func serviceErrors(q *request, err error) *reply {
	q.noteKey(err)
	if e, ok := errors.AsType[*refusal](err); ok {
		answer := errorReply(q.format, e.code, e.hint)
		answer.retryAfter = e.retryAfter
		return answer
	}
	if e, ok := errors.AsType[*form.Error](err); ok {
		return errorReply(q.format, codeOf(e.Fault), e.Hint)
	}
	if e, ok := errors.AsType[*relay.TooSoonError](err); ok {
		answer := errorReply(q.format, thingspeak.CodeTooManyRequests, "Wait before you write to this channel again.")
		answer.retryAfter = wholeSeconds(e.Wait)
		return answer
	}
	for _, known := range []struct {
		err  error
		code thingspeak.ErrorCode
		hint string
	}{
		{relay.ErrKey, thingspeak.CodeAuthRequired, "Please make sure that your API key is correct."},
		{relay.ErrNotFound, thingspeak.CodeNotFound, "There is nothing by that name or number."},
		{relay.ErrTooLarge, thingspeak.CodeRequestTooLarge, "A text or the whole message is too long."},
		{relay.ErrBytes, thingspeak.CodeInvalidBytes, "A text is not UTF-8 or holds a NUL."},
		{relay.ErrFull, thingspeak.CodePaymentRequired, "No more fits into this account or channel."},
		{relay.ErrTaken, thingspeak.CodeConflict, "That name or number is in use."},
	} {
		if errors.Is(err, known.err) {
			return errorReply(q.format, known.code, known.hint)
		}
	}
	return busyReply(q.format)
}

// codeOf is how the service's table says what is wrong with a body.
func codeOf(fault form.Fault) thingspeak.ErrorCode {
	switch fault {
	case form.TooLarge:
		return thingspeak.CodeRequestTooLarge
	case form.NotText:
		return thingspeak.CodeInvalidBytes
	default:
		return thingspeak.CodeBadRequest
	}
}

// wholeSeconds rounds up: a client that waits that long is not refused again.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
