package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/metrics"
)

const (
	// maxMessage is the longest body with a text, in bytes.
	maxMessage = 1 << 20
	// maxOnce is the longest Idempotency-Key, in bytes.
	maxOnce = 255
	// maxWait is how long an answer may be waited for.
	maxWait = time.Minute
	// defaultBatch and maxBatch are how many messages an answer has.
	defaultBatch, maxBatch = 100, 1000
	// maxConsumers is how many consumers one token makes in a room.
	maxConsumers = 100
	// alive is how often a stream of events shows that it is there, and a token that waits is looked at again.
	alive = 15 * time.Second
)

// roomDoor serves the rooms.
type roomDoor struct {
	h        *handler
	followed *followedRooms
	log      *slog.Logger
	// waiting counts who waits for something to come.
	waiting atomic.Int64

	making sync.Mutex       // held while a consumer is made; it guards what follows
	madeBy map[string]int64 // the tokens that have made consumers since the start, by rooms' IDs and names
}

// roomRequest is a request to a room by somebody who may make it.
type roomRequest struct {
	*http.Request
	w        http.ResponseWriter
	followed *followedRooms
	room     *followedRoom
	query    url.Values
	grant    Grant // of its token
	// allowed says whether the token is still good.
	allowed func() error
	// release lets go of the place that the body has, see bodies.
	release func()
}

// renew gets the room once more if its settings have changed since.
func (v *roomRequest) renew() error {
	err := v.room.over()
	if !errors.Is(err, errMoved) {
		return err
	}
	now, err := v.followed.get(v.room.settings.Name)
	if err != nil {
		return err
	}
	if now.settings.FilesName() != v.room.settings.FilesName() { // it is another one, of that name
		return errMoved
	}
	v.room = now
	return nil
}

// with runs work on what is kept of the room.
func (v *roomRequest) with(work func(*messenger.Room) error) error {
	err := v.room.with(work)
	if errors.Is(err, errMoved) {
		if err = v.renew(); err == nil {
			err = v.room.with(work)
		}
	}
	return err
}

// since returns what has come since a mark.
func (v *roomRequest) since(at model.Mark) (b messenger.Batch, err error) {
	if b, err = v.room.since(at); errors.Is(err, errMoved) {
		if err = v.renew(); err == nil {
			b, err = v.room.since(at)
		}
	}
	return b, err
}

// from returns where somebody begins: now, at the start, or behind a mark.
func (d *roomDoor) from(v *roomRequest, word string) (at model.Mark, err error) {
	switch word {
	case "start":
		return at, nil
	case "", "now":
		if err := d.settle(v); err != nil {
			return at, err
		}
		if !v.room.hasAnswered() { // what the relay has already would be taken for new
			return at, refusef(http.StatusServiceUnavailable, "the relay does not answer, so that nobody knows what comes from now on")
		}
		err = v.with(func(r *messenger.Room) error {
			at, err = r.Now()
			return err
		})
		return at, err
	}
	if at, err = model.ParseMark(word); err != nil {
		return at, refusef(http.StatusBadRequest, "from is now, start, or the id of an event")
	}
	return at, v.with(func(r *messenger.Room) error { return r.HasCome(at) })
}

// answering makes problems of refusals and errors.
func (d *roomDoor) answering(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		counted := &metrics.Observed{ResponseWriter: w}
		err := serve(counted, r)
		switch {
		case err != nil && counted.Status != 0:
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
		d.h.figures.Reply(r.Pattern, counted.Status)
	}
}

// inRoom looks whether a request may be made in its room.
func (d *roomDoor) inRoom(r *route) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, request *http.Request) error {
		name := request.PathValue("room")
		grant, err := d.h.bearer(request, r.scope, name)
		if err != nil {
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
		t, err := d.followed.get(name)
		if err != nil {
			return err
		}
		v := &roomRequest{Request: request, w: w, followed: d.followed, room: t, query: query, grant: grant}
		v.allowed = func() error {
			_, err := d.h.bearer(request, r.scope, name)
			return err
		}
		if v.release, err = d.h.bodies.hold(request); err != nil {
			return err
		}
		defer v.release()
		return r.serve(w, v)
	}
}

// ReadBody reads a body of a bounded size. The error says for the client what is wrong.
func ReadBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, refusef(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", most)
	}
	if err != nil {
		return nil, refusef(http.StatusBadRequest, "the body did not arrive whole")
	}
	return body, nil
}

// wait returns how long a request is to wait.
func (v *roomRequest) wait() (time.Duration, error) {
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
func (d *roomDoor) until(v *roomRequest, wait time.Duration, look func() (enough bool, err error)) error {
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
		_, changed, _ := v.room.now()
		enough, err := look()
		left := time.Until(end)
		if enough || err != nil || left <= 0 {
			return err
		}
		select {
		case <-changed:
		case <-d.followed.ending:
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

// settle waits a moment for the relay's first answer since the room is followed.
func (d *roomDoor) settle(v *roomRequest) error {
	const moment = 10 * time.Second
	return d.until(v, moment, func() (bool, error) {
		_, _, away := v.room.now()
		return away != nil || v.room.hasAnswered(), nil
	})
}
