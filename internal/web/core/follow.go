package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

const (
	// budget is how many bytes a reading may bring, and vain readings in an hour.
	budget = 32 << 20
	// fastest is how often the relay is asked after activity, slowest while nothing comes, and unseen while nobody looks: then a
	// browser wakes a page once a minute at most.
	fastest = 2 * time.Second
	slowest = 20 * time.Second
	unseen  = time.Minute
	// maxVain is how many events that are no entries a stream may bring in an hour, and pushedAhead how many entries may wait.
	maxVain     = 200
	pushedAhead = 1000
)

// relayEvent says how the relay does.
type relayEvent struct {
	Type  string `json:"type"`
	State string `json:"state"`
	Text  string `json:"text"`
	Via   string `json:"via"`
	Heard *int64 `json:"heard"`
	Until *int64 `json:"until"`
	// Reason and Writers are those of a wait.
	Reason  string `json:"reason,omitempty"`
	Writers int    `json:"writers,omitempty"`
}

// progressEvent says how far something has come.
type progressEvent struct {
	Type string `json:"type"`
	What string `json:"what"`
	Done int64  `json:"done"`
	Of   int64  `json:"of"`
	Left int64  `json:"left_ms"`
}

// followFeed reads the feed again and again, as [exchange.Watch] says.
func (c *core) followFeed(ctx context.Context, t *task) {
	for {
		arrivals, err := c.readFeed(ctx, t, c.reading, c.reader, c.look(ctx))
		failure := wire.FailureOf(err)
		if err != nil && failure.Kind == exchange.NoFailure && !errors.Is(err, context.Canceled) {
			c.tellRelay("ended", err.Error())
			return
		}
		quick, slow := c.pace()
		turn := c.watch.Answered(arrivals.Entries, failure, quick, slow, time.Now())
		switch {
		case turn.Over:
			c.tellRelay("ended", err.Error())
			return
		case turn.Away && turn.Refuses:
			c.tellRelay("refuses", err.Error())
		case turn.Away:
			c.tellRelay("away", err.Error())
		case turn.Back:
			c.tellRelay("back", "")
		}
		if err == nil && arrivals.More { // or a quiet relay would keep what has come already from being shown
			c.watch.Hurry()
		}
		if err == nil {
			c.posts.wake() // what waits goes out once the room was read
		}
		if err := c.takePushed(ctx, t); err != nil {
			return
		}
	}
}

// pace is how often the relay is to be asked where it does not push.
func (c *core) pace() (quick, slow time.Duration) {
	if c.hidden {
		return unseen, unseen
	}
	return max(fastest, c.interval/4), max(slowest, c.interval)
}

// look returns what reads the feed for [core.readFeed].
func (c *core) look(ctx context.Context) fetcher {
	look := c.watch.Look()
	return func(at exchange.Position, v exchange.Visitor) (exchange.News, error) {
		v.Look = look
		return c.reader.Follow(ctx, at, v)
	}
}

// fetcher brings a visitor what comes after a position.
type fetcher func(exchange.Position, exchange.Visitor) (exchange.News, error)

// readFeed reads what is new and keeps it. Beside an error of the relay the arrivals up to it are good.
func (c *core) readFeed(
	ctx context.Context, t *task, talk *room.Conversation, x *exchange.Exchange, fetch fetcher,
) (model.Arrivals, error) {
	const tries = 3
	for i := 1; ; i++ {
		g, err := talk.ReadFeed(budget, false)
		if err != nil {
			return model.Arrivals{}, err
		}
		visit := g.Visitor()
		c.tellReading(&visit, g.Position().Last)
		news, failed := fetch(g.Position(), visit)
		arrivals, err := g.Finish(&news, failed)
		c.news = news
		if i == tries || !errors.Is(err, room.ErrReadElsewhere) {
			c.tellCounts(arrivals.Findings)
			return arrivals, errors.Join(failed, err, c.introduce(), c.tellName())
		}
	}
}

// tellCounts tells what a reading has counted besides messages, with what those before it have.
func (c *core) tellCounts(came model.Findings) {
	fresh := item.OfCounts(came)
	c.counts.Add(came)
	for _, f := range item.OfCounts(c.counts) {
		// Letters are for somebody else, and nothing is wrong with them.
		if f.Finding != "letter" && slices.ContainsFunc(fresh, func(one item.Finding) bool { return one.Finding == f.Finding }) {
			c.events = append(c.events, findingEvent{"finding", f})
		}
	}
}

