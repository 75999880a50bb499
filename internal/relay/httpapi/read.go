package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// channelOf returns the channel number of the path.
func (a *api) channelOf(q *request) (int64, error) {
	id, err := thingspeak.ParseChannelID(q.PathValue("id"))
	if err != nil {
		return 0, relay.ErrNotFound
	}
	return id, nil
}

// open opens the channel of the path with the request's key.
func (a *api) open(q *request) (*relay.View, error) {
	id, err := a.channelOf(q)
	if err != nil {
		return nil, err
	}
	return a.relay.View(q.Context(), id, q.key())
}

// window takes the choice of entries from the parameters (contract sections 7.2 and 7.3). back is how far a read goes
// that names no time, 0 for as far as there is.
func (a *api) window(q *request, back time.Duration) relay.Window {
	most := a.relay.Limits().Results
	w := relay.Window{
		Results: thingspeak.DefaultResults,
		StartID: integer(q.params.Get("start_entry_id")),
		EndID:   integer(q.params.Get("end_entry_id")),
	}
	w.Start, w.End = q.date("start"), q.date("end")
	bounded := !w.Start.IsZero() || !w.End.IsZero()
	if !bounded {
		for _, unit := range []struct {
			name   string
			length time.Duration
		}{{"minutes", time.Minute}, {"days", 24 * time.Hour}} {
			if q.params.Get(unit.name) != "" {
				w.Start, bounded = q.now.Add(-since(integer(q.params.Get(unit.name)), unit.length)), true
				break
			}
		}
	}
	if !bounded && back > 0 {
		w.Start, bounded = q.now.Add(-back), true
	}
	if bounded || w.StartID > 0 || w.EndID > 0 {
		w.Results = most
	}
	if q.params.Get("results") != "" {
		w.Results = int(min(integer(q.params.Get("results")), int64(most)))
	}
	return w
}

// windowOf is window in a channel, whose numbers may be places among others.
func (a *api) windowOf(q *request, v *relay.View, back time.Duration) relay.Window {
	w := a.window(q, back)
	place := a.options.Place
	if place == nil {
		return w
	}
	if w.StartID > 0 {
		w.StartID = place(v, w.StartID)
	}
	if w.EndID > 0 {
		if w.EndID = place(v, min(w.EndID, math.MaxInt64-1)+1) - 1; w.EndID == 0 {
			w.Results = 0
		}
	}
	return w
}

// entryOf is the place in a channel of the entry that the path names, 0 for none.
func (a *api) entryOf(q *request, v *relay.View) int64 {
	n, place := q.entryID(), a.options.Place
	if place == nil || n == 0 {
		return n
	}
	at := place(v, n)
	if n == math.MaxInt64 || place(v, n+1) == at {
		return 0
	}
	return at
}

// since multiplies without overflow; a century is as good as for ever.
func since(n int64, unit time.Duration) time.Duration {
	const century = 100 * 366 * 24 * time.Hour
	return time.Duration(min(max(0, n), int64(century/unit))) * unit
}

// date returns a parameter that is a date, zero if it is absent or none. "now"-relative words are not part of the
// contract.
func (q *request) date(name string) time.Time {
	s := q.params.Get(name)
	if s == "" {
		return time.Time{}
	}
	t, _ := form.Date(s, q.zone())
	return t
}

// integer reads a number as the service does: leading digits count, junk is 0.
func integer(s string) int64 {
	s = strings.TrimSpace(s)
	digits := strings.TrimLeft(s, "+-")
	end := 0
	for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
		end++
	}
	if end == 0 || len(s)-len(digits) > 1 {
		return 0
	}
	n, err := strconv.ParseInt(digits[:end], 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	if s[0] == '-' {
		n = -n
	}
	return n
}

// numbersOf returns the fields of an entry that go out as JSON numbers.
func (q *request) numbersOf(e *thingspeak.Entry) thingspeak.FieldSet {
	if !q.numbers {
		return 0
	}
	return e.Numbers()
}

// columns are the columns of a read: the given fields, and what is asked for.
func (q *request) columns(fields thingspeak.FieldSet) thingspeak.Header {
	return thingspeak.Header{
		Fields:   fields,
		Location: q.params.IsTrue("location"),
		Status:   q.params.IsTrue("status"),
	}
}

// entryID returns the entry number of the path, 0 for what is no number. Other than in parameters, where the service
// takes the digits that stand first, half a number does not name an entry.
func (q *request) entryID() int64 {
	n, err := strconv.ParseUint(q.PathValue("entry"), 10, 63)
	if err != nil {
		return 0
	}
	return int64(n)
}

// field returns the field number of the path, which may be written as "field1". An impossible one is refused as the
// service does.
func (q *request) field() (int, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(q.PathValue("field"), "field"), 10, 8)
	return int(n), err == nil && n >= 1 && n <= thingspeak.FieldCount
}

// badField answers a field number outside 1 to 8 (contract section 4).
func badField(q *request) *reply { return textReply(http.StatusBadRequest, q.format, "-1") }

// noEntry answers a read of an entry that is not there (contract section 4).
func noEntry(q *request) *reply { return textReply(http.StatusOK, q.format, "-1") }
