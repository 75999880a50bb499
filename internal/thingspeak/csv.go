package thingspeak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// MaxRowBytes is the longest row that a [CSVReader] takes, without its line end. A full entry of the service needs
// less than 6 KiB, even if every byte of it is a quote.
const MaxRowBytes = 64<<10 - 1

// ErrCutShort says that data ends in the middle: for a feed, that its last line has no line end.
var ErrCutShort = errors.New("the data is cut short")

// Header tells which columns a feed has.
type Header struct {
	// Fields are those that the feed shows: the channel's enabled fields, or one of them.
	Fields FieldSet
	// Location and Status tell whether the columns are there that a reader has to ask for.
	Location, Status bool
}

// RowError is a row of a feed that cannot be read. Reading may go on with the next row.
type RowError struct {
	// Line is the line that the row begins on, from 1; in a JSON feed, the position of the entry, from 1.
	Line int
	// Reason says what is wrong, with at most a short cleaned excerpt of the row.
	Reason string
}

func (e *RowError) Error() string {
	return fmt.Sprintf("row %d of a feed: %s", e.Line, e.Reason)
}

// CutShortError is an [ErrCutShort] that knows the line.
type CutShortError struct {
	// Line is the number of the last line, from 1.
	Line int
	// Delivered tells that the line was read all the same, because it has all columns; its last value may lack its end.
	Delivered bool
}

func (e *CutShortError) Error() string { return "last line of a feed: " + ErrCutShort.Error() }

// Unwrap returns [ErrCutShort].
func (e *CutShortError) Unwrap() error { return ErrCutShort }

// CSVReader reads a feed of entries row by row (contract sections 7.7 and 9). It holds one buffer of MaxRowBytes,
// however long the feed or its rows are, and takes one allocation for each row, which the entry's values share.
//
// It is as tolerant as can be without guessing: columns stand in any order, unknown ones are ignored, missing ones at
// the end of a row are absent values, and so are empty ones. Lines end in LF or CRLF, empty lines count for nothing,
// and a byte order mark may come first. Values are quoted as RFC 4180 says; a quote inside of an unquoted value is part
// of it. Where a quoted value never ends, within MaxRowBytes or at all, or has something behind its closing quote, only
// the line that the row begins on is given up, so that a stray quote cannot hide the rest of the feed.
type CSVReader struct {
	src    io.Reader
	srcErr error // what src said last; io.EOF at its end
	buf    []byte
	pos    int // buf[pos:end] is unread
	end    int // as long as srcErr is nil, a buffer without a whole row gets filled up
	line   int // the number of the line at pos

	rowLine int    // as line, where the row read last begins
	surplus string // says what of the row read last has no column

	file           *FileRules // nil for a relay's reply
	names, takenAs []string   // of a file's columns

	header    Header
	headerErr error
	columns   []column
	cut       *CutShortError // to be told at the next Read

	cells   []string // of the row read last
	scratch []byte   // its values without their quotes
	ends    []int    // where they end in scratch
}

// column is what a column of the feed holds: field1 to field8 are 1 to 8.
type column int8

const (
	columnIgnored   column = 0
	columnCreatedAt column = FieldCount + iota
	columnEntryID
	columnLatitude
	columnLongitude
	columnElevation
	columnStatus
)

// NewCSVReader returns a reader of the feed that r delivers. It reads nothing yet.
func NewCSVReader(r io.Reader) *CSVReader { return &CSVReader{src: r} }

// Header reads the first line, if it was not read yet, and tells which columns there are. What is not a feed, for want
// of the columns created_at and entry_id, is [ErrEmptyReply] (no content at all), [ErrDenied] (the reply -1),
// [*ServiceError] (an error that the relay names) or [*NotDataError] (an HTML page or anything else). Errors of the
// underlying reader are wrapped. Every later call says the same.
func (r *CSVReader) Header() (Header, error) {
	if r.columns == nil && r.headerErr == nil {
		r.headerErr = r.readHeader()
	}
	return r.header, r.headerErr
}

// Read reads the next row into e, all of which it sets. It returns [io.EOF] at the end of the feed; a [*RowError] for a
// row that cannot be read, after which reading may go on; and a [*CutShortError], once and before io.EOF, if the last
// line has no line end: that row was delivered by the call before if it has all columns, and left out otherwise. The
// errors of [CSVReader.Header] and of the underlying reader are final.
func (r *CSVReader) Read(e *Entry) error {
	if _, err := r.Header(); err != nil {
		return err
	}
	if r.cut != nil {
		err := r.cut
		r.cut = nil
		return err
	}
	most := len(r.columns)
	if r.file != nil {
		most = MaxRowBytes // a value too many is told there
	}
	r.rowLine, r.surplus = r.line, ""
	whole, err := r.readRow(most)
	for err == nil && r.isBlank() {
		r.rowLine = r.line
		whole, err = r.readRow(most)
	}
	if err != nil {
		return err
	}
	reason := r.fill(e)
	if !whole {
		cut := &CutShortError{Line: r.rowLine, Delivered: reason == "" && len(r.cells) >= len(r.columns)}
		if !cut.Delivered {
			return cut
		}
		r.cut = cut
		return nil
	}
	if reason != "" {
		return &RowError{Line: r.rowLine, Reason: reason}
	}
	return nil
}

// Line is the number of the line that the row read last begins on, from 1.
func (r *CSVReader) Line() int { return r.rowLine }

