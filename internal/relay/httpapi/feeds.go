package httpapi

import (
	"net/http"

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
	answer := &reply{status: http.StatusOK, format: q.format}
	var err error
	switch columns := q.columns(fields); q.format {
	case formatCSV:
		answer.body = thingspeak.AppendCSVHeader(nil, columns.Fields, columns.Location, columns.Status)
		answer.lines, err = a.csvLines(q, v, columns)
	case formatXML:
		answer.body, err = a.feedXML(q, v, columns)
	default:
		answer.body, err = a.feedJSON(q, v, columns)
	}
	return answer, err
}

// csvLines returns the rows of a feed: those that the relay keeps encoded, unless they are wanted in a zone.
func (a *api) csvLines(q *request, v *relay.View, c thingspeak.Header) (lines []byte, err error) {
	zone := q.zone()
	if zone == nil {
		return a.relay.Lines(q.Context(), v, a.window(q), c)
	}
	err = a.relay.Rows(q.Context(), v, a.window(q), func(e *thingspeak.Entry) error {
		lines = thingspeak.AppendCSVRow(lines, e, c.Fields, c.Location, c.Status, zone)
		return nil
	})
	return lines, err
}

func (a *api) feedJSON(q *request, v *relay.View, c thingspeak.Header) ([]byte, error) {
	zone := q.zone()
	body := append([]byte(nil), `{"channel":`...)
	body = thingspeak.AppendChannelJSON(body, shown(v), q.params.isTrue("metadata"), zone)
	body = append(body, `,"feeds":[`...)
	begin := len(body)
	err := a.relay.Rows(q.Context(), v, a.window(q), func(e *thingspeak.Entry) error {
		if len(body) > begin {
			body = append(body, ',')
		}
		body = thingspeak.AppendEntryJSON(body, e, c.Fields, c.Location, c.Status, zone)
		return nil
	})
	return q.jsonp(append(body, "]}"...)), err
}

// shown is the channel as replies show it, with its newest entry's number.
func shown(v *relay.View) *thingspeak.Channel {
	c := v.Channel.Channel
	c.LastEntryID = v.State.Last
	return &c
}
