package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Query says which rows of a feed are wanted (contract section 7.2). The zero Query is the newest 100.
type Query struct {
	// Results is how many rows at most, the newest of those that the rest allows; 0 stands for 100, and more than 8000
	// count as 8000.
	Results int
	// Start and End limit the time of the rows, both included, in whole seconds.
	Start, End time.Time
	// FirstID and LastID limit the entry numbers, both included; 0 is no limit. Not every relay knows them: others
	// answer as if they were not there.
	FirstID, LastID int64
	// Extras asks for location and status, too.
	Extras bool
}

func (q Query) results() int {
	if q.Results <= 0 {
		return thingspeak.DefaultResults
	}
	return min(q.Results, thingspeak.MaxResults)
}

// path returns the query's URL below the channel's. Times are in UTC, in the one form that all relays read.
func (q Query) path() string {
	s := "feeds.csv?results=" + strconv.Itoa(q.results())
	if !q.Start.IsZero() {
		s += "&start=" + url.QueryEscape(q.Start.UTC().Format(time.DateTime))
	}
	if !q.End.IsZero() {
		s += "&end=" + url.QueryEscape(q.End.UTC().Format(time.DateTime))
	}
	if q.FirstID > 0 {
		s += "&start_entry_id=" + strconv.FormatInt(q.FirstID, 10)
	}
	if q.LastID > 0 {
		s += "&end_entry_id=" + strconv.FormatInt(q.LastID, 10)
	}
	if q.Extras {
		s += "&location=true&status=true"
	}
	if q.results() > thingspeak.DefaultResults {
		// Longer answers are kept for five minutes under their exact address (contract section 7.3), so it varies.
		s += "&fresh=" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return s
}

// FeedInfo tells about a feed besides its rows.
type FeedInfo struct {
	// Header names the fields that the channel shows.
	Header thingspeak.Header
	// Date is the relay's clock, zero if it does not say. Dates of rows are to be compared with nothing else.
	Date time.Time
	// Rows were visited, Skipped could not be read.
	Rows, Skipped int
	// CutShort tells that the feed ended within a row, as a relay or a file gives it that was interrupted.
	CutShort bool
}

// Feed reads a feed as CSV, in one request and one attempt, and visits its rows in the relay's order: by date, oldest
// first. The entry is reused for the next row; its texts may be kept. An error of visit ends the reading and is
// returned as it is; all others are those of the relay, and FeedInfo tells how far it got.
func (c *Client) Feed(ctx context.Context, q Query, visit func(*thingspeak.Entry) error) (FeedInfo, error) {
	return c.feed(ctx, q, true, func(e *thingspeak.Entry, _ thingspeak.FieldSet) error { return visit(e) })
}

// feed is Feed, where a last row without a line end, whose last value may be cut, is visited only if keepCut says so.
// Even then it is not if nothing tells that the answer came whole. Visit is told which fields the answer shows.
func (c *Client) feed(
	ctx context.Context, q Query, keepCut bool, visit func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (info FeedInfo, err error) {
	re, err := c.openFeed(ctx, q.path())
	if err != nil {
		return info, err
	}
	defer re.body.Close()
	info.Date = re.date
	rows := thingspeak.NewCSVReader(&boundedReader{re.body, maxFeed})
	if info.Header, err = rows.Header(); err != nil {
		return info, c.feedError(re, err)
	}
	// Rows are held back by one, since only what follows tells whether a row is whole.
	var held, next thingspeak.Entry
	holding := false
	for {
		err := rows.Read(&next)
		if cut, ok := errors.AsType[*thingspeak.CutShortError](err); ok {
			info.CutShort = true
			if cut.Delivered && !(keepCut && re.framed) {
				holding = false
			}
			continue
		}
		if holding {
			holding = false
			info.Rows++
			if err := visit(&held, info.Header.Fields); err != nil {
				return info, err
			}
		}
		switch _, lost := errors.AsType[*thingspeak.RowError](err); {
		case err == io.EOF:
			return info, nil
		case lost:
			info.Skipped++
		case err != nil:
			return info, c.feedError(re, err)
		case next.ID <= 0 || next.ID > maxNumber:
			info.Skipped++
		default:
			held, next = next, held
			holding = true
		}
		if info.Rows+info.Skipped > thingspeak.MaxResults {
			e := c.unexpected(re)
			e.Problem = fmt.Sprintf("more than %d rows", thingspeak.MaxResults)
			return info, e
		}
	}
}

// openFeed asks for a feed and returns its answer of status 200.
func (c *Client) openFeed(ctx context.Context, query string) (*reply, error) {
	path, err := c.channelPath(query)
	if err != nil {
		return nil, err
	}
	re, err := c.do(ctx, request{doing: c.reading(), path: path, key: c.readKey()})
	if err != nil {
		return nil, err
	}
	if re.status != http.StatusOK {
		defer re.body.Close()
		return nil, c.statusError(re)
	}
	return re, nil
}

// errTooLong says that a body is longer than any feed.
var errTooLong = errors.New("the feed is too long")

// feedError is contentError for a body that is read as it comes, so that its end may be at fault, too.
func (c *Client) feedError(re *reply, err error) error {
	if re.body.failed != nil {
		return re.body.failed
	}
	if errors.Is(err, errTooLong) {
		e := c.unexpected(re)
		e.Problem = fmt.Sprintf("a feed of more than %d MiB", maxFeed>>20)
		return e
	}
	return c.contentError(re, err)
}

// boundedReader ends in errTooLong after a number of bytes.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Raw copies a feed as the relay sends it, byte for byte, and returns how many bytes it wrote. What is not a feed is an
// error, and nothing of it is written. Errors of w are returned as they are.
func (c *Client) Raw(ctx context.Context, q Query, w io.Writer) (int64, error) {
	re, err := c.openFeed(ctx, q.path())
	if err != nil {
		return 0, err
	}
	defer re.body.Close()
	in := bufio.NewReaderSize(&boundedReader{re.body, maxFeed}, maxReply)
	// A feed's first line is far shorter than what is looked at, so a reader finds it there, or says what it found.
	beginning, _ := in.Peek(in.Size())
	if _, err := thingspeak.NewCSVReader(bytes.NewReader(beginning)).Header(); err != nil {
		return 0, c.feedError(re, err)
	}
	n, err := in.WriteTo(writerOnly{w})
	if failed, ok := errors.AsType[writeError](err); ok {
		return n, failed.error
	}
	if err != nil {
		return n, c.feedError(re, err)
	}
	return n, nil
}

// writerOnly marks the errors of a writer, to tell them from those of a reader, and shows no other method of it.
type writerOnly struct{ w io.Writer }

type writeError struct{ error }

func (w writerOnly) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		return n, writeError{err}
	}
	return n, nil
}

