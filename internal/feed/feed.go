// Package feed reads feeds from files as people have them: what a relay wrote, and what a spreadsheet, a script or an
// editor made of it. It needs no key. What it has to assume it says, and what it cannot read it names by its line.
//
// A file that is still as a relay writes it is read as [thingspeak.CSVReader] reads it, as fast and with the same
// result. Everything else is found out from the beginning of the file: whether it is packed, its encoding, its line
// ends, its separator, which column is which. Only what a beginning cannot tell takes a reading of the whole file in
// advance: in which order its dates have day and month, and which columns hold tokens if no column is called a field.
package feed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// headBytes is how much of a file decides what it is; its first line has to fit.
	headBytes = thingspeak.MaxRowBytes + 1
	// surveyBytes is how much is kept of a stream, in bytes, where a file would be read twice.
	surveyBytes = 16 << 20
	// NamedRows is how many rows that were left out are named; the others are counted.
	NamedRows = 5
)

// Options say how a file is to be read. The zero Options read all of it for a reader.
type Options struct {
	// Zone is that of dates that name none; nil is UTC.
	Zone *time.Location
	// Dates is the order of day, month and year, if it is known.
	Dates Order
	// Import reads what is to be stored: see [thingspeak.FileRules]. What stays open is then an error, not an
	// assumption.
	Import bool
	// Labels are those of the channel's fields, which a file may have for names of its columns.
	Labels [thingspeak.FieldCount]string
}

// Report says what came of reading a file.
type Report struct {
	// Columns are those that the file has, of JSON those that an entry had a value of.
	Columns thingspeak.Header
	// Rows counts the entries that were delivered, LeftOut the rows that could not be read; Named are the first of
	// these, at most NamedRows.
	Rows, LeftOut int
	Named         []thingspeak.RowError
	// Partly counts the delivered entries of which not all values could be read, PartlyNamed are the first of these, at
	// most NamedRows.
	Partly      int
	PartlyNamed []thingspeak.RowError
	// Channel is the channel's number, as a JSON file names it; 0 if it does not.
	Channel int64
	// LastEntryID is the number of the channel's newest entry, as a JSON file names it; 0 if it does not.
	LastEntryID int64
	// Cut says that the file ends in the middle; NoEnd that its last line has no end, and was read all the same.
	Cut, NoEnd bool
	// Assumed are sentences for people, without a full stop: what was taken for granted.
	Assumed []string
}

// NotFeedError says that a file cannot be read as a feed.
type NotFeedError struct {
	// Is says what it looks like instead.
	Is string
	// Next says what to do.
	Next string
}

func (e *NotFeedError) Error() string { return e.Is }

// Read reads a feed and hands out its entries in the file's order, each with its line, in JSON its position. An entry is
// valid until visit returns; an error of visit ends reading and is returned as it is. What cannot be read as a feed at
// all is a [*NotFeedError]. Memory does not grow with the file.
func Read(src io.Reader, o Options, visit func(line int, e *thingspeak.Entry) error) (Report, error) {
	r := reader{options: o, visit: visit}
	whole := fileOf(src)
	if whole != nil {
		src = whole
	}
	err := r.open(src, whole)
	if err == nil {
		err = r.read()
	}
	r.report.Assumed = append(r.report.Assumed, r.dates.assumed()...)
	if r.notUTF8 > 0 {
		rows := "1 row has"
		if r.notUTF8 > 1 {
			rows = fmt.Sprint(r.notUTF8, " rows have")
		}
		r.report.Assumed = append(r.report.Assumed, fmt.Sprintf("%s bytes that are not UTF-8, the first one in line %d: "+
			"save the file as UTF-8 to see what they stand for", rows, r.notUTF8Line))
	}
	if err == nil && r.zoneLabel != "" && r.dates.zoneless > 0 {
		err = r.sayZone()
	}
	return r.report, err
}

// fileOf returns a regular file as something that can be read again, nil for any other source.
func fileOf(src io.Reader) *io.SectionReader {
	f, ok := src.(interface {
		io.ReaderAt
		Stat() (os.FileInfo, error)
	})
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return io.NewSectionReader(f, 0, info.Size())
}

// reader is one reading of a file.
type reader struct {
	options Options
	visit   func(int, *thingspeak.Entry) error
	report  Report
	dates   dates

	text   *text
	head   []byte // the beginning of the text
	isJSON bool
	rules  thingspeak.FileRules
	// separatorLine is the size of the line before the first that names the separator, 0 if there is none.
	separatorLine int
	// noFields says that no column is called a field.
	noFields bool
	// zoneLabel is what stands behind the name of created_at and is no zone that is known or wanted.
	zoneLabel string

	notUTF8, notUTF8Line int // rows with other bytes, and where the first one stands
}

// open finds out what the file is.
func (r *reader) open(src io.Reader, whole *io.SectionReader) (err error) {
	r.dates = dates{zone: r.options.Zone, order: r.options.Dates, importing: r.options.Import}
	r.dates.openPoints = r.options.Dates == MonthFirst
	if r.text, err = decode(src); err != nil {
		return err
	}
	if r.head, err = r.text.peek(); err != nil {
		return err
	}
	r.isJSON = bytes.HasPrefix(trimmed(r.head), []byte("{"))
	if r.isJSON {
		r.rules = thingspeak.FileRules{Import: r.options.Import, Time: r.dates.read}
		return r.surveyJSON(whole)
	}
	if err := r.findColumns(); err != nil {
		return err
	}
	if err := r.survey(whole); err != nil {
		return err
	}
	r.rules.Time, r.rules.Import = r.dates.read, r.options.Import
	r.report.Assumed = append(r.text.assumed(r.rules.Separator), r.report.Assumed...)
	return nil
}

