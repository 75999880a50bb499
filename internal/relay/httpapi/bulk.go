package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// bulkUpdate stores several entries with one call (contract section 6): all of them or none. The reply promises no more
// than the service's does, although everything is on disk by then.
func (a *api) bulkUpdate(q *request) (*reply, error) {
	if q.extension == formatXML || q.extension == formatText {
		return nothingHere(q)
	}
	id, err := a.mayWrite(q)
	if err != nil {
		return nil, err
	}
	entries, err := q.bulk.entries(q.zone())
	if err != nil {
		return nil, err
	}
	update := relay.Update{Channel: id, Key: q.key(), Entries: entries, Bulk: true}
	if _, err := a.relay.Update(q.Context(), update); err != nil {
		return nil, err
	}
	return textReply(http.StatusAccepted, formatJSON, `{"success":true}`), nil
}

// tellBulk is how bulk calls say no: in JSON, whatever was sent.
func tellBulk(q *request, err error) *reply {
	q.format = formatJSON
	return tellOwner(q, err)
}

// bulkCall is what a bulk call asks for.
type bulkCall struct {
	rows []bulkRow
	// relative says that the rows tell the time since the one before; otherwise they have dates, or nothing.
	relative bool
}

// bulkRow is one update of a bulk call.
type bulkRow struct {
	entry relay.NewEntry
	// time is a date, or a number of seconds.
	time string
}

// decodeBulk decodes the body of a bulk call. What stands beside the updates becomes parameters. Without an extension the
// body tells what it is.
func (a *api) decodeBulk(q *request, body []byte) (*bulkCall, error) {
	most := a.relay.Limits().BulkUpdates
	var call *bulkCall
	var err error
	switch {
	case q.extension == formatJSON, q.extension == formatNone && beginsObject(body):
		call, q.params.body, err = decodeBulkJSON(body, most)
	case mediaOf(q.Header) == mediaMultipart:
		// Its parts are copies.
		if err := a.hold(q, 2*int64(len(body))); err != nil {
			return nil, err
		}
		call, q.params.body, err = decodeBulkMultipart(q.Header, body, most)
	default:
		call, q.params.body, err = decodeBulkForm(body, most)
	}
	return call, err
}

// entries are the rows with their dates; a date without offset is in the zone. A date that cannot be read is the time
// of receipt, as in a single write.
func (c *bulkCall) entries(zone *time.Location) ([]relay.NewEntry, error) {
	if c == nil || len(c.rows) == 0 {
		return nil, badBulk("there are no updates")
	}
	entries := make([]relay.NewEntry, len(c.rows))
	steps := make([]time.Duration, len(c.rows))
	for i := range c.rows {
		entries[i] = c.rows[i].entry
		if !c.relative {
			entries[i].CreatedAt = bulkDate(c.rows[i].time, zone)
			continue
		}
		whole, _, _ := strings.Cut(strings.TrimSpace(c.rows[i].time), ".")
		seconds, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || seconds < 0 {
			return nil, badBulk(fmt.Sprintf("update %d does not say how many seconds it is after the one before", i+1))
		}
		steps[i] = since(seconds, time.Second)
	}
	if c.relative {
		relay.Backdate(entries, steps)
	}
	return entries, nil
}

// bulkDate reads a date in any form; zero is none. Any number may be seconds since 1970 there.
func bulkDate(s string, zone *time.Location) time.Time {
	t, ok := parseDate(s, zone)
	if !ok {
		t, _ = thingspeak.ParseEpoch(s)
	}
	return t
}

// decodeBulkJSON decodes {"write_api_key":…,"updates":[…]}. A single object stands for an array of one.
func decodeBulkJSON(body []byte, most int) (*bulkCall, []param, error) {
	if !utf8.Valid(body) {
		return nil, nil, notUTF8()
	}
	d := json.NewDecoder(bytes.NewReader(body))
	call := &bulkCall{}
	dated := false
	add := func(members []param) error {
		if len(call.rows) == most {
			return bulkTooLarge(most)
		}
		update := params{body: members}
		e, err := update.entry()
		if err != nil {
			return err
		}
		row := bulkRow{entry: e.NewEntry, time: update.get("created_at")}
		dated = dated || row.time != ""
		if update.has("delta_t") {
			row.time, call.relative = update.get("delta_t"), true
		}
		if dated && call.relative {
			return badBulk("created_at and delta_t do not go together")
		}
		call.rows = append(call.rows, row)
		return nil
	}
	beside, err := decodeMembers(d, func(name string) (bool, error) {
		if name != "updates" {
			return false, nil
		}
		return true, decodeUpdates(d, add)
	})
	if errors.Is(err, io.EOF) {
		err = notObject()
	}
	return call, beside, err
}

