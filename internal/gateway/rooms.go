package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
)

// The rooms of this device for scripts and bots: JSON, bearer tokens, and refusals as problems.

const (
	// maxMessage is the longest body with a text, in bytes.
	maxMessage = 1 << 20
	// maxOnce is the longest Idempotency-Key, in bytes.
	maxOnce = 255
	// maxWait is how long an answer may be waited for.
	maxWait = time.Minute
	// defaultBatch and maxBatch are how many messages an answer has.
	defaultBatch, maxBatch = 100, 1000
	// alive is how often a stream of events shows that it is there, and a token that waits is looked at again.
	alive = 15 * time.Second
)

// roomDoor serves the rooms.
type roomDoor struct {
	h     *handler
	talks *talks
	log   *slog.Logger
	// waiting counts who waits for something to come.
	waiting atomic.Int64
}

// visitor is a request to a room by somebody who may make it.
type visitor struct {
	*http.Request
	w     http.ResponseWriter
	talks *talks
	talk  *talk
	query url.Values
	// allowed says whether the token is still good.
	allowed func() error
}

// renew gets the room once more if its settings have changed since.
func (v *visitor) renew() error {
	err := v.talk.over()
	if !errors.Is(err, errMoved) {
		return err
	}
	now, err := v.talks.get(v.talk.settings.Name)
	if err != nil {
		return err
	}
	if now.settings.FilesName() != v.talk.settings.FilesName() { // it is another one, of that name
		return errMoved
	}
	v.talk = now
	return nil
}

// with runs work on what is kept of the room.
func (v *visitor) with(work func(*messenger.Room) error) error {
	err := v.talk.with(work)
	if errors.Is(err, errMoved) {
		if err = v.renew(); err == nil {
			err = v.talk.with(work)
		}
	}
	return err
}

// route is an address of the rooms: what serves it, and what /openapi.json says of it.
type route struct {
	method, path string
	scope        Scope
	about        string
	params       []param
	// body has, by their media types, values that are as what is sent, nil for bytes or text.
	body map[string]any
	// answers has values of what is answered, by status; nil for none.
	answers map[int]any
	// stream is the media type of an answer that is no JSON.
	stream string
	serve  func(w http.ResponseWriter, v *visitor) error
}

// param is a parameter of a route.
type param struct {
	name, in, about string
	form            any // a value of its type
	values          []string
}

var (
	consumerParam = param{name: "consumer", in: "query", about: "name of the consumer: 1 to 64 characters out of a-z, A-Z, 0-9, \".\", \"-\" and \"_\"", form: ""}
	onceParam     = param{
		name: "Idempotency-Key", in: "header", form: "",
		about: "what names the message: asked for once more under that name in this room, within 30 days, it is not sent again",
	}
	sendWaitParam = param{name: "wait", in: "query", about: "how long to wait until the relay has accepted it, such as 10s; at most 1m", form: ""}
)

