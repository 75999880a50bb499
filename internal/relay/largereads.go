package relay

import (
	"context"
	"runtime"
)

// fewRows is how many rows a read has at most that is not large. A larger one may take several megabytes, and in the doors
// as much again for the reply, which counts there only when it is done. To build many at a time would only take memory, it
// would not get any of them done sooner.
const fewRows = 500

// largeReads are the places in which reads of many rows are built, for all doors of a relay.
type largeReads chan struct{}

func newLargeReads() largeReads { return make(largeReads, 2*runtime.GOMAXPROCS(0)) }

// enter waits for a place in which so many rows are built at most, and which leave gives back. Whoever holds one waits for
// no other.
func (s largeReads) enter(ctx context.Context, rows int64) (leave func(), err error) {
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
