package gateway

import (
	"net/http"
	"strings"
)

// The addresses of the rooms, for scripts and bots: JSON, bearer tokens, and refusals as problems.

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
	serve  func(w http.ResponseWriter, v *roomRequest) error
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
			method: "GET", path: "/rooms/{room}/people", scope: Read, serve: d.getPeople, answers: map[int]any{200: peopleAnswer{}},
			about: "Lists who has written in a room, with the words of their keys",
		},
		{
			method: "POST", path: "/rooms/{room}/people/{key}", scope: Admin, serve: d.postCompared, answers: map[int]any{204: nil},
			about: "Says that the words of a key were compared with its owner's, aloud",
		},
		{
			method: "GET", path: "/rooms/{room}/findings", scope: Read, serve: d.getFindings, answers: map[int]any{200: findingsAnswer{}},
			about: "Lists what is wrong in a room, or may be",
		},
	}
}

// register has the routes served.
func (d *roomDoor) register(serve func(pattern string, h func(http.ResponseWriter, *http.Request))) {
	methods := map[string][]string{}
	handle := func(method, path string, answer func(http.ResponseWriter, *http.Request) error) {
		methods[path] = append(methods[path], method)
		serve(method+" "+path, d.answering(func(w http.ResponseWriter, r *http.Request) error {
			if r.Method != method { // HEAD, which would make a consumer, or wait for nothing
				return notAllowed(w, methods[path])
			}
			return answer(w, r)
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
		serve(path, d.answering(func(w http.ResponseWriter, _ *http.Request) error { return notAllowed(w, allowed) }))
	}
}

// notAllowed refuses a method at an address that has others.
func notAllowed(w http.ResponseWriter, allowed []string) error {
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	return refusef(http.StatusMethodNotAllowed, "here it is %s", list)
}

func (r *route) takes(name string) bool {
	for _, p := range r.params {
		if p.in == "query" && p.name == name {
			return true
		}
	}
	return false
}
