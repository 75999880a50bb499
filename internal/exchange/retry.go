package exchange

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// tries is how often a read is attempted that fails for a passing reason.
	tries = 4
	// firstPause comes before the second try; each further pause is twice as long.
	firstPause = 500 * time.Millisecond
	// maxReadRetryAfter is the longest Retry-After that a read waits out; at a longer one its error is returned at once.
	maxReadRetryAfter = 30 * time.Second
)

// errIncomplete asks for another try at a feed that ended within a row.
var errIncomplete = errors.New("the feed is cut short")

// again repeats a read as long as it fails for a passing reason. The number of the try counts from 1.
func (x *Exchange) again(ctx context.Context, read func(try int) (Failure, error)) error {
	pause := firstPause
	for try := 1; ; try++ {
		failure, err := read(try)
		if err == nil || !failure.passing() || try == tries || failure.Wait > maxReadRetryAfter {
			return err
		}
		// Clients that were turned away together must not come back together.
		if err := x.sleep(ctx, max(failure.Wait, pause/2+rand.N(pause/2+1))); err != nil {
			return err
		}
		pause *= 2
	}
}

// sleep waits, or returns the context's error if that ends before.
func (x *Exchange) sleep(ctx context.Context, d time.Duration) error {
	return x.port.Wait(ctx, time.Now().Add(d))
}

// lastNumber asks for the number of the channel's newest entry, 0 if it is empty.
func (k *call) lastNumber(ctx context.Context) (last int64, err error) {
	ctx, end := k.x.port.Begin(ctx)
	defer end()
	err = k.x.again(ctx, func(int) (Failure, error) {
		a, err := k.ask(ctx, Request{What: LastNumber}, nil)
		last = a.Number
		return a.Failure, err
	})
	return last, err
}
