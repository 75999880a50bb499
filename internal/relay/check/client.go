package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/netfault"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// requestTimeout is how long one request may take.
	requestTimeout = 30 * time.Second
	// maxReply is the longest reply that is read, in bytes: 8,000 rows of eight full fields are less.
	maxReply = 64 << 20
	// minPause and maxPause bound the time between two tries while the relay is away; the pause doubles.
	minPause = 10 * time.Millisecond
	maxPause = 500 * time.Millisecond
	// tellAfter is how long a relay has to be away before the user is told.
	tellAfter = time.Second
	// defaultRetryAfter is how long to wait when a relay refuses and neither it nor the options tell.
	defaultRetryAfter = time.Second
)

// client sends requests to the relays and notes when they are away.
type client struct {
	http     http.Client
	patience time.Duration
	say      func(string)
	close    func()

	// mu guards the relays' state.
	mu     sync.Mutex
	relays []*relayState
}

// relayState is how one relay is doing.
type relayState struct {
	url string
	// since is when it went away; zero while it answers.
	since   time.Time
	times   int
	longest time.Duration
	// told says that the user knows that it is away.
	told bool
}

func newClient(o Options) *client {
	c := &client{patience: o.Patience, say: o.Say, close: func() {}}
	for _, u := range o.Relays {
		c.relays = append(c.relays, &relayState{url: strings.TrimRight(u, "/")})
	}
	c.http.Transport = o.Transport
	if o.Transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConns = 0
		own.MaxIdleConnsPerHost = 1 << 16 // one for each writer and reader, however many
		c.http.Transport = own
		c.close = own.CloseIdleConnections
	}
	// A redirect would carry the key to another address.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// request is one call to the relay.
type request struct {
	method string
	// path is with the query.
	path string
	key  string
	form url.Values
}

// reply is what a relay that is there answered.
type reply struct {
	status     int
	body       []byte
	date       time.Time
	retryAfter time.Duration
}

// refusal makes an error of a reply that is not what was asked for.
func (r *reply) refusal() error {
	return fmt.Errorf("the relay answered with status %d: %w", r.status, thingspeak.ParseErrorBody(r.body))
}

// awayError says that a request got no usable answer: the relay cannot be reached, went away or has trouble.
type awayError struct {
	err error
	// sent says that the relay may have acted on the request.
	sent bool
}

func (e *awayError) Error() string { return e.err.Error() }
func (e *awayError) Unwrap() error { return e.err }

// once sends a request to any of the relays. The error is an *awayError unless ctx has ended.
func (c *client) once(ctx context.Context, random *rand.Rand, q request) (*reply, error) {
	relay := c.relays[random.IntN(len(c.relays))]
	answer, err := c.send(ctx, relay.url, q)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c.note(relay, err)
	if away, ok := errors.AsType[*awayError](err); ok {
		away.err = fmt.Errorf("%s: %w", relay.url, away.err)
	}
	return answer, err
}

func (c *client) send(ctx context.Context, base string, q request) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	body := strings.NewReader(q.form.Encode())
	r, err := http.NewRequestWithContext(ctx, q.method, base+q.path, body)
	if err != nil {
		return nil, &awayError{err: err}
	}
	r.Header.Set("User-Agent", "fernpost-relay-check")
	if q.key != "" {
		r.Header.Set("X-THINGSPEAKAPIKEY", q.key)
	}
	if q.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	// The transport sends a POST a second time by itself only if nothing of it was written to the first connection.
	answer, err := c.http.Do(r)
	if err != nil {
		dialing, ok := errors.AsType[*net.OpError](err)
		return nil, &awayError{err: netfault.Words(err), sent: !ok || dialing.Op != "dial"}
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxReply+1))
	err = errors.Join(err, answer.Body.Close())
	switch {
	case err != nil:
		return nil, &awayError{err: fmt.Errorf("reading the reply: %w", err), sent: true}
	case len(text) > maxReply:
		return nil, &awayError{err: fmt.Errorf("the reply has more than %d bytes", maxReply), sent: true}
	case answer.StatusCode >= http.StatusInternalServerError:
		return nil, &awayError{err: fmt.Errorf("the relay answered with status %d", answer.StatusCode), sent: true}
	}
	date, _ := http.ParseTime(answer.Header.Get("Date")) // zero if there is none
	seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	return &reply{
		status: answer.StatusCode, body: text, date: date,
		retryAfter: time.Duration(min(max(0, seconds), 3600)) * time.Second,
	}, nil
}

// note keeps account of when a relay is away.
func (c *client) note(r *relayState, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch away := !r.since.IsZero(); {
	case err != nil && !away:
		r.since = now
		r.times++
	case err != nil && !r.told && now.Sub(r.since) >= tellAfter:
		r.told = true
		c.say(fmt.Sprintf("%s is away: %v", r.url, err))
	case err == nil && away:
		took := now.Sub(r.since)
		r.longest = max(r.longest, took)
		r.since = time.Time{}
		if r.told {
			r.told = false
			c.say(fmt.Sprintf("%s is back after %v", r.url, took.Round(time.Millisecond)))
		}
	}
}

// tooLong reports whether all relays have been away for longer than the check's patience.
func (c *client) tooLong() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.relays {
		if r.since.IsZero() || time.Since(r.since) < c.patience {
			return false
		}
	}
	return true
}

// away returns how often relays went away, and the longest time until one was back.
func (c *client) away() (times int, longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.relays {
		times += r.times
		longest = max(longest, r.longest)
	}
	return times, longest
}

// pause waits before the next try, from 1; err is why the last one failed.
func (c *client) pause(ctx context.Context, random *rand.Rand, try int, err error) error {
	if c.tooLong() {
		return fmt.Errorf("the relay has been away for %v: %w", c.patience, err)
	}
	most := min(minPause<<min(try, 16), maxPause)
	return sleep(ctx, most/2+time.Duration(random.Int64N(int64(most/2))))
}

// read gets a path, as often as it takes until the relay is there.
func (c *client) read(ctx context.Context, random *rand.Rand, path, key string) (*reply, error) {
	for try := 1; ; try++ {
		answer, err := c.once(ctx, random, request{method: http.MethodGet, path: path, key: key})
		switch {
		case errorIsAway(err):
			if err := c.pause(ctx, random, try, err); err != nil {
				return nil, fmt.Errorf("reading %s: %w", path, err)
			}
		case err != nil:
			return nil, err
		case answer.status == http.StatusTooManyRequests:
			if err := sleep(ctx, max(answer.retryAfter, defaultRetryAfter)); err != nil {
				return nil, err
			}
		case answer.status != http.StatusOK:
			return nil, fmt.Errorf("reading %s: %w", path, answer.refusal())
		default:
			return answer, nil
		}
	}
}

func errorIsAway(err error) bool {
	_, ok := errors.AsType[*awayError](err)
	return ok
}

// sleep waits, and fails if ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
