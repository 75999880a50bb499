package relay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/config"
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
		for n := range int64(4) {
			add(n + 7)
		}
		next(7)
		h.resume <- nil
		next(8, 9, 10) // each gets the decision about itself
		h.resume <- nil
		done.Wait()
		for n := range int64(10) {
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

// TestQueueBoundsEntries: large bulk calls do not share a batch.
func TestQueueBoundsEntries(t *testing.T) {
	waiting := func(sizes ...int) (calls []*call) {
		for _, n := range sizes {
			calls = append(calls, &call{update: Update{Entries: make([]NewEntry, n)}})
		}
		return calls
	}
	for _, tt := range []struct {
		sizes []int
		want  int
	}{
		{[]int{1}, 1},
		{[]int{1, 1, 1}, 3},
		{[]int{maxBatchEntries + 1}, 1},
		{[]int{maxBatchEntries + 1, 1}, 1},
		{[]int{1, maxBatchEntries}, 1},
		{[]int{1, maxBatchEntries - 1, 0, 1}, 3},
		{make([]int, maxBatch), maxBatch},
		{make([]int, maxBatch+1), maxBatch},
	} {
		if n := batchSize(waiting(tt.sizes...)); n != tt.want {
			t.Errorf("of %d calls %d go into a batch, want %d", len(tt.sizes), n, tt.want)
		}
	}
}

// TestQueueWaitEnds: an update that waited ten seconds for its batch to begin is refused and not stored; one whose batch
// has begun is answered with what becomes of it, however long that takes.
func TestQueueWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := heldCommit{batches: make(chan []Update), resume: make(chan error)}
		q := queue{commit: h.commit}
		var done sync.WaitGroup
		answers := make([]error, 6)
		add := func(n int64) {
			done.Go(func() { _, answers[n] = q.add(t.Context(), Update{Channel: n}) })
			synctest.Wait()
		}
		next := func(want ...int64) {
			t.Helper()
			var got []int64
			for _, u := range <-h.batches {
				got = append(got, u.Channel)
			}
			if !slices.Equal(got, want) {
				t.Errorf("the batch has updates %v, want %v", got, want)
			}
		}
		add(0)
		next(0)
		add(1)
		time.Sleep(maxWait / 2)
		add(2)
		add(3)
		time.Sleep(maxWait / 2)
		synctest.Wait()
		if !errors.Is(answers[1], ErrUnavailable) {
			t.Errorf("after %v the first that waits got %v, want ErrUnavailable", maxWait, answers[1])
		}
		h.resume <- nil
		next(2, 3)
		time.Sleep(2 * maxWait)
		add(4)
		time.Sleep(maxWait)
		synctest.Wait()
		if !errors.Is(answers[4], ErrUnavailable) || len(q.waiting) > 0 {
			t.Errorf("the only one that waits got %v, and %d are left", answers[4], len(q.waiting))
		}
		h.resume <- nil
		done.Wait()
		add(5)
		next(5)
		h.resume <- nil
		done.Wait()
		for _, n := range []int{0, 2, 3, 5} {
			if answers[n] != nil {
				t.Errorf("update %d was answered with %v", n, answers[n])
			}
		}
	})
}

// TestQueueTurnAtTheLastMoment: calls whose patience ends while they are told to go on are committed once or refused.
func TestQueueTurnAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		committed := map[int64]int{}
		q := queue{commit: func(_ context.Context, updates []Update) ([]Decision, error) {
			for _, u := range updates {
				committed[u.Channel]++
			}
			time.Sleep(maxWait) // the next batch begins at the moment at which its calls lose patience
			return make([]Decision, len(updates)), nil
		}}
		var done sync.WaitGroup
		answers := make([]error, 200)
		for n := range answers {
			done.Go(func() { _, answers[n] = q.add(t.Context(), Update{Channel: int64(n)}) })
		}
		done.Wait()
		for n, err := range answers {
			want := 1
			if err != nil {
				want = 0
			}
			if committed[int64(n)] != want {
				t.Errorf("update %d was answered with %v and committed %d times", n, err, committed[int64(n)])
			}
		}
		if q.busy || len(q.waiting) > 0 {
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

// TestQueueDeadline: a commit has what is left of the patience of whoever has waited longest, but always some time.
func TestQueueDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var given []time.Duration
		q := queue{commit: func(ctx context.Context, updates []Update) ([]Decision, error) {
			deadline, _ := ctx.Deadline()
			given = append(given, time.Until(deadline))
			time.Sleep([]time.Duration{4 * time.Second, 6 * time.Second, 0}[len(given)-1])
			return make([]Decision, len(updates)), nil
		}}
		var done sync.WaitGroup
		for range 3 {
			done.Go(func() {
				if _, err := q.add(t.Context(), Update{}); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(3 * time.Second)
		}
		done.Wait()
		// The second came at 3 s and began at 4 s, the third came at 6 s and began at 10 s.
		if want := []time.Duration{5 * time.Second, 4 * time.Second, 2 * time.Second}; !slices.Equal(given, want) {
			t.Errorf("commits had %v, want %v", given, want)
		}
	})
}

// TestQueueAnswersBeforeClientsGiveUp: whoever waits as long as the settings say hears that the update was not stored; ten seconds
// of waiting were as long as that, so clients took the relay for dead.
func TestQueueAnswersBeforeClientsGiveUp(t *testing.T) {
	timeout, err := time.ParseDuration(config.Default().Get("timeout"))
	if err != nil {
		t.Fatal(err)
	}
	if longest := maxWait + leastCommit; longest > timeout-time.Second {
		t.Errorf("an update may wait for %v, and clients give up after %v", longest, timeout)
	}
}