// read reads what open has understood.
func (r *reader) read() error {
	if r.isJSON {
		return r.readJSON()
	}
	rows := thingspeak.NewFileReader(r.text, r.rules)
	var err error
	if r.report.Columns, err = rows.Header(); err != nil {
		return notFeed(r.head, err)
	}
	names, takenAs := rows.Names()
	if err := r.saySeveral(names, takenAs); err != nil {
		return err
	}
	r.findZone(names, takenAs)
	r.sayIgnored(names, takenAs)
	err = r.readRows(rows)
	r.report.Cut = r.report.Cut || r.text.cut
	return err
}

func (r *reader) readRows(rows *thingspeak.CSVReader) error {
	var e thingspeak.Entry
	for {
		err := rows.Read(&e)
		if err == nil {
			if err := r.deliver(rows.Line(), &e, rows.Surplus()); err != nil {
				return err
			}
			continue
		}
		bad, isRow := errors.AsType[*thingspeak.RowError](err)
		cut, isCut := errors.AsType[*thingspeak.CutShortError](err)
		switch {
		case err == io.EOF:
			return nil
		case isRow:
			r.leaveOut(bad)
		case isCut:
			r.report.Cut, r.report.NoEnd = r.report.Cut || !cut.Delivered, cut.Delivered
			if !cut.Delivered && r.options.Import {
				r.leaveOut(&thingspeak.RowError{Line: cut.Line, Reason: "the file ends in the middle of it"})
			}
		default:
			return err
		}
	}
}

// mostNumber is the highest number of an entry that a reader keeps: no relay comes near it.
const mostNumber = 1<<40 - 1

// deliver hands out an entry; lacking says what of it could not be read.
func (r *reader) deliver(line int, e *thingspeak.Entry, lacking string) error {
	if e.ID > mostNumber {
		r.leaveOut(&thingspeak.RowError{Line: line, Reason: fmt.Sprintf("entry_id is %d, and no channel comes to more than %d", e.ID, int64(mostNumber))})
		return nil
	}
	r.dates.delivered(e.CreatedAt)
	r.report.Rows++
	if lacking != "" {
		if r.report.Partly++; r.report.Partly <= NamedRows {
			r.report.PartlyNamed = append(r.report.PartlyNamed, thingspeak.RowError{Line: line, Reason: lacking})
		}
	}
	if !isUTF8(e) {
		if r.notUTF8++; r.notUTF8 == 1 {
			r.notUTF8Line = line
		}
	}
	return r.visit(line, e)
}

func isUTF8(e *thingspeak.Entry) bool {
	for i := range e.Fields {
		if !utf8.ValidString(e.Fields[i].Text) {
			return false
		}
	}
	return utf8.ValidString(e.Status.Text)
}

func (r *reader) leaveOut(bad *thingspeak.RowError) {
	if r.report.LeftOut++; r.report.LeftOut <= NamedRows {
		r.report.Named = append(r.report.Named, *bad)
	}
}

func (r *reader) readJSON() error {
	r.report.Assumed = append(r.report.Assumed, r.text.assumed(',')...)
	var failed error // of visit
	text := notNumbers{src: r.text.Reader}
	channel, err := thingspeak.DecodeFileJSON(&text, r.rules, func(n int, e *thingspeak.Entry, lacking string) error {
		for i := range e.Fields {
			if e.Fields[i].Given {
				r.report.Columns.Fields |= 1 << i
			}
		}
		r.report.Columns.Location = r.report.Columns.Location || e.Latitude.Given || e.Longitude.Given || e.Elevation.Given
		r.report.Columns.Status = r.report.Columns.Status || e.Status.Given
		failed = r.deliver(n, e, lacking)
		return failed
	}, func(bad *thingspeak.RowError) error {
		r.leaveOut(bad)
		return nil
	})
	r.report.Assumed = append(r.report.Assumed, text.assumed()...)
	r.report.Channel, r.report.LastEntryID = channel.ID, channel.LastEntryID
	switch {
	case err == nil:
	case failed != nil:
		return failed
	case errors.Is(err, thingspeak.ErrCutShort):
		r.report.Cut = true
	default:
		return notFeed(r.head, err)
	}
	return nil
}

// sayIgnored says which columns nothing is read from; those without a name are left by programs that number rows.
func (r *reader) sayIgnored(names, takenAs []string) {
	var ignored []string
	for i, name := range names {
		if takenAs[i] == "" && name != "" {
			ignored = append(ignored, fmt.Sprintf("%q", name))
		}
	}
	switch n := len(ignored); {
	case n == 0:
	case n == 1:
		r.report.Assumed = append(r.report.Assumed, "the column "+ignored[0]+" is ignored")
	case n <= 8:
		r.report.Assumed = append(r.report.Assumed, "the columns "+strings.Join(ignored, ", ")+" are ignored")
	default:
		text := fmt.Sprintf("the columns %s and %d more are ignored", strings.Join(ignored[:8], ", "), n-8)
		r.report.Assumed = append(r.report.Assumed, text)
	}
}

// again returns a reader of the text from its beginning, and leaves r.text where it is. Of a stream it is no more than
// surveyBytes.
func (r *reader) again(whole *io.SectionReader) (io.Reader, error) {
	if whole != nil {
		return decode(io.NewSectionReader(whole, 0, whole.Size()))
	}
	if r.text.kept == nil {
		var err error
		r.text.kept, err = io.ReadAll(io.LimitReader(r.text.Reader, surveyBytes))
		if err != nil {
			return nil, fmt.Errorf("reading a feed: %w", err)
		}
		r.text.Reader = bufio.NewReader(io.MultiReader(bytes.NewReader(r.text.kept), r.text.Reader))
	}
	return bytes.NewReader(r.text.kept), nil
}
