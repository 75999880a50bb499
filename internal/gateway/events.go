package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
)

// eventTime is how long somebody may take to fetch an event. Who takes longer goes on behind the last one that came.
const eventTime = 20 * time.Second

// getEvents streams what happens in a room.
func (d *roomDoor) getEvents(w http.ResponseWriter, v *roomRequest) (err error) {
	from := v.query.Get("from")
	if last := v.Header.Get("Last-Event-ID"); last != "" { // a browser that connects again asks the same address
		from = last
	}
	at, err := d.from(v, from)
	if err != nil {
		return err
	}
	leave, err := d.streamOf(v.Request)
	if err != nil {
		return err
	}
	defer leave()
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	defer d.h.figures.StreamOpened()(false)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	_ = out.control.SetReadDeadline(time.Time{}) // that of a request's head and body would end the stream
	for out.err == nil && v.allowed() == nil {
		if err := v.renew(); err != nil {
			return err
		}
		_, changed, _ := v.room.now()
		for more := true; more && out.err == nil; {
			b, err := v.since(at)
			if err != nil {
				return err
			}
			out.batch(v.room, &b, at)
			at, more = b.Until, b.More
		}
		out.write([]byte(":\n\n"))
		select {
		case <-changed:
		case <-d.followed.ending:
			return nil
		case <-v.Context().Done():
			return nil
		case <-time.After(alive):
		}
	}
	return nil
}

// eventWriter writes events until somebody does not take them any more.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

func (o *eventWriter) write(b []byte) {
	if o.err != nil {
		return
	}
	_ = o.control.SetWriteDeadline(time.Now().Add(eventTime))
	if _, o.err = o.w.Write(b); o.err == nil {
		o.err = o.control.Flush()
	}
}

// batch writes what came behind a mark. The mark behind it comes last, as an id alone: whoever is cut off before is given all of it
// again.
func (o *eventWriter) batch(t *followedRoom, b *messenger.Batch, before model.Mark) {
	if b.Until == before {
		return
	}
	var all []byte
	event := func(name string, data any) {
		text, err := json.Marshal(data)
		if err != nil {
			o.err = err
		}
		all = fmt.Appendf(all, "event: %s\ndata: %s\n\n", name, text)
	}
	for i := range b.Items {
		event("message", t.messageOf(&b.Items[i]))
	}
	for i := range b.Found {
		event("finding", item.OfFinding(&b.Found[i].Finding, b.Found[i].TakenBack))
	}
	for i := range b.States {
		event("state", item.OfState(&b.States[i]))
	}
	o.write(fmt.Appendf(all, "id: %s\n\n", b.Until))
}

// streamOf counts a stream against what an address may have.
func (d *roomDoor) streamOf(r *http.Request) (leave func(), err error) {
	leave, err = d.h.clients.OpenStream(httpapi.SenderOf(r, d.h.clients))
	if err != nil {
		err = refusef(http.StatusTooManyRequests, "%v", err)
	}
	return leave, err
}
