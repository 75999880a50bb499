package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// channel is what a check knows of one channel.
type channel struct {
	id                int64
	writeKey, readKey string
	created           bool
	// fields are the enabled ones; an update fills them all.
	fields thingspeak.FieldSet
	// base is the number of the newest entry before the check began.
	base int64

	// sent counts the updates that the relay may have stored.
	sent atomic.Int64
	// noRanges says that the relay knows no start_entry_id.
	noRanges atomic.Bool
	// slot holds the time from which the next update may be sent, and whoever has taken it sends; nil without an interval.
	slot chan time.Time

	// mu guards what follows.
	mu sync.Mutex
	// newest is the highest number that anybody was told.
	newest int64
	// told and seen belong to the number base+1 and those that follow: which update was answered with it, and what a read
	// showed first.
	told []cell
	seen []cell

	// final is what is there in the end.
	final *stretch
}

// cell is an entry in memory. The zero cell is none.
type cell struct {
	// what is 1 more than the updateID, or has the highest bit set and the rest from a hash of foreign fields.
	what uint64
	// created is its date in seconds.
	created int64
}

const foreign = 1 << 63

func cellOf(id updateID) cell { return cell{what: uint64(id) + 1} }

// update returns which update the entry is, if it is one of ours.
func (c cell) update() (updateID, bool) {
	return updateID(c.what - 1), c.what != 0 && c.what&foreign == 0
}

func (c cell) String() string {
	if id, ok := c.update(); ok {
		return id.String()
	}
	return "something else"
}

// openChannels finds or creates the channels.
func (c *Check) openChannels(ctx context.Context, o Options) error {
	random := c.random(1 << 32)
	for _, t := range o.Targets {
		c.channels = append(c.channels, &channel{id: t.Channel, writeKey: t.WriteKey, readKey: t.WriteKey})
	}
	for i := range o.Channels {
		if len(o.Targets) > 0 {
			break
		}
		ch, err := c.createChannel(ctx, random, fmt.Sprintf("relay check %s, %d of %d", c.texts.run, i+1, o.Channels))
		if err != nil {
			return fmt.Errorf("creating a channel: %w", err)
		}
		c.channels = append(c.channels, ch)
	}
	for _, ch := range c.channels {
		if err := c.openChannel(ctx, random, ch); err != nil {
			return fmt.Errorf("channel %d: %w", ch.id, err)
		}
	}
	return nil
}

// createChannel makes a private channel with two fields.
func (c *Check) createChannel(ctx context.Context, random *rand.Rand, name string) (*channel, error) {
	q := request{
		method: http.MethodPost, path: "/channels.json", key: c.options.UserKey,
		form: url.Values{"name": {name}, "field1": {"first text"}, "field2": {"second text"}, "public_flag": {"false"}},
	}
	answer, err := c.client.once(ctx, random, q)
	if err != nil {
		return nil, err
	}
	if answer.status != http.StatusOK {
		return nil, answer.refusal()
	}
	settings, err := thingspeak.DecodeChannel(answer.body)
	if err != nil {
		return nil, err
	}
	ch := &channel{id: settings.ID, created: true}
	for _, k := range settings.Keys {
		if k.Write {
			ch.writeKey = cmp.Or(ch.writeKey, k.Text)
		} else {
			ch.readKey = cmp.Or(ch.readKey, k.Text)
		}
	}
	if ch.id == 0 || ch.writeKey == "" {
		return nil, errors.New("the relay told no write key of the new channel")
	}
	ch.readKey = cmp.Or(ch.readKey, ch.writeKey)
	return ch, nil
}

// openChannel learns where a channel stands.
func (c *Check) openChannel(ctx context.Context, random *rand.Rand, ch *channel) error {
	answer, err := c.client.read(ctx, random, ch.path("feeds.csv?results=1"), ch.readKey)
	if err != nil {
		return err
	}
	rows := thingspeak.NewCSVReader(bytes.NewReader(answer.body))
	header, err := rows.Header()
	if err != nil {
		return fmt.Errorf("reading the feed: %w", err)
	}
	if ch.fields = header.Fields; ch.fields == 0 {
		return errors.New("no field is enabled")
	}
	var newest thingspeak.Entry
	if err := rows.Read(&newest); err == nil && newest.CreatedAt.After(cmp.Or(answer.date, time.Now())) {
		return fmt.Errorf("entry %d is dated in the future, %s: it would stand before those that the check writes",
			newest.ID, newest.CreatedAt.Format(time.RFC3339))
	}
	if ch.base, err = c.lastEntryID(ctx, random, ch); err != nil {
		return err
	}
	if ch.created && ch.base != 0 {
		return fmt.Errorf("it was created a moment ago and has %d entries", ch.base)
	}
	ch.newest = ch.base
	if c.options.Interval > 0 {
		ch.slot = make(chan time.Time, 1)
		ch.slot <- time.Time{}
	}
	return nil
}