// routes are all addresses of the rooms.
func (d *roomDoor) routes() []route {
	sent := map[int]any{http.StatusOK: sentAnswer{}, http.StatusAccepted: sentAnswer{}}
	return []route{
		{
			method: "GET", path: "/rooms", scope: Read, about: "Lists the rooms that the token may read", answers: map[int]any{200: roomsAnswer{}},
		},
		{
			method: "POST", path: "/rooms/{room}/messages", scope: Write, about: "Sends a text", serve: d.postMessage,
			params: []param{onceParam, sendWaitParam}, answers: sent,
			body: map[string]any{"application/json": messageBody{}, "text/plain": nil},
		},
		{
			method: "GET", path: "/rooms/{room}/messages", scope: Read, serve: d.getMessages, answers: map[int]any{200: messagesAnswer{}},
			about: "Returns what a consumer has not acknowledged yet, and waits for something if there is nothing; without a consumer, the newest messages",
			params: []param{
				consumerParam,
				{
					name: "from", in: "query", form: "", values: []string{"now", "start"},
					about: "where a consumer begins that is new: with what comes from now on, or with the first message",
				},
				{name: "wait", in: "query", about: "how long to wait for a message, such as 30s; at most 1m", form: ""},
				{name: "limit", in: "query", about: "how many messages to return at most, 1 to 1000; otherwise 100", form: 0},
			},
		},
		{
			method: "POST", path: "/rooms/{room}/messages/ack", scope: Read, serve: d.ack, answers: map[int]any{204: nil},
			about:  "Says that a consumer has dealt with what it was given, up to a cursor: it is not given that again",
			params: []param{consumerParam}, body: map[string]any{"application/json": ackBody{}},
		},
		{
			method: "GET", path: "/rooms/{room}/consumers", scope: Read, about: "Lists the consumers of a room", serve: d.getConsumers,
			answers: map[int]any{200: consumersAnswer{}},
		},
		{
			method: "DELETE", path: "/rooms/{room}/consumers/{consumer}", scope: Read, serve: d.deleteConsumer, answers: map[int]any{204: nil},
			about: "Forgets a consumer: nothing is kept for it any more",
		},
		{
			method: "POST", path: "/rooms/{room}/files", scope: Write, about: "Sends a file, in a signed room", serve: d.postFile, answers: sent,
			params: []param{
				onceParam, sendWaitParam,
				{name: "name", in: "query", about: "the file's name", form: ""},
				{
					name: "long", in: "query", form: false,
					about: "true sends a file, too, that takes more than ten minutes, or a tenth of the relay's messages of a day",
				},
			},
			body: map[string]any{"application/octet-stream": nil},
		},
		{
			method: "GET", path: "/rooms/{room}/files/{key}/{number}", scope: Read, serve: d.getFile, stream: "application/octet-stream",
			about: "Returns a file, by the public key of its author and the author's number of the message", answers: map[int]any{200: nil},
		},
		{
			method: "GET", path: "/rooms/{room}/events", scope: Read, serve: d.getEvents, stream: "text/event-stream",
			about: "Streams what happens: events with the names message, state and finding, and JSON as their data",
			params: []param{
				{name: "from", in: "query", about: "now, start, or the id of an event behind which to go on", form: ""},
				{name: "Last-Event-ID", in: "header", about: "the same, as browsers say it", form: ""},
			},
			answers: map[int]any{200: nil},
		},
		{
			method: "GET", path: "/rooms/{room}/findings", scope: Read, serve: d.getFindings, answers: map[int]any{200: findingsAnswer{}},
			about: "Lists what is wrong in a room, or may be",
		},
	}
}

// register puts the routes into a mux.
func (d *roomDoor) register(mux *http.ServeMux) {
	methods := map[string][]string{}
	handle := func(method, path string, serve func(http.ResponseWriter, *http.Request) error) {
		methods[path] = append(methods[path], method)
		mux.HandleFunc(method+" "+path, d.answering(func(w http.ResponseWriter, r *http.Request) error {
			if r.Method != method { // HEAD, which would make a consumer, or wait for nothing
				return notAllowed(w, methods[path])
			}
			return serve(w, r)
		}))
	}
	for _, r := range d.routes() {
		if r.serve == nil {
			handle(r.method, r.path, d.getRooms)
		} else {
			handle(r.method, r.path, d.inRoom(&r))
		}
	}
	handle("GET", "/openapi.json", d.getOpenAPI)
	for path, allowed := range methods {
		mux.HandleFunc(path, d.answering(func(w http.ResponseWriter, _ *http.Request) error { return notAllowed(w, allowed) }))
	}
}

// notAllowed refuses a method at an address that has others.
func notAllowed(w http.ResponseWriter, allowed []string) error {
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	return refusef(http.StatusMethodNotAllowed, "here it is %s", list)
}

// answering makes problems of refusals and errors.
func (d *roomDoor) answering(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		counted := &countedReply{ResponseWriter: w}
		err := serve(counted, r)
		switch {
		case err != nil && counted.status != 0:
			if problemOf(err).Status == http.StatusInternalServerError {
				d.log.ErrorContext(r.Context(), "an answer was broken off", "route", r.Pattern, "err", err)
			}
		case err != nil:
			p := problemOf(err)
			if p.Status == http.StatusInternalServerError {
				d.log.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "err", err)
			}
			if p.Status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "5")
			}
			p.write(counted)
		}
		d.h.figures.Reply(r.Pattern, counted.status)
	}
}

