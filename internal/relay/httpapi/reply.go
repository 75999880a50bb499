package httpapi

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// reply is a whole answer.
type reply struct {
	status int
	format format
	// body is followed by lines, which may be shared with other replies.
	body  []byte
	lines [][]byte
	// stream writes what is too large for memory, in place of body and lines. It goes out in chunks.
	stream func(io.Writer) error
	// entries is a stream without an end, in place of all these.
	entries *entryStream
	// file is the name under which a browser is to keep the reply; empty for none.
	file string
	// retryAfter is sent in whole seconds if it is more than 0.
	retryAfter int
	// minimal leaves out all headers but type and length.
	minimal bool
	// page has the headers of what is meant for a browser's window; nil for data.
	page *pageHeaders
}

// text makes a reply of a text.
func textReply(status int, f format, s string) *reply {
	return &reply{status: status, format: f, body: []byte(s)}
}

// Header values that every reply shares (contract section 1.4). The keys of the map are canonical, so that a reply
// costs no conversion. What is allowed and exposed is more than the service has: a page of another origin keeps its key out
// of addresses, sees when to come again, and goes on with a stream where it stopped.
var (
	allowOrigin  = []string{"*"}
	allowMethods = []string{"GET, POST, PUT, OPTIONS, DELETE, PATCH"}
	allowHeaders = []string{"origin, content-type, X-Requested-With, THINGSPEAKAPIKEY, X-THINGSPEAKAPIKEY, " +
		"Cache-Control, If-None-Match, Last-Event-ID"}
	exposeHeaders  = []string{"Date, Retry-After, ETag, Content-Disposition, X-Content-Type-Options, X-Accel-Buffering"}
	maxAge         = []string{"1800"}
	cacheRevisited = []string{"max-age=0, private, must-revalidate"}
	cacheNever     = []string{"no-cache"}
	cacheNothing   = []string{"no-store"}
	noSniffing     = []string{"nosniff"}
	// What is typed as HTML is data of strangers. A browser must not run it as a page of this address.
	sandbox = []string{"sandbox; default-src 'none'"}
)

// forPages adds what a browser needs to show a reply to a page of another origin, and to let it ask.
func forPages(h http.Header) {
	h["Access-Control-Allow-Origin"] = allowOrigin
	h["Access-Control-Allow-Methods"] = allowMethods
	h["Access-Control-Allow-Headers"] = allowHeaders
	h["Access-Control-Expose-Headers"] = exposeHeaders
	h["Access-Control-Max-Age"] = maxAge
}

// shortReply is a reply that net/http adds the Content-Length to by itself, in bytes, as it waits for the end of all that
// are shorter than 2 KiB. A header less is a map of eight, and those take a third of the time of larger ones.
const shortReply = 1 << 10

// send writes a reply, with a Content-Length unless it is a stream.
func (a *api) send(w http.ResponseWriter, r *http.Request, answer *reply) {
	size := int64(answer.size())
	defer a.underWay.Add(-size)
	if a.underWay.Add(size) > maxUnderWay && size > smallReply {
		answer = busyReply(answer.format)
	}
	h := w.Header()
	status := answer.status
	// These two stay in any case: what is typed as HTML may be a stranger's text.
	switch {
	case answer.page != nil:
		answer.page.set(h)
	case answer.format == formatNone:
		h["Content-Security-Policy"] = sandbox
	}
	if !answer.minimal {
		forPages(h)
		h["X-Content-Type-Options"] = noSniffing
		if answer.page != nil && answer.page.keyed {
			h["Cache-Control"] = cacheNothing
		} else if status != http.StatusOK || answer.stream != nil || answer.entries != nil {
			h["Cache-Control"] = cacheNever
		} else {
			tag := entityTag(answer)
			h["Cache-Control"] = cacheRevisited
			h["Etag"] = []string{tag}
			if (r.Method == http.MethodGet || r.Method == http.MethodHead) && matches(r.Header["If-None-Match"], tag) {
				a.options.Metrics.Reply(r.Pattern, http.StatusNotModified)
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
	}
	if answer.retryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(answer.retryAfter)}
	}
	if answer.page == nil {
		h["Content-Type"] = contentTypes[answer.format]
	}
	if answer.file != "" {
		h["Content-Disposition"] = []string{"attachment; filename=" + answer.file}
	}
	if answer.entries != nil {
		h["Cache-Control"], h["X-Accel-Buffering"] = cacheNever, unbuffered
	}
	length := answer.size()
	if answer.stream == nil && answer.entries == nil && !(status == http.StatusOK && length <= shortReply && r.Method != http.MethodHead) {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	a.options.Metrics.Reply(r.Pattern, status)
	w.WriteHeader(status)
	switch {
	case r.Method == http.MethodHead:
	case answer.stream != nil:
		a.sendStream(w, r, answer.stream)
	case answer.entries != nil:
		a.sendEntries(w, r, answer.entries)
	default:
		sendBody(w, answer)
	}
}

// size is how many bytes are in memory.
func (r *reply) size() int {
	size := len(r.body)
	for _, part := range r.lines {
		size += len(part)
	}
	return size
}

// parts are what is in memory, in order.
func (r *reply) parts() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !yield(r.body) {
			return
		}
		for _, part := range r.lines {
			if !yield(part) {
				return
			}
		}
	}
}

