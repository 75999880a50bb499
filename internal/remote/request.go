package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

const (
	// minProgress is how many bytes a relay must bring within the time-out, once it has begun to answer.
	minProgress = 1 << 10
	// patience is how many times the time-out a request may wait for the relay in all, and a second more for each
	// wireRate bytes that came.
	patience = 3
	// maxWordsWait is how long the body of an error may take, which only says more about it.
	maxWordsWait = 2 * time.Second
)

// request is one HTTP request.
type request struct {
	wire.Call

	most int64 // bytes that the answer may have, where it belongs to no call; 0 is no limit
}

// reply is an answer whose body is still to be read; whoever gets one closes its body.
type reply struct {
	*wire.Reply

	body *body
}

// errSilent is why a request is cancelled that the relay has kept waiting.
var errSilent = errors.New("silent")

// do sends a request and returns its answer, whatever its status. The error is an [*wire.UnreachableError], a [*exchange.BudgetError]
// the context's, or that of [Options.Mind].
func (c *Client) do(ctx context.Context, q request) (*reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", q.Doing, err)
	}
	k, end := callOf(ctx), func() {}
	if k == nil {
		k = &call{c: c, most: q.most}
		ctx, end = k.run(ctx)
	}
	if err := k.ask(q.Doing); err != nil {
		end()
		return nil, err
	}
	began := time.Now()
	var connected atomic.Bool
	watched, cancel := context.WithCancelCause(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	timer := time.AfterFunc(c.set.Timeout+wireTime(int64(len(q.JSON))), func() { cancel(errSilent) })
	// fail names what went wrong: the caller's own context first, then our time-out, which shows as a cancelled request.
	fail := func(err error, stage stage) error {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", q.Doing, ctx.Err())
		}
		if context.Cause(watched) == errSilent {
			return c.silence(q.Doing, stage)
		}
		return c.broken(q.Doing, err, stage)
	}
	raw, err := c.send(watched, q)
	timer.Stop()
	waited := time.Since(began)
	_ = k.came(0, waited) // without bytes, no budget is spent
	if err == nil && c.set.Mind != nil {
		if err := c.set.Mind(raw); err != nil {
			defer end()
			cancel(nil)
			return nil, fmt.Errorf("%s: %w", q.Doing, errors.Join(err, raw.Body.Close()))
		}
	}
	if err != nil {
		defer end()
		defer cancel(nil)
		if connected.Load() {
			return nil, fail(err, answering)
		}
		return nil, fail(err, connecting)
	}
	date := wire.ParseDate(raw.Header.Get("Date"))
	c.mu.Lock()
	c.lastUse, c.clock = time.Now(), date
	c.mu.Unlock()
	re := &reply{body: &body{
		src:  raw.Body,
		call: k, timer: timer, timeout: c.set.Timeout, patience: c.set.Timeout,
		left: patience*c.set.Timeout - waited,
		fail: fail,
		end:  func() { cancel(nil); end() },
	}}
	re.Reply = &wire.Reply{
		Doing: q.Doing, Status: raw.StatusCode, Header: raw.Header, Date: date, Body: re.body, Words: re.words,
		Framed: raw.ContentLength >= 0 || raw.Uncompressed || slices.Contains(raw.TransferEncoding, "chunked"),
	}
	return re, nil
}

// send hands a request to the transport.
func (c *Client) send(ctx context.Context, q request) (*http.Response, error) {
	r := c.http.R().SetContext(ctx).SetHeader("Cache-Control", "no-cache")
	if q.Key != "" {
		r.SetHeader(wire.KeyHeader, q.Key)
	}
	method := http.MethodGet
	switch {
	case q.Form != nil:
		method = cmp.Or(q.Method, http.MethodPost)
		r.SetFormDataFromValues(q.Form)
	case q.JSON != nil:
		method = http.MethodPost
		r.SetHeader("Content-Type", "application/json").SetBody(q.JSON)
	}
	resp, err := r.Execute(method, c.set.address+q.Path)
	if err != nil {
		return nil, err
	}
	return resp.RawResponse, nil
}

// stage is how far a request has got.
type stage int

const (
	connecting stage = iota // nothing was sent
	answering               // the relay has the request, or a part of it
	sending                 // the relay has begun to answer
	crawling                // it goes on answering, too slowly
)

// body is the body of an answer. It gives up on a relay that stops sending, or all but stops, or takes too long in all;
// the time between reads does not count. Its errors are those of [Client.do].
type body struct {
	src      io.ReadCloser
	call     *call
	timer    *time.Timer // cancels the request
	timeout  time.Duration
	patience time.Duration // what is left of the time-out until minProgress bytes have come
	left     time.Duration // what is left of the time for the whole answer
	progress int
	fail     func(error, stage) error
	end      func()
}

func (b *body) Read(p []byte) (int, error) {
	began := time.Now()
	b.timer.Reset(max(min(b.patience, b.left), 0))
	n, err := b.src.Read(p)
	b.timer.Stop()
	waited := time.Since(began)
	b.left += wireTime(int64(n)) - waited
	b.patience = max(b.patience-waited, 0)
	if b.progress += n; b.progress >= minProgress {
		b.progress, b.patience = 0, b.timeout
	}
	spent := b.call.came(n, waited)
	switch {
	case err == io.EOF:
	case err != nil && b.left <= 0:
		err = b.fail(err, crawling)
	case err != nil:
		err = b.fail(err, sending)
	default:
		err = spent
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	err := b.src.Close()
	b.end()
	return err
}

// fetch sends a request and reads its whole answer, of at most [wire.MaxReply]. An answer with another status than 200 has
// become an error: see [wire.Channel.StatusError].
func (c *Client) fetch(ctx context.Context, q wire.Call) (content []byte, re *reply, err error) {
	re, err = c.do(ctx, request{Call: q})
	if err != nil {
		return nil, nil, err
	}
	defer re.body.Close()
	content, err = c.at.Content(re.Reply)
	if err != nil {
		return nil, nil, err
	}
	return content, re, nil
}

// words reads what an answer says about its status. What does not come soon is not waited for, as the status says enough.
func (re *reply) words() []byte {
	re.body.left = min(re.body.left, maxWordsWait)
	content, _ := re.All()
	return content
}

// ask makes a request of package exchange, in one attempt.
func (c *Client) ask(
	ctx context.Context, r exchange.Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (a exchange.Answer, err error) {
	q, err := c.at.Call(r)
	if err != nil {
		return a, err
	}
	most := int64(0)
	switch r.What {
	case exchange.FeedRows:
		most = c.set.Budget
	case exchange.Update, exchange.BulkUpdate:
		c.dropStale()
	}
	re, err := c.do(ctx, request{q, most})
	if err != nil {
		return a, err
	}
	defer re.body.Close()
	return c.at.Read(r, re.Reply, row)
}
