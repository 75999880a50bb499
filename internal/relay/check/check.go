// Package check proves that a relay keeps what it answers, or names where it does not. It is a client like any other:
// it needs an address and either write keys or the right to create channels, so it may be pointed at any relay, also at
// one that is killed and started again meanwhile, and at several that serve one database.
//
// Writers send updates, each with texts that occur nowhere else, and keep a log of what was sent and answered; readers
// ask again and again for the newest entries. In the end everything is read back. What must hold then:
//
//   - an entry that was answered is there once, under the number of the answer, with every character;
//   - an update whose reply got lost is there at most as often as it was sent, and nothing is there that nobody sent;
//   - numbers go up by one, in the order in which updates followed each other, and so do the dates;
//   - no reader was told of an older newest entry than before, or of an entry that differs from what it was.
//
// What breaks a rule is a [Finding]. The log stays in memory, about 70 bytes for each update.
package check

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/screen"
)

const (
	// minSettle is the least default of Options.Settle.
	minSettle = 5 * time.Second
	// defaultPatience is the default of Options.Patience.
	defaultPatience = time.Minute
)

// Options say what is checked and how.
type Options struct {
	// Relays are the addresses, such as "http://127.0.0.1:3000". Several are one service: each request goes to any of
	// them.
	Relays []string
	// Targets are the channels to write to. Nobody else may write to them meanwhile. Without any, channels are created.
	Targets []Target
	// Channels is how many channels to create if there are no Targets.
	Channels int
	// UserKey creates them, and deletes them after a check without findings. It may be empty where anybody may create.
	UserKey string
	// Writers is how many write at the same time, each to one channel after the other.
	Writers int
	// Readers is how many read each channel at the same time.
	Readers int
	// Interval is the least time between two updates of a channel; 0 writes as fast as the relay answers.
	Interval time.Duration
	// Settle is how long after a lost reply to look whether the update was stored, and how long after the end to look a
	// second time for entries that are missing. 0 is one interval, at least 5 s.
	Settle time.Duration
	// Patience is how long the relay may be away before the check gives up; 0 is a minute.
	Patience time.Duration
	// Seed decides whatever is chosen at random, except for the order in which things happen.
	Seed uint64
	// Transport carries the requests; nil is one of the check's own.
	Transport http.RoundTripper
	// Say gets a line now and then about what goes on, one at a time; nil is nobody.
	Say func(line string)
	// Answered is called after each update that was answered, from several goroutines; nil is nobody.
	Answered func()
}

// Target is a channel that exists.
type Target struct {
	Channel  int64
	WriteKey string
}

// normal checks the options and fills in the defaults.
func (o Options) normal() (Options, error) {
	switch {
	case len(o.Relays) == 0:
		return o, errors.New("no relay to check")
	case len(o.Targets) == 0 && o.Channels < 1:
		return o, errors.New("no channel to write to")
	case o.Writers < 1:
		return o, errors.New("no writer")
	case o.Readers < 0 || o.Interval < 0 || o.Settle < 0 || o.Patience < 0:
		return o, errors.New("a number of readers or a time is negative")
	}
	o.Settle = cmp.Or(o.Settle, max(o.Interval, minSettle))
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Answered == nil {
		o.Answered = func() {}
	}
	return o, nil
}

// Plan tells in one line what a check that writes for so long does to the relay.
func (o Options) Plan(writing time.Duration) string {
	channels := cmp.Or(len(o.Targets), o.Channels)
	pace := "as fast as the relay answers"
	if o.Interval > 0 {
		pace = fmt.Sprintf("one update per channel every %v, at most %d in all",
			o.Interval, int64(channels)*(int64(writing/o.Interval)+1))
	}
	return fmt.Sprintf("writing for %v, %s, then reading everything back: %s, %s, %s per channel, %s", writing, pace,
		screen.Count(len(o.Relays), "relay"), screen.Count(o.Writers, "writer"), screen.Count(o.Readers, "reader"),
		screen.Count(channels, "channel"))
}

// Check is a check that runs. Begin makes one, and Finish has to be called in the end.
type Check struct {
	options  Options
	client   *client
	channels []*channel
	writers  []*writer
	texts    texts
	findings findings
	begun    time.Time

	// stopWriting and stopReading are closed by Finish, done when the check cannot go on or has ended.
	stopWriting, stopReading chan struct{}
	done                     <-chan struct{}
	cancel                   context.CancelFunc
	writing, reading         sync.WaitGroup

	refused, lost, late atomic.Int64
	reads               [len(readKinds)]atomic.Int64

	// mu guards what follows.
	mu      sync.Mutex
	failure error // the first one
}

// Begin opens or creates the channels and starts to write and to read. Ending ctx ends the check without a verdict.
func Begin(ctx context.Context, o Options) (*Check, error) {
	o, err := o.normal()
	if err != nil {
		return nil, err
	}
	c := &Check{
		options:     o,
		client:      newClient(o),
		texts:       texts{run: strings.ToLower(rand.Text()[:8]), seed: o.Seed},
		begun:       time.Now(),
		stopWriting: make(chan struct{}),
		stopReading: make(chan struct{}),
	}
	if err := c.openChannels(ctx, o); err != nil {
		c.client.close()
		return nil, err
	}
	ctx, c.cancel = context.WithCancel(ctx)
	c.done = ctx.Done()
	for i := range o.Writers {
		c.writers = append(c.writers, &writer{check: c, index: i, random: c.random(2 * uint64(i))})
	}
	for _, w := range c.writers {
		c.writing.Go(func() { c.fail(w.run(ctx)) })
	}
	for i := range o.Readers * len(c.channels) {
		r := &reader{check: c, channel: c.channels[i%len(c.channels)], random: c.random(2*uint64(i) + 1)}
		c.reading.Go(func() { c.fail(r.run(ctx)) })
	}
	return c, nil
}

// random returns a source of its own for each stream.
func (c *Check) random(stream uint64) *mathrand.Rand {
	return mathrand.New(mathrand.NewPCG(c.options.Seed, stream))
}

// fail ends the check because of an error, if it is one.
func (c *Check) fail(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = cmp.Or(c.failure, err)
	c.cancel()
}

// Done is closed when the check cannot go on, for a reason that Finish tells.
func (c *Check) Done() <-chan struct{} { return c.done }

// Finish ends writing, then reading, reads everything back and judges. With an error, the report tells what was found
// until then, and is no proof of anything. Call it once.
func (c *Check) Finish(ctx context.Context) (*Report, error) {
	written := time.Since(c.begun)
	close(c.stopWriting)
	c.writing.Wait()
	close(c.stopReading)
	c.reading.Wait()
	c.mu.Lock()
	err := c.failure
	c.mu.Unlock()
	if err == nil {
		c.options.Say("reading everything back")
		err = c.judge(ctx)
	}
	r := c.report(written)
	r.OK = err == nil && r.Broken == 0
	if r.OK {
		c.deleteChannels(ctx)
	}
	c.cancel()
	c.client.close()
	r.Took = Seconds(time.Since(c.begun))
	return r, err
}

// Run begins a check, writes until the time is over, stop is closed or the relay is away for too long, and finishes.
func Run(ctx context.Context, o Options, writing time.Duration, stop <-chan struct{}) (*Report, error) {
	c, err := Begin(ctx, o)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(writing)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	case <-c.Done():
	}
	return c.Finish(ctx)
}