// deleteChannels removes what the check has created, if it may.
func (c *Check) deleteChannels(ctx context.Context) {
	random := c.random(1<<32 + 1)
	for _, ch := range c.channels {
		if !ch.created || c.options.UserKey == "" {
			continue
		}
		answer, err := c.client.once(ctx, random, request{
			method: http.MethodDelete, path: fmt.Sprintf("/channels/%d.json", ch.id), key: c.options.UserKey,
		})
		if err == nil && answer.status != http.StatusOK {
			err = answer.refusal()
		}
		if err != nil {
			c.options.Say(fmt.Sprintf("channel %d could not be deleted: %v", ch.id, err))
		}
	}
}

// path returns an address below the channel's.
func (ch *channel) path(rest string) string { return fmt.Sprintf("/channels/%d/%s", ch.id, rest) }

// form is the body of an update.
func (ch *channel) form(t texts, id updateID) url.Values {
	form := url.Values{}
	for n := range ch.fields.All() {
		form.Set("field"+strconv.Itoa(n), t.text(id, n))
	}
	return form
}

// known returns the highest number that anybody was told until now.
func (ch *channel) known() int64 {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.newest
}

// tell notes that somebody was told of a number.
func (ch *channel) tell(number int64) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.newest = max(ch.newest, number)
}

// put notes a cell for a number, unless there is one, which it returns. The caller has checked the number.
func (ch *channel) put(cells *[]cell, number int64, now cell) (before cell) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	i := int(number - ch.base - 1)
	for len(*cells) <= i {
		*cells = append(*cells, cell{})
	}
	if before = (*cells)[i]; before == (cell{}) {
		(*cells)[i] = now
	}
	return before
}

// possible reports whether the relay can have given out a number behind base: there are as many as updates were sent.
func (ch *channel) possible(number int64) bool {
	return number > ch.base && number-ch.base <= ch.sent.Load()
}

// judgeAnswer judges the number that an update was answered with. Before it was sent, the newest one known was before.
func (c *Check) judgeAnswer(ch *channel, id updateID, number, before int64) {
	if !ch.possible(number) {
		c.findings.add(KindNumber, ch.id, number,
			"%v was answered with number %d, when there can be %d to %d", id, number, ch.base+1, ch.base+ch.sent.Load())
		return
	}
	if number <= before {
		c.findings.add(KindOrder, ch.id, number,
			"%v was answered with number %d, when number %d was known before it was sent", id, number, before)
	}
	if other := ch.put(&ch.told, number, cellOf(id)); other != (cell{}) {
		c.findings.add(KindReused, ch.id, number, "number %d was the answer to %v and to %v", number, other, id)
	}
	ch.tell(number)
}

// observe judges an entry that a read showed, whose number is above base.
func (c *Check) observe(ch *channel, e *thingspeak.Entry) cell {
	id, ours := c.texts.identify(e, ch.fields)
	now := cell{what: uint64(id) + 1, created: e.CreatedAt.Unix()}
	if ours && (id.writer() >= len(c.writers) || id.n() >= c.writers[id.writer()].begun.Load() ||
		c.channelOf(id) != ch) {
		ours = false
	}
	if !ours {
		now.what = foreign | hashFields(e)
		c.findings.add(KindForeign, ch.id, e.ID,
			"entry %d is what nobody sent to this channel: %s", e.ID, excerpt(e, ch.fields))
	}
	if !ch.possible(e.ID) {
		c.findings.add(KindNumber, ch.id, e.ID,
			"there is an entry %d, when there can be %d to %d", e.ID, ch.base+1, ch.base+ch.sent.Load())
		return now
	}
	if before := ch.put(&ch.seen, e.ID, now); before != (cell{}) && before != now {
		c.findings.add(KindChanged, ch.id, e.ID, "entry %d was %v of %s, and is now %v of %s", e.ID,
			before, clock(before.created), now, clock(now.created))
	}
	return now
}

// channelOf returns the channel that an update goes to: each writer serves one after the other.
func (c *Check) channelOf(id updateID) *channel {
	return c.channels[(uint64(id.writer())+uint64(id.n()))%uint64(len(c.channels))]
}

func clock(seconds int64) string { return time.Unix(seconds, 0).UTC().Format("15:04:05") }

// hashFields tells entries apart that are not ours (FNV-1a).
func hashFields(e *thingspeak.Entry) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range e.Fields {
		for i := range len(v.Text) {
			h = (h ^ uint64(v.Text[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return h
}

// excerpt shows the beginning of an entry's first field that holds something, printable whatever it is.
func excerpt(e *thingspeak.Entry, fields thingspeak.FieldSet) string {
	const most = 40
	for n := range fields.All() {
		if text := e.Fields[n-1].Text; text != "" {
			return fmt.Sprintf("field%d %.*q", n, most, text)
		}
	}
	return "empty fields"
}
