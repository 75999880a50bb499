package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// problem is a refusal in the form of RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what to do about it.
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Detail }

func (p *problem) write(w http.ResponseWriter) {
	p.Title = http.StatusText(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // unreachable: two texts and a number
	}
	send(w, p.Status, "application/problem+json", body)
}

// Refuse answers with a problem.
func Refuse(w http.ResponseWriter, status int, detail string) {
	(&problem{Status: status, Detail: detail}).write(w)
}

// send writes a whole reply.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client has gone
}

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
				status, detail = code, inWords(err)
			}
		}
	}
	is(http.StatusNotFound, model.ErrNoRoom, model.ErrNobody, messenger.ErrNoConsumer)
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
	if _, ok := errors.AsType[*model.MovedError](err); ok {
		status, detail = http.StatusConflict, err.Error()
	}
	return &problem{Status: status, Detail: detail}
}

// inWords says what an error is, without where this device keeps its files.
func inWords(err error) string {
	for _, is := range []error{
		model.ErrDiskFull, model.ErrArchiveBusy, model.ErrArchiveDamaged, model.ErrNewerArchive, model.ErrKeyringAway,
	} {
		if errors.Is(err, is) {
			return is.Error()
		}
	}
	return err.Error()
}

// SendJSON writes an answer, which nobody keeps.
func SendJSON(w http.ResponseWriter, status int, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	send(w, status, "application/json", append(body, '\n'))
	return nil
}
