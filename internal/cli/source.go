package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedEnd is what is known about a feed once it was read as far as wanted.
type feedEnd struct {
	rows    int
	skipped int  // rows that could not be read
	cut     bool // the last line was cut in half
	more    bool // older rows exist that were not read
	last    int64
	// numbers are those of the rows of a file.
	numbers rowNumbers
}

// readFile reads a downloaded feed: with newest above 0 its last rows only. It finds them from the end of the file, so
// that they cost no more in a large file than in a small one.
func readFile(name string, newest int, visit func(*thingspeak.Entry) error) (feedEnd, error) {
	f, err := os.Open(name)
	if err != nil {
		return feedEnd{}, usagef("--csv: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return feedEnd{}, fmt.Errorf("reading %s: %w", name, err)
	}
	if newest <= 0 || !info.Mode().IsRegular() {
		return readRows(thingspeak.NewCSVReader(f), name, visit)
	}
	tail, err := thingspeak.NewCSVTailReader(f, info.Size(), newest)
	if err != nil {
		return feedEnd{}, fmt.Errorf("reading %s: %w", name, err)
	}
	end, err := readRows(tail, name, visit)
	end.more = end.rows >= newest
	return end, err
}

// readRows reads a feed to its end, row by row.
func readRows(feed *thingspeak.CSVReader, name string, visit func(*thingspeak.Entry) error) (feedEnd, error) {
	var end feedEnd
	if _, err := feed.Header(); err != nil {
		return end, fmt.Errorf("reading %s: %w", name, err)
	}
	var e thingspeak.Entry
	for {
		err := feed.Read(&e)
		switch {
		case err == nil:
			end.rows++
			end.last = max(end.last, e.ID)
			end.numbers.add(e.ID)
			if err := visit(&e); err != nil {
				return end, err
			}
		case errors.Is(err, io.EOF):
			return end, nil
		case errors.Is(err, thingspeak.ErrCutShort):
			end.cut = true
		default:
			if _, ok := errors.AsType[*thingspeak.RowError](err); !ok {
				return end, fmt.Errorf("reading %s: %w", name, err)
			}
			end.skipped++
		}
	}
}

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// readCSV reads the feed that --csv names: a file, - for standard input, or an address that answers with one.
func (a *app) readCSV(ctx context.Context, name string, newest int, visit func(*thingspeak.Entry) error) (feedEnd, error) {
	if name != "-" && !isURL(name) {
		return readFile(name, newest, visit)
	}
	body, err := a.openCSV(ctx, name)
	if err != nil {
		return feedEnd{}, err
	}
	defer body.Close()
	return readRows(thingspeak.NewCSVReader(body), "the feed", visit)
}

// openCSV opens what --csv names.
func (a *app) openCSV(ctx context.Context, name string) (io.ReadCloser, error) {
	switch {
	case name == "-":
		return io.NopCloser(a.input), nil
	case isURL(name):
		timeout, err := a.requestTimeout()
		if err != nil {
			return nil, err
		}
		return remote.Download(ctx, name, remote.Options{
			Timeout: timeout, Version: version(), Transport: a.transport, Budget: int64(a.budget), Slow: a.slow,
		})
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("--csv: %w", err)
	}
	return f, nil
}

// readChannel reads the newest rows of a channel until enough reports true, page by page: a small one first, because
// mostly it suffices. Unless all is set it stops after the newest thingspeak.MaxResults rows.
func readChannel(ctx context.Context, client *remote.Client, newest int, all bool, visit func(*thingspeak.Entry) error,
	enough func() bool,
) (feedEnd, error) {
	var end feedEnd
	counted := func(e *thingspeak.Entry) error {
		end.rows++
		return visit(e)
	}
	scan := client.Scan()
	page := thingspeak.MaxResults
	if newest > 0 && newest < page {
		page = newest
	}
	var err error
	for {
		end.more, err = scan.Back(ctx, page, counted)
		info := scan.Info()
		end.last, end.skipped, end.cut = info.LastID, int(info.Skipped), info.CutShort
		if err != nil || !end.more || enough() || !all && end.rows >= thingspeak.MaxResults {
			return end, err
		}
		page = thingspeak.MaxResults
	}
}
