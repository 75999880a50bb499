package httpapi

import (
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
		window:      a.window(q, 0),
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
		answer.body = f.csvHeader()
		answer.lines, err = a.csvLines(q, f)
	case formatXML:
		answer.body, err = a.feedXML(q, f)
	default:
		answer.body, err = a.feedJSON(q, f)
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

// csvLines returns the rows of a feed: those that the relay keeps encoded, unless they are wanted in a zone or
// calculated.
func (a *api) csvLines(q *request, f *feedDocument) (lines [2][]byte, err error) {
	c := f.columns
	if f.zone == nil && f.calculation.None() {
		return a.relay.Lines(q.Context(), f.view, f.window, c)
	}
	err = a.rows(q, f, &lines[0], func(e *thingspeak.Entry) error {
		lines[0] = thingspeak.AppendCSVRow(lines[0], e, c.Fields, c.Location, c.Status, f.zone)
		return nil
	})
	return lines, err
}

func (a *api) feedJSON(q *request, f *feedDocument) ([]byte, error) {
	c := f.columns
	body := append([]byte(nil), `{"channel":`...)
	if f.terse {
		body = thingspeak.AppendTerseChannelJSON(body, shown(f.view))
	} else {
		body = thingspeak.AppendChannelJSON(body, shown(f.view), q.params.IsTrue("metadata"), f.zone)
	}
	body = append(body, `,"feeds":[`...)
	begin := len(body)
	err := a.rows(q, f, &body, func(e *thingspeak.Entry) error {
		if len(body) > begin {
			body = append(body, ',')
		}
		body = thingspeak.AppendEntryJSON(body, e, c.Fields, c.Location, c.Status, f.zone)
		return nil
	})
	return append(body, "]}"...), err
}

// shown is the channel as replies show it, with its newest entry's number.
func shown(v *relay.View) *thingspeak.Channel {
	c := v.Channel.Channel
	c.LastEntryID = v.State.Last
	return &c
}
