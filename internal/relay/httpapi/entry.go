package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// lastEntry answers with the newest entry by number (contract section 7.8).
func (a *api) lastEntry(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	e, err := a.relay.Last(q.Context(), v)
	return q.entryReply(e, err, q.columns(v.Channel.Enabled()))
}

// entry answers with an entry by its number.
func (a *api) entry(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	e, err := a.relay.Entry(q.Context(), v, a.entryOf(q, v))
	return q.entryReply(e, err, q.columns(v.Channel.Enabled()))
}

// lastOfField answers with the newest entry where the field is not null.
func (a *api) lastOfField(q *request) (*reply, error) {
	return a.oneField(q, func(v *relay.View, n int) (*thingspeak.Entry, error) {
		return a.relay.LastOf(q.Context(), v, n)
	})
}

// fieldOfEntry answers with one field of an entry by its number.
func (a *api) fieldOfEntry(q *request) (*reply, error) {
	return a.oneField(q, func(v *relay.View, _ int) (*thingspeak.Entry, error) {
		return a.relay.Entry(q.Context(), v, a.entryOf(q, v))
	})
}

// oneField answers with a field of the entry that find returns: as text the bare value, which small boards read.
func (a *api) oneField(q *request, find func(*relay.View, int) (*thingspeak.Entry, error)) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	n, ok := q.field()
	if !ok {
		return badField(q), nil
	}
	e, err := find(v, n)
	columns := q.columns(thingspeak.FieldsOf(n) & v.Channel.Enabled())
	if err == nil && q.isText() {
		if !columns.Fields.Has(n) {
			return noEntry(q), nil // an empty text would be a value
		}
		return q.bare(q.rounded(e).Fields[n-1].Text), nil
	}
	return q.entryReply(e, err, columns)
}

// rounded is an entry as "round" wants it.
func (q *request) rounded(e *thingspeak.Entry) *thingspeak.Entry {
	places := q.places()
	if places == nil {
		return e
	}
	e = new(*e)
	relay.Round(e, *places)
	return e
}

// lastCalculated answers with one row over the newest entries (contract section 7.10). How many are wanted is in the
// parameter of the method's name; without it there is none.
func (a *api) lastCalculated(name string, m relay.Method) handler {
	return func(q *request) (*reply, error) {
		v, err := a.open(q)
		if err != nil {
			return nil, err
		}
		columns := q.columns(v.Channel.Enabled())
		e, err := a.relay.LastCalculated(q.Context(), v, minutes(q.params.Get(name)), m, columns.Fields)
		return q.entryReply(e, err, columns)
	}
}

// entryReply writes one entry, or -1 where there is none.
func (q *request) entryReply(e *thingspeak.Entry, err error, c thingspeak.Header) (*reply, error) {
	if errors.Is(err, relay.ErrNotFound) {
		return noEntry(q), nil
	}
	if err != nil {
		return nil, err
	}
	e = q.rounded(e)
	zone := q.zone()
	answer := &reply{status: http.StatusOK, format: q.format}
	switch q.format {
	case formatCSV:
		if e.ID == 0 {
			answer.body = thingspeak.AppendCSVBucketHeader(nil, c.Fields, c.Location, c.Status)
		} else {
			answer.body = thingspeak.AppendCSVHeader(nil, c.Fields, c.Location, c.Status)
		}
		answer.body = thingspeak.AppendCSVRow(answer.body, e, c.Fields, c.Location, c.Status, zone)
	case formatXML:
		answer.body = appendEntryXML(nil, e, c, zone)
	default:
		// The text of a whole entry is its JSON, which the Arduino library searches.
		answer.body = thingspeak.AppendTypedEntryJSON(make([]byte, 0, shortReply/2), e, c.Fields, q.numbersOf(e), c.Location, c.Status, zone)
	}
	return answer, nil
}

// lastEntryID answers with the newest entry's number (contract section 7.10), -1 in an empty channel.
func (a *api) lastEntryID(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	last := lastOf(v)
	if last == 0 {
		last = -1
	}
	n := strconv.FormatInt(last, 10)
	if q.format == formatXML {
		n = `<xml class="last_entry_id">` + n + "</xml>"
	}
	return textReply(http.StatusOK, q.format, n), nil
}

// findings answers with what Options.Findings has about a channel.
func (a *api) findings(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	found, err := a.options.Findings(v)
	if err != nil {
		return nil, err
	}
	return &reply{status: http.StatusOK, format: formatJSON, body: found.JSON}, nil
}

// Findings are what is wrong with what a channel holds.
type Findings struct {
	// JSON has them for programs, and Texts in words.
	JSON  []byte
	Texts []string
	// Signers are who has signed entries, with what is known of them, in words.
	Signers []string
}

// lastDataAge answers with the age of the newest entry, or of the newest of a field, in seconds (contract section 7.10).
func (a *api) lastDataAge(q *request) (*reply, error) {
	v, err := a.open(q)
	if err != nil {
		return nil, err
	}
	e, err := a.relay.Last(q.Context(), v)
	if q.PathValue("field") != "" {
		n, ok := q.field()
		if !ok {
			return badField(q), nil
		}
		e, err = a.relay.LastOf(q.Context(), v, n)
	}
	if errors.Is(err, relay.ErrNotFound) {
		return noEntry(q), nil
	}
	if err != nil {
		return nil, err
	}
	age := strconv.FormatInt(int64(q.now.Sub(e.CreatedAt)/time.Second), 10)
	answer := textReply(http.StatusOK, q.format, age)
	switch q.format {
	case formatJSON:
		answer.body = []byte(`{"last_data_age":"` + age + `","last_data_age_units":"s"}`)
	case formatCSV:
		answer.body = []byte("last_data_age,last_data_age_units\n" + age + ",s\n")
	case formatXML:
		answer.body = []byte(xmlProlog + "<feed>\n  <last-data-age>" + age +
			"</last-data-age>\n  <last-data-age-units>s</last-data-age-units>\n</feed>\n")
	}
	return answer, nil
}
