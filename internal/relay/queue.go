package relay

import (
	"context"
	"fmt"
	"sync"
)

// Bounds of the queue of updates.
const (
	// maxBatch is the most updates of one commit.
	maxBatch = 512
	// maxQueued is how many updates may wait; beyond it they are refused with ErrUnavailable. It is more than the
	// connections a relay serves at once under sane limits, so only a store that hangs fills it.
	maxQueued = 16_384
)

// queue gathers the updates that arrive while a commit runs into the next one: a batch is as large as the disk is slow,
// and no timer delays anybody. It has no goroutine: whoever arrives when none commits does it for all who wait, and
// hands the duty on to the first of the next batch.
type queue struct {
	commit func(context.Context, []Update) ([]Decision, error)

	// mu guards the two below.
	mu sync.Mutex
	// waiting are the calls of the next batches, in order of arrival.
	waiting []*call
	// busy says that some call commits, or was told to.
	busy bool
}

// call is one update on its way through the queue.
type call struct {
	update   Update
	decision Decision
	err      error
	// turn receives one value: true when the call has to commit the next batch, false when its update was committed.
	turn chan bool
}

// add queues an update and returns when its batch was committed.
func (q *queue) add(ctx context.Context, u Update) (Decision, error) {
	c := &call{update: u}
	q.mu.Lock()
	if len(q.waiting) >= maxQueued {
		q.mu.Unlock()
		return Decision{}, fmt.Errorf("%d updates wait: %w", maxQueued, ErrUnavailable)
	}
	q.waiting = append(q.waiting, c)
	lead := !q.busy
	if lead {
		q.busy = true
	} else {
		c.turn = make(chan bool, 1)
	}
	q.mu.Unlock()
	if lead || <-c.turn {
		q.lead(ctx, c)
	}
	return c.decision, c.err
}

// lead commits the batch that begins with c, tells those in it, and hands over.
func (q *queue) lead(ctx context.Context, c *call) {
	q.mu.Lock()
	n := min(len(q.waiting), maxBatch)
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	q.mu.Unlock()

	updates := make([]Update, n)
	for i, c := range batch {
		updates[i] = c.update
	}
	decisions, err := q.commit(ctx, updates)

	q.mu.Lock()
	if len(q.waiting) > 0 {
		q.waiting[0].turn <- true
	} else {
		q.waiting, q.busy = nil, false
	}
	q.mu.Unlock()
	for i, other := range batch {
		if err != nil {
			other.err = err
		} else {
			other.decision = decisions[i]
		}
		if other != c {
			other.turn <- false
		}
	}
}
