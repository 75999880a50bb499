package cli

import (
	"bufio"
	"encoding/csv"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// output is in which form messages are printed, besides the one for people and that of --json.
type output struct {
	asTable bool // CSV
	numbers bool // in JSON, values that are such
}

func (o *output) add(flags *pflag.FlagSet, format *string) {
	flags.StringVar(format, "format", "text", "print in this `FORMAT`: text, or csv, readings and texts as a table")
	flags.BoolVar(&o.numbers, "numbers", false, "with --json: values of readings that are numbers as numbers")
}

func parseOutput(format string, numbers, asJSON bool) (o output, err error) {
	switch {
	case format != "text" && format != "csv":
		return o, usagef("--format %s: want text or csv", screen.Line(format))
	case format == "csv" && asJSON:
		return o, usagef("--format csv and --json exclude each other")
	case numbers && !asJSON:
		return o, usagef("--numbers says how --json prints values: a table has no types")
	}
	return output{format == "csv", numbers}, nil
}

// tableTime is how the table writes times: in UTC, all of one length.
const tableTime = "2006-01-02T15:04:05.000Z"

// table writes readings and texts as CSV (RFC 4180, with line feeds for line ends). What a spreadsheet would run is marked as text.
type table struct {
	a   *app
	out *csv.Writer
	row []string
}

// newTable begins a table with the names of its columns.
func (a *app) newTable(out *bufio.Writer) (*table, error) {
	t := &table{a: a, out: csv.NewWriter(out)}
	t.row = append(t.row, "time", "author")
	for n := 1; n <= record.ReadingFields; n++ {
		t.row = append(t.row, fmt.Sprint("field", n))
	}
	t.row = append(t.row, "status", "text")
	if err := t.write(); err != nil {
		return nil, err
	}
	return t, out.Flush()
}

// add writes a message, unless it is neither a reading nor a text.
func (t *table) add(it *model.Item) error {
	if it.Notice != "" { // the user has to know it, and a plot not
		t.a.say("%s", t.a.style.warn(screen.Line(it.Notice)))
		return nil
	}
	r, isReading := it.Reading()
	text, isText := it.Text()
	if !isReading && !isText {
		return nil
	}
	// Of a sensor with one field, where nobody signs, nothing tells a value from a text but that it is a number.
	if m := it.Unsigned; m != nil && isText && m.Field >= 1 && m.Field <= record.ReadingFields {
		if _, isNumber := thingspeak.JSONNumber(text); isNumber {
			r.Values[m.Field-1], text = record.Value{Text: text, Given: true}, ""
		}
	}
	t.row = append(t.row[:0], it.Clock().UTC().Format(tableTime), "")
	if it.Record != nil {
		t.row[1] = screen.Cell(screen.Line(it.Record.Name))
	}
	for _, v := range r.Values {
		t.row = append(t.row, screen.Cell(screen.Text(v.Text)))
	}
	t.row = append(t.row, screen.Cell(screen.Text(r.Status)), screen.Cell(screen.Text(text)))
	return t.write()
}

// write hands the row on, and what error there was.
func (t *table) write() error {
	err := t.out.Write(t.row)
	t.out.Flush() // into the writer below, which is flushed when it is time
	if err == nil {
		err = t.out.Error()
	}
	return err
}
