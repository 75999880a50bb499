package relay

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Bounds of the queue of updates.
const (
	// maxBatch is the most updates of one commit, and maxBatchEntries the most entries, unless one update has more.
	maxBatch        = 512
	maxBatchEntries = 16_384
	// maxQueued is how many updates may wait; beyond it they are refused with ErrUnavailable. It is more than the
	// connections a relay serves at once under sane limits, so only a store that hangs fills it.
	maxQueued = 16_384
	// maxWait is how long an update waits for its batch to begin. One that waited in vain is not stored. A store that can
	// give up has what is left of it to commit, or leastCommit. The two together are less than the ten seconds for which clients
	// wait unless told otherwise: they are to hear 503, not nothing.
	maxWait     = 5 * time.Second
	leastCommit = 2 * time.Second
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
	arrived  time.Time
	decision Decision
	err      error
	// turn receives one value: true when the call has to commit the next batch, false when its update was committed.
	turn chan bool
}

// add queues an update and returns when its batch was committed. An error that wraps ErrUnavailable and comes from here,
// not from the commit, means that it was not even tried. Nothing takes back an update whose batch has begun.
func (q *queue) add(ctx context.Context, u Update) (Decision, error) {
	c := &call{update: u, arrived: time.Now()}
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
	if lead || q.wait(c) {
		q.lead(ctx, c)
	}
	return c.decision, c.err
}

// wait waits for a call's turn, and takes it out of the queue when that takes too long.
func (q *queue) wait(c *call) (lead bool) {
	patience := time.NewTimer(maxWait)
	defer patience.Stop()
	select {
	case lead = <-c.turn:
		return lead
	case <-patience.C:
	}
	q.mu.Lock()
	place := slices.Index(q.waiting, c)
	if place < 0 || len(c.turn) > 0 {
		q.mu.Unlock()
		return <-c.turn // its batch has begun, or is about to
	}
	q.waiting = slices.Delete(q.waiting, place, place+1)
	q.mu.Unlock()
	c.err = fmt.Errorf("waited %v: %w", maxWait, ErrUnavailable)
	return false
}

// lead commits the batch that begins with c, tells those in it, and hands over.
func (q *queue) lead(ctx context.Context, c *call) {
	q.mu.Lock()
	n := batchSize(q.waiting)
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	q.mu.Unlock()

	updates := make([]Update, n)
	for i, c := range batch {
		updates[i] = c.update
	}
	deadline := batch[0].arrived.Add(maxWait)
	if least := time.Now().Add(leastCommit); deadline.Before(least) {
		deadline = least
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	decisions, err := q.commit(ctx, updates)
	cancel()

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

// batchSize is how many of the calls that wait, of which there is one at least, go into the next batch.
func batchSize(waiting []*call) int {
	entries := len(waiting[0].update.Entries)
	for i, c := range waiting[1:] {
		if entries += len(c.update.Entries); i+1 == maxBatch || entries > maxBatchEntries {
			return i + 1
		}
	}
	return len(waiting)
}