// Surplus says of the entry read last, in a file, what stands in its row beyond the columns of the first line and was left
// out; it is empty if nothing was.
func (r *CSVReader) Surplus() string { return r.surplus }

func (r *CSVReader) readHeader() error {
	r.load()
	if rest := r.unread(); bytes.HasPrefix(rest, []byte("\ufeff")) {
		r.pos += len("\ufeff")
	}
	r.line = 1
	if r.file != nil {
		r.line = max(1, r.file.FirstLine)
	}
	const want = "a CSV feed"
	body := r.unread()
	if _, ok := htmlTitle(body); ok {
		return notData(want, body)
	}
	line := r.line
	whole, err := r.readRow(MaxRowBytes)
	for err == nil && r.isBlank() {
		line = r.line
		whole, err = r.readRow(MaxRowBytes)
	}
	if err == io.EOF {
		return ErrEmptyReply
	}
	if _, ok := errors.AsType[*RowError](err); ok {
		return notData(want, body)
	}
	if err != nil {
		return err
	}
	if len(r.cells) == 1 && strings.TrimSpace(r.cells[0]) == "-1" {
		return ErrDenied
	}
	imported := r.file != nil && r.file.Import
	names := r.nameColumns()
	columns, header, ok := columnsOf(names, imported)
	if !ok {
		if e := ParseErrorBody(body); e.Code != "" {
			return e
		}
		if r.file != nil {
			return noColumn(columns, r.names, imported)
		}
		return notData(want, body)
	}
	r.columns, r.header = columns, header
	if r.file != nil {
		r.takenAs = slices.Clone(names)
		for i, c := range columns {
			if c == columnIgnored {
				r.takenAs[i] = ""
			}
		}
	}
	if !whole {
		r.cut = &CutShortError{Line: line, Delivered: true}
	}
	return nil
}

// columnsOf reads the names of a feed's columns. Of several with one name the first counts. The column entry_id may be
// lacking where numbers are not needed.
func columnsOf(names []string, withoutNumbers bool) (columns []column, h Header, ok bool) {
	columns = make([]column, len(names))
	var seen [columnStatus + 1]bool
	for i, name := range names {
		var c column
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "created_at":
			c = columnCreatedAt
		case "entry_id":
			c = columnEntryID
		case "latitude":
			c = columnLatitude
		case "longitude":
			c = columnLongitude
		case "elevation":
			c = columnElevation
		case "status":
			c = columnStatus
		default:
			c = column(fieldNumber(name))
		}
		if !seen[c] {
			seen[c] = true
			columns[i] = c
		}
	}
	for n := range FieldCount {
		if seen[n+1] {
			h.Fields |= 1 << n
		}
	}
	h.Location = seen[columnLatitude] || seen[columnLongitude] || seen[columnElevation]
	h.Status = seen[columnStatus]
	return columns, h, seen[columnCreatedAt] && (seen[columnEntryID] || withoutNumbers)
}

// fieldNumber returns N for the name "fieldN", and 0 for any other name.
func fieldNumber(name string) int {
	if len(name) == len("field1") && name[:5] == "field" && name[5] >= '1' && name[5] <= '0'+FieldCount {
		return int(name[5] - '0')
	}
	return 0
}

// fill makes an entry of the cells, or says why it cannot.
func (r *CSVReader) fill(e *Entry) (reason string) {
	*e = Entry{}
	if r.file != nil {
		if slices.ContainsFunc(r.cells[min(len(r.cells), len(r.columns)):], isGiven) {
			r.surplus = fmt.Sprintf("it has more values than the %d columns of the first line", len(r.columns))
			if r.file.Import {
				return r.surplus
			}
		}
		created, id := r.values(e)
		return r.file.finish(e, created, id)
	}
	created, id := r.values(e)
	n, ok := parseNumber(strings.TrimSpace(id))
	if !ok || n == 0 {
		return fmt.Sprintf("entry_id is not a number above 0: %q", excerpt([]byte(id), 40))
	}
	t, err := ParseTime(created, nil)
	if err != nil {
		return "created_at is " + err.Error()
	}
	e.ID, e.CreatedAt = n, t
	return ""
}

// values puts the cells of a row into an entry, but for its date and number, which it returns as they stand.
func (r *CSVReader) values(e *Entry) (created, id string) {
	for i, cell := range r.cells[:min(len(r.cells), len(r.columns))] {
		if cell == "" {
			continue
		}
		switch c := r.columns[i]; c {
		case columnIgnored:
		case columnCreatedAt:
			created = cell
		case columnEntryID:
			id = cell
		case columnLatitude:
			e.Latitude = Text(cell)
		case columnLongitude:
			e.Longitude = Text(cell)
		case columnElevation:
			e.Elevation = Text(cell)
		case columnStatus:
			e.Status = Text(cell)
		default:
			e.Fields[c-1] = Text(cell)
		}
	}
	return created, id
}

// isBlank reports whether a row counts for nothing. In a file, spreadsheets leave rows of bare separators.
func (r *CSVReader) isBlank() bool {
	if r.file == nil {
		return len(r.cells) == 1 && r.cells[0] == ""
	}
	return len(r.cells) > 0 && !slices.ContainsFunc(r.cells, isGiven)
}

func isGiven(value string) bool { return strings.TrimSpace(value) != "" }
