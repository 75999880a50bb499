package relay

import (
	"context"
	"runtime"
)

// fewRows is how many rows a read has that needs no slot. One of more may take several megabytes, and in the doors as much
// again for the reply, which counts there only when it is done. To build many at a time would only take memory, it would
// not get any of them done sooner.
const fewRows = 500

// slots are the places in which reads of many rows are built, for all doors of a relay.
type slots chan struct{}

func newSlots() slots { return make(slots, 2*runtime.GOMAXPROCS(0)) }

// enter waits for a slot in which so many rows are built at most, and which leave gives back. What holds one waits for no
// other.
func (s slots) enter(ctx context.Context, rows int64) (leave func(), err error) {
	if rows <= fewRows {
		return func() {}, nil
	}
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