// inRoom looks whether a request may be made in its room.
func (d *roomDoor) inRoom(r *route) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, request *http.Request) error {
		name := request.PathValue("room")
		allowed := func() error { return d.h.bearer(request, r.scope, name) }
		if err := allowed(); err != nil {
			return err
		}
		query, err := url.ParseQuery(request.URL.RawQuery)
		if err != nil {
			return refusef(http.StatusBadRequest, "the address is written wrongly behind its question mark")
		}
		for name := range query {
			if !r.takes(name) {
				return refusef(http.StatusBadRequest, "%q is no parameter of this address", name)
			}
		}
		t, err := d.talks.get(name)
		if err != nil {
			return err
		}
		return r.serve(w, &visitor{request, w, d.talks, t, query, allowed})
	}
}

func (r *route) takes(name string) bool {
	for _, p := range r.params {
		if p.in == "query" && p.name == name {
			return true
		}
	}
	return false
}

// countedReply knows the status of its reply.
type countedReply struct {
	http.ResponseWriter
	status int
}

// WriteHeader is part of [http.ResponseWriter].
func (w *countedReply) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *countedReply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// problemOf returns the refusal that an error comes to.
func problemOf(err error) *problem {
	status, detail := http.StatusInternalServerError, "a fault of the gateway; its log has more"
	if no, ok := errors.AsType[*refusal](err); ok {
		status, detail = no.status, no.why
		return &problem{Status: status, Detail: detail}
	}
	is := func(code int, targets ...error) {
		for _, target := range targets {
			if errors.Is(err, target) {
				status, detail = code, err.Error()
			}
		}
	}
	is(http.StatusNotFound, model.ErrNoRoom, messenger.ErrNoConsumer)
	is(http.StatusBadRequest, model.ErrRoomName, messenger.ErrConsumerName, messenger.ErrNotYet, model.ErrMark, model.ErrNoText, model.ErrNotUTF8)
	is(http.StatusConflict, messenger.ErrTooManyConsumers, model.ErrOtherIdentity, model.ErrNumbersSpent, model.ErrNamedKeyGone)
	is(http.StatusUnprocessableEntity, model.ErrOtherBody, record.ErrBody)
	is(http.StatusServiceUnavailable, model.ErrArchiveBusy, model.ErrDiskFull, model.ErrKeyringAway, errEnding, errMoved)
	if _, ok := errors.AsType[*model.TooLongError](err); ok {
		status, detail = http.StatusRequestEntityTooLarge, err.Error()
	}
	if _, ok := errors.AsType[*messenger.ReadOnlyError](err); ok {
		status, detail = http.StatusForbidden, err.Error()
	}
	if _, ok := errors.AsType[*messenger.MovedError](err); ok {
		status, detail = http.StatusConflict, err.Error()
	}
	return &problem{Status: status, Detail: detail}
}

// sendJSON writes an answer.
func sendJSON(w http.ResponseWriter, status int, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	send(w, status, "application/json", append(body, '\n'))
	return nil
}

// roomAnswer is a room.
type roomAnswer struct {
	Name    string `json:"name" means:"what it is called on this device"`
	Channel int64  `json:"channel" means:"the number of its channel"`
	Signed  bool   `json:"signed" means:"whether its members sign what they write"`
	Write   bool   `json:"write" means:"whether the token may write there, and the room has a write key"`
}

type roomsAnswer struct {
	Rooms []roomAnswer `json:"rooms" means:"the rooms, by name:"`
}

func (d *roomDoor) getRooms(w http.ResponseWriter, r *http.Request) error {
	names, _, err := d.talks.engine.Rooms()
	if err != nil {
		return err
	}
	answer, refused := roomsAnswer{[]roomAnswer{}}, error(nil)
	for _, name := range names {
		if err := d.h.bearer(r, Read, name); err != nil {
			refused = err
			if no, ok := errors.AsType[*refusal](err); ok && no.status != http.StatusForbidden {
				return err
			}
			continue
		}
		settings, err := d.talks.engine.Find(name)
		if err != nil {
			continue // it was removed, or cannot be read: whoever asks for it hears why
		}
		signed, _ := messenger.Signed(settings)
		answer.Rooms = append(answer.Rooms, roomAnswer{
			name, settings.Channel, signed, messenger.Writable(settings) == nil && d.h.bearer(r, Write, name) == nil,
		})
	}
	if len(names) == 0 {
		refused = d.h.bearer(r, Read, "")
	}
	if len(answer.Rooms) == 0 && refused != nil {
		return refused
	}
	return sendJSON(w, http.StatusOK, answer)
}

