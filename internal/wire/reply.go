package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Reply is an answer whose body is still to be read.
type Reply struct {
	// Doing is what the request attempted.
	Doing  string
	Status int
	Header Header
	// Date is what the relay's clock shows, zero if it does not say.
	Date time.Time
	// Framed tells that HTTP itself marks the body's end, so that a body cut short is noticed.
	Framed bool
	// Body is the answer's. An error of it, other than its end, is returned as it is.
	Body io.Reader
	// Words, if set, reads what an answer of status 400 or above says about it; otherwise that is its body.
	Words func() []byte

	failed error // that of Body
}

// Header is the head of an answer.
type Header interface{ Get(name string) string }

// Read implements [io.Reader].
func (re *Reply) Read(p []byte) (int, error) {
	n, err := re.Body.Read(p)
	if err != nil && err != io.EOF {
		re.failed = err
	}
	return n, err
}

// All reads the body, up to one byte more than [MaxReply].
func (re *Reply) All() ([]byte, error) { return io.ReadAll(io.LimitReader(re, MaxReply+1)) }

// words are what an answer says about its status. Below 400 a body says nothing, and behind 101 it has no end.
func (re *Reply) words() []byte {
	if re.Status < statusBadRequest {
		return nil
	}
	if re.Words != nil {
		return re.Words()
	}
	content, _ := re.All()
	return content
}

// ParseDate reads a date as HTTP writes it (RFC 9110, section 5.6.7), the zero time where it is none.
func ParseDate(text string) time.Time {
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	return time.Time{}
}

