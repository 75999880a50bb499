package relay

import (
	"container/list"
	"context"
	"sync"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// lineBudget is what the cached lines of all channels may take, in bytes.
	lineBudget = 16 << 20
	// lineShare is the most that one feed may take of it; what is larger is read from the store each time.
	lineShare = lineBudget / 2
	// lineSample is how many bytes of lines tell what the rest will take.
	lineSample = 16 << 10
)

// Lines returns the CSV lines of a window in one or two parts, without the header and with dates in UTC, as [Relay.Rows]
// chooses them. The bytes are shared with other readers: do not change them.
//
// The lines of a channel's newest rows are kept, so that a reader who comes again costs one look at the state and the
// encoding of what is new. Lines of one generation never go stale, they only become too few.
func (r *Relay) Lines(ctx context.Context, v *View, w Window, columns thingspeak.Header) (lines [2][]byte, err error) {
	if v.State.Last == 0 {
		return lines, nil // a window up to entry 0 would be one without an end, and show what others have added since
	}
	w = w.within(&r.limits)
	f := r.lines.feed(lineKey{v.State.Channel, columns})
	lines, found, err := f.get(ctx, r, v, w)
	r.lines.account(f, f.held())
	if err == nil && !found {
		err = r.Rows(ctx, v, w, func(e *thingspeak.Entry) error {
			lines[0] = thingspeak.AppendCSVRow(lines[0], e, columns.Fields, columns.Location, columns.Status, nil)
			return nil
		})
	}
	return lines, err
}

// lineCache keeps the encoded lines of the feeds read last, up to a budget.
type lineCache struct {
	budget int

	// mu guards what follows, and the size and place of each feedLines.
	mu    sync.Mutex
	feeds map[lineKey]*feedLines
	order list.List // of *feedLines, the one read last in front
	total int
}

// lineKey names one way to write a channel's feed.
type lineKey struct {
	channel int64
	columns thingspeak.Header
}

// feed returns the lines of a feed, which may be none yet.
func (c *lineCache) feed(key lineKey) *feedLines {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.feeds[key]
	if f == nil {
		if c.feeds == nil {
			c.feeds = map[lineKey]*feedLines{}
		}
		f = &feedLines{key: key}
		f.place = c.order.PushFront(f)
		c.feeds[key] = f
	}
	c.order.MoveToFront(f.place)
	return f
}

// account notes how large a feed's lines have become, and drops the feeds read longest ago.
func (c *lineCache) account(f *feedLines, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.feeds[f.key] != f {
		return // dropped meanwhile
	}
	c.total += size - f.size
	f.size = size
	for c.total > c.budget {
		oldest := c.order.Remove(c.order.Back()).(*feedLines)
		delete(c.feeds, oldest.key)
		c.total -= oldest.size
	}
}
