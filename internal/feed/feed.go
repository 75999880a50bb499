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
	"slices"
	"strings"
	"time"

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
	// Newest is how many rows are wanted, those with the latest dates, 0 for all. They are the last ones, or the first if
	// the file's dates descend; where that cannot be told, or not be read from the end, more are delivered.
	Newest int
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
	// Cut says that the file ends in the middle; NoEnd that its last line has no end, and was read all the same.
	Cut, NoEnd bool
	// More says that there may be older rows than those that were delivered.
	More bool
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

// Read reads a feed and hands out its entries in the file's order, each with its line, in JSON its position. The line
// is 0 where only the end of a file is read: finding it out would take a reading of all. An entry is valid until visit
// returns; an error of visit ends reading and is returned as it is. What cannot be read as a feed at all is a
// [*NotFeedError]. Memory does not grow with the file.
func Read(src io.Reader, o Options, visit func(line int, e *thingspeak.Entry) error) (Report, error) {
	r := reader{options: o, visit: visit}
	whole := fileOf(src)
	if whole != nil {
		src = whole
	}
	err := r.open(src, whole)
	if err == nil {
		err = r.read(whole)
	}
	r.report.Assumed = append(r.report.Assumed, r.dates.assumed()...)
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
	// noFields says that no column is called a field.
	noFields bool
	// first is how many rows are enough from the beginning, 0 for all.
	first int
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
		return nil
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
func (r *reader) read(whole *io.SectionReader) error {
	if r.isJSON {
		return r.readJSON()
	}
	var rows *thingspeak.CSVReader
	var err error
	fromEnd := false
	if r.options.Newest > 0 && whole != nil && r.text.plain() && r.rules.FirstLine == 0 {
		if fromEnd, err = r.findNewest(whole); err != nil {
			return notFeed(r.head, err)
		}
	}
	if fromEnd {
		rows, err = thingspeak.NewCSVTailReader(whole, whole.Size(), r.options.Newest, &r.rules)
		r.report.More = true
	} else {
		rows = thingspeak.NewFileReader(r.text, r.rules)
	}
	if err == nil {
		r.report.Columns, err = rows.Header()
	}
	if err != nil {
		return notFeed(r.head, err)
	}
	r.sayIgnored(rows.Names())
	err = r.readRows(rows)
	r.report.Cut = r.report.Cut || r.text.cut
	r.report.More = r.report.More && r.report.Rows >= r.options.Newest
	return err
}

// findNewest finds out by the first and the last rows which way the dates go. Where they ascend the newest rows are read
// from the end, where they descend from the beginning; else all are read.
func (r *reader) findNewest(whole *io.SectionReader) (fromEnd bool, err error) {
	// What is read here is read again, and must not count twice.
	defer func(before dates) { r.dates = before }(r.dates)
	const some = 3
	tail, err := thingspeak.NewCSVTailReader(whole, whole.Size(), some, &r.rules)
	if err != nil {
		return false, err
	}
	first, last := datesOf(thingspeak.NewHeadReader(r.head, r.rules), some), datesOf(tail, some)
	var all run
	for _, pair := range [][]time.Time{first, last, slices.Concat(first[:min(1, len(first))], last[max(0, len(last)-1):])} {
		var one run
		for _, t := range pair {
			one.add(t)
		}
		all.up, all.down = all.up || one.up, all.down || one.down
	}
	if all.down && !all.up {
		r.first = r.options.Newest
	}
	return !all.down, nil
}

// datesOf returns the dates of the next rows, at most n.
func datesOf(rows *thingspeak.CSVReader, n int) (all []time.Time) {
	var e thingspeak.Entry
	for len(all) < n {
		err := rows.Read(&e)
		if err == nil {
			all = append(all, e.CreatedAt)
		} else if !isRowError(err) {
			break
		}
	}
	return all
}

func (r *reader) readRows(rows *thingspeak.CSVReader) error {
	var e thingspeak.Entry
	for {
		err := rows.Read(&e)
		if err == nil && r.first > 0 && r.report.Rows == r.first {
			r.report.More = true
			return nil
		}
		if err == nil {
			r.dates.delivered(e.CreatedAt)
			r.report.Rows++
			line := 0
			if !r.report.More {
				line = rows.Line()
			}
			if err := r.visit(line, &e); err != nil {
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

func (r *reader) leaveOut(bad *thingspeak.RowError) {
	if r.report.LeftOut++; r.report.LeftOut <= NamedRows {
		r.report.Named = append(r.report.Named, *bad)
	}
}

func (r *reader) readJSON() error {
	r.report.Assumed = append(r.report.Assumed, r.text.assumed(',')...)
	var failed error // of visit
	_, err := thingspeak.DecodeFileJSON(r.text, r.rules, func(n int, e *thingspeak.Entry) error {
		r.dates.delivered(e.CreatedAt)
		r.report.Rows++
		for i := range e.Fields {
			if e.Fields[i].Given {
				r.report.Columns.Fields |= 1 << i
			}
		}
		r.report.Columns.Location = r.report.Columns.Location || e.Latitude.Given || e.Longitude.Given || e.Elevation.Given
		r.report.Columns.Status = r.report.Columns.Status || e.Status.Given
		failed = r.visit(n, e)
		return failed
	}, func(bad *thingspeak.RowError) error {
		r.leaveOut(bad)
		return nil
	})
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
