package main_test

import (
	"errors"
	"sync"

	"github.com/fernpost/fernpost/internal/relay/check"
)

// answers counts the updates of a check that were answered.
type answers struct {
	mu sync.Mutex
	n  int64
	// more is closed with the next one.
	more chan struct{}
}

// add counts one; it is a check's Answered.
func (a *answers) add() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	if a.more != nil {
		close(a.more)
		a.more = nil
	}
}

// count returns how many there were, and a channel that is closed with the next one.
func (a *answers) count() (n int64, more <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.more == nil {
		a.more = make(chan struct{})
	}
	return a.n, a.more
}

// await waits for so many more. It fails when the check cannot go on.
func (a *answers) await(run *check.Check, more int64) error {
	n, _ := a.count()
	return a.awaitAll(run, n+more)
}

// awaitAll waits until there were so many.
func (a *answers) awaitAll(run *check.Check, n int64) error {
	for now, more := a.count(); now < n; now, more = a.count() {
		select {
		case <-more:
		case <-run.Done():
			return errors.New("the check has ended")
		}
	}
	return nil
}
