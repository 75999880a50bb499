package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Bulk is what a bulk call asks for.
type Bulk struct {
	Rows []BulkRow
	// Relative says that the rows tell the time since the one before; otherwise they have dates, or nothing.
	Relative bool
}

// BulkRow is one update of a bulk call.
type BulkRow struct {
	Entry thingspeak.Entry
	// Time is a date, or a number of seconds.
	Time string
	// LeftOut is as [Params.LeftOut] has it.
	LeftOut string
}

// ParseBulk decodes the body of a bulk call (contract section 6) of at most so many updates. What stands beside them becomes
// parameters.
func ParseBulk(asJSON bool, contentType string, body []byte, most int) (*Bulk, []Param, error) {
	switch {
	case asJSON:
		return decodeBulkJSON(body, most)
	case IsMultipart(contentType, body):
		return decodeBulkMultipart(contentType, body, most)
	default:
		return decodeBulkForm(body, most)
	}
}

// decodeBulkJSON decodes {"write_api_key":…,"updates":[…]}. A single object stands for an array of one.
func decodeBulkJSON(body []byte, most int) (*Bulk, []Param, error) {
	if !utf8.Valid(body) {
		return nil, nil, notUTF8()
	}
	d := json.NewDecoder(bytes.NewReader(body))
	call := &Bulk{}
	dated := false
	add := func(members []Param) error {
		if len(call.Rows) == most {
			return bulkTooLarge(most)
		}
		update := Params{Body: members}
		e, _, err := update.Entry()
		if err != nil {
			return err
		}
		row := BulkRow{Entry: e, Time: update.Get("created_at"), LeftOut: update.LeftOut()}
		dated = dated || row.Time != ""
		if update.Has("delta_t") {
			row.Time, call.Relative = update.Get("delta_t"), true
		}
		if dated && call.Relative {
			return BadBulk("created_at and delta_t do not go together")
		}
		call.Rows = append(call.Rows, row)
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
func decodeUpdates(d *json.Decoder, add func([]Param) error) error {
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
		return BadBulk("updates is not an array")
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
func decodeBulkForm(body []byte, most int) (*Bulk, []Param, error) {
	f := bulkForm{call: &Bulk{}}
	n := 0
	for part := range bytes.SplitSeq(body, []byte{'&'}) {
		name, value, _ := bytes.Cut(part, []byte{'='})
		if len(name) == 0 {
			continue
		}
		if n++; n > maxParams {
			return nil, nil, tooManyParams()
		}
		if err := f.add(clean(string(unescapeBytes(name))), unescapeBytes(value)); err != nil {
			return nil, nil, err
		}
	}
	return f.rows(most)
}

// decodeBulkMultipart decodes the same form in parts.
func decodeBulkMultipart(contentType string, body []byte, most int) (*Bulk, []Param, error) {
	f := bulkForm{call: &Bulk{}}
	if err := eachPart(contentType, body, f.add); err != nil {
		return nil, nil, err
	}
	return f.rows(most)
}

// bulkForm is a form of a bulk call on its way into one.
type bulkForm struct {
	call    *Bulk
	beside  []Param
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
			f.call.Relative = true
		case "absolute":
			f.call.Relative = false
		default:
			return BadBulk("time_format is neither absolute nor relative")
		}
	case "write_api_key", "key", "api_key", "apikey", "timezone", "offset", "headers":
		p := textParam(name, string(value))
		if i := slices.IndexFunc(f.beside, func(p Param) bool { return p.Name == name }); i >= 0 {
			f.beside[i] = p // the last of a name counts
			return nil
		}
		f.beside = append(f.beside, p)
	}
	return nil
}

func (f *bulkForm) rows(most int) (*Bulk, []Param, error) {
	for update := range bytes.SplitSeq(f.updates, []byte{'|'}) {
		if len(bytes.TrimSpace(update)) == 0 {
			continue
		}
		if len(f.call.Rows) == most {
			return nil, nil, bulkTooLarge(most)
		}
		row, err := csvRow(string(update))
		if err != nil {
			return nil, nil, err
		}
		f.call.Rows = append(f.call.Rows, row)
	}
	return f.call, f.beside, nil
}

// csvRow makes a row of the columns time, field1 to field8, latitude, longitude, elevation, status. An empty one is not
// given, and so are those that are missing at the end.
func csvRow(s string) (BulkRow, error) {
	var e thingspeak.Entry
	columns := [...]*thingspeak.Value{
		&e.Fields[0], &e.Fields[1], &e.Fields[2], &e.Fields[3], &e.Fields[4], &e.Fields[5], &e.Fields[6], &e.Fields[7],
		&e.Latitude, &e.Longitude, &e.Elevation, &e.Status,
	}
	row := BulkRow{}
	at, rest, more := strings.Cut(s, ",")
	for i, to := range columns {
		if !more {
			break
		}
		var cell string
		if cell, rest, more = strings.Cut(rest, ","); cell != "" {
			p := textParam("", cell)
			if *to = thingspeak.Text(p.Value); p.Cut {
				row.LeftOut = noText("column " + strconv.Itoa(i+2) + " of an update")
			}
		}
	}
	if more {
		return BulkRow{}, BadBulk(fmt.Sprintf("an update has more than %d columns", 1+len(columns)))
	}
	for name, place := range map[string]*thingspeak.Value{"latitude": &e.Latitude, "longitude": &e.Longitude} {
		given := place.Text != ""
		if *place = decimal(place.Text); given && !place.Given {
			row.LeftOut = noNumber(name)
		}
	}
	row.Entry, row.Time = e, clean(at)
	return row, nil
}

// BadBulk refuses a call for its form.
func BadBulk(what string) error { return refuse(NotBulk, "The bulk call cannot be read: "+what+".") }

func bulkTooLarge(most int) error {
	return refuse(TooLarge, fmt.Sprintf("A bulk call has at most %d updates here.", most))
}
