// Package wire writes the requests of package exchange as HTTP has them, and reads what the answers say (contract sections 2 to
// 7). It opens no connection: package remote sends what it writes, and so does a page in a browser.
//
// A relay is a stranger: its answers are bounded in size, its words are cleaned before they get into an error, and no key gets
// into one at all.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// MaxReply bounds the answers that are read as a whole. The longest, a channel's settings, has a few KiB.
	MaxReply = 64 << 10
	// MaxFeed bounds a feed, whose rows are bounded by themselves and by number: 8,000 full entries need less.
	MaxFeed = 64 << 20

	// KeyHeader carries a channel's or an account's key.
	KeyHeader = "X-THINGSPEAKAPIKEY"
)

// Channel is a channel of a relay, as requests name it.
type Channel struct {
	// Base is the relay's address.
	Base *url.URL
	// ID is the number of the channel; 0 if none is known, which allows nothing but updates.
	ID int64
	// WriteKey and ReadKey are the channel's keys, UserKey that of an account; empty where there is none.
	WriteKey, ReadKey, UserKey string
	// Status has rows read with their status, which the relay shows on request only.
	Status bool
}

// Call is a request as it goes over the wire.
type Call struct {
	// Doing is what it attempts, for errors: "reading channel 42".
	Doing string
	// Method is that of a request with a form; POST if it is empty.
	Method string
	// Path stands below the relay's address, with the query.
	Path string
	// Form is the body of a POST, nil for a GET; JSON stands in its place.
	Form url.Values
	JSON []byte
	// Key goes in [KeyHeader], if it is not empty.
	Key string
}

// ErrNoChannel refuses what needs the number of a channel.
var ErrNoChannel = errors.New("the channel's number is not set")

// Path returns the path of something of the channel. The error is [ErrNoChannel].
func (c *Channel) Path(rest string) (string, error) {
	if c.ID == 0 {
		return "", ErrNoChannel
	}
	return fmt.Sprintf("channels/%d/%s", c.ID, rest), nil
}

// KeyToRead is the key that opens the channel for reading; a write key does, too (contract section 2).
func (c *Channel) KeyToRead() string {
	if c.ReadKey != "" {
		return c.ReadKey
	}
	return c.WriteKey
}

// Reading is what nearly every request attempts.
func (c *Channel) Reading() string { return fmt.Sprintf("reading channel %d", c.ID) }

func (c *Channel) posting() string {
	if c.ID == 0 {
		return "posting"
	}
	return fmt.Sprintf("posting to channel %d", c.ID)
}

// Call writes a request. The error is [ErrNoChannel], [exchange.ErrTooLong], or the update is empty.
func (c *Channel) Call(r exchange.Request) (Call, error) {
	switch r.What {
	case exchange.Update:
		form, err := updateForm(&thingspeak.Entry{Fields: r.Fields, Status: r.Status})
		if err != nil {
			return Call{}, fmt.Errorf("%s: %w", c.posting(), err)
		}
		return Call{Doing: c.posting(), Path: "update", Form: form, Key: c.WriteKey}, nil
	case exchange.BulkUpdate:
		return c.bulk(r.Rows)
	case exchange.LastNumber:
		path, err := c.Path("last_entry_id.txt")
		return Call{Doing: c.Reading(), Path: path, Key: c.KeyToRead()}, err
	case exchange.OneEntry:
		path, err := c.Path("feeds/" + strconv.FormatInt(r.Entry, 10) + ".csv")
		if c.Status {
			path += "?status=true"
		}
		return Call{Doing: fmt.Sprintf("reading entry %d of channel %d", r.Entry, c.ID), Path: path, Key: c.KeyToRead()}, err
	}
	path, err := c.Path(FeedPath(r.Query))
	if c.Status {
		path += "&status=true"
	}
	return Call{Doing: c.Reading(), Path: path, Key: c.KeyToRead()}, err
}

// FeedPath returns a query's path below the channel's. Times are in UTC, in the one form that all relays read.
func FeedPath(q exchange.Query) string {
	results := thingspeak.DefaultResults
	if q.Results > 0 {
		results = min(q.Results, thingspeak.MaxResults)
	}
	s := "feeds.csv?results=" + strconv.Itoa(results)
	if !q.End.IsZero() {
		s += "&end=" + url.QueryEscape(q.End.UTC().Format(time.DateTime))
	}
	if q.FirstID > 0 {
		s += "&start_entry_id=" + strconv.FormatInt(q.FirstID, 10)
	}
	if q.LastID > 0 {
		s += "&end_entry_id=" + strconv.FormatInt(q.LastID, 10)
	}
	if results > thingspeak.DefaultResults {
		// Longer answers are kept for five minutes under their exact address (contract section 7.3), so it varies.
		s += "&fresh=" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return s
}

// updateForm makes the body of an update that is within the limits.
func updateForm(e *thingspeak.Entry) (url.Values, error) {
	if err := exchange.CheckUpdate(e); err != nil {
		return nil, err
	}
	form := url.Values{}
	for i, v := range e.Fields {
		if v.Given {
			form.Set(FieldName(i), v.Text)
		}
	}
	if e.Status.Given {
		form.Set("status", e.Status.Text)
	}
	return form, nil
}

// bulk writes a bulk call. The key is a part of its JSON: no header opens the bulk routes.
func (c *Channel) bulk(rows []thingspeak.Entry) (Call, error) {
	q := Call{Doing: fmt.Sprintf("posting %d rows to channel %d", len(rows), c.ID)}
	if len(rows) == 0 || len(rows) > exchange.MaxBulkRows {
		return q, fmt.Errorf("%s: a bulk call has 1 to %d rows: %w", q.Doing, exchange.MaxBulkRows, exchange.ErrTooLong)
	}
	updates := make([]map[string]string, len(rows))
	for i := range rows {
		row := &rows[i]
		form, err := updateForm(row)
		if err != nil {
			return q, fmt.Errorf("%s: row %d: %w", q.Doing, i+1, err)
		}
		updates[i] = map[string]string{
			"created_at": string(thingspeak.AppendISOTime(nil, row.CreatedAt, nil)),
		}
		for name := range form {
			updates[i][name] = form.Get(name)
		}
	}
	var err error
	if q.Path, err = c.Path("bulk_update.json"); err != nil {
		return q, err
	}
	q.JSON, err = json.Marshal(struct {
		Key     string              `json:"write_api_key"`
		Updates []map[string]string `json:"updates"`
	}{c.WriteKey, updates})
	return q, err
}

// FieldName returns the wire's name of the field at an index from 0.
func FieldName(i int) string { return "field" + strconv.Itoa(i+1) }
