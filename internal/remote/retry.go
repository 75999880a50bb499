package remote

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
	// maxPause is the longest pause that a relay may ask of a read; beyond it, the caller had better know.
	maxPause = 30 * time.Second
)

// errIncomplete asks for another try at a feed that ended within a row.
var errIncomplete = errors.New("the feed is cut short")

// again repeats a read as long as it fails for a passing reason: the relay is busy or has cut the connection. Silence
// is none, since it has taken the whole time-out already, and neither is a relay that is not there: whoever follows a
// channel comes back by himself. The number of the try counts from 1.
func again(ctx context.Context, read func(try int) error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := read(try)
		wait, ok := passing(err)
		if !ok || try == tries || wait > maxPause {
			return err
		}
		// Clients that were turned away together must not come back together.
		if err := sleep(ctx, max(wait, pause/2+rand.N(pause/2+1))); err != nil {
			return err
		}
		pause *= 2
	}
}

// passing reports whether an error may be gone soon, and how long the relay asks us to wait.
func passing(err error) (wait time.Duration, ok bool) {
	if e, is := errors.AsType[*UnexpectedError](err); is {
		return e.Wait, e.Temporary()
	}
	if e, is := errors.AsType[*RefusedError](err); is {
		return e.Wait, e.Reason == TooSoon
	}
	if e, is := errors.AsType[*UnreachableError](err); is {
		return 0, e.Cause == Cut
	}
	return 0, errors.Is(err, errIncomplete)
}

// sleep waits, or returns the context's error if that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lastID is LastID with patience.
func (c *Client) lastID(ctx context.Context) (last int64, err error) {
	ctx, end := c.newCall(noBudget).run(ctx)
	defer end()
	err = again(ctx, func(int) (err error) {
		last, err = c.LastID(ctx)
		return err
	})
	return last, err
}