// messageBody is a text that is to be sent.
type messageBody struct {
	Text string `json:"text" means:"what it says; in a room of plain texts at most 127 bytes of UTF-8"`
}

// sentAnswer is what became of a message.
type sentAnswer struct {
	Room    string            `json:"room" means:"the room's name on this device"`
	Key     *record.PublicKey `json:"key" means:"the key of ours that has signed it; null of a text that nobody signs"`
	Number  uint32            `json:"number" means:"our number of it"`
	State   string            `json:"state" means:"queued, tried, accepted or unknown"`
	Entry   *int64            `json:"entry" means:"number of the last of its entries in the feed, once it is accepted and known"`
	Entries int               `json:"entries" means:"in how many entries it stands; 0 where that is not known any more"`
	Again   bool              `json:"again" means:"whether it was sent before, under the same Idempotency-Key"`
}

// readBody reads a body of a bounded size.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, refusef(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", most)
	}
	if err != nil {
		return nil, refusef(http.StatusBadRequest, "the body did not arrive whole")
	}
	return body, nil
}

// textOf returns the text of a body.
func textOf(contentType string, body []byte) (record.Text, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = ""
	}
	switch charset := strings.ToLower(params["charset"]); {
	case charset != "" && charset != "utf-8" && charset != "us-ascii":
		return "", refusef(http.StatusUnsupportedMediaType, "send it in UTF-8")
	case kind == "application/json":
		text, err := member(body, "text")
		return record.Text(text), err
	case kind == "text/plain":
		if !utf8.Valid(body) {
			return "", model.ErrNotUTF8
		}
		return record.Text(strings.TrimSuffix(strings.TrimSuffix(string(body), "\n"), "\r")), nil
	}
	return "", refusef(http.StatusUnsupportedMediaType,
		"send JSON, {\"text\": \"…\"} with the header Content-Type: application/json, or a text with Content-Type: text/plain")
}

