package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedEnd is what is known about a feed once it was read as far as wanted.
type feedEnd struct {
	channel.End

	// file is what reading a file has told, nil of a channel.
	file *feed.Report
}

// ofAnother reports whether it is a file that names its channel, which is another one than that of a flag.
func (e *feedEnd) ofAnother(channel int64) bool {
	return channel != 0 && e.file != nil && e.file.Channel != 0 && e.file.Channel != channel
}

// incomplete is an error where not all of a feed was read.
func (e *feedEnd) incomplete() error {
	switch {
	case e.file != nil && e.Skipped > 0 && e.Rows == 0:
		return partlyError{errors.New("no row of the file could be read")}
	case e.file != nil && e.Skipped > 0:
		return partlyError{errors.New("not all rows of the file could be read")}
	case e.file != nil && e.file.Partly > 0:
		return partlyError{errors.New("not all values of the file could be read")}
	case e.CutShort:
		return errCut
	}
	return nil
}

// csvSource is a feed that --csv names: a file, - for standard input, or an address that answers with one.
type csvSource struct {
	name  string
	dates dateOrder
}

func (c *csvSource) add(flags *pflag.FlagSet, does string) {
	flags.StringVar(&c.name, "csv", "", does+" in `FILE`, at an address, or - for standard input")
	flags.Var(&c.dates, "dates", "the `ORDER` of day, month and year in a file's dates, mdy, dmy or ymd, if it cannot be told")
}

// dateOrder is the flag --dates.
type dateOrder struct{ feed.Order }

func (o *dateOrder) Set(s string) (err error) {
	o.Order, err = feed.ParseOrder(s)
	return err
}

func (o *dateOrder) Type() string { return "ORDER" }

func (o *dateOrder) String() string {
	if o.Order == feed.UnknownOrder {
		return ""
	}
	return o.Order.String()
}

// readCSV reads the feed that --csv names.
func (a *app) readCSV(ctx context.Context, c csvSource, visit func(*thingspeak.Entry) error) (feedEnd, error) {
	var end feedEnd
	src, err := a.openCSV(ctx, c.name)
	if err != nil {
		return end, err
	}
	defer src.Close()
	var failed error // of visit
	report, err := feed.Read(src, feed.Options{Dates: c.dates.Order}, func(_ int, e *thingspeak.Entry) error {
		end.Last = max(end.Last, e.ID)
		failed = visit(e)
		return failed
	})
	end.file = &report
	end.Rows, end.Skipped, end.CutShort = report.Rows, report.LeftOut, report.Cut || report.NoEnd
	if failed != nil {
		return end, failed
	}
	if err != nil {
		err = fmt.Errorf("reading %s: %w", feedName(c.name), err)
	}
	return end, err
}

// feedName is what to call a feed that --csv names.
func feedName(name string) string {
	if name == "-" {
		return "standard input"
	}
	if isURL(name) {
		name, _, _ = strings.Cut(name, "?") // what stands behind it may be a key
	}
	return name
}

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// openCSV opens what --csv names.
func (a *app) openCSV(ctx context.Context, name string) (io.ReadCloser, error) {
	switch {
	case name == "-":
		// What stands behind it may be a file that was read to its middle already.
		return io.NopCloser(io.MultiReader(a.input)), nil
	case isURL(name):
		return a.access().Download(ctx, name)
	}
	f, err := openFile(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("--csv: %w", err)
	}
	return f, nil
}