// Read reads the answer to a request. Each row that it shows goes to row, as [exchange.Port] says.
//
// The error may be a [*RefusedError], an [*UnexpectedError], [ErrNoEntry], or that of the body or of row. After an
// [*UnexpectedError] an update may be stored all the same.
func (c *Channel) Read(
	r exchange.Request, re *Reply, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (a exchange.Answer, err error) {
	switch r.What {
	case exchange.Update:
		a.Number, err = c.readUpdate(re)
	case exchange.BulkUpdate:
		err = c.readBulk(re)
	case exchange.LastNumber:
		a.Number, err = c.readLast(re)
	case exchange.OneEntry:
		var entry thingspeak.Entry
		if entry, a, err = c.readEntry(re, r.Entry); err == nil {
			err = row(&entry, a.Header.Fields)
		}
	default:
		return c.readFeed(re, r.KeepCut, row)
	}
	return a, err
}

// Content reads a whole answer, of at most [MaxReply]. An answer with another status than 200 becomes an error: see
// [Channel.StatusError].
func (c *Channel) Content(re *Reply) ([]byte, error) {
	if re.Status != statusOK {
		return nil, c.StatusError(re)
	}
	content, err := re.All()
	if err == nil && len(content) > MaxReply {
		err = c.tooMuch(re, content)
	}
	return content, err
}

func (c *Channel) readLast(re *Reply) (int64, error) {
	content, err := c.Content(re)
	if err != nil {
		return 0, err
	}
	id, err := thingspeak.ParseLastEntryID(content)
	if err != nil {
		return 0, c.ContentError(re, err)
	}
	if id > exchange.MaxNumber {
		e := c.Unexpected(re)
		e.Problem = "a last entry number that is beyond reason"
		return 0, e
	}
	return id, nil
}

// readUpdate reads the number of the entry that an update has become. One that the relay refused, with the status 200 and the
// text 0 too, is a [*RefusedError].
func (c *Channel) readUpdate(re *Reply) (int64, error) {
	if re.Status == statusNotFound { // an update names no channel, so what is not there is the relay itself
		e := c.Unexpected(re)
		e.Problem = "this address takes no updates"
		return 0, e
	}
	content, err := c.Content(re)
	if err != nil {
		return 0, err
	}
	id, err := thingspeak.ParseUpdateReply(content)
	switch {
	case errors.Is(err, thingspeak.ErrNotStored):
		return 0, &RefusedError{Doing: re.Doing, Reason: TooSoon, Status: re.Status, Wait: re.RetryAfter()}
	case err != nil:
		return 0, c.ContentError(re, err)
	case id > exchange.MaxStored: // of what it has stored, if it has, nothing is known
		e := c.Unexpected(re)
		e.Problem = fmt.Sprintf("entry number %d, which no channel can have", id)
		return 0, e
	}
	return id, nil
}

func (c *Channel) readBulk(re *Reply) error {
	if re.Status != statusOK && re.Status != statusAccepted {
		return c.StatusError(re)
	}
	content, err := re.All()
	if err != nil {
		return err
	}
	var answer struct {
		Success bool `json:"success"`
	}
	if err := json.Unmarshal(content, &answer); err != nil || !answer.Success {
		e := c.Unexpected(re)
		e.Problem = "no word of success"
		e.Excerpt = c.Clean(thingspeak.ParseErrorBody(content).Message)
		return e
	}
	return nil
}

// readEntry reads one entry. The error is [ErrNoEntry] if the channel does not show it.
func (c *Channel) readEntry(re *Reply, id int64) (entry thingspeak.Entry, a exchange.Answer, err error) {
	content, err := c.Content(re)
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Reason == NotFound {
		return entry, a, fmt.Errorf("%s: %w", re.Doing, ErrNoEntry)
	}
	if err != nil {
		return entry, a, err
	}
	a.Date = re.Date
	rows := thingspeak.NewCSVReader(bytes.NewReader(content))
	if a.Header, err = rows.Header(); err == nil {
		err = rows.Read(&entry)
	}
	switch {
	case errors.Is(err, thingspeak.ErrDenied), err == io.EOF:
		// -1 with status 200 means that there is none (contract section 4); a refused key has another status.
		return entry, a, fmt.Errorf("%s: %w", re.Doing, ErrNoEntry)
	case err != nil:
		return entry, a, c.ContentError(re, err)
	case entry.ID != id:
		e := c.Unexpected(re)
		e.Problem = "another entry than the one asked for"
		return entry, a, e
	}
	return entry, a, nil
}

// readFeed reads a feed as CSV and shows its rows in the relay's order: by date, oldest first. A last row without a line end,
// whose last value may be cut, is shown only if keepCut says so, and even then not if nothing tells that the answer came
// whole. The answer tells, also beside an error, how far it got.
func (c *Channel) readFeed(
	re *Reply, keepCut bool, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (a exchange.Answer, err error) {
	if re.Status != statusOK {
		return a, c.StatusError(re)
	}
	a.Date = re.Date
	rows := thingspeak.NewCSVReader(Bounded(re))
	if a.Header, err = rows.Header(); err != nil {
		return a, c.FeedError(re, err)
	}
	// Rows are held back by one, since only what follows tells whether a row is whole.
	var held, next thingspeak.Entry
	holding := false
	for {
		err := rows.Read(&next)
		if cut, ok := errors.AsType[*thingspeak.CutShortError](err); ok {
			a.CutShort = true
			if cut.Delivered && !(keepCut && re.Framed) {
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
			return a, c.FeedError(re, err)
		case next.ID <= 0 || next.ID > exchange.MaxNumber:
			a.Skipped++
		default:
			held, next = next, held
			holding = true
		}
		if a.Rows+a.Skipped > thingspeak.MaxResults {
			e := c.Unexpected(re)
			e.Problem = fmt.Sprintf("more than %d rows", thingspeak.MaxResults)
			return a, e
		}
	}
}

// errTooLong says that a body is longer than any feed.
var errTooLong = errors.New("the feed is too long")

// FeedError is [Channel.ContentError] for a body that is read as it comes, so that its end may be at fault, too.
func (c *Channel) FeedError(re *Reply, err error) error {
	if re.failed != nil {
		return re.failed
	}
	if errors.Is(err, errTooLong) {
		e := c.Unexpected(re)
		e.Problem = fmt.Sprintf("a feed of more than %d MiB", MaxFeed>>20)
		return e
	}
	return c.ContentError(re, err)
}

// Bounded reads no more than [MaxFeed] bytes; [Channel.FeedError] knows the error behind them.
func Bounded(r io.Reader) io.Reader { return &boundedReader{r, MaxFeed} }

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