func (d *roomDoor) postMessage(w http.ResponseWriter, v *visitor) error {
	body, err := readBody(w, v.Request, maxMessage)
	if err != nil {
		return err
	}
	text, err := textOf(v.Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	if text == "" {
		return model.ErrNoText
	}
	return d.send(w, v, text)
}

// longKey has a context tell that a long transfer is wanted.
type longKey struct{}

// agree refuses a transfer that takes long, unless the request says that it is wanted.
func agree(ctx context.Context, e messenger.Estimate) error {
	if ctx.Value(longKey{}) != nil {
		return nil
	}
	return refusef(http.StatusUnprocessableEntity, "it takes %d entries and about %v: long=true sends it all the same",
		e.Entries, e.Takes().Round(time.Minute))
}

// send puts a message into the outbox, and waits for the relay if that is wanted.
func (d *roomDoor) send(w http.ResponseWriter, v *visitor, body record.Body) error {
	wait, err := v.wait()
	if err != nil {
		return err
	}
	o := messenger.SendOptions{}
	if once, ok := v.Header["Idempotency-Key"]; ok {
		if o.Once = once[0]; len(once) > 1 || o.Once == "" || len(o.Once) > maxOnce || !utf8.ValidString(o.Once) {
			return refusef(http.StatusBadRequest, "want one Idempotency-Key of 1 to %d bytes", maxOnce)
		}
	}
	if err := messenger.Writable(v.talk.settings); err != nil {
		return err
	}
	if err := v.renew(); err != nil {
		return err
	}
	stream, _, away := v.talk.now()
	if stream == nil {
		return refusef(http.StatusServiceUnavailable, "the room cannot be followed now: %v", away)
	}
	ctx := context.WithoutCancel(v.Context()) // a client that hangs up does not take it back
	if v.query.Get("long") == "true" {
		ctx = context.WithValue(ctx, longKey{}, true)
	}
	sent, err := stream.Send(ctx, body, o)
	if _, waits := errors.AsType[*messenger.WaitsError](err); err != nil && !waits {
		return err
	}
	if v.talk.over() != nil && v.renew() == nil { // nobody may have told the new stream of it
		if stream, _, _ := v.talk.now(); stream != nil {
			stream.Post()
		}
	}
	id := model.OwnID{Author: sent.Author, Number: sent.Number}
	err = d.until(v, wait, func() (bool, error) {
		if sent.Queued.Sent == model.StateAccepted {
			return true, nil
		}
		return false, v.with(func(r *messenger.Room) error {
			now, err := r.SentBy(id)
			if err == nil {
				sent.Queued = now
			}
			return err
		})
	})
	if err != nil { // it is sent all the same: whoever is refused would send it once more
		d.log.InfoContext(ctx, "nobody waits any more until a message is accepted", "room", v.talk.settings.Name, "err", err)
	}
	answer := sentAnswer{
		Room: v.talk.settings.Name, Number: sent.Number, State: sent.Queued.Sent.String(), Entries: sent.Entries, Again: sent.Again,
	}
	if !sent.Author.IsZero() {
		answer.Key = &sent.Author
	}
	if sent.Entry > 0 {
		answer.Entry = &sent.Entry
	}
	status := http.StatusAccepted
	if sent.Queued.Sent == model.StateAccepted {
		status = http.StatusOK
	}
	return sendJSON(w, status, answer)
}

// wait returns how long a request is to wait.
func (v *visitor) wait() (time.Duration, error) {
	s := v.query.Get("wait")
	if s == "" {
		return 0, nil
	}
	wait, err := duration.Parse(s)
	if err != nil || wait < 0 || wait > maxWait {
		return 0, refusef(http.StatusBadRequest, "wait is to be 0s to %v", maxWait)
	}
	return wait, nil
}

// until looks again whenever something may have come, until look finds that it is enough, or for as long as wait.
func (d *roomDoor) until(v *visitor, wait time.Duration, look func() (enough bool, err error)) error {
	end := time.Now().Add(wait)
	if wait > 0 {
		// The server's own limit of a request's body would end a long wait.
		_ = http.NewResponseController(v.w).SetReadDeadline(time.Time{})
		d.waiting.Add(1)
		defer d.waiting.Add(-1)
	}
	for {
		if err := v.renew(); err != nil {
			return err
		}
		_, changed, _ := v.talk.now()
		enough, err := look()
		left := time.Until(end)
		if enough || err != nil || left <= 0 {
			return err
		}
		select {
		case <-changed:
		case <-d.talks.ending:
			return nil
		case <-v.Context().Done():
			return nil
		case <-time.After(min(left, alive)):
		}
		if err := v.allowed(); err != nil {
			return err
		}
	}
}

// messageAnswer is a message.
type messageAnswer struct {
	item.Message

	Path *string `json:"path" means:"where this gateway has its content, if it is a file"`
}

// messagesAnswer is what came.
type messagesAnswer struct {
	Messages []messageAnswer `json:"messages" means:"the messages, for a consumer in the order in which they came, otherwise in that of the feed:"`
	Cursor   *string         `json:"cursor" means:"what to acknowledge them with; null without a consumer"`
	More     bool            `json:"more" means:"whether there are more"`
	Away     *string         `json:"away" means:"why nothing comes from the relay; null while it answers"`
}

func (t *talk) messageOf(it *model.Item) messageAnswer {
	m := messageAnswer{Message: item.Of(it, false)}
	if it.Record != nil && m.File != nil {
		m.Path = new(fmt.Sprintf("/rooms/%s/files/%s/%d", t.settings.Name, it.Record.Author, it.Record.Number))
	}
	return m
}

func (d *roomDoor) getMessages(w http.ResponseWriter, v *visitor) error {
	wait, err := v.wait()
	if err != nil {
		return err
	}
	limit := defaultBatch
	if s := v.query.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxBatch {
			return refusef(http.StatusBadRequest, "limit is to be 1 to %d", maxBatch)
		}
	}
	from := v.query.Get("from")
	if from != "" && from != "now" && from != "start" {
		return refusef(http.StatusBadRequest, "from is now, or start")
	}
	answer, consumer := messagesAnswer{Messages: []messageAnswer{}}, v.query.Get("consumer")
	switch {
	case !v.query.Has("consumer") && (wait > 0 || from != ""):
		return refusef(http.StatusBadRequest, "only a consumer waits, or begins somewhere: consumer=NAME names one")
	case !v.query.Has("consumer"):
		if err := d.settle(v); err != nil {
			return err
		}
		err = v.with(func(r *messenger.Room) error {
			return r.History(limit, func(it *model.Item) error {
				answer.Messages = append(answer.Messages, v.talk.messageOf(it))
				return nil
			})
		})
	default:
		err = d.consume(v, &answer, consumer, from, limit, wait)
	}
	if err != nil {
		return err
	}
	if _, _, away := v.talk.now(); away != nil {
		answer.Away = new(away.Error())
	}
	return sendJSON(w, http.StatusOK, answer)
}

