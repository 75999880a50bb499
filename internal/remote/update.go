package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// maxIdle is how long a connection may have been idle to be trusted with an update. Servers close idle connections, and
// an update that meets the closing is lost without a trace, where a read is simply repeated.
const maxIdle = 3 * time.Second

// Update posts one entry, in exactly one attempt, and returns its number. The key goes in a header. An update that is
// over the limits is [ErrTooLong] and not sent; one that the relay refused, with the status 200 and the text 0 too, is
// a [*RefusedError]. After an [*UnreachableError] with Sent set, or an [*UnexpectedError], the entry may be stored all
// the same: [Client.Post] finds out.
func (c *Client) Update(ctx context.Context, fields thingspeak.Fields) (int64, error) {
	form, err := updateForm(fields)
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
	case id > maxStored: // of what it has stored, if it has, nothing is known
		e := c.unexpected(re)
		e.Problem = fmt.Sprintf("entry number %d, which no channel can have", id)
		return 0, e
	}
	return id, nil
}

func (c *Client) posting() string {
	if c.set.Channel == 0 {
		return "posting"
	}
	return fmt.Sprintf("posting to channel %d", c.set.Channel)
}

// updateForm checks the limits of the service (contract section 3.2), beyond which a relay might cut values silently,
// and makes the body of an update.
func updateForm(fields thingspeak.Fields) (url.Values, error) {
	form := url.Values{}
	total := 0
	for i, v := range fields {
		if !v.Given {
			continue
		}
		if len(v.Text) > thingspeak.MaxValueBytes {
			return nil, fmt.Errorf("%s has %d bytes, at most %d are possible: %w",
				fieldName(i), len(v.Text), thingspeak.MaxValueBytes, ErrTooLong)
		}
		total += len(v.Text)
		form.Set(fieldName(i), v.Text)
	}
	if total > thingspeak.MaxMessageBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are possible: %w", total, thingspeak.MaxMessageBytes, ErrTooLong)
	}
	if len(form) == 0 {
		return nil, errors.New("there is nothing in the update")
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
