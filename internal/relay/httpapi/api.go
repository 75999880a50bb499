// Package httpapi is the relay's HTTP door: it turns requests of the ThingSpeak REST API into calls of package relay and
// writes the replies that the service's clients rely on. It holds no rules of its own.
//
// Every reply is complete in memory before its first byte goes out, has a Content-Length, and is never chunked: small boards
// look for that header and give up without it (contract section 1.1). The export under /stream is not, nor are the streams of
// entries, which have no end.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Options say how a relay faces the network.
type Options struct {
	// Log gets what went wrong on our side; nil is nowhere. Keys and bodies are never logged.
	Log *slog.Logger
	// Loopback says that only this machine can connect. Channels can be created without a user key then, by a request
	// whose Host is a loopback name and that no page of another origin sent.
	Loopback bool
	// Open lets anybody create channels without a user key, up to Limits.OpenChannels.
	Open bool
	// Clients keeps account of the addresses that requests come from; nil sets no limits.
	Clients *guard.Clients
	// Metrics counts; nil does not, and serves no /metrics.
	Metrics *metrics.Metrics
	// Notice stands on top of every page; empty is none.
	Notice string
	// Ready says whether the relay can do its work; its error's text is shown to everybody. nil is always ready.
	Ready func(context.Context) error
	// EntriesOnly leaves out all but the writing and reading of entries: settings, lists, pages and figures, and calls back no script.
	EntriesOnly bool
	// ChannelPages names the service that, though it serves entries only, has a page of each channel for whoever shows a key that reads
	// it; empty has none.
	ChannelPages string
	// KeyOf makes of the key that a request shows the one that the relay knows, empty for none. nil leaves it as it is.
	KeyOf func(r *http.Request, shown string) string
	// Stored is called when entries were stored, before that is answered; nil is nothing.
	Stored func(ctx context.Context, a *relay.Accepted)
	// Place makes of an entry's number its place in a channel of which only some entries are counted, from 1 on: that of the first one
	// with this number or a higher one. nil leaves numbers as they are.
	Place func(v *relay.View, number int64) int64
	// Numbers has "numbers=true" write the values of fields that are numbers as such in JSON.
	Numbers bool
	// Findings returns what is wrong with what a channel holds; nil has no such address.
	Findings func(v *relay.View) (*Findings, error)
	// Ending is closed when the relay is about to stop: streams of entries end then, and none begins. nil is never.
	Ending <-chan struct{}
}

const (
	// maxUnderWay bounds the bytes of replies that are on their way to clients; beyond it requests get 503.
	maxUnderWay = 64 << 20
	// smallReply is a reply that is sent in any case, in bytes: the system's buffers take it at once, and clients that
	// are slow to fetch large ones must not keep others from a few bytes.
	smallReply = 16 << 10
)

// api serves the routes.
type api struct {
	relay    *relay.Relay
	log      *slog.Logger
	options  Options
	mux      *http.ServeMux
	underWay atomic.Int64
	// held counts the bytes of request bodies: see maxHeld.
	held    atomic.Int64
	refused refusedBodies
	plots   channelPlots
}

// New returns the handler of a relay.
func New(r *relay.Relay, o Options) http.Handler {
	a := &api{relay: r, log: o.Log, options: o, mux: http.NewServeMux()}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.routes()
	return a
}

// ServeHTTP gives the mux a path without extension, doubled slashes and slash at the end, so that it never redirects.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.recovered(w, r)
	path, extension := splitPath(r.URL.Path)
	if r.Method == http.MethodOptions {
		a.send(w, r, &reply{status: http.StatusOK, format: extension})
		return
	}
	inner := r.WithContext(context.WithValue(r.Context(), extensionKey{}, extension))
	url := *r.URL
	url.Path, url.RawPath = path, ""
	inner.URL = &url
	a.mux.ServeHTTP(w, inner)
}

// extensionKey carries the format that the path names past the mux.
type extensionKey struct{}

// request is a request whose parameters are decoded.
type request struct {
	*http.Request
	// extension is the format that the path names. Where it names none, format is what "format" says, or Accept (contract
	// section 1.3).
	extension, format format
	params            form.Params
	// strange says that a body was there of which no name is known.
	strange bool
	// numbers says that values are wanted as JSON numbers.
	numbers bool
	// bulk is what a bulk call asks for, nil for all others.
	bulk *form.Bulk
	// now is one moment for the whole request.
	now time.Time
	// client is who sent it; nil is not limited.
	client *guard.Client
	// wrongKey says that it showed a key that opens nothing here.
	wrongKey bool
	// held is how many bytes of its body are counted.
	held int64
	// keyOf is Options.KeyOf.
	keyOf func(r *http.Request, shown string) string
}

// handler does the work of a route. Its errors are the relay's or a *refusal.
type handler func(*request) (*reply, error)

// serve adapts the handlers of a route, one per method. How an error is told depends on the route: see tell.
func (a *api) serve(tell errorTable, methods map[string]handler) http.Handler {
	if get := methods[http.MethodGet]; get != nil {
		methods[http.MethodHead] = get
	}
	allow := []string{strings.Join(slices.Sorted(maps.Keys(methods)), ", ")}
	replyTo := func(w http.ResponseWriter, r *http.Request) *reply {
		q := &request{Request: r, now: time.Now(), client: a.clientOf(r), keyOf: a.options.KeyOf}
		q.extension, _ = r.Context().Value(extensionKey{}).(format)
		if q.format = q.extension; q.format == formatNone {
			q.format = acceptedFormat(r.Header)
		}
		defer a.release(q)
		answer, err := a.answer(w, q, methods[r.Method])
		if err != nil {
			answer = tell(q, err)
			a.noteRefused(q, err)
			if answer.status == http.StatusMethodNotAllowed {
				w.Header()["Allow"] = allow
			}
			if answer.status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) &&
				!errors.Is(err, errBusy) && !errors.Is(err, errNoReplyMemory) {
				a.log.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "err", err)
			}
		}
		if q.wrongKey {
			q.client.WrongKey(q.now)
		}
		answer.minimal = q.params.Get("headers") == "false"
		q.jsonp(answer)
		return answer
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.send(w, r, replyTo(w, r)) })
}

// answer decodes the request and runs its handler.
func (a *api) answer(w http.ResponseWriter, q *request, h handler) (*reply, error) {
	if h == nil {
		return nil, &refusal{code: thingspeak.CodeMethodInvalid, hint: "This address does not take that method."}
	}
	if wait := q.client.Admit(q.now); wait > 0 {
		return nil, tooMany("Your address sends more requests than this relay answers.", wait)
	}
	if err := a.readParams(w, q, q.Pattern == bulkRoute); err != nil {
		return nil, err
	}
	q.numbers = a.options.Numbers && q.params.IsTrue("numbers")
	if a.options.EntriesOnly && q.params.Get("callback") != "" {
		return nil, &refusal{code: thingspeak.CodeBadRequest, hint: "No page of another site is answered here: leave out callback."}
	}
	if q.extension == formatNone {
		if named, known := formatOf(q.params.Get("format")); known {
			q.format = named
		}
	}
	if err := q.admitKey(); err != nil {
		return nil, err
	}
	return h(q)
}

// admitKey refuses a request that shows a key, whatever key it is, from an address that has shown too many wrong ones.
func (q *request) admitKey() error {
	if q.client != nil && q.shownKey() != "" {
		if wait := q.client.AdmitKey(q.now); wait > 0 {
			return tooMany("Your address has shown too many keys that open nothing.", wait)
		}
	}
	return nil
}