// consume takes what is there for a consumer, which is made if it is new, and waits for something.
func (d *roomDoor) consume(v *visitor, answer *messagesAnswer, consumer, from string, limit int, wait time.Duration) error {
	var b messenger.Batch
	take := func() error {
		return v.with(func(r *messenger.Room) (err error) {
			b, err = r.Consume(consumer, limit)
			return err
		})
	}
	if err := take(); errors.Is(err, messenger.ErrNoConsumer) {
		if err := d.begin(v, consumer, from == "start"); err != nil {
			return err
		}
	}
	return d.until(v, wait, func() (bool, error) {
		if err := take(); err != nil {
			return false, err
		}
		for i := range b.Items {
			answer.Messages = append(answer.Messages, v.talk.messageOf(&b.Items[i]))
		}
		answer.Cursor, answer.More = new(b.Until.String()), b.More
		return len(b.Items) > 0, nil
	})
}

// begin makes a consumer.
func (d *roomDoor) begin(v *visitor, consumer string, fromStart bool) error {
	if !fromStart { // what the relay has already is not what comes from now on
		if err := d.settle(v); err != nil {
			return err
		}
		if !v.talk.hasAnswered() {
			return refusef(http.StatusServiceUnavailable, "the relay does not answer, so that nobody knows what comes from now on")
		}
	}
	if err := v.with(func(r *messenger.Room) error {
		_, err := r.AddConsumer(consumer, fromStart)
		return err
	}); err != nil {
		return err
	}
	if stream, _, _ := v.talk.now(); fromStart && stream != nil {
		stream.ReadWhole()
	}
	return nil
}

// settle waits a moment for the relay's first answer since the room is followed.
func (d *roomDoor) settle(v *visitor) error {
	const moment = 10 * time.Second
	return d.until(v, moment, func() (bool, error) {
		_, _, away := v.talk.now()
		return away != nil || v.talk.hasAnswered(), nil
	})
}

// ackBody says up to where a consumer has dealt with what it was given.
type ackBody struct {
	Cursor string `json:"cursor" means:"the cursor of the answer with the last message that it has dealt with"`
}