// Entry returns one entry by its number. The error is [ErrNoEntry] if the channel does not show it.
func (c *Client) Entry(ctx context.Context, id int64) (thingspeak.Entry, error) {
	entry, _, err := c.entry(ctx, id)
	return entry, err
}

func (c *Client) entry(ctx context.Context, id int64) (entry thingspeak.Entry, info FeedInfo, err error) {
	doing := fmt.Sprintf("reading entry %d of channel %d", id, c.set.Channel)
	path, err := c.channelPath("feeds/" + strconv.FormatInt(id, 10) + ".csv")
	if err != nil {
		return entry, info, err
	}
	content, re, err := c.fetch(ctx, request{doing: doing, path: path, key: c.readKey()})
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Reason == NotFound {
		return entry, info, fmt.Errorf("%s: %w", doing, ErrNoEntry)
	}
	if err != nil {
		return entry, info, err
	}
	info.Date = re.date
	rows := thingspeak.NewCSVReader(bytes.NewReader(content))
	if info.Header, err = rows.Header(); err == nil {
		err = rows.Read(&entry)
	}
	switch {
	case errors.Is(err, thingspeak.ErrDenied), err == io.EOF:
		// -1 with status 200 means that there is none (contract section 4); a refused key has another status.
		return entry, info, fmt.Errorf("%s: %w", doing, ErrNoEntry)
	case err != nil:
		return entry, info, c.contentError(re, err)
	case entry.ID != id:
		e := c.unexpected(re)
		e.Problem = "another entry than the one asked for"
		return entry, info, e
	}
	return entry, info, nil
}
