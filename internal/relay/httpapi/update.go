package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// update stores one entry (contract section 5).
func (a *api) update(q *request) (*reply, error) {
	entry, err := q.newEntry()
	if err != nil {
		return nil, err
	}
	accepted, err := a.relay.Update(q.Context(), relay.Update{Key: q.key(), Entries: []relay.NewEntry{entry}})
	if err != nil {
		return nil, err
	}
	answer := &reply{status: http.StatusOK, format: q.format}
	e := &accepted.Entries[0]
	switch q.format {
	case formatJSON:
		answer.body = q.appendUpdate(nil, accepted.Channel, e)
	case formatXML:
		answer.body = appendUpdateXML(nil, accepted.Channel, e, q.zone())
	default:
		answer.body = strconv.AppendInt(nil, e.ID, 10)
	}
	return answer, nil
}

// postEntry stores one entry in the channel of the path, with the service's table of errors (contract section 5.1). The
// MATLAB toolbox writes so.
func (a *api) postEntry(q *request) (*reply, error) {
	id, err := a.channelOf(q)
	if err != nil {
		return nil, err
	}
	// An unknown channel is told from a wrong key here.
	if _, err := a.relay.View(q.Context(), id, q.key()); err != nil {
		return tellOwner(q, err), nil
	}
	entry, err := q.newEntry()
	if err != nil {
		return nil, err
	}
	accepted, err := a.relay.Update(q.Context(), relay.Update{
		Channel: id, Key: q.key(), Entries: []relay.NewEntry{entry},
	})
	if err != nil {
		return tellOwner(q, err), nil
	}
	return &reply{
		status: http.StatusOK,
		format: formatJSON,
		body:   q.appendUpdate(nil, accepted.Channel, &accepted.Entries[0]),
	}, nil
}

// newEntry takes an entry from the parameters of contract section 5.2.
func (q *request) newEntry() (relay.NewEntry, error) {
	var e relay.NewEntry
	for i := range e.Fields {
		n := strconv.Itoa(i + 1)
		v, err := q.value("field"+n, n)
		if err != nil {
			return e, err
		}
		e.Fields[i] = v
	}
	var err error
	if e.Status, err = q.value("status"); err != nil {
		return e, err
	}
	if e.Elevation, err = q.value("elevation"); err != nil {
		return e, err
	}
	e.Latitude = decimal(q.params.get("latitude"), q.params.get("lat"))
	e.Longitude = decimal(q.params.get("longitude"), q.params.get("long"))
	if at := q.params.get("created_at"); at != "" {
		// A date that cannot be read is ignored: clients of the service rely on it.
		if t, err := thingspeak.ParseTime(at, q.zone()); err == nil {
			e.CreatedAt = t
		}
	}
	return e, nil
}

// value returns the value of the first name that is there.
func (q *request) value(names ...string) (thingspeak.Value, error) {
	for _, name := range names {
		switch p, ok := q.params.find(name); {
		case !ok || p.kind == null:
		case p.kind == nested:
			return thingspeak.Value{}, &refusal{
				code: thingspeak.CodeBadRequest, hint: "A value must be a text, a number, a boolean or null.",
			}
		default:
			return thingspeak.Text(p.value), nil
		}
	}
	return thingspeak.Value{}, nil
}

// decimal returns the first text that is a decimal, with at most ten places (contract section 3.2).
func decimal(texts ...string) thingspeak.Value {
	for _, s := range texts {
		s = strings.TrimSpace(s)
		whole, places, _ := strings.Cut(strings.TrimLeft(s, "+-"), ".")
		if s == "" || len(whole) > 10 || whole+places == "" || strings.Trim(whole+places, "0123456789") != "" {
			continue
		}
		return thingspeak.Text(s[:len(s)-max(0, len(places)-10)])
	}
	return thingspeak.Value{}
}

// appendUpdate appends the JSON of an accepted entry. Values that came as JSON numbers go back as numbers, in this one
// reply (contract section 1.2).
func (q *request) appendUpdate(dst []byte, channel int64, e *thingspeak.Entry) []byte {
	text := string(thingspeak.AppendUpdateJSON(dst, channel, e, q.zone()))
	for i := range e.Fields {
		n := strconv.Itoa(i + 1)
		p, ok := q.params.find("field" + n)
		if !ok {
			p, ok = q.params.find(n)
		}
		if ok && p.kind == number {
			member := `"field` + n + `":`
			text = strings.Replace(text, member+`"`+p.value+`"`, member+p.value, 1)
		}
	}
	return []byte(text)
}

// zone is the zone of parameters "timezone" and "offset"; nil is UTC.
func (q *request) zone() *time.Location {
	if name := q.params.get("timezone"); name != "" {
		return zones.find(name)
	}
	hours := integer(q.params.get("offset"))
	if hours == 0 || hours < -23 || hours > 23 {
		return nil
	}
	return time.FixedZone("", int(hours)*3600)
}