func (d *roomDoor) ack(w http.ResponseWriter, v *visitor) error {
	body, err := readBody(w, v.Request, maxMessage)
	if err != nil {
		return err
	}
	if kind, _, err := mime.ParseMediaType(v.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refusef(http.StatusUnsupportedMediaType, "send JSON, {\"cursor\": \"…\"} with the header Content-Type: application/json")
	}
	cursor, err := member(body, "cursor")
	if err != nil {
		return err
	}
	until, err := model.ParseMark(cursor)
	if err != nil {
		return refusef(http.StatusBadRequest, "that is no cursor: send the one that came with the messages")
	}
	if err := v.with(func(r *messenger.Room) error { return r.Ack(v.query.Get("consumer"), until) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// consumerAnswer is a consumer.
type consumerAnswer struct {
	Name    string `json:"name" means:"its name"`
	Cursor  string `json:"cursor" means:"up to where it has dealt with what came"`
	Waiting bool   `json:"waiting" means:"whether more has come since"`
}

type consumersAnswer struct {
	Consumers []consumerAnswer `json:"consumers" means:"the consumers, by name:"`
}

func (d *roomDoor) getConsumers(w http.ResponseWriter, v *visitor) error {
	answer := consumersAnswer{[]consumerAnswer{}}
	err := v.with(func(r *messenger.Room) error {
		all, err := r.Consumers()
		for _, c := range all {
			answer.Consumers = append(answer.Consumers, consumerAnswer{c.Name, c.Until.String(), c.Waiting})
		}
		return err
	})
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}

func (d *roomDoor) deleteConsumer(w http.ResponseWriter, v *visitor) error {
	if err := v.with(func(r *messenger.Room) error { return r.RemoveConsumer(v.PathValue("consumer")) }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (d *roomDoor) postFile(w http.ResponseWriter, v *visitor) error {
	if signed, err := messenger.Signed(v.talk.settings); err != nil {
		return err
	} else if !signed {
		return refusef(http.StatusUnprocessableEntity, "a room of plain texts carries no files")
	}
	if long := v.query.Get("long"); long != "" && long != "true" && long != "false" {
		return refusef(http.StatusBadRequest, "long is true, or false")
	}
	file := record.File{Name: v.query.Get("name"), Media: v.Header.Get("Content-Type")}
	if file.Media == "" {
		file.Media = "application/octet-stream"
	}
	if file.Name == "" {
		return refusef(http.StatusBadRequest, "name the file: name=NAME")
	}
	var err error
	if file.Content, err = readBody(w, v.Request, record.MaxFile); err != nil {
		return err
	}
	return d.send(w, v, file)
}

func (d *roomDoor) getFile(w http.ResponseWriter, v *visitor) error {
	author, err := record.ParseKey(v.PathValue("key"))
	number, numberErr := strconv.ParseUint(v.PathValue("number"), 10, 32)
	if err != nil || numberErr != nil {
		return refusef(http.StatusNotFound, "a file is called by its author's public key and its number, as the path in its message says")
	}
	var found []model.Item
	err = v.with(func(r *messenger.Room) (err error) {
		found, err = r.Numbered(author, uint32(number))
		return err
	})
	switch {
	case err != nil:
		return err
	case len(found) > 1:
		return refusef(http.StatusConflict, "its author's key wrote %d different messages with this number", len(found))
	case len(found) == 0:
		return refusef(http.StatusNotFound, "there is no such message here")
	}
	file, ok := found[0].Record.Body.(record.File)
	if !ok {
		return refusef(http.StatusNotFound, "that message is no file")
	}
	// Whatever its author calls it, nothing shows it as a page of this address.
	w.Header().Set("Content-Security-Policy", "sandbox")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file.Name}))
	send(w, http.StatusOK, "application/octet-stream", file.Content)
	return nil
}

// findingsAnswer are findings.
type findingsAnswer struct {
	Findings []item.Finding `json:"findings" means:"those that hold, in the order in which they came:"`
	Past     []item.Finding `json:"past" means:"those about what stood before the channel was cleared:"`
}

func (d *roomDoor) getFindings(w http.ResponseWriter, v *visitor) error {
	answer := findingsAnswer{[]item.Finding{}, []item.Finding{}}
	if err := d.settle(v); err != nil {
		return err
	}
	err := v.with(func(r *messenger.Room) error {
		all, past, err := r.Standing()
		for i := range all {
			answer.Findings = append(answer.Findings, item.OfFinding(&all[i], false))
		}
		for i := range past {
			answer.Past = append(answer.Past, item.OfFinding(&past[i], false))
		}
		return err
	})
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, answer)
}

// streamOf counts a stream against what an address may have.
func (d *roomDoor) streamOf(r *http.Request) (leave func(), err error) {
	leave, err = d.h.clients.OpenStream(httpapi.SenderOf(r, d.h.clients))
	if err != nil {
		err = refusef(http.StatusTooManyRequests, "%v", err)
	}
	return leave, err
}
