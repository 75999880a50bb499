package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// Stream returns the relay's own way of pushing, server-sent events (WHATWG HTML, section 9.2): a connection of its own, over
// which each entry comes when it is written. ThingSpeak does not have it.
func (c *Client) Stream() Source { return (*stream)(c) }

type stream Client

// maxEvent bounds an event, which holds one entry.
const maxEvent = thingspeak.MaxEntryJSONBytes + 1<<10

// maxVain is how many bytes a stream may bring in an hour besides new entries, such as comments, of which ours sends 240 then. One
// that brings more is listened to no more: without an end to that, each reset would have the channel read again.
const maxVain = 256 << 10

// Via implements [Source].
func (*stream) Via() exchange.Via { return exchange.Stream }

// Listen implements [Source]. A relay that is busy or away is worth another try; one that answers something else has no stream.
func (s *stream) Listen(ctx context.Context, after int64, heard func(Heard) error) error {
	path, err := s.at.Path("feeds/stream")
	if err != nil {
		return err
	}
	// One entry back: a connection that shows none that is known may lead to another channel, or behind a clear.
	r := s.http.R().SetContext(ctx).SetHeader("Accept", "text/event-stream").SetHeader("Cache-Control", "no-cache").
		SetHeader("Accept-Encoding", "identity"). // what is compressed waits for more to come
		SetQueryParam("after", strconv.FormatInt(max(after-1, 0), 10))
	if key := s.at.KeyToRead(); key != "" {
		r.SetHeader(wire.KeyHeader, key)
	}
	resp, err := r.Get(s.set.address + path)
	if err != nil {
		return fmt.Errorf("listening to channel %d: %w", s.set.Channel, err)
	}
	body := resp.RawBody()
	defer body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header().Get("Content-Type"))
	switch code := resp.StatusCode(); {
	case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError:
		return fmt.Errorf("listening to channel %d: the relay answers with status %d", s.set.Channel, code)
	case code != http.StatusOK || kind != "text/event-stream":
		return fmt.Errorf("listening to channel %d: %w", s.set.Channel, ErrNotOffered)
	}
	if err := readStream(body, heard); !errors.Is(err, errVain) {
		return err
	}
	return fmt.Errorf("listening to channel %d: %w (%w)", s.set.Channel, errVain, ErrNotOffered)
}

// errVain ends a stream that brings too much besides entries.
var errVain = errors.New("the relay sends no entries, but much else")

// readStream hands on what comes over a stream until it ends.
func readStream(src io.Reader, heard func(Heard) error) error {
	signs := &signsOfLife{src: src, heard: heard}
	newest := int64(0)
	for event, err := range sse.Read(signs, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		if err != nil {
			return err
		}
		h := heardIn(event)
		switch {
		case event.Type == "reset":
			newest = 0
		case h.Entry != nil && h.Entry.ID > newest:
			newest = h.Entry.ID
			signs.vain -= len("id: \ndata: \n\n") + len(event.LastEventID) + len(event.Data)
		}
		if err := heard(h); err != nil {
			return err
		}
	}
	return errors.New("the relay has ended the stream")
}

// heardIn is what an event says. What it does not understand is a reason to read the channel, but for what has no data and no
// name, which only says where the stream is.
func heardIn(event sse.Event) (h Heard) {
	if event.Type == "" && event.Data == "" {
		return h
	}
	if event.Type != "" && event.Type != "message" {
		return Heard{Missed: true}
	}
	return pushedIn([]byte(event.Data))
}

// pushedIn is what an entry that was pushed says (contract section 10.3), or that it could not be read.
func pushedIn(data []byte) Heard {
	pushed, err := wire.Pushed(data)
	if err != nil {
		return Heard{Missed: true}
	}
	return Heard{Entry: &pushed}
}

// signsOfLife tells of what comes, comments too, at most once a second.
type signsOfLife struct {
	src   io.Reader
	heard func(Heard) error
	last  time.Time
	// vain is how many bytes have come since hour besides new entries.
	vain int
	hour time.Time
}

func (s *signsOfLife) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	now := time.Now()
	if now.Sub(s.hour) >= time.Hour {
		s.hour, s.vain = now, 0
	}
	if s.vain += n; s.vain > maxVain {
		return n, errVain
	}
	if n > 0 && now.Sub(s.last) >= time.Second {
		s.last = now
		if err := s.heard(Heard{}); err != nil {
			return n, err
		}
	}
	return n, err
}
