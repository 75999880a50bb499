package remote

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/wire"
)

const (
	// slowAfter is how long a call lasts before [Options.Slow] is told, and slowEvery how often it is told then.
	slowAfter = 3 * time.Second
	slowEvery = time.Second
	// callWait is how long the requests of one call may wait for the relay in all, and a second more for each wireRate
	// bytes that came.
	callWait = 5 * time.Minute
	wireRate = 64 << 10
)

// call is the requests of one reading, or a single one: what they bring and how long they take together.
type call struct {
	c *Client

	mu     sync.Mutex // guards what follows
	began  time.Time
	doing  string
	bytes  int64         // of all answers
	most   int64         // bytes that may come; no limit if it is 0
	waited time.Duration // for the relay
	timer  *time.Timer   // while the call is under way: tells that it takes long
	told   bool          // that it takes long
}

// callKey is the context's key of a *call. It travels with the context since it belongs to a reading, as a trace does,
// and not to the functions in between.
type callKey struct{}

// run returns a context whose requests belong to the call, and a function that ends it. Within another call it is a part
// of that one.
func (k *call) run(ctx context.Context) (context.Context, func()) {
	if callOf(ctx) != nil {
		return ctx, func() {}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.began = time.Now()
	if k.c.set.Slow != nil {
		k.timer = time.AfterFunc(slowAfter, k.tell)
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

func (k *call) slow() exchange.SlowCall {
	return exchange.SlowCall{Doing: k.doing, Host: k.c.at.Base.Host, For: time.Since(k.began), Bytes: k.bytes}
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

// ask begins a request, unless the call has used up its time.
func (k *call) ask(doing string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.doing = doing
	if k.waited > callWait+wireTime(k.bytes) {
		return &wire.UnreachableError{
			Doing: doing, Host: k.c.at.Base.Host, Cause: wire.TimedOut, Detail: "is too slow: " + sent(k.bytes, k.waited),
		}
	}
	return nil
}

// came counts what an answer has brought, and for how long it was waited for. The error is a [*exchange.BudgetError].
func (k *call) came(n int, waited time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waited += waited
	if n > 0 {
		k.bytes += int64(n)
	}
	if k.most > 0 && k.bytes >= k.most {
		return &exchange.BudgetError{Doing: k.doing, Budget: k.most}
	}
	return nil
}

// allow sets how many bytes more may come, 0 for no limit, and returns how many have come.
func (k *call) allow(most int64) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.most = 0; most > 0 {
		k.most = k.bytes + most
	}
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
