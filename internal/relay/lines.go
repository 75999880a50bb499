package relay

import (
	"container/list"
	"context"
	"slices"
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

// Lines returns the CSV lines of a window, without the header and with dates in UTC, as [Relay.Rows] chooses them. The
// bytes are shared with other readers: do not change them.
//
// The lines of a channel's newest rows are kept, so that a reader who comes again costs one look at the state and the
// encoding of what is new. Lines of one generation never go stale, they only become too few.
func (r *Relay) Lines(ctx context.Context, v *View, w Window, columns thingspeak.Header) ([]byte, error) {
	w.Results = min(w.Results, r.limits.Results)
	if v.State.Unordered != 0 {
		return r.encode(ctx, v, w, columns)
	}
	first, last, err := r.span(ctx, v, w, v.State.Last)
	if err != nil || first > last {
		return nil, err
	}
	f := r.lines.feed(lineKey{v.State.Channel, columns})
	lines, size, err := f.get(v.State, first, last, int64(r.limits.Results),
		func(dst []byte, ends []int, first, last int64) ([]byte, []int, error) {
			begin, rows, done := len(dst), int(last-first+1), 0
			ends = slices.Grow(ends, rows)
			err := r.entries(ctx, v, first, last, func(e *thingspeak.Entry) error {
				dst = appendLine(dst, e, columns)
				ends = append(ends, len(dst))
				if done++; len(dst)-begin > lineSample && cap(dst)-len(dst) < lineSample {
					// Room for all the others at once, if they are about as long.
					average := (len(dst) - begin) / done
					dst = slices.Grow(dst, average*(rows-done)*9/8)
				}
				return nil
			})
			return dst, ends, err
		})
	r.lines.account(f, size)
	return lines, err
}

// encode returns the lines of a window without looking at what is kept.
func (r *Relay) encode(ctx context.Context, v *View, w Window, columns thingspeak.Header) ([]byte, error) {
	var lines []byte
	err := r.Rows(ctx, v, w, func(e *thingspeak.Entry) error {
		lines = appendLine(lines, e, columns)
		return nil
	})
	return lines, err
}

func appendLine(dst []byte, e *thingspeak.Entry, c thingspeak.Header) []byte {
	return thingspeak.AppendCSVRow(dst, e, c.Fields, c.Location, c.Status, nil)
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

// feedLines are the encoded lines of consecutive entries, the newest that were read.
type feedLines struct {
	key lineKey
	// size and place belong to the lineCache.
	size  int
	place *list.Element

	// mu guards what follows. It is held while entries are read from the store: whoever waits wants the same ones.
	mu         sync.Mutex
	generation int64
	first      int64 // number of the first line
	// text holds whole lines. What lies before len(text) is never written again, so slices of it may be handed out.
	text []byte
	// ends[i] is where the line of entry first+i ends in text.
	ends []int
}

// encodeFunc appends the lines of the entries first to last to dst, and the ends of each in dst to ends.
type encodeFunc func(dst []byte, ends []int, first, last int64) ([]byte, []int, error)

// get returns the lines first to last, reading what is missing, and the bytes that are kept then. A read never needs more
// than keep lines.
func (f *feedLines) get(s State, first, last, keep int64, encode encodeFunc) (lines []byte, size int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.generation != s.Generation {
		f.generation = s.Generation
		f.drop()
	}
	if !f.reaches(first, last) && last <= s.Last-keep {
		// Far from the newest rows: not worth keeping.
		lines, _, err = encode(nil, nil, first, last)
		return lines, cap(f.text) + 8*cap(f.ends), err
	}
	if !f.reaches(first, last) {
		err = f.fill(first, s.Last, keep, encode)
	}
	if err == nil && f.reaches(first, last) { // else it was cleared meanwhile
		begin := 0
		if first > f.first {
			begin = f.ends[first-f.first-1]
		}
		end := f.ends[last-f.first]
		lines = f.text[begin:end:end]
	}
	if cap(f.text) > lineShare {
		f.drop()
	}
	return lines, cap(f.text) + 8*cap(f.ends), err
}

// reaches reports whether the lines first to last are held.
func (f *feedLines) reaches(first, last int64) bool {
	return len(f.ends) > 0 && first >= f.first && last < f.first+int64(len(f.ends))
}

// fill reads the lines up to newest, from first if that is not reached by what is held.
func (f *feedLines) fill(first, newest, keep int64, encode encodeFunc) error {
	next := f.first + int64(len(f.ends))
	if len(f.ends) == 0 || first < f.first || first > next {
		f.drop()
		f.first, next = first, first
	} else if int64(len(f.ends)) > keep+keep/4 {
		f.trim(keep)
	}
	text, ends, err := encode(f.text, f.ends, next, newest)
	if err != nil {
		return err
	}
	if int64(len(ends)) != newest-f.first+1 { // the channel was cleared meanwhile
		f.drop()
		return nil
	}
	f.text, f.ends = text, ends
	return nil
}

// trim forgets all but the newest lines. The text moves, as others may still read the old one.
func (f *feedLines) trim(keep int64) {
	gone := int64(len(f.ends)) - keep
	begin := f.ends[gone-1]
	f.first += gone
	f.text = append(make([]byte, 0, (len(f.text)-begin)*5/4), f.text[begin:]...)
	f.ends = append([]int(nil), f.ends[gone:]...)
	for i := range f.ends {
		f.ends[i] -= begin
	}
}

func (f *feedLines) drop() { f.first, f.text, f.ends = 0, nil, nil }
