package main

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// task is a coroutine that stands still whenever it asks the relay or waits. It is the [exchange.Port] of what it runs.
type task struct {
	c    *core
	next func() (wish, bool)
	stop func()
	// yield hands a wish to whoever runs the task, and returns false once nobody does any more.
	yield func(wish) bool

	wish   wish
	ended  bool
	answer *answerOf // to what was asked
	woken  bool      // something has happened that it may wait for
}

// wish is what a task waits for.
type wish struct {
	asks *asked // an answer
	// until is a moment, the zero time for none; Wakes has it go on as well when it is woken.
	until time.Time
	wakes bool
}

// asked is a request that the page makes.
type asked struct {
	N       int               `json:"n"`
	What    string            `json:"what"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    *string           `json:"body"`
	Most    int64             `json:"most"`
	Idle    int64             `json:"idle_ms"`
}

// answerOf is what came of a request.
type answerOf struct {
	N       int               `json:"n"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	// Failed says why there is no answer, or only a part of one: unreachable, silent, cut, slow, or most for one that is too long.
	Failed string `json:"failed"`
	// Bytes is how many came.
	Bytes int64 `json:"bytes"`

	body []byte
}

// Get implements [wire.Header]. Browsers give names in small letters.
func (a *answerOf) Get(name string) string { return a.Headers[strings.ToLower(name)] }

// start begins a task, and runs it until it waits.
func (t *task) start(run func(context.Context, *task)) {
	t.next, t.stop = iter.Pull(func(yield func(wish) bool) {
		t.yield = yield
		run(context.Background(), t)
	})
	t.resume()
}

// resume runs a task until it waits again.
func (t *task) resume() {
	wish, ok := t.next()
	t.wish, t.ended = wish, !ok
}

// ready reports whether what a task waits for is there.
func (t *task) ready(now time.Time) bool {
	switch {
	case t == nil || t.ended:
		return false
	case t.wish.asks != nil:
		return t.answer != nil
	}
	return t.wish.wakes && t.woken || !t.wish.until.IsZero() && !now.Before(t.wish.until)
}

// wake has a task go on that waits to be woken, now or when it waits next.
func (t *task) wake() {
	if t != nil {
		t.woken = true
	}
}

// pause waits until a moment, the zero time for ever, or until the task is woken. The error is that it has ended.
func (t *task) pause(until time.Time) error {
	if !t.yield(wish{until: until, wakes: true}) {
		return context.Canceled
	}
	t.woken = false
	return nil
}

// Begin implements [exchange.Port].
func (t *task) Begin(ctx context.Context) (context.Context, func()) { return ctx, func() {} }

// Wait implements [exchange.Port].
func (t *task) Wait(_ context.Context, until time.Time) error {
	for time.Now().Before(until) {
		if !t.yield(wish{until: until}) {
			return context.Canceled
		}
	}
	return nil
}

// whatOf are the names of requests.
var whatOf = [...]string{
	exchange.FeedRows: "feed", exchange.LastNumber: "number", exchange.OneEntry: "entry", exchange.Update: "update",
	exchange.BulkUpdate: "bulk",
}

