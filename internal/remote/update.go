package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// maxIdle is how long a connection may have been idle to be trusted with an update. Servers close idle connections, and
// an update that meets the closing is lost without a trace, where a read is simply repeated.
const maxIdle = 3 * time.Second

// Update is [Client.UpdateEntry] of an entry that has no status.
func (c *Client) Update(ctx context.Context, fields thingspeak.Fields) (int64, error) {
	return c.UpdateEntry(ctx, &thingspeak.Entry{Fields: fields})
}

// UpdateEntry posts the fields and the status of one entry, in exactly one attempt, and returns its number. The key goes in a header. An update that is
// over the limits is [exchange.ErrTooLong] and not sent; one that the relay refused, with the status 200 and the text 0 too, is
// a [*RefusedError]. After an [*UnreachableError] with Sent set, or an [*UnexpectedError], the entry may be stored all
// the same: [exchange.Exchange.Post] finds out.
func (c *Client) UpdateEntry(ctx context.Context, e *thingspeak.Entry) (int64, error) {
	form, err := updateForm(e)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.posting(), err)
	}
	c.dropStale()
	q := request{doing: c.posting(), path: "update", form: form, key: c.set.WriteKey}
	re, err := c.do(ctx, q)
	if err != nil {
		return 0, err
	}
	defer re.body.Close()
	switch re.status {
	case http.StatusOK:
	case http.StatusNotFound: // an update names no channel, so what is not there is the relay itself
		e := c.unexpected(re)
		e.Problem = "this address takes no updates"
		return 0, e
	default:
		return 0, c.statusError(re)
	}
	content, err := re.all()
	if err != nil {
		return 0, err
	}
	if len(content) > maxReply {
		return 0, c.tooMuch(re, content)
	}
	id, err := thingspeak.ParseUpdateReply(content)
	switch {
	case errors.Is(err, thingspeak.ErrNotStored):
		return 0, &RefusedError{Doing: q.doing, Reason: TooSoon, Status: re.status, Wait: re.retryAfter()}
	case err != nil:
		return 0, c.contentError(re, err)
	case id > exchange.MaxStored: // of what it has stored, if it has, nothing is known
		e := c.unexpected(re)
		e.Problem = fmt.Sprintf("entry number %d, which no channel can have", id)
		return 0, e
	}
	return id, nil
}

// posting is what an update attempts.
func (c *Client) posting() string {
	if c.set.Channel == 0 {
		return "posting"
	}
	return fmt.Sprintf("posting to channel %d", c.set.Channel)
}

// updateForm makes the body of an update that is within the limits.
func updateForm(e *thingspeak.Entry) (url.Values, error) {
	if err := exchange.CheckUpdate(e); err != nil {
		return nil, err
	}
	form := url.Values{}
	for i, v := range e.Fields {
		if v.Given {
			form.Set(fieldName(i), v.Text)
		}
	}
	if e.Status.Given {
		form.Set("status", e.Status.Text)
	}
	return form, nil
}

// dropStale closes the connection if nothing came over it for maxIdle.
func (c *Client) dropStale() {
	c.mu.Lock()
	stale := !c.lastUse.IsZero() && time.Since(c.lastUse) > maxIdle
	c.mu.Unlock()
	if stale {
		c.http.GetClient().CloseIdleConnections()
	}
}
