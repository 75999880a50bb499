package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// update stores one entry (contract section 5).
func (a *api) update(q *request) (*reply, error) {
	// The reply would be the next command of a queue; a client must not take an entry's number for one.
	if q.params.Get("talkback_key") != "" {
		return nil, &refusal{code: thingspeak.CodeBadRequest, hint: notServed("TalkBack")}
	}
	e, err := q.entry()
	if err != nil {
		return nil, err
	}
	accepted, err := a.store(q, relay.Update{Entries: []relay.NewEntry{e.NewEntry}})
	if err != nil {
		return nil, err
	}
	answer := &reply{status: http.StatusOK, format: q.format}
	stored := &accepted.Entries[0]
	switch q.format {
	case formatJSON:
		answer.body = thingspeak.AppendUpdateJSON(nil, accepted.Channel, stored, e.numbers, q.zone())
	case formatXML:
		answer.body = appendUpdateXML(nil, accepted.Channel, stored, q.zone())
	default:
		answer.body = strconv.AppendInt(nil, stored.ID, 10)
	}
	return answer, nil
}

// postEntry stores one entry in the channel of the path, with the service's table of errors (contract section 5.1). The
// MATLAB toolbox writes so.
func (a *api) postEntry(q *request) (*reply, error) {
	id, err := a.mayWrite(q)
	if err != nil {
		return nil, byTable{err}
	}
	e, err := q.entry()
	if err != nil {
		return nil, err
	}
	accepted, err := a.store(q, relay.Update{Channel: id, Entries: []relay.NewEntry{e.NewEntry}})
	if err != nil {
		return nil, byTable{err}
	}
	return &reply{
		status: http.StatusOK,
		format: formatJSON,
		body:   thingspeak.AppendUpdateJSON(nil, accepted.Channel, &accepted.Entries[0], e.numbers, q.zone()),
	}, nil
}

// store stores entries with the request's key.
func (a *api) store(q *request, u relay.Update) (relay.Accepted, error) {
	u.Key = q.key()
	accepted, err := a.relay.Update(q.Context(), u)
	if err == nil && a.options.Stored != nil {
		a.options.Stored(q.Context(), &accepted)
	}
	return accepted, err
}

// mayWrite returns the channel of the path if the request's key writes it: relay.ErrNotFound tells an unknown channel
// from a wrong key.
func (a *api) mayWrite(q *request) (int64, error) {
	id, err := a.channelOf(q)
	if err != nil {
		return 0, err
	}
	return id, a.relay.MayWrite(q.Context(), id, q.key())
}

// sentEntry is an entry as a client sent it.
type sentEntry struct {
	relay.NewEntry
	// numbers are the fields that came as JSON numbers. They go back as such in the reply to this one write (contract
	// section 1.2).
	numbers thingspeak.FieldSet
}

// entry takes an entry from the parameters of contract section 5.2.
func (q *request) entry() (sentEntry, error) {
	var e sentEntry
	err := q.mustSay()
	if err != nil {
		return e, err
	}
	if e.Entry, e.numbers, err = q.params.Entry(); err != nil {
		return e, err
	}
	e.LeftOut = q.params.LeftOut()
	if at := q.params.Get("created_at"); at != "" {
		// A date that cannot be read is ignored: clients of the service rely on it.
		if t, ok := form.Date(at, q.zone()); ok {
			e.CreatedAt = t
		}
	}
	return e, nil
}

// zone is the zone of parameters "timezone" and "offset"; nil is UTC.
func (q *request) zone() *time.Location {
	if name := q.params.Get("timezone"); name != "" {
		return zones.find(name)
	}
	hours := integer(q.params.Get("offset"))
	if hours == 0 || hours < -23 || hours > 23 {
		return nil
	}
	return time.FixedZone("", int(hours)*3600)
}
