package wire

import (
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
)

// How long to wait before what could not be posted is tried again.
const (
	firstRetry = 5 * time.Second
	lastRetry  = time.Minute
)

// Retry says when what could not be posted is tried again. The zero Retry has seen no failure.
type Retry struct{ pause time.Duration }

// After notes what came of posting. Again tells that trying again may help: others keep the channel busy, nobody knows what became of it,
// or the relay is away. The pause before that is longer each time, until something was posted.
func (r *Retry) After(err error) (pause time.Duration, again bool) {
	if err == nil {
		r.pause = 0
		return 0, false
	}
	_, busy := errors.AsType[*exchange.BusyError](err)
	if !busy && !errors.Is(err, exchange.ErrUnknownOutcome) && !IsAway(err) {
		return 0, false
	}
	r.pause = min(max(2*r.pause, firstRetry), lastRetry)
	return r.pause, true
}
