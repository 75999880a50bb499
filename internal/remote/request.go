package remote

import (
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

	keyHeader = "X-THINGSPEAKAPIKEY"
)

// request is one HTTP request.
type request struct {
	doing string     // for errors: "reading channel 42"
	path  string     // below the relay's address, with the query
	form  url.Values // the body of a POST; nil for a GET
	json  []byte     // the body of a POST instead of a form
	key   Secret
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

// do sends a request and returns its answer, whatever its status. The error is an [*UnreachableError] or the context's.
func (c *Client) do(ctx context.Context, q request) (*reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", q.doing, err)
	}
	var connected atomic.Bool
	watched, cancel := context.WithCancelCause(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	timer := time.AfterFunc(c.set.Timeout, func() { cancel(errSilent) })
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
	r := c.http.R().SetContext(watched).SetHeader("Cache-Control", "no-cache")
	if q.key != "" {
		r.SetHeader(keyHeader, string(q.key))
	}
	method := http.MethodGet
	switch {
	case q.form != nil:
		method = http.MethodPost
		r.SetFormDataFromValues(q.form)
	case q.json != nil:
		method = http.MethodPost
		r.SetHeader("Content-Type", "application/json").SetBody(q.json)
	}
	resp, err := r.Execute(method, c.set.address+q.path)
	timer.Stop()
	if err != nil {
		defer cancel(nil)
		if connected.Load() {
			return nil, fail(err, answering)
		}
		return nil, fail(err, connecting)
	}
	c.mu.Lock()
	c.lastUse = time.Now()
	c.mu.Unlock()
	raw := resp.RawResponse
	date, _ := http.ParseTime(raw.Header.Get("Date"))
	return &reply{
		doing:  q.doing,
		status: raw.StatusCode,
		header: raw.Header,
		date:   date,
		framed: raw.ContentLength >= 0 || raw.Uncompressed || slices.Contains(raw.TransferEncoding, "chunked"),
		body: &body{
			src:   raw.Body,
			timer: timer, timeout: c.set.Timeout, patience: c.set.Timeout,
			fail:   func(err error) error { return fail(err, sending) },
			cancel: func() { cancel(nil) },
		},
	}, nil
}

// stage is how far a request has got.
type stage int

const (
	connecting stage = iota // nothing was sent
	answering               // the relay has the request, or a part of it
	sending                 // the relay has begun to answer
)

// body is the body of an answer. It gives up on a relay that stops sending, or all but stops; the time between reads
// does not count. Its errors are those of [Client.do].
type body struct {
	src      io.ReadCloser
	timer    *time.Timer // cancels the request
	timeout  time.Duration
	patience time.Duration // what is left of the time-out until minProgress bytes have come
	progress int
	fail     func(error) error
	failed   error // the error that Read returned, whatever became of it on its way up
	cancel   func()
}

func (b *body) Read(p []byte) (int, error) {
	begin := time.Now()
	b.timer.Reset(b.patience)
	n, err := b.src.Read(p)
	b.timer.Stop()
	b.patience = max(b.patience-time.Since(begin), 0)
	if b.progress += n; b.progress >= minProgress {
		b.progress, b.patience = 0, b.timeout
	}
	if err != nil && err != io.EOF {
		b.failed = b.fail(err)
		err = b.failed
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	err := b.src.Close()
	b.cancel()
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

// all reads the body, up to one byte more than maxReply.
func (re *reply) all() ([]byte, error) { return io.ReadAll(io.LimitReader(re.body, maxReply+1)) }

// tooMuch returns the error for an answer longer than maxReply, of which the beginning is given.
func (c *Client) tooMuch(re *reply, beginning []byte) error {
	e := c.unexpected(re)
	e.Problem = fmt.Sprintf("expected a short answer, got more than %d KiB", maxReply>>10)
	e.Excerpt = c.clean(thingspeak.ParseErrorBody(beginning).Message)
	return e
}
