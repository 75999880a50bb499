package httpapi

import (
	"cmp"
	"net/http"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feed answers with the entries of a channel (contract sections 7.3 to 7.7).
func (a *api) feed(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	return a.entries(q, v, v.Channel.Enabled())
}

// fieldFeed answers with one field of the entries (contract section 7.5). A field that is not enabled does not show.
func (a *api) fieldFeed(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	n, ok := q.field()
	if !ok {
		return badField(q), nil
	}
	return a.entries(q, v, thingspeak.FieldsOf(n)&v.Channel.Enabled())
}

func (a *api) entries(q *request, v *relay.View, fields thingspeak.FieldSet) (*reply, error) {
	f := feedDocument{
		view:        v,
		window:      a.windowOf(q, v, 0),
		calculation: q.calculation(),
		columns:     q.columns(fields),
		zone:        q.zone(),
	}
	return a.feedReply(q, &f)
}

// feedDocument is what a read of several entries shows.
type feedDocument struct {
	view        *relay.View
	window      relay.Window
	calculation relay.Calculation
	columns     thingspeak.Header
	zone        *time.Location
	// terse shows of the channel its name and place only.
	terse bool
}

// feedReply writes a feed in the format that is asked for.
func (a *api) feedReply(q *request, f *feedDocument) (*reply, error) {
	answer := &reply{status: http.StatusOK, format: q.format}
	var err error
	switch q.format {
	case formatCSV:
		err = a.feedCSV(q, f, answer)
	case formatXML:
		err = a.feedXML(q, f, answer)
	default:
		err = a.feedJSON(q, f, answer)
	}
	return answer, err
}

func (f *feedDocument) csvHeader() []byte {
	c := f.columns
	if f.calculation.Method != relay.Single {
		return thingspeak.AppendCSVBucketHeader(nil, c.Fields, c.Location, c.Status)
	}
	return thingspeak.AppendCSVHeader(nil, c.Fields, c.Location, c.Status)
}

// feedCSV writes the rows of a feed: those that the relay keeps encoded, unless they are wanted in a zone or calculated.
func (a *api) feedCSV(q *request, f *feedDocument, answer *reply) error {
	c := f.columns
	body := f.csvHeader()
	if f.zone == nil && f.calculation.None() {
		lines, err := a.relay.Lines(q.Context(), f.view, f.window, c)
		answer.body, answer.lines = body, lines[:]
		return err
	}
	err := a.rows(q, f, answer, &body, func(e *thingspeak.Entry) error {
		body = thingspeak.AppendCSVRow(body, e, c.Fields, c.Location, c.Status, f.zone)
		return nil
	})
	answer.add(body)
	return err
}

func (a *api) feedJSON(q *request, f *feedDocument, answer *reply) error {
	c := f.columns
	body := append([]byte(nil), `{"channel":`...)
	if f.terse {
		body = thingspeak.AppendTerseChannelJSON(body, shown(f.view))
	} else {
		body = thingspeak.AppendChannelJSON(body, shown(f.view), q.params.IsTrue("metadata"), f.zone)
	}
	body = append(body, `,"feeds":[`...)
	first := true
	err := a.rows(q, f, answer, &body, func(e *thingspeak.Entry) error {
		if !first {
			body = append(body, ',')
		}
		first = false
		body = thingspeak.AppendTypedEntryJSON(body, e, c.Fields, q.numbersOf(e), c.Location, c.Status, f.zone)
		return nil
	})
	answer.add(append(body, "]}"...))
	return err
}

// lastOf is the number of a channel's newest entry: where only some are counted the channel has it.
func lastOf(v *relay.View) int64 { return cmp.Or(v.Channel.LastEntryID, v.State.Last) }

// shown is the channel as replies show it, with its newest entry's number.
func shown(v *relay.View) *thingspeak.Channel {
	c := v.Channel.Channel
	c.LastEntryID = lastOf(v)
	return &c
}
