package remote

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// slowAfter is how long a call lasts before [Options.Slow] is told, and slowEvery how often it is told then.
	slowAfter = 3 * time.Second
	slowEvery = time.Second
	// callWait is how long the requests of one call may wait for the relay in all, and a second more for each wireRate
	// bytes that came.
	callWait = 5 * time.Minute
	wireRate = 64 << 10
	// requestCost is what a request counts for besides its answer. Without it a relay that answers with next to nothing
	// could have us ask for ever.
	requestCost = 1 << 10
)

// SlowCall is what [Options.Slow] is told about a call that takes long.
type SlowCall struct {
	// Doing is what was attempted last, such as "reading channel 42", and Host the relay's host and port.
	Doing, Host string
	// For is how long the call has taken so far, and Bytes is what it has brought.
	For   time.Duration
	Bytes int64
	// Over tells that it has come to its end, well or not.
	Over bool
}

// BudgetError says that a call was stopped because it had brought as much as it may. What was visited is good.
type BudgetError struct {
	// Doing is what was attempted, such as "reading channel 42".
	Doing string
	// Budget is how many bytes the call might bring.
	Budget int64
	// Spans, if above 0, is why it was stopped in place of bytes: into so many stretches the numbers that came might fall.
	Spans int
}

func (e *BudgetError) Error() string {
	if e.Spans > 0 {
		return fmt.Sprintf("%s: stopped where the numbers of its entries had more than %d gaps", e.Doing, e.Spans)
	}
	return fmt.Sprintf("%s: stopped when it had brought %.1f MiB", e.Doing, float64(e.Budget)/(1<<20))
}

// call is the requests of one reading, or a single one: what they bring and how long they take together.
type call struct {
	c      *Client
	budget int64 // bytes; none unless above 0

	mu     sync.Mutex // guards what follows
	began  time.Time  // zero until the first request
	doing  string
	bytes  int64         // of all answers
	cost   int64         // the bytes, and requestCost for each request
	waited time.Duration // for the relay
	timer  *time.Timer   // while the call is under way: tells that it takes long
	told   bool          // that it takes long
}

// callKey is the context's key of a *call. It travels with the context since it belongs to a reading, as a trace does,
// and not to the functions in between.
type callKey struct{}

// noBudget is the budget of a call that may bring whatever a single answer may.
const noBudget = -1

// newCall returns a call of the given budget in bytes; 0 stands for the client's.
func (c *Client) newCall(budget int64) *call {
	if budget == 0 {
		budget = c.set.Budget
	}
	return &call{c: c, budget: budget}
}

// run returns a context whose requests belong to the call, and a function that ends it. It may run again later. Within
// another call it is a part of that one.
func (k *call) run(ctx context.Context) (context.Context, func()) {
	if callOf(ctx) != nil {
		return ctx, func() {}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.began.IsZero() {
		k.began = time.Now()
	}
	if k.c.set.Slow != nil {
		k.timer = time.AfterFunc(max(slowAfter-time.Since(k.began), 0), k.tell)
	}
	return context.WithValue(ctx, callKey{}, k), k.end
}

// callOf returns the call that a context belongs to, nil if there is none.
func callOf(ctx context.Context) *call {
	k, _ := ctx.Value(callKey{}).(*call)
	return k
}

func (k *call) tell() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil {
		return // it has ended while the timer fired
	}
	k.told = true
	k.c.set.Slow(k.slow())
	k.timer.Reset(slowEvery)
}

func (k *call) slow() SlowCall {
	return SlowCall{Doing: k.doing, Host: k.c.set.base.Host, For: time.Since(k.began), Bytes: k.bytes}
}

func (k *call) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil {
		return
	}
	k.timer.Stop()
	k.timer = nil
	if k.told {
		over := k.slow()
		over.Over = true
		k.c.set.Slow(over)
	}
	k.told = false
}

// ask begins a request, unless the call has used up its budget or its time.
func (k *call) ask(doing string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.doing = doing
	if k.waited > callWait+wireTime(k.bytes) {
		return &UnreachableError{
			Doing: doing, Host: k.c.set.base.Host, Cause: TimedOut, Detail: "is too slow: " + sent(k.bytes, k.waited),
		}
	}
	if err := k.spent(); err != nil {
		return err
	}
	k.cost += requestCost
	return nil
}

// spent returns a [*BudgetError] if nothing more may come.
func (k *call) spent() error {
	if k.budget > 0 && k.cost >= k.budget {
		return &BudgetError{Doing: k.doing, Budget: k.budget}
	}
	return nil
}

// came counts what an answer has brought, and for how long it was waited for.
func (k *call) came(n int, waited time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waited += waited
	if n > 0 {
		k.bytes += int64(n)
		k.cost += int64(n)
	}
	return k.spent()
}

// read is how many bytes have come.
func (k *call) read() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bytes
}

// wireTime is how long so many bytes may take.
func wireTime(bytes int64) time.Duration {
	return time.Duration(bytes) * time.Second / wireRate
}

// sent says how much a relay has brought in a time.
func sent(bytes int64, in time.Duration) string {
	return fmt.Sprintf("it sent %d bytes in %s", bytes, in.Round(time.Second))
}
