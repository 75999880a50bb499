package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/journal"
	"github.com/fernpost/fernpost/internal/wire"
)

// core is one room of a page. The zero core has no room yet.
type core struct {
	settings model.Room
	nick     string
	keys     []fernet.Key
	identity record.Identity
	signed   bool
	// writes tells that this page is the one of several that posts and reads the relay.
	writes bool
	hidden bool

	store *journal.Store
	// talk is for what the user asks, reading for the relay's feed, and delivery for the outbox.
	talk, reading, delivery *room.Conversation
	mark                    model.Mark // up to where events were told

	channel        *wire.Channel
	interval       time.Duration
	reader, poster *exchange.Exchange
	follows, posts *task
	watch          *exchange.Watch
	pushed         []exchange.Pushed
	news           exchange.News  // of the last reading
	counts         model.Findings // of all readings
	nameTold       bool           // that the name is somebody else's
	heard          time.Time      // when the relay was heard last
	told           relayEvent     // the last that was told of it
	listens        bool           // the page is to listen to the stream
	vain           int            // events of the stream that were no entries, since vainSince
	vainSince      time.Time
	limits         *exchange.Limits

	asks     int
	toAsk    []*asked
	events   []any
	settled  bool // settings or the nickname have changed, and are to be kept
	sum      summer
	rows     int // that were taken since the last snapshot
	rowBytes int
	dead     bool
}

// message is what a page says.
type message struct {
	Op string `json:"op"`

	// Answer is what came of a request, for answer; its body is attached.
	Answer answerOf `json:"answer"`
	// Settings, Nick and Seed are the room and who signs, for open; Rows are the lengths of the rows that are attached.
	Settings *settings `json:"settings"`
	Nick     string    `json:"nick"`
	Seed     string    `json:"seed"`
	Rows     []int     `json:"rows"`
	Writes   bool      `json:"writes"`
	Start    bool      `json:"start"`
	Hidden   bool      `json:"hidden"`

	Link string `json:"link"`
	// Apart gives a room with another key than that of the invitation a place of its own.
	Apart      bool    `json:"apart"`
	Key        string  `json:"key"`
	Number     uint32  `json:"number"`
	Entry      int64   `json:"entry"`
	Passphrase string  `json:"passphrase"`
	Profile    string  `json:"profile"`
	Channel    int64   `json:"channel"`
	Pad        *bool   `json:"pad"`
	Body       said    `json:"body"`
	Once       string  `json:"once"`
	Long       bool    `json:"long"` // what takes long to post is wanted
	Newest     int     `json:"newest"`
	At         string  `json:"at"`
	Event      string  `json:"event"`
	Never      bool    `json:"never"`
	Write      *bool   `json:"write"`
	NewNick    *string `json:"new_nick"`
}

// reply is what the page does then, in this order.
type reply struct {
	// Failed refuses what was asked; the rest counts all the same.
	Failed *failure `json:"failed,omitempty"`
	// Result is what was asked for.
	Result any `json:"result,omitempty"`
	// Rows are the lengths of rows to be kept, in one transaction with the settings: they are attached, behind Attached bytes that
	// belong to the result. Snapshot means that the one row stands for all before it.
	Rows     []int     `json:"rows,omitempty"`
	Snapshot bool      `json:"snapshot,omitempty"`
	Settings *settings `json:"settings,omitempty"`
	Nick     string    `json:"nick,omitempty"`
	Attached int       `json:"attached,omitempty"`
	// Events are to be shown.
	Events []any `json:"events,omitempty"`
	// Ask are requests to be made. What comes of each goes into a call.
	Ask []*asked `json:"ask,omitempty"`
	// Listen, unless it is null, is the stream to be listened to, as before or from now on.
	Listen *listening `json:"listen"`
	// Wake is when to call again at the latest, in milliseconds since 1970; 0 if not.
	Wake int64 `json:"wake,omitempty"`
	// Dead means that the core is to be replaced.
	Dead bool `json:"dead,omitempty"`
}

// failure says why something was refused, and what to do.
type failure struct {
	Code string `json:"code"`
	Text string `json:"message"`
	Hint string `json:"hint,omitempty"`
}

func (f *failure) Error() string { return f.Text }

func failf(code, format string, args ...any) *failure {
	return &failure{Code: code, Text: fmt.Sprintf(format, args...)}
}