// sendBody writes what is in memory. An error means that the client has gone.
func sendBody(w http.ResponseWriter, answer *reply) {
	if answer.size() <= smallReply {
		for part := range answer.parts() {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
		return
	}
	writing := newDeadlineWriter(w, time.Now().Add(replyTime))
	var err error
	for part := range answer.parts() {
		if err == nil {
			_, err = writing.Write(part)
		}
	}
	if err == nil {
		err = writing.finish()
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the connection is of no use any more
	}
}

// sendStream writes a stream. Where it ends too early the connection is cut, so that the client can tell.
func (a *api) sendStream(w http.ResponseWriter, r *http.Request, stream func(io.Writer) error) {
	writing := newDeadlineWriter(w, time.Time{})
	err := stream(writing)
	if err == nil {
		err = writing.finish()
	}
	if err == nil {
		return
	}
	if errors.Is(err, relay.ErrUnavailable) && !errors.Is(err, context.Canceled) {
		a.log.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "err", err)
	}
	panic(http.ErrAbortHandler)
}

// entityTag returns a weak tag of a body. It tells a poller that nothing is new; it is no proof against anybody.
func entityTag(answer *reply) string {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // the one that processors have an instruction for; made once
	sum := uint32(0)
	for part := range answer.parts() {
		sum = crc32.Update(sum, castagnoli, part)
	}
	var room [32]byte
	tag := append(room[:0], `W/"`...)
	tag = strconv.AppendInt(tag, int64(answer.size()), 36)
	tag = append(tag, '-')
	tag = strconv.AppendUint(tag, uint64(sum), 36)
	return string(append(tag, '"'))
}

// matches reports whether an If-None-Match header names the tag. The comparison is weak (RFC 9110, section 13.1.2).
func matches(header []string, tag string) bool {
	for _, list := range header {
		for one := range strings.SplitSeq(list, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// errorReply tells of an error in the shape of contract section 4.
func errorReply(f format, code thingspeak.ErrorCode, hint string) *reply {
	answer := &reply{status: code.Status(), format: f}
	switch f {
	case formatJSON:
		answer.body = thingspeak.AppendErrorJSON(nil, code, hint)
	case formatXML:
		answer.body = appendErrorXML(nil, code, hint)
	default:
		answer.body = []byte(code)
	}
	return answer
}

// busyReply says that this relay cannot answer now.
func busyReply(f format) *reply { return unavailableReply(f, "Try again.", 1) }

// unavailableReply says that this relay cannot answer for some seconds. The contract has no code word for it.
func unavailableReply(f format, hint string, retryAfter int) *reply {
	answer := textReply(http.StatusServiceUnavailable, f, "unavailable, try again")
	switch f {
	case formatJSON:
		answer.body = []byte(`{"status":"503","error":{"message":"Service Unavailable","details":"` + hint + `"}}`)
	case formatXML:
		answer.body = []byte(xmlProlog + "<error>\n  <message>Service Unavailable</message>\n</error>\n")
	}
	answer.retryAfter = retryAfter
	return answer
}
