package httpapi

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// commentEvery is the longest silence on a stream of entries: a client that hears nothing for three times as long may
	// take the line for dead.
	commentEvery = 15 * time.Second
	// streamPartTime is how long a client may take to fetch a part of a stream.
	streamPartTime = 10 * time.Second
	// streamWait is when to try again after a stream was refused, in seconds.
	streamWait = 10
)

// unbuffered tells a proxy to hand on what comes at once.
var unbuffered = []string{"no"}

// entryStream is a reply that tells of entries as they come.
type entryStream struct {
	channels []relay.Watched
	// reset says which of them do not go on where the client was, and many that the client named several.
	reset []bool
	many  bool
	lines bool
	// leave gives the place back that the stream takes.
	leave func()
}

// IsStream reports whether a request is for a stream of entries, which is not answered soon.
func IsStream(r *http.Request) bool {
	if !strings.Contains(r.URL.Path, streamRoute) {
		return false
	}
	path, _ := splitPath(r.URL.Path)
	return path == streamRoute || strings.HasSuffix(path, "/feeds/stream") || strings.HasSuffix(path, "/feed/stream")
}

// channelStream streams the entries of one channel.
func (a *api) channelStream(q *request) (*reply, error) {
	id, err := a.channelOf(q)
	if err != nil {
		return nil, err
	}
	after, given := q.after()
	s := &entryStream{}
	if !given {
		return a.stream(q, s, []int64{id}, []string{q.key()}, nil)
	}
	at, ok := parseMark(after)
	if !ok {
		return nil, &refusal{
			code: thingspeak.CodeBadRequest,
			hint: "A stream goes on after the number of an entry, or after the id of an event as it came: after=17.",
		}
	}
	return a.stream(q, s, []int64{id}, []string{q.key()}, map[int64]relay.Mark{id: at})
}

// channelsStream streams the entries of several channels.
func (a *api) channelsStream(q *request) (*reply, error) {
	ids, ok := parseChannels(q.params.Get("channels"))
	if !ok {
		return nil, &refusal{
			code: thingspeak.CodeBadRequest,
			hint: "Name up to " + strconv.Itoa(maxStreamed) + " different channels: channels=7,9.",
		}
	}
	keys := strings.Split(q.key(), ",")
	if len(keys) > 1 && len(keys) > len(ids) {
		return nil, &refusal{
			code: thingspeak.CodeBadRequest, hint: "There are more keys than channels: they stand in the same order.",
		}
	}
	inOrder := make([]string, len(ids))
	for i := range ids {
		switch {
		case len(keys) == 1:
			inOrder[i] = keys[0] // it opens the one that it belongs to
		case i < len(keys):
			inOrder[i] = strings.TrimSpace(keys[i])
		}
	}
	var marks map[int64]relay.Mark
	if after, given := q.after(); given {
		if marks, ok = parseMarks(after); !ok {
			return nil, &refusal{
				code: thingspeak.CodeBadRequest,
				hint: "A stream of several channels goes on after numbers of entries, or after the id of an event as it came: " +
					"after=7:17,9:1.",
			}
		}
	}
	return a.stream(q, &entryStream{many: true}, ids, inOrder, marks)
}

// after returns where the client wants to go on: what the last event had that its browser has seen counts more than what
// stands in the address, which stays the same when it connects again.
func (q *request) after() (mark string, given bool) {
	if mark = strings.TrimSpace(q.Header.Get("Last-Event-ID")); mark == "" {
		mark = q.params.Get("after")
	}
	return mark, mark != ""
}

// stream opens channels, and begins with what comes from now on where no mark is given.
func (a *api) stream(
	q *request, s *entryStream, ids []int64, keys []string, after map[int64]relay.Mark,
) (*reply, error) {
	views, err := a.relay.Views(q.Context(), ids, keys)
	if err != nil {
		return nil, err
	}
	s.channels, s.reset = make([]relay.Watched, len(ids)), make([]bool, len(ids))
	for i, v := range views {
		at := v.End()
		if mark, given := after[ids[i]]; given {
			var known bool
			at, known = v.Begin(mark)
			s.reset[i] = !known
		}
		s.channels[i] = relay.Watched{View: v, Key: keys[i], From: at}
	}
	answer := &reply{status: http.StatusOK, format: formatEvents, entries: s}
	if s.lines = wantsLines(q.Header); s.lines {
		answer.format = formatLines
	}
	if q.Method == http.MethodHead {
		return answer, nil
	}
	select {
	case <-a.options.Ending:
		return unavailableReply(q.format, "The relay is about to stop.", streamWait), nil
	default:
	}
	switch s.leave, err = a.options.Clients.OpenStream(a.senderOf(q.Request)); {
	case errors.Is(err, guard.ErrStreams):
		return nil, tooMany("Your address has as many streams open as it may have.", streamWait*time.Second)
	case err != nil:
		return unavailableReply(q.format, "There are as many streams as this relay serves.", streamWait), nil
	}
	return answer, nil
}

// wantsLines reports whether an Accept header names JSON lines.
func wantsLines(h http.Header) bool {
	for media := range strings.SplitSeq(strings.Join(h["Accept"], ","), ",") {
		switch name, _, _ := mime.ParseMediaType(media); name {
		case "application/x-ndjson", "application/ndjson", "application/jsonl":
			return true
		}
	}
	return false
}