// call takes a message and what is attached to it, and returns the answer and what is attached to that.
func (c *core) call(text, attached []byte) (answer, more []byte) {
	var r reply
	defer func() {
		if what := recover(); what != nil {
			c.dead = true
			answer, _ = json.Marshal(reply{Dead: true, Failed: failf("died", "the core has failed: %v", what)})
			more = nil
		}
	}()
	if c.dead {
		panic("it has failed before")
	}
	result, body, err := c.take(text, attached)
	c.run()
	if wrong := c.tellNews(); err == nil {
		err = wrong
	}
	if err != nil {
		r.Failed = failureFrom(err)
	} else {
		r.Result = result
	}
	more = append(more, body...)
	r.Attached = len(body)
	c.keep(&r, &more)
	r.Events, r.Ask = c.events, c.toAsk
	c.events, c.toAsk = nil, nil
	c.tellWaiting(&r)
	answer, err = json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return answer, more
}

// take does what a message asks for.
func (c *core) take(text, attached []byte) (result any, body []byte, err error) {
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, nil, failf("failed", "the page has sent what is no message: %v", err)
	}
	if do, ok := before[m.Op]; ok {
		return do(c, &m, attached)
	}
	do, ok := within[m.Op]
	switch {
	case !ok:
		return nil, nil, failf("failed", "the page asks for %q, which the core does not know", m.Op)
	case c.store == nil:
		return nil, nil, failf("closed", "no room is open")
	}
	return do(c, &m, attached)
}

type operation func(c *core, m *message, attached []byte) (result any, body []byte, err error)

// run has the tasks go on as long as one of them can.
func (c *core) run() {
	for went := true; went; {
		went = false
		for _, t := range []*task{c.posts, c.follows} {
			if t.ready(time.Now()) {
				t.resume()
				went = true
			}
		}
	}
}

// keep says which rows are to be kept. Once there are many, a snapshot of all takes their place.
func (c *core) keep(r *reply, more *[]byte) {
	if c.settled {
		r.Settings, r.Nick, c.settled = &settings{c.settings}, c.nick, false
	}
	if c.store == nil {
		return
	}
	rows := c.store.Take()
	if !c.writes {
		return
	}
	for _, row := range rows {
		c.rows, c.rowBytes = c.rows+1, c.rowBytes+len(row)
	}
	if len(rows) > 0 && (c.rows > maxRows || c.rowBytes > maxRowBytes) {
		rows = [][]byte{c.store.Snapshot()}
		c.rows, c.rowBytes, r.Snapshot = 1, 0, true
	}
	for _, row := range rows {
		r.Rows = append(r.Rows, len(row))
		*more = append(*more, row...)
	}
}

const (
	// maxRows and maxRowBytes are how much is kept beside a snapshot.
	maxRows     = 256
	maxRowBytes = 1 << 20
)

// tellWaiting says when to call again, and whether to listen.
func (c *core) tellWaiting(r *reply) {
	var at time.Time
	for _, t := range []*task{c.posts, c.follows} {
		if t == nil || t.ended || t.wish.asks != nil {
			continue
		}
		if until := t.wish.until; !until.IsZero() && (at.IsZero() || until.Before(at)) {
			at = until
		}
	}
	if !at.IsZero() {
		r.Wake = at.UnixMilli() + 1
	}
	if c.listens {
		r.Listen = c.stream()
	}
}

// failureFrom words an error for the user.
func failureFrom(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	code := "failed"
	switch {
	case errors.Is(err, model.ErrNoText):
		code = "empty"
	case errors.Is(err, record.ErrNickname):
		code = "nickname"
	case errors.Is(err, record.ErrBody), errors.Is(err, model.ErrReading), errors.Is(err, record.ErrNoReading):
		code = "body"
	case errors.Is(err, model.ErrNobody), errors.Is(err, model.ErrNoMessage):
		code = "nobody"
	}
	if _, ok := errors.AsType[*model.MovedError](err); ok {
		return &failure{Code: "moved", Text: err.Error(), Hint: "ask for a new invitation, and open it here"}
	}
	if _, ok := errors.AsType[*record.TooLongError](err); ok {
		code = "toolong"
	}
	if _, ok := errors.AsType[*model.TooLongError](err); ok {
		code = "toolong"
	}
	return &failure{Code: code, Text: err.Error()}
}
