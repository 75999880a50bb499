package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// MaxBulkRows is how many rows one bulk call carries with a free licence (contract section 6.4).
const MaxBulkRows = 960

// BulkRow is one entry of a bulk call. It carries a date of its own, in whole seconds, which should be no other row's:
// a relay may want dates to differ (contract section 3.3).
type BulkRow struct {
	CreatedAt time.Time
	Fields    thingspeak.Fields
}

// BulkUpdate posts up to [MaxBulkRows] entries in one attempt (contract section 6.1). That it succeeds is a promise of
// the relay's and no receipt: [Client.FindAll] settles which rows are stored, and under which numbers. A relay without
// bulk calls answers with a [*RefusedError] whose Reason is NotFound or NotAllowed; the other errors are those of
// [Client.Update].
func (c *Client) BulkUpdate(ctx context.Context, rows []BulkRow) error {
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
func (c *Client) bulkBody(rows []BulkRow) ([]byte, error) {
	if len(rows) == 0 || len(rows) > MaxBulkRows {
		return nil, fmt.Errorf("a bulk call has 1 to %d rows: %w", MaxBulkRows, ErrTooLong)
	}
	updates := make([]map[string]string, len(rows))
	for i, row := range rows {
		form, err := updateForm(row.Fields)
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

// PostBulk posts up to [MaxBulkRows] entries as [Client.BulkUpdate] does, when the relay is ready: it keeps the
// interval of bulk calls after our own last one, and waits and tries again when the relay says that the call comes too
// soon, up to five times. A call of which the reply is lost counts as a promise as well, after a pause in which the relay may
// come to its end: what became of the rows has to be found out either way. Progress, if not nil, is told of each wait
// before it begins.
func (c *Client) PostBulk(ctx context.Context, rows []BulkRow, progress func(Wait)) error {
	p := poster{c: c, progress: progress}
	c.mu.Lock()
	own := time.Until(c.nextBulk)
	c.mu.Unlock()
	if own > 0 {
		if err := p.wait(ctx, Wait{Reason: OwnInterval, For: own}); err != nil {
			return err
		}
	}
	for {
		err := c.BulkUpdate(ctx, rows)
		switch {
		case mayBeStored(err):
			err = p.wait(ctx, Wait{Reason: ReplyLost, For: minSettle, Round: 1})
		case isTooSoon(err):
			if err := p.pause(ctx, err); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			c.mu.Lock()
			c.nextBulk = time.Now().Add(c.bulkInterval)
			c.mu.Unlock()
		}
		return err
	}
}

func isTooSoon(err error) bool {
	e, ok := errors.AsType[*RefusedError](err)
	return ok && e.Reason == TooSoon
}

// settleAgain are the pauses after which rows that a relay has promised to store are looked for again: it may show them
// later than it answers (contract section 15, quirks 7 and 13).
var settleAgain = [...]time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// FindPromised is [Client.FindAll] right after [Client.PostBulk]: as long as some of the rows are not there, it looks
// again, three times within seven seconds.
func (c *Client) FindPromised(ctx context.Context, updates []thingspeak.Fields, known int64) ([]int64, error) {
	found, err := c.FindAll(ctx, updates, known)
	for _, pause := range settleAgain {
		if err != nil || !slices.Contains(found, 0) {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("%s: %w", c.posting(), err)
		}
		found, err = c.FindAll(ctx, updates, known)
	}
	return found, err
}

// FindAll looks for updates among the entries after the number known, in one reading, and returns their entry numbers,
// 0 for those that are not there. An update counts as found when an entry shows all its values and no others. Where
// entries are the same, the one with the lowest number counts.
func (c *Client) FindAll(ctx context.Context, updates []thingspeak.Fields, known int64) ([]int64, error) {
	wanted := make(map[string][]int, len(updates))
	for i := range updates {
		k := joined(&updates[i])
		wanted[k] = append(wanted[k], i)
	}
	found := make([]int64, len(updates))
	left := len(updates)
	scan := c.Scan()
	visit := func(e *thingspeak.Entry) error {
		if e.ID <= known && scan.last >= known || e.ID > maxStored {
			return nil
		}
		for _, i := range wanted[joined(&e.Fields)] {
			if found[i] == 0 {
				left--
			}
			if found[i] == 0 || e.ID < found[i] {
				found[i] = e.ID
			}
		}
		return nil
	}
	for n := min(max(len(updates), 10), thingspeak.MaxResults); ; n = thingspeak.MaxResults {
		more, err := scan.Back(ctx, n, visit)
		switch {
		case err != nil && left > 0:
			return nil, err
		case err != nil || !more || scan.last >= known && scan.floor() <= known:
			return found, nil
		case left == 0 && scan.last < known: // cleared since: there is no end to look for lower copies up to
			return found, nil
		}
	}
}

// joined is the whole of an entry's fields as one text. A value holds no byte 0 that a relay would keep.
func joined(f *thingspeak.Fields) string {
	var b strings.Builder
	for _, v := range f {
		b.WriteString(v.Text)
		b.WriteByte(0)
	}
	return b.String()
}

// HasNoBulk reports whether an error of [Client.BulkUpdate] says that the relay knows no bulk calls.
func HasNoBulk(err error) bool {
	e, ok := errors.AsType[*RefusedError](err)
	return ok && (e.Reason == NotFound || e.Reason == NotAllowed)
}
