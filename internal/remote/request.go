package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// maxReply bounds the answers that are read as a whole. The longest, a channel's settings, has a few KiB.
	maxReply = 64 << 10
	// maxFeed bounds a feed, whose rows are bounded by themselves and by number: 8,000 full entries need less.
	maxFeed = 64 << 20
	// minProgress is how many bytes a relay must bring within the time-out, once it has begun to answer.
	minProgress = 1 << 10
	// patience is how many times the time-out a request may wait for the relay in all, and a second more for each
	// wireRate bytes that came.
	patience = 3
	// maxWordsWait is how long the body of an error may take, which only says more about it.
	maxWordsWait = 2 * time.Second

	keyHeader = "X-THINGSPEAKAPIKEY"
)

// request is one HTTP request.
type request struct {
	doing  string     // for errors: "reading channel 42"
	method string     // of a request with a form; POST if it is empty
	path   string     // below the relay's address, with the query
	form   url.Values // the body of a POST; nil for a GET
	json   []byte     // the body of a POST instead of a form
	key    Secret
	most   int64 // bytes that the answer may have, where it belongs to no call; 0 is no limit
}

// reply is an answer whose body is still to be read; whoever gets one closes its body.
type reply struct {
	doing  string
	status int
	header http.Header
	// date is what the relay's clock shows, zero if it does not say.
	date time.Time
	// framed tells that HTTP itself marks the body's end, so that a body cut short is noticed.
	framed bool
	body   *body
}

// errSilent is why a request is cancelled that the relay has kept waiting.
var errSilent = errors.New("silent")

// do sends a request and returns its answer, whatever its status. The error is an [*UnreachableError], a [*exchange.BudgetError]
// the context's, or that of [Options.Mind].
func (c *Client) do(ctx context.Context, q request) (*reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", q.doing, err)
	}
	k, end := callOf(ctx), func() {}
	if k == nil {
		k = &call{c: c, most: q.most}
		ctx, end = k.run(ctx)
	}
	if err := k.ask(q.doing); err != nil {
		end()
		return nil, err
	}
	began := time.Now()
	var connected atomic.Bool
	watched, cancel := context.WithCancelCause(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	timer := time.AfterFunc(c.set.Timeout+wireTime(int64(len(q.json))), func() { cancel(errSilent) })
	// fail names what went wrong: the caller's own context first, then our time-out, which shows as a cancelled request.
	fail := func(err error, stage stage) error {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", q.doing, ctx.Err())
		}
		if context.Cause(watched) == errSilent {
			return c.silence(q.doing, stage)
		}
		return c.broken(q.doing, err, stage)
	}
	raw, err := c.send(watched, q)
	timer.Stop()
	waited := time.Since(began)
	_ = k.came(0, waited) // without bytes, no budget is spent
	if err == nil && c.set.Mind != nil {
		if err := c.set.Mind(raw); err != nil {
			defer end()
			cancel(nil)
			return nil, fmt.Errorf("%s: %w", q.doing, errors.Join(err, raw.Body.Close()))
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
	date, _ := http.ParseTime(raw.Header.Get("Date"))
	c.mu.Lock()
	c.lastUse, c.clock = time.Now(), date
	c.mu.Unlock()
	return &reply{
		doing:  q.doing,
		status: raw.StatusCode,
		header: raw.Header,
		date:   date,
		framed: raw.ContentLength >= 0 || raw.Uncompressed || slices.Contains(raw.TransferEncoding, "chunked"),
		body: &body{
			src:  raw.Body,
			call: k, timer: timer, timeout: c.set.Timeout, patience: c.set.Timeout,
			left: patience*c.set.Timeout - waited,
			fail: fail,
			end:  func() { cancel(nil); end() },
		},
	}, nil
}

// send hands a request to the transport.
func (c *Client) send(ctx context.Context, q request) (*http.Response, error) {
	r := c.http.R().SetContext(ctx).SetHeader("Cache-Control", "no-cache")
	if q.key != "" {
		r.SetHeader(keyHeader, string(q.key))
	}
	method := http.MethodGet
	switch {
	case q.form != nil:
		method = cmp.Or(q.method, http.MethodPost)
		r.SetFormDataFromValues(q.form)
	case q.json != nil:
		method = http.MethodPost
		r.SetHeader("Content-Type", "application/json").SetBody(q.json)
	}
	resp, err := r.Execute(method, c.set.address+q.path)
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
	failed   error // the error that Read returned, whatever became of it on its way up
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
		b.failed = b.fail(err, crawling)
	case err != nil:
		b.failed = b.fail(err, sending)
	default:
		b.failed = spent
	}
	if b.failed != nil {
		err = b.failed
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	err := b.src.Close()
	b.end()
	return err
}

// fetch sends a request and reads its whole answer, of at most maxReply. An answer with another status than 200 has
// become an error: see statusError.
func (c *Client) fetch(ctx context.Context, q request) (content []byte, re *reply, err error) {
	re, err = c.do(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	defer re.body.Close()
	if re.status != http.StatusOK {
		return nil, nil, c.statusError(re)
	}
	content, err = re.all()
	if err != nil {
		return nil, nil, err
	}
	if len(content) > maxReply {
		return nil, nil, c.tooMuch(re, content)
	}
	return content, re, nil
}

// words reads what an answer of status 400 or above says about it. What does not come soon is not waited for, as the
// status says enough. Below 400 a body says nothing, and behind 101 it has no end.
func (re *reply) words() []byte {
	if re.status < http.StatusBadRequest {
		return nil
	}
	re.body.left = min(re.body.left, maxWordsWait)
	content, _ := re.all()
	return content
}

// all reads the body, up to one byte more than maxReply.
func (re *reply) all() ([]byte, error) { return io.ReadAll(io.LimitReader(re.body, maxReply+1)) }

// tooMuch returns the error for an answer longer than maxReply, of which the beginning is given.
func (c *Client) tooMuch(re *reply, beginning []byte) error {
	e := c.unexpected(re)
	e.Problem = fmt.Sprintf("expected a short answer, got more than %d KiB", maxReply>>10)
	e.Excerpt = c.clean(thingspeak.ParseErrorBody(beginning).Message)
	return e
}
