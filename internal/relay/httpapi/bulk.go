package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// bulkUpdate stores several entries with one call (contract section 6): all of them or none. The reply promises no more
// than the service's does, although everything is on disk by then.
func (a *api) bulkUpdate(q *request) (*reply, error) {
	if q.extension == formatXML || q.extension == formatText {
		return nothingHere(q)
	}
	id, err := a.mayWrite(q)
	if err != nil {
		return nil, err
	}
	entries, err := bulkEntries(q.bulk, q.zone())
	if err != nil {
		return nil, err
	}
	if _, err := a.store(q, relay.Update{Channel: id, Entries: entries, Bulk: true}); err != nil {
		return nil, err
	}
	return textReply(http.StatusAccepted, formatJSON, `{"success":true}`), nil
}

// tellBulk is how bulk calls say no: in JSON, whatever was sent.
func tellBulk(q *request, err error) *reply {
	q.format = formatJSON
	return serviceErrors(q, err)
}

// decodeBulk decodes the body of a bulk call. Without an extension the body tells what it is.
func (a *api) decodeBulk(q *request, body []byte) error {
	if err := a.judgeShown(q); err != nil {
		return err
	}
	contentType := q.Header.Get("Content-Type")
	asJSON := q.extension == formatJSON || q.extension == formatNone && form.BeginsObject(body)
	if asJSON || form.IsMultipart(contentType, body) { // what it is decoded into are copies
		if err := a.hold(q, 2*int64(len(body))); err != nil {
			return err
		}
	}
	call, beside, err := form.ParseBulk(asJSON, contentType, body, a.relay.Limits().BulkUpdates)
	if err == nil {
		q.bulk, q.params.Body = call, beside
	}
	return err
}

// judgeShown refuses a bulk call whose key is wrong, where the body cannot bring another one: so nobody has megabytes decoded for
// nothing.
func (a *api) judgeShown(q *request) error {
	if headerKey(q.Header) == "" && strings.TrimSpace(q.params.Get("write_api_key")) == "" {
		return nil
	}
	if err := q.admitKey(); err != nil {
		return err
	}
	_, err := a.mayWrite(q)
	return err
}

// bulkEntries are the rows with their dates; a date without offset is in the zone. A date that cannot be read is the time
// of receipt, as in a single write.
func bulkEntries(c *form.Bulk, zone *time.Location) ([]relay.NewEntry, error) {
	if len(c.Rows) == 0 {
		return nil, form.BadBulk("there are no updates")
	}
	entries := make([]relay.NewEntry, len(c.Rows))
	steps := make([]time.Duration, len(c.Rows))
	for i := range c.Rows {
		entries[i].Entry, entries[i].LeftOut = c.Rows[i].Entry, c.Rows[i].LeftOut
		if !c.Relative {
			entries[i].CreatedAt = bulkDate(c.Rows[i].Time, zone)
			continue
		}
		whole, _, _ := strings.Cut(strings.TrimSpace(c.Rows[i].Time), ".")
		seconds, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || seconds < 0 {
			return nil, form.BadBulk(fmt.Sprintf("update %d does not say how many seconds it is after the one before", i+1))
		}
		steps[i] = since(seconds, time.Second)
	}
	if c.Relative {
		relay.Backdate(entries, steps)
	}
	return entries, nil
}

// bulkDate reads a date in any form; zero is none. Any number may be seconds since 1970 there.
func bulkDate(s string, zone *time.Location) time.Time {
	t, ok := form.Date(s, zone)
	if !ok {
		t, _ = thingspeak.ParseEpoch(s)
	}
	return t
}