// tellReading has a reading tell how far it has come that is to bring many entries.
func (c *core) tellReading(v *exchange.Visitor, last int64) {
	const many = 500
	add, done, of, newest := v.Entry, int64(0), int64(0), v.Newest
	v.Named = func(named int64) {
		if of = named - last; newest > 0 {
			of = min(of, newest)
		}
	}
	v.Entry = func(e *thingspeak.Entry) error {
		if done++; of >= many && (done%many == 0 || done == of) {
			c.events = append(c.events, progressEvent{Type: "progress", What: "reading", Done: min(done, of), Of: of})
		}
		return add(e)
	}
}

// takePushed takes what is pushed until the feed is to be read. The error is that the task has ended.
func (c *core) takePushed(ctx context.Context, t *task) error {
	for {
		now := time.Now()
		c.dial(now)
		if len(c.pushed) > 0 {
			pushed, taken := c.pushed, 0
			c.pushed = nil
			arrivals, err := c.readFeed(ctx, t, c.reading, c.reader, func(at exchange.Position, v exchange.Visitor) (news exchange.News, err error) {
				news, taken, err = c.reader.Take(at, pushed, v)
				return news, err
			})
			if err != nil || taken < len(pushed) {
				c.watch.Missed()
			}
			if arrivals.More {
				c.watch.Hurry()
			}
			continue
		}
		at := c.watch.ReadAt()
		if !now.Before(at) {
			return nil
		}
		if redial := c.watch.RedialAt(now); !c.hidden && !redial.IsZero() && redial.Before(at) {
			at = redial
		}
		if err := t.pause(at); err != nil {
			return err
		}
	}
}

// dial says whether the page is to listen to the stream from now on.
func (c *core) dial(now time.Time) {
	switch wanted := !c.hidden && c.watch.Wants(0, now); {
	case wanted && !c.listens:
		c.watch.Opened(0, now)
		c.listens = true
	case !wanted && c.listens:
		c.watch.Cut(0, false, now)
		c.listens = false
	}
}

// stream is where the relay pushes entries.
func (c *core) stream() *listening {
	path, _ := c.channel.Path("feeds/stream")
	// One entry back: a connection that shows none that is known may lead to another channel, or behind a clear.
	after := strconv.FormatInt(max(c.news.Position.Last-1, 0), 10)
	l := &listening{URL: c.channel.Base.String() + "/" + path + "?after=" + after, Headers: map[string]string{"Accept": "text/event-stream"}}
	if key := c.channel.KeyToRead(); key != "" {
		l.Headers[wire.KeyHeader] = key
	}
	return l
}

// listening is a stream that the page is to listen to.
type listening struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// takeStream takes what was heard over the stream.
func (c *core) takeStream(m *message, data []byte) {
	now := time.Now()
	if c.follows == nil || !c.listens {
		return
	}
	switch m.Event {
	case "cut":
		c.watch.Cut(0, m.Never, now)
		c.listens = false
	case "entry":
		c.hear(now)
		if pushed, err := wire.Pushed(data); err == nil && len(c.pushed) < pushedAhead {
			c.pushed = append(c.pushed, pushed)
		} else {
			c.watch.Missed()
		}
	case "missed":
		if now.Sub(c.vainSince) >= time.Hour {
			c.vainSince, c.vain = now, 0
		}
		// Each of these has the channel read: a relay that sends nothing else is asked now and then instead.
		if c.vain++; c.vain > maxVain {
			c.watch.Cut(0, true, now)
			c.listens = false
			break
		}
		c.hear(now)
		c.watch.Missed()
	default:
		c.hear(now)
	}
	c.follows.wake()
}

func (c *core) hear(now time.Time) {
	c.heard = now
	c.watch.Heard(0, now)
}

// tellRelay tells how the relay does.
func (c *core) tellRelay(state, text string) {
	e := relayEvent{Type: "relay", State: state, Text: text, Via: c.via()}
	if !c.heard.IsZero() {
		e.Heard = new(c.heard.UnixMilli())
	}
	c.events, c.told = append(c.events, e), e
}

func (c *core) via() string {
	if c.watch.Via == exchange.Stream {
		return "stream"
	}
	return "polling"
}

// tellHeard tells by which way entries come, and when something was heard, as far as that is news.
func (c *core) tellHeard() {
	if c.watch == nil || c.heard.IsZero() {
		return
	}
	if ended := []string{"ended", "away", "refuses"}; slices.Contains(ended, c.told.State) {
		return
	}
	if c.told.Via != c.via() || c.told.Heard == nil || c.heard.Sub(time.UnixMilli(*c.told.Heard)) >= time.Second {
		c.tellRelay("reads", "")
	}
}