// decodeUpdates calls add with the members of each object of an array, or with those of a single object.
func decodeUpdates(d *json.Decoder, add func([]param) error) error {
	begin, err := d.Token()
	if err != nil {
		return notObject()
	}
	switch begin {
	case json.Delim('{'):
		members, err := decodeRest(d, nil)
		if err != nil {
			return err
		}
		return add(members)
	case json.Delim('['):
	default:
		return badBulk("updates is not an array")
	}
	for d.More() {
		members, err := decodeMembers(d, nil)
		if err == nil {
			err = add(members)
		}
		if err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return notObject()
	}
	return nil
}

// decodeBulkForm decodes a form whose "updates" are CSV: "|" between entries, "," between columns. Only what a bulk
// call has is kept, so that a large body is held once.
func decodeBulkForm(body []byte, most int) (*bulkCall, []param, error) {
	f := bulkForm{call: &bulkCall{}}
	for part := range bytes.SplitSeq(body, []byte{'&'}) {
		name, value, _ := bytes.Cut(part, []byte{'='})
		if err := f.add(unescape(string(name)), unescapeBytes(value)); err != nil {
			return nil, nil, err
		}
	}
	return f.rows(most)
}

// decodeBulkMultipart decodes the same form in parts.
func decodeBulkMultipart(h http.Header, body []byte, most int) (*bulkCall, []param, error) {
	f := bulkForm{call: &bulkCall{}}
	if err := eachPart(h, body, f.add); err != nil {
		return nil, nil, err
	}
	return f.rows(most)
}

// bulkForm is a form of a bulk call on its way into one.
type bulkForm struct {
	call    *bulkCall
	beside  []param
	updates []byte
}

// add takes a decoded value, and keeps the bytes of updates.
func (f *bulkForm) add(name string, value []byte) error {
	switch name {
	case "updates":
		f.updates = value
	case "time_format":
		switch format := strings.TrimSpace(string(value)); format {
		case "relative":
			f.call.relative = true
		case "absolute":
			f.call.relative = false
		default:
			return badBulk("time_format is neither absolute nor relative")
		}
	case "write_api_key", "key", "api_key", "apikey", "timezone", "offset", "headers":
		f.beside = append(f.beside, param{name: name, value: clean(string(value))})
	}
	return nil
}

func (f *bulkForm) rows(most int) (*bulkCall, []param, error) {
	for update := range bytes.SplitSeq(f.updates, []byte{'|'}) {
		if len(bytes.TrimSpace(update)) == 0 {
			continue
		}
		if len(f.call.rows) == most {
			return nil, nil, bulkTooLarge(most)
		}
		row, err := csvRow(string(update))
		if err != nil {
			return nil, nil, err
		}
		f.call.rows = append(f.call.rows, row)
	}
	return f.call, f.beside, nil
}

// csvRow makes a row of the columns time, field1 to field8, latitude, longitude, elevation, status. An empty one is not
// given, and so are those that are missing at the end.
func csvRow(s string) (bulkRow, error) {
	var e relay.NewEntry
	columns := [...]*thingspeak.Value{
		&e.Fields[0], &e.Fields[1], &e.Fields[2], &e.Fields[3], &e.Fields[4], &e.Fields[5], &e.Fields[6], &e.Fields[7],
		&e.Latitude, &e.Longitude, &e.Elevation, &e.Status,
	}
	at, rest, more := strings.Cut(s, ",")
	for _, to := range columns {
		if !more {
			break
		}
		var cell string
		if cell, rest, more = strings.Cut(rest, ","); cell != "" {
			*to = thingspeak.Text(clean(cell))
		}
	}
	if more {
		return bulkRow{}, badBulk(fmt.Sprintf("an update has more than %d columns", 1+len(columns)))
	}
	e.Latitude, e.Longitude = decimal(e.Latitude.Text), decimal(e.Longitude.Text)
	return bulkRow{entry: e, time: clean(at)}, nil
}

// badBulk refuses a call for its form.
func badBulk(what string) error {
	return badBody(bodyBulk, "The bulk call cannot be read: "+what+".")
}

func bulkTooLarge(most int) error {
	return &refusal{
		code: thingspeak.CodeRequestTooLarge,
		hint: fmt.Sprintf("A bulk call has at most %d updates here.", most),
		body: bodyTooLarge,
	}
}
