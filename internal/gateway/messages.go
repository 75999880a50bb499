package gateway

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

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

func (d *roomDoor) postMessage(w http.ResponseWriter, v *roomRequest) error {
	body, err := ReadBody(w, v.Request, maxMessage)
	if err != nil {
		return err
	}
	text, err := textOf(v.Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	return d.send(w, v, text)
}

// longKey has a context tell that a long transfer is wanted.
type longKey struct{}

// agree refuses a transfer that takes long, unless the request says that it is wanted.
func agree(ctx context.Context, e exchange.Estimate) error {
	if ctx.Value(longKey{}) != nil {
		return nil
	}
	return refusef(http.StatusUnprocessableEntity, "it takes %d entries and about %v: long=true sends it all the same",
		e.Entries, e.Takes().Round(time.Minute))
}

// send puts a message into the outbox, and waits for the relay if that is wanted.
func (d *roomDoor) send(w http.ResponseWriter, v *roomRequest, body record.Body) error {
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
	if err := messenger.Writable(v.room.settings); err != nil {
		return err
	}
	if err := v.renew(); err != nil {
		return err
	}
	stream, _, away := v.room.now()
	if stream == nil {
		return refusef(http.StatusServiceUnavailable, "the room cannot be followed now: %s", inWords(away))
	}
	ctx := context.WithoutCancel(v.Context()) // a client that hangs up does not take it back
	if v.query.Get("long") == "true" {
		ctx = context.WithValue(ctx, longKey{}, true)
	}
	sent, err := stream.Send(ctx, body, o)
	if _, waits := errors.AsType[*messenger.WaitsError](err); err != nil && !waits {
		return err
	}
	v.release()                                   // whoever waits holds no body
	if v.room.over() != nil && v.renew() == nil { // nobody may have told the new stream of it
		if stream, _, _ := v.room.now(); stream != nil {
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
		d.log.InfoContext(ctx, "nobody waits any more until a message is accepted", "room", v.room.settings.Name, "err", err)
	}
	answer := sentAnswer{
		Room: v.room.settings.Name, Number: sent.Number, State: sent.Queued.Sent.String(), Entries: sent.Entries, Again: sent.Again,
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
	return SendJSON(w, status, answer)
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

func (t *followedRoom) messageOf(it *model.Item) messageAnswer {
	m := messageAnswer{Message: item.Of(it, false)}
	if it.Record != nil && m.File != nil {
		m.Path = new(fmt.Sprintf("/rooms/%s/files/%s/%d", t.settings.Name, it.Record.Author, it.Record.Number))
	}
	return m
}

func (d *roomDoor) getMessages(w http.ResponseWriter, v *roomRequest) error {
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
				answer.Messages = append(answer.Messages, v.room.messageOf(it))
				return nil
			})
		})
	default:
		err = d.consume(v, &answer, consumer, from, limit, wait)
	}
	if err != nil {
		return err
	}
	if _, _, away := v.room.now(); away != nil {
		answer.Away = new(inWords(away))
	} else if !v.room.hasAnswered() {
		answer.Away = new("the relay has not answered yet")
	}
	return SendJSON(w, http.StatusOK, answer)
}
