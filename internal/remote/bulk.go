package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// BulkUpdate posts up to [exchange.MaxBulkRows] entries in one attempt (contract section 6.1). That it succeeds is a promise of
// the relay's and no receipt: [exchange.Exchange.FindAll] settles which rows are stored, and under which numbers. A relay without
// bulk calls answers with a [*RefusedError] whose Reason is NotFound or NotAllowed; the other errors are those of
// [Client.Update].
func (c *Client) BulkUpdate(ctx context.Context, rows []thingspeak.Entry) error {
	doing := fmt.Sprintf("posting %d rows to channel %d", len(rows), c.set.Channel)
	body, err := c.bulkBody(rows)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	path, err := c.channelPath("bulk_update.json")
	if err != nil {
		return err
	}
	c.dropStale()
	re, err := c.do(ctx, request{doing: doing, path: path, json: body})
	if err != nil {
		return err
	}
	defer re.body.Close()
	if re.status != http.StatusOK && re.status != http.StatusAccepted {
		return c.statusError(re)
	}
	content, err := re.all()
	if err != nil {
		return err
	}
	var answer struct {
		Success bool `json:"success"`
	}
	if err := json.Unmarshal(content, &answer); err != nil || !answer.Success {
		e := c.unexpected(re)
		e.Problem = "no word of success"
		e.Excerpt = c.clean(thingspeak.ParseErrorBody(content).Message)
		return e
	}
	return nil
}

// bulkBody checks the limits and writes the JSON. The key is a part of it: no header opens the bulk routes.
func (c *Client) bulkBody(rows []thingspeak.Entry) ([]byte, error) {
	if len(rows) == 0 || len(rows) > exchange.MaxBulkRows {
		return nil, fmt.Errorf("a bulk call has 1 to %d rows: %w", exchange.MaxBulkRows, exchange.ErrTooLong)
	}
	updates := make([]map[string]string, len(rows))
	for i := range rows {
		row := &rows[i]
		form, err := updateForm(row)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		updates[i] = map[string]string{
			"created_at": string(thingspeak.AppendISOTime(nil, row.CreatedAt, nil)),
		}
		for name := range form {
			updates[i][name] = form.Get(name)
		}
	}
	return json.Marshal(struct {
		Key     string              `json:"write_api_key"`
		Updates []map[string]string `json:"updates"`
	}{string(c.set.WriteKey), updates})
}

// HasNoBulk reports whether an error of [Client.BulkUpdate] says that the relay knows no bulk calls.
func HasNoBulk(err error) bool {
	e, ok := errors.AsType[*RefusedError](err)
	return ok && (e.Reason == NotFound || e.Reason == NotAllowed)
}
