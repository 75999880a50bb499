package relay

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// heldCommit is a commit that lets the test look at each batch before it goes on.
type heldCommit struct {
	batches chan []Update
	resume  chan error
}

func (h *heldCommit) commit(_ context.Context, updates []Update) ([]Decision, error) {
	h.batches <- updates
	if err := <-h.resume; err != nil {
		return nil, err
	}
	decisions := make([]Decision, len(updates))
	for i := range updates {
		decisions[i].Unordered = updates[i].Channel // to tell them apart
	}
	return decisions, nil
}

// TestQueueGathers: what arrives while a commit runs becomes the next batch, in order of arrival, without a timer.
func TestQueueGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := heldCommit{batches: make(chan []Update), resume: make(chan error)}
		q := queue{commit: h.commit}
		var done sync.WaitGroup
		answers := map[int64]error{}
		var mu sync.Mutex
		add := func(n int64) {
			done.Go(func() {
				d, err := q.add(t.Context(), Update{Channel: n})
				if err == nil && d.Unordered != n {
					t.Errorf("update %d got the decision of %d", n, d.Unordered)
				}
				mu.Lock()
				defer mu.Unlock()
				answers[n] = err
			})
			synctest.Wait()
		}
		next := func(want ...int64) {
			t.Helper()
			synctest.Wait()
			batch := <-h.batches
			if len(batch) != len(want) {
				t.Fatalf("batch has %d updates, want %d", len(batch), len(want))
			}
			for i := range batch {
				if batch[i].Channel != want[i] {
					t.Errorf("update %d of the batch is %d, want %d", i, batch[i].Channel, want[i])
				}
			}
		}
		add(1)
		for n := range int64(3) {
			add(n + 2)
		}
		next(1)
		add(5)
		h.resume <- nil
		next(2, 3, 4, 5)
		add(6)
		failed := errors.New("disk on fire")
		h.resume <- failed
		next(6)
		h.resume <- nil
		done.Wait()
		add(7)
		next(7)
		h.resume <- nil
		done.Wait()
		for n := range int64(7) {
			want := error(nil)
			if n+1 >= 2 && n+1 <= 5 {
				want = failed
			}
			if err := answers[n+1]; !errors.Is(err, want) {
				t.Errorf("update %d was answered with %v, want %v", n+1, err, want)
			}
		}
		if q.busy || q.waiting != nil {
			t.Error("the queue is not at rest")
		}
	})
}

// TestQueueBounds: a batch has its most, and a queue that is full refuses.
func TestQueueBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := heldCommit{batches: make(chan []Update), resume: make(chan error)}
		q := queue{commit: h.commit}
		var done sync.WaitGroup
		add := func() {
			done.Go(func() {
				if _, err := q.add(t.Context(), Update{}); err != nil {
					t.Errorf("an update was refused: %v", err)
				}
			})
		}
		add()
		synctest.Wait()
		for range maxQueued {
			add()
		}
		<-h.batches
		synctest.Wait()
		if _, err := q.add(t.Context(), Update{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("one update more than the queue takes: %v", err)
		}
		h.resume <- nil
		for range maxQueued / maxBatch {
			if n := len(<-h.batches); n != maxBatch {
				t.Fatalf("batch of %d, want %d", n, maxBatch)
			}
			h.resume <- nil
		}
		done.Wait()
	})
}