// sendEntries writes a stream until its client has gone, or does not keep up, or the relay stops. A connection on which a
// write has failed is closed by the server.
func (a *api) sendEntries(w http.ResponseWriter, r *http.Request, s *entryStream) {
	defer s.leave()
	slow := false
	closed := a.options.Metrics.StreamOpened()
	defer func() { closed(slow) }()
	out := newDeadlineWriter(w, time.Time{})
	out.part = streamPartTime
	_ = out.control.SetReadDeadline(time.Time{}) // that of a request's head and body would end the stream

	watch := a.relay.Watch(s.channels)
	defer watch.End()
	silence := time.NewTimer(commentEvery)
	defer silence.Stop()
	write := func(text []byte) error {
		silence.Reset(commentEvery)
		_, err := out.Write(text)
		if err == nil {
			err = out.finish()
		}
		slow = slow || errors.Is(err, os.ErrDeadlineExceeded)
		return err
	}
	err := write(s.begin(watch))
	for err == nil {
		var news relay.News
		var found bool
		news, found, err = watch.Next()
		switch {
		case errors.Is(err, relay.ErrSlow):
			slow = true
			_ = write(s.slow()) // if it does not get there, the end of the stream does
		case err != nil:
			if !errors.Is(err, relay.ErrKey) && !errors.Is(err, relay.ErrNotFound) {
				a.log.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "err", err)
			}
		case found:
			a.options.Metrics.Events(news.Events.Len())
			frame := frames.Get().(*[]byte)
			*frame = s.append((*frame)[:0], watch, &news)
			err = write(*frame)
			if cap(*frame) <= maxFrame {
				frames.Put(frame)
			}
		default:
			err = a.pause(r, watch, silence, func() error { return write(s.comment()) })
		}
	}
}

// errOver ends a stream about which nothing is to be said.
var errOver = errors.New("the stream is over")

// pause waits for news.
func (a *api) pause(r *http.Request, watch *relay.Watch, silence *time.Timer, comment func() error) error {
	select {
	case <-watch.Woken():
		return nil
	case <-silence.C:
		return comment()
	case <-r.Context().Done():
		return context.Cause(r.Context())
	case <-a.options.Ending:
		return errOver
	}
}

// frames are buffers in which news is put into words. A stream has one only while it writes.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// maxFrame is the largest buffer that is kept.
const maxFrame = 128 << 10

// begin tells at once where the stream begins, so that a line that is cut before the first entry leaves no gap.
func (s *entryStream) begin(watch *relay.Watch) (text []byte) {
	if !s.lines {
		text = append(s.appendID(text, watch), '\n')
	}
	for i, reset := range s.reset {
		if reset {
			text = s.appendReset(text, watch, i)
		}
	}
	return text
}

// append writes news.
func (s *entryStream) append(dst []byte, watch *relay.Watch, news *relay.News) []byte {
	if news.Reset {
		return s.appendReset(dst, watch, news.Channel)
	}
	if s.lines {
		return append(dst, news.Events.Text()...)
	}
	// Of several channels each event names all places, and only this channel's changes from one to the next.
	var before, behind []byte
	at := watch.At(news.Channel)
	if s.many {
		before, behind = s.around(watch, news.Channel)
	}
	for number, line := range news.Events.All() {
		dst = append(dst, "id: "...)
		dst = append(dst, before...)
		at.Number = number
		dst = appendMark(dst, at)
		dst = append(dst, behind...)
		dst = append(dst, "\ndata: "...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
	}
	return dst
}

// around is what stands in an id before and behind the place of one channel.
func (s *entryStream) around(watch *relay.Watch, channel int) (before, behind []byte) {
	part := &before
	for i := range s.channels {
		if i > 0 {
			*part = append(*part, ',')
		}
		*part = append(strconv.AppendInt(*part, s.channels[i].View.State.Channel, 10), ':')
		if i == channel {
			part = &behind
		} else {
			*part = appendMark(*part, watch.At(i))
		}
	}
	return before, behind
}

// appendID writes the id that names all places.
func (s *entryStream) appendID(dst []byte, watch *relay.Watch) []byte {
	dst = append(dst, "id: "...)
	var before, behind []byte
	if s.many {
		before, behind = s.around(watch, 0)
	}
	dst = append(dst, before...)
	dst = appendMark(dst, watch.At(0))
	dst = append(dst, behind...)
	return append(dst, '\n')
}

// appendReset tells that a channel's feed begins anew for the client.
func (s *entryStream) appendReset(dst []byte, watch *relay.Watch, channel int) []byte {
	id := s.channels[channel].View.State.Channel
	if s.lines {
		dst = append(dst, `{"event":"reset","channel_id":`...)
		return append(strconv.AppendInt(dst, id, 10), "}\n"...)
	}
	dst = s.appendID(append(dst, "event: reset\n"...), watch)
	dst = append(dst, `data: {"channel_id":`...)
	return append(strconv.AppendInt(dst, id, 10), "}\n\n"...)
}

// slow tells that the stream ends because the client did not keep up. A browser hands on no event without data.
func (s *entryStream) slow() []byte {
	if s.lines {
		return []byte(`{"event":"slow"}` + "\n")
	}
	return []byte("event: slow\ndata: {}\n\n")
}

// comment is something to hear.
func (s *entryStream) comment() []byte {
	if s.lines {
		return []byte("\n")
	}
	return []byte(":\n\n")
}
