package httpapi

import (
	"errors"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
)

// faultOf returns what an error says of what was sent, empty if it is about something else.
func faultOf(err error) form.Fault {
	if e, ok := errors.AsType[*form.Error](err); ok {
		return e.Fault
	}
	switch {
	case errors.Is(err, errBusy):
		return form.Busy
	case errors.Is(err, relay.ErrTooLarge):
		return form.NotValue
	case errors.Is(err, relay.ErrBytes):
		return form.NotText
	}
	return ""
}

// refusedBodies keeps the log short: a device that sends what cannot be read does it again every 15 seconds.
type refusedBodies struct {
	// mu guards what follows.
	mu      sync.Mutex
	byFault map[form.Fault]*refusedCount
}

type refusedCount struct {
	// untold is how many came since told.
	untold int
	told   time.Time
}

// refusedPause is the least time between two lines of the log about one reason.
const refusedPause = time.Minute

// count counts a refused body. It returns how many there are to be told of, 0 for not yet.
func (r *refusedBodies) count(fault form.Fault, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byFault == nil {
		r.byFault = map[form.Fault]*refusedCount{}
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
	a.options.Metrics.RefusedBody(fault)
	if n := a.refused.count(fault, q.now); n > 0 {
		a.log.WarnContext(q.Context(), "bodies refused", "reason", string(fault), "count", n, "route", q.Pattern)
	}
}
