package thingspeak

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// FileRules are what differs when a feed is read from a file: people and their programs have handled it on the way. The
// zero FileRules read what a relay writes.
type FileRules struct {
	// Separator stands between the values of a row; 0 is a comma.
	Separator byte
	// Padded allows blanks around a quoted value.
	Padded bool
	// FirstLine is the number of the line that the reader begins with, 0 for 1.
	FirstLine int
	// Columns returns the names that the columns go by, given those of the first line; nil leaves them as they are.
	Columns func(names []string) []string
	// Time reads a date that is not in the form of a relay's replies; nil is [ParseTime] in UTC.
	Time func(date string) (time.Time, error)
	// Import demands what can be stored (contract section 9). The column entry_id may be lacking, and what stands in it is
	// ignored: entries have the ID 0. A row with more values than there are columns, and a location that is no decimal, is
	// a [*RowError].
	Import bool
}

// NewFileReader returns a reader of a feed in a file. It differs from [NewCSVReader] in what the rules say and in this:
// rows whose values are all blank count for nothing, as empty lines do, and numbers of entries may be written 1.0 or 1,0. Of a
// file whose first line [NewCSVReader] takes, both read the same entries, as long as the rules name no other columns.
func NewFileReader(r io.Reader, rules FileRules) *CSVReader {
	return &CSVReader{src: r, file: &rules}
}

// NewHeadReader is NewFileReader of a text that is in memory, which it uses where it stands, without a buffer of its own. The
// text must not be longer than MaxRowBytes + 1.
func NewHeadReader(text []byte, rules FileRules) *CSVReader {
	return &CSVReader{buf: text, end: len(text), srcErr: io.EOF, file: &rules}
}

// NoColumnError says which column the first line of a file does not name.
type NoColumnError struct {
	// Lacks is the name of the column, such as created_at.
	Lacks string
	// Names are those of the first line, cleaned, at most a dozen.
	Names []string
}

func (e *NoColumnError) Error() string { return "the first line names no column " + e.Lacks }

// Names returns the names of the first line, cleaned of control characters, with what each column is taken as; that is
// empty where nothing is read from it. It is of a file, after [CSVReader.Header].
func (r *CSVReader) Names() (names, takenAs []string) {
	if r.file == nil {
		return nil, nil
	}
	return r.names, r.takenAs
}

// separator is what stands between the values of a row.
func (r *CSVReader) separator() byte {
	if r.file != nil && r.file.Separator != 0 {
		return r.file.Separator
	}
	return ','
}

// nameColumns notes the names of a file's first line and returns those that its columns go by.
func (r *CSVReader) nameColumns() []string {
	if r.file == nil {
		return r.cells
	}
	for _, name := range r.cells {
		r.names = append(r.names, excerpt([]byte(name), 40))
	}
	if r.file.Columns == nil {
		return r.cells
	}
	return r.file.Columns(r.cells)
}

// noColumn is the error of a file whose first line lacks a column that is needed.
func noColumn(columns []column, names []string, imported bool) error {
	e := &NoColumnError{Lacks: "created_at", Names: names[:min(len(names), 12)]}
	for _, c := range columns {
		if c == columnCreatedAt && !imported {
			e.Lacks = "entry_id"
		}
	}
	return e
}

// finish gives an entry of a file its date and number, or says why it cannot.
func (f *FileRules) finish(e *Entry, created, id string) (reason string) {
	if !f.Import {
		n, ok := parseFileNumber(id)
		if !ok || n == 0 {
			return fmt.Sprintf("entry_id is not a number above 0: %q", excerpt([]byte(id), 40))
		}
		e.ID = n
	}
	if strings.TrimSpace(created) == "" {
		return "created_at is empty"
	}
	var t time.Time
	var err error
	if c, ok := parseReplyTime(created); ok {
		t, err = c.in(0)
	} else if f.Time != nil {
		t, err = f.Time(created)
	} else {
		t, err = ParseTime(created, nil)
	}
	if zone, ok := errors.AsType[*ZoneNameError](err); ok {
		return "created_at is " + zone.Error()
	}
	if errors.Is(err, ErrBadTime) {
		return fmt.Sprintf("created_at is not a date: %q", excerpt([]byte(created), 40))
	}
	if err != nil {
		return "created_at is " + err.Error()
	}
	e.CreatedAt = t
	if !f.Import {
		return ""
	}
	for _, place := range []struct {
		name  string
		value *Value
	}{{"latitude", &e.Latitude}, {"longitude", &e.Longitude}} {
		if strings.TrimSpace(place.value.Text) == "" {
			*place.value = Value{}
			continue
		}
		decimal, ok := ParseDecimal(place.value.Text)
		if !ok {
			return fmt.Sprintf("%s is no decimal: %q", place.name, excerpt([]byte(place.value.Text), 40))
		}
		*place.value = Text(decimal)
	}
	return ""
}

// parseFileNumber reads the number of an entry; programs for tables write 7.0 where a number is lacking elsewhere, some of
// them with a comma. Three digits behind it may be thousands, 1.000, so that is no number.
func parseFileNumber(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if at := strings.IndexAny(s, ".,"); at > 0 {
		places := s[at+1:]
		if len(places) == 3 || strings.Trim(places, "0") != "" {
			return 0, false
		}
		s = s[:at]
	}
	return parseNumber(s)
}
