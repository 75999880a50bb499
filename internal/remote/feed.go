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

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func results(q exchange.Query) int {
	if q.Results <= 0 {
		return thingspeak.DefaultResults
	}
	return min(q.Results, thingspeak.MaxResults)
}

// feedPath returns a query's URL below the channel's. Times are in UTC, in the one form that all relays read.
func feedPath(q exchange.Query) string {
	s := "feeds.csv?results=" + strconv.Itoa(results(q))
	if !q.End.IsZero() {
		s += "&end=" + url.QueryEscape(q.End.UTC().Format(time.DateTime))
	}
	if q.FirstID > 0 {
		s += "&start_entry_id=" + strconv.FormatInt(q.FirstID, 10)
	}
	if q.LastID > 0 {
		s += "&end_entry_id=" + strconv.FormatInt(q.LastID, 10)
	}
	if results(q) > thingspeak.DefaultResults {
		// Longer answers are kept for five minutes under their exact address (contract section 7.3), so it varies.
		s += "&fresh=" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return s
}

// feed reads a feed as CSV and shows its rows in the relay's order: by date, oldest first. A last row without a line end,
// whose last value may be cut, is shown only if the request says so, and even then not if nothing tells that the answer
// came whole. The answer tells, also beside an error, how far it got.
func (c *Client) feed(ctx context.Context, r exchange.Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error) (
	a exchange.Answer, err error,
) {
	path := feedPath(r.Query)
	if c.set.Status {
		path += "&status=true"
	}
	re, err := c.openFeed(ctx, path)
	if err != nil {
		return a, err
	}
	defer re.body.Close()
	a.Date = re.date
	rows := thingspeak.NewCSVReader(&boundedReader{re.body, maxFeed})
	if a.Header, err = rows.Header(); err != nil {
		return a, c.feedError(re, err)
	}
	// Rows are held back by one, since only what follows tells whether a row is whole.
	var held, next thingspeak.Entry
	holding := false
	for {
		err := rows.Read(&next)
		if cut, ok := errors.AsType[*thingspeak.CutShortError](err); ok {
			a.CutShort = true
			if cut.Delivered && !(r.KeepCut && re.framed) {
				holding = false
			}
			continue
		}
		if holding {
			holding = false
			a.Rows++
			if err := row(&held, a.Header.Fields); err != nil {
				return a, err
			}
		}
		switch _, lost := errors.AsType[*thingspeak.RowError](err); {
		case err == io.EOF:
			return a, nil
		case lost:
			a.Skipped++
		case err != nil:
			return a, c.feedError(re, err)
		case next.ID <= 0 || next.ID > exchange.MaxNumber:
			a.Skipped++
		default:
			held, next = next, held
			holding = true
		}
		if a.Rows+a.Skipped > thingspeak.MaxResults {
			e := c.unexpected(re)
			e.Problem = fmt.Sprintf("more than %d rows", thingspeak.MaxResults)
			return a, e
		}
	}
}

// openFeed asks for a feed and returns its answer of status 200.
func (c *Client) openFeed(ctx context.Context, query string) (*reply, error) {
	path, err := c.channelPath(query)
	if err != nil {
		return nil, err
	}
	re, err := c.do(ctx, request{doing: c.reading(), path: path, key: c.readKey(), most: c.set.Budget})
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
func (c *Client) Raw(ctx context.Context, q exchange.Query, w io.Writer) (int64, error) {
	re, err := c.openFeed(ctx, feedPath(q))
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

// entry returns one entry by its number. The error is [ErrNoEntry] if the channel does not show it.
func (c *Client) entry(ctx context.Context, id int64) (entry thingspeak.Entry, a exchange.Answer, err error) {
	doing := fmt.Sprintf("reading entry %d of channel %d", id, c.set.Channel)
	path, err := c.channelPath("feeds/" + strconv.FormatInt(id, 10) + ".csv")
	if err != nil {
		return entry, a, err
	}
	if c.set.Status {
		path += "?status=true"
	}
	content, re, err := c.fetch(ctx, request{doing: doing, path: path, key: c.readKey()})
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Reason == NotFound {
		return entry, a, fmt.Errorf("%s: %w", doing, ErrNoEntry)
	}
	if err != nil {
		return entry, a, err
	}
	a.Date = re.date
	rows := thingspeak.NewCSVReader(bytes.NewReader(content))
	if a.Header, err = rows.Header(); err == nil {
		err = rows.Read(&entry)
	}
	switch {
	case errors.Is(err, thingspeak.ErrDenied), err == io.EOF:
		// -1 with status 200 means that there is none (contract section 4); a refused key has another status.
		return entry, a, fmt.Errorf("%s: %w", doing, ErrNoEntry)
	case err != nil:
		return entry, a, c.contentError(re, err)
	case entry.ID != id:
		e := c.unexpected(re)
		e.Problem = "another entry than the one asked for"
		return entry, a, e
	}
	return entry, a, nil
}