// Ask implements [exchange.Port].
func (t *task) Ask(
	ctx context.Context, r exchange.Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (a exchange.Answer, err error) {
	call, err := t.c.channel.Call(r)
	if err != nil {
		return a, err
	}
	re, came, err := t.fetch(whatOf[r.What], call, r.Most)
	if err == nil {
		a, err = t.c.channel.Read(r, re, row)
	}
	a.Bytes, a.Failure = came, wire.FailureOf(err)
	// A relay that says when to come again is one of our kind, which also tells its interval: it may be another one by now.
	if r.What == exchange.Update && a.Failure.Kind == exchange.TooSoon && a.Failure.Wait > 0 {
		t.askLimits()
	}
	return a, err
}

// fetch has the page make a request, and returns the answer and how many bytes came. Without an answer the error is a
// [*wire.UnreachableError], or that the task has ended; where only a part of it came, reading that ends with the error.
func (t *task) fetch(what string, call wire.Call, most int64) (re *wire.Reply, came int64, err error) {
	t.c.asks++
	q := &asked{
		N: t.c.asks, What: what, Method: "GET", URL: t.c.channel.Base.String() + "/" + call.Path, Headers: map[string]string{},
		Path: t.c.channel.Base.EscapedPath() + "/" + call.Path, Most: wire.MaxFeed + 1, Idle: idle.Milliseconds(),
	}
	if most > 0 {
		q.Most = min(q.Most, most)
	}
	if call.Key != "" {
		q.Headers[wire.KeyHeader] = call.Key
	}
	switch {
	case call.JSON != nil:
		q.Method, q.Headers["Content-Type"], q.Body = "POST", "application/json", new(string(call.JSON))
	case call.Form != nil:
		q.Method, q.Headers["Content-Type"], q.Body = "POST", "application/x-www-form-urlencoded", new(call.Form.Encode())
	}
	t.answer = nil
	t.c.toAsk = append(t.c.toAsk, q)
	if !t.yield(wish{asks: q}) {
		return nil, 0, context.Canceled
	}
	a := t.answer
	failed := t.c.failureOf(call.Doing, most, a.Failed)
	if a.Status == 0 {
		return nil, a.Bytes, failed
	}
	t.c.heard = time.Now()
	re = &wire.Reply{
		Doing: call.Doing, Status: a.Status, Header: a, Date: wire.ParseDate(a.Get("Date")), Framed: true,
		Body: io.MultiReader(bytes.NewReader(a.body), &ending{failed}),
	}
	return re, a.Bytes, nil
}

// takeAnswer hands what came of a request to the task that has asked.
func (c *core) takeAnswer(m *message, body []byte) (any, []byte, error) {
	m.Answer.body = slices.Clone(body)
	for _, t := range []*task{c.posts, c.follows} {
		if t != nil && t.wish.asks != nil && t.wish.asks.N == m.Answer.N {
			t.answer = &m.Answer
		}
	}
	return nil, nil, nil
}

// ending is the end of a body: with an error, or without one.
type ending struct{ err error }

func (e *ending) Read([]byte) (int, error) { return 0, cmp.Or(e.err, io.EOF) }

// idle is how long a relay may keep silent.
const idle = 10 * time.Second

// failureOf makes an error of what a page says of a request that failed, nil if it did not.
func (c *core) failureOf(doing string, most int64, failed string) error {
	// Nobody can tell by what a browser says whether a request has reached the relay: it may have.
	e := &wire.UnreachableError{Doing: doing, Host: c.channel.Base.Host, Cause: wire.NoConnection, Sent: true}
	switch failed {
	case "":
		return nil
	case "most":
		return &exchange.BudgetError{Doing: doing, Budget: most}
	case "silent":
		e.Cause, e.Detail = wire.TimedOut, "did not answer for "+idle.String()
	case "slow":
		e.Cause, e.Detail = wire.TimedOut, "sent its answer too slowly to wait for the rest"
	case "cut":
		e.Cause = wire.Cut
	case "offline":
		e.Detail, e.Sent = "this device is offline", false
	}
	return e
}

// askLimits asks the relay what it grants, and keeps to it from then on.
func (t *task) askLimits() {
	re, _, err := t.fetch("limits", wire.Call{Doing: "asking for the relay's limits", Path: wire.LimitsPath}, wire.MaxReply)
	if err != nil {
		return
	}
	limits, told := wire.Assumed(t.c.interval), false
	if content, err := t.c.channel.Content(re); err == nil {
		limits, told = wire.Granted(content, t.c.interval)
	}
	if t.c.limits = &limits; told {
		t.c.poster.SetIntervals(limits.Interval, limits.BulkInterval)
	}
}

// granted is what the relay grants, as far as it was asked.
func (c *core) granted() exchange.Limits {
	if c.limits == nil {
		return wire.Assumed(c.interval)
	}
	return *c.limits
}

// parseBase reads the address of a relay as an invitation has it.
func parseBase(address string) (*url.URL, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, failf("link", "the address of the relay must look like https://host or http://host:port")
	}
	for len(base.Path) > 0 && base.Path[len(base.Path)-1] == '/' {
		base.Path = base.Path[:len(base.Path)-1]
	}
	base.RawPath, base.RawQuery, base.Fragment = "", "", ""
	return base, nil
}
