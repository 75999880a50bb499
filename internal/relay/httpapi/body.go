package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// maxBody is the largest body of a request, in bytes, but for bulk calls. A full update, each byte percent-encoded,
	// has 10 KiB.
	maxBody = 64 << 10
	// maxBulkBody is the largest body of a bulk call, in bytes, whatever the limits are.
	maxBulkBody = 32 << 20
	// smallBody is how much of a body is held without being counted.
	smallBody = 16 << 10
	// maxHeld bounds the bytes of larger bodies at any moment; beyond it requests get 503. It is filled by bytes that
	// arrived, not by lengths that were announced.
	maxHeld = 64 << 20
	// firstRead is how much room a body gets before any of it arrived: many may wait for one that never comes.
	firstRead = 4 << 10
)

// errBusy refuses a request because others hold the memory that it needs.
var errBusy = errors.New("too many large bodies at once")

// bulkBody is the largest body of a bulk call under the relay's limits: each byte of an update may be percent-encoded.
func (a *api) bulkBody() int64 {
	l := a.relay.Limits()
	return min(maxBulkBody, maxBody+3*int64(l.BulkUpdates)*int64(l.MessageBytes))
}

// readParams reads the query and the body, whatever the method is.
func (a *api) readParams(w http.ResponseWriter, q *request, bulk bool) (err error) {
	if bulk {
		q.bulk = &form.Bulk{}
	}
	if q.params.Query, err = form.ParseQuery(q.URL.RawQuery); err != nil {
		return err
	}
	if q.ContentLength == 0 || q.Body == nil {
		return nil
	}
	if coding := q.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return &form.Error{Fault: form.Coded, Hint: "A compressed body is not read here."}
	}
	most := int64(maxBody)
	if bulk {
		most = a.bulkBody()
	}
	body, err := a.readBody(w, q, most)
	if err != nil {
		return err
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // editors put it there, and it would be part of the first name
	if bulk {
		err = a.decodeBulk(q, body)
	} else {
		q.params.Body, err = form.Parse(q.Header.Get("Content-Type"), body)
		q.strange = form.IsStrange(body, q.params.Body)
	}
	return err
}

// mustSay refuses to store what a request sent if that would store nothing of it: its body was not decoded, or not read as
// it has no length. With values in the query the body is of no account.
func (q *request) mustSay() error {
	switch {
	case form.NamesValue(q.params.Query):
		return nil
	case q.strange:
		return &form.Error{Fault: form.NoName, Hint: "The body names no parameter that is known here: send field1=1 as a form, " +
			`or {"field1":1} as JSON.`}
	case q.lacksLength():
		return &refusal{
			code: thingspeak.CodeLengthRequired, hint: "A body needs a Content-Length; without one it is not read.",
		}
	}
	return nil
}

// lacksLength reports whether a request may have had a body that nobody could read, as it says of none how long it is.
func (q *request) lacksLength() bool {
	return q.Method != http.MethodGet && q.ProtoMajor == 1 && q.ContentLength == 0 && len(q.TransferEncoding) == 0 &&
		q.Header.Get("Content-Length") == ""
}

// readBody returns the body of a request of at most so many bytes.
func (a *api) readBody(w http.ResponseWriter, q *request, most int64) ([]byte, error) {
	body, err := a.receive(w, q, most)
	if err != nil {
		// Otherwise the server waits for the rest before it answers.
		w.Header()["Connection"] = []string{"close"}
	}
	return body, err
}

func (a *api) receive(w http.ResponseWriter, q *request, most int64) ([]byte, error) {
	tooLarge := &form.Error{Fault: form.TooLarge, Hint: "The body is too large."}
	// A length that is announced is refused before anything is read.
	if q.ContentLength > most {
		return nil, tooLarge
	}
	end := most // of the body, as far as is known
	if q.ContentLength >= 0 {
		end = q.ContentLength
	}
	source := http.MaxBytesReader(w, q.Body, most)
	body := make([]byte, 0, min(end, firstRead))
	for int64(len(body)) < end {
		if len(body) == cap(body) {
			room := min(2*int64(cap(body)), end)
			if err := a.hold(q, room); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, room), body...)
		}
		n, err := source.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == nil {
			continue
		}
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			return nil, tooLarge
		}
		if errors.Is(err, io.EOF) && (q.ContentLength < 0 || int64(len(body)) == end) {
			return body, nil
		}
		return nil, &form.Error{Fault: form.Cut, Hint: "The body did not arrive whole."}
	}
	if q.ContentLength < 0 { // it is as large as may be: is there more?
		if n, err := source.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			return nil, tooLarge
		}
	}
	return body, nil
}

// hold counts the room for a body that has become large.
func (a *api) hold(q *request, room int64) error {
	if room <= smallBody {
		return nil
	}
	more := room - q.held
	if a.held.Add(more) > maxHeld {
		a.held.Add(-more)
		return errBusy
	}
	q.held = room
	return nil
}

// release gives back what a request held.
func (a *api) release(q *request) { a.held.Add(-q.held) }
