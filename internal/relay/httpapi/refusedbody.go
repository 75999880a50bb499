package httpapi

import (
	"errors"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// bodyFault is a reason for which what a client sent is refused; it is a label of the metrics.
type bodyFault string

// The reasons.
const (
	bodyTooLarge  bodyFault = "too_large"
	bodyCut       bodyFault = "cut"   // it did not arrive whole
	bodyBusy      bodyFault = "busy"  // others hold the memory for it
	bodyCoded     bodyFault = "coded" // it is compressed
	bodyBytes     bodyFault = "bytes" // no UTF-8, or a NUL
	bodyForm      bodyFault = "form"
	bodyMultipart bodyFault = "multipart"
	bodyJSON      bodyFault = "json"
	bodyXML       bodyFault = "xml"
	bodyBulk      bodyFault = "bulk"
	bodyParams    bodyFault = "parameters" // too many
	bodyValue     bodyFault = "value"      // one is too long, or no value
)

var bodyFaults = [...]bodyFault{
	bodyTooLarge, bodyCut, bodyBusy, bodyCoded, bodyBytes, bodyForm, bodyMultipart, bodyJSON, bodyXML, bodyBulk, bodyParams,
	bodyValue,
}

// badBody refuses a body that cannot be decoded.
func badBody(fault bodyFault, hint string) error {
	return &refusal{code: thingspeak.CodeBadRequest, hint: hint, body: fault}
}

// faultOf returns what an error says of what was sent, empty if it is about something else.
func faultOf(err error) bodyFault {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.body
	}
	switch {
	case errors.Is(err, errBusy):
		return bodyBusy
	case errors.Is(err, relay.ErrTooLarge):
		return bodyValue
	case errors.Is(err, relay.ErrBytes):
		return bodyBytes
	}
	return ""
}

// refusedBodies keeps the log short: a device that sends what cannot be read does it again every 15 seconds.
type refusedBodies struct {
	// mu guards what follows.
	mu      sync.Mutex
	byFault map[bodyFault]*refusedCount
}

type refusedCount struct {
	// untold is how many came since told.
	untold int
	told   time.Time
}

// refusedPause is the least time between two lines of the log about one reason.
const refusedPause = time.Minute

// count counts a refused body. It returns how many there are to be told of, 0 for not yet.
func (r *refusedBodies) count(fault bodyFault, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byFault == nil {
		r.byFault = map[bodyFault]*refusedCount{}
	}
	c := r.byFault[fault]
	if c == nil {
		c = &refusedCount{}
		r.byFault[fault] = c
	}
	if c.untold++; now.Sub(c.told) < refusedPause {
		return 0
	}
	n := c.untold
	c.untold, c.told = 0, now
	return n
}

// noteRefused counts a request that was refused for what it sent, in the metrics and in the log.
func (a *api) noteRefused(q *request, err error) {
	fault := faultOf(err)
	if fault == "" {
		return
	}
	a.options.Metrics.refusedBody(fault)
	if n := a.refused.count(fault, q.now); n > 0 {
		a.log.WarnContext(q.Context(), "bodies refused", "reason", string(fault), "count", n, "route", q.Pattern)
	}
}
