package remote

import (
	"context"
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A relay shows entries by date, which their writers may choose: a page of the newest rows may be full of rows from
// 2099, may leave out what was posted a moment ago with a date of last year, and cannot be turned where one second has
// more rows than it holds. Entry numbers are what counts. So a reader pages by date as long as that brings something
// and then asks for what is lacking by number.

const (
	// singlesPerCall is how many entries one call asks for one by one, a second apart.
	singlesPerCall = 8
	singleEvery    = time.Second
	// rangesPerCall is how many requests by range of numbers one call makes, of up to 8000 numbers each.
	rangesPerCall = 32
	// maxBarren is how many pages in a row may bring nothing new before paging ends.
	maxBarren = 8
)

// What Client.rangeReads knows of the relay.
const (
	rangesUntried int32 = iota
	rangesWork
	rangesIgnored
)

// reader collects the entries of a channel that are not in seen.
type reader struct {
	c *Client
	// seen holds the numbers that need not be visited: they were, or the caller knows them.
	seen ranges
	// visit gets every other entry, once. The entry is reused.
	visit func(*thingspeak.Entry) error
	// known, if set, gets entries that are in seen.
	known func(*thingspeak.Entry)

	// opened tells that the newest rows were read, and windows are the stretches of time still to be paged through.
	opened  bool
	windows []window
	// crowded tells that rows may exist that paging by date cannot show.
	crowded bool
	// fullest is the most rows that an answer had: the relay's page holds as many at least.
	fullest int
	// barren and empty count the pages in a row that had nothing new, and no row at all.
	barren, empty int

	header   thingspeak.Header
	date     time.Time // the relay's clock in its last answer
	skipped  int
	cutShort bool
}

// window is a stretch of time, from end back to low, which is not part of it. Without low it is open.
type window struct{ end, low time.Time }

// page is what came of one request.
type page struct {
	rows  int // usable ones, new or not
	lines int // the unreadable ones, too
	fresh int // those that were visited

	lowest, highest int64
	oldest, newest  time.Time
	// oldestKnown tells that a row of the oldest date was in seen before.
	oldestKnown bool
}

func (p *page) add(e *thingspeak.Entry, known bool) {
	if p.rows == 0 {
		p.lowest, p.highest, p.oldest, p.newest = e.ID, e.ID, e.CreatedAt, e.CreatedAt
	}
	p.rows++
	p.lowest, p.highest = min(p.lowest, e.ID), max(p.highest, e.ID)
	if e.CreatedAt.Before(p.oldest) {
		p.oldest, p.oldestKnown = e.CreatedAt, false
	}
	if e.CreatedAt.After(p.newest) {
		p.newest = e.CreatedAt
	}
	if known && e.CreatedAt.Equal(p.oldest) {
		p.oldestKnown = true
	}
}

// page makes one request, again if it fails for a passing reason, and visits what is new in it.
func (r *reader) page(ctx context.Context, q Query) (p page, err error) {
	var fresh ranges
	var stop error // of visit, after which nothing is tried again
	err = again(ctx, func(try int) error {
		p = page{}
		// A relay that leaves out the last line's end says nothing else the second time; then the row is taken.
		info, err := r.c.feed(ctx, q, try > 1, func(e *thingspeak.Entry) error {
			known := r.seen.has(e.ID)
			p.add(e, known)
			switch {
			case known:
				if r.known != nil {
					r.known(e)
				}
				return nil
			case fresh.has(e.ID):
				return nil
			}
			if stop = r.visit(e); stop != nil {
				return stop
			}
			fresh.add(e.ID, e.ID)
			return nil
		})
		p.lines = info.Rows + info.Skipped
		if stop != nil {
			return nil
		}
		if err == nil && info.CutShort && try == 1 {
			return errIncomplete
		}
		if err == nil {
			r.header, r.date = info.Header, info.Date
			r.skipped += info.Skipped
			r.cutShort = r.cutShort || info.CutShort
			r.fullest = max(r.fullest, p.lines)
		}
		return err
	})
	p.fresh = int(fresh.count())
	r.seen = r.seen.union(fresh)
	if stop != nil {
		err = stop
	}
	return p, err
}

// newest reads the newest rows, at most n, and opens the windows for paging. Where some of the rows are dated after the
// relay's own clock, it reads once more up to that, since they might hide all others; what it returns then says what
// the second answer had, where there was one.
func (r *reader) newest(ctx context.Context, n int) (page, error) {
	p, err := r.page(ctx, Query{Results: n})
	if err != nil {
		return p, err
	}
	r.opened = true
	if p.rows == 0 {
		return p, nil
	}
	r.windows = []window{{end: p.oldest}}
	now := r.date
	if now.IsZero() || !p.newest.After(now) {
		return p, nil
	}
	future := p
	if p, err = r.page(ctx, Query{Results: n, End: now}); err != nil {
		return p, err
	}
	r.windows = nil
	switch {
	case p.rows > 0 && p.newest.After(now): // the relay ignores "end": there is no paging
		r.crowded = true
		return p, nil
	case p.rows > 0:
		r.windows = append(r.windows, window{end: p.oldest})
	}
	if future.oldest.After(now) { // so there may be more of them, which come last
		r.windows = append(r.windows, window{end: future.oldest, low: now})
	}
	return p, nil
}

// older reads the next page backwards in time. It may be called as long as there are windows.
func (r *reader) older(ctx context.Context) (page, error) {
	w := &r.windows[0]
	p, err := r.page(ctx, Query{Results: thingspeak.MaxResults, End: w.end})
	if err != nil {
		return p, err
	}
	if r.barren++; p.fresh > 0 {
		r.barren = 0
	}
	if r.empty++; p.lines > 0 {
		r.empty = 0
	}
	done := false
	switch {
	case p.rows == 0:
		r.crowded = r.crowded || p.lines > 0
		done = r.empty > 1 // one empty answer may be a stale one
	case p.newest.After(w.end) || r.barren > maxBarren: // the relay ignores "end", or leads us in circles
		r.crowded = true
		r.windows = nil
		return p, nil
	case p.oldest.Equal(w.end): // nothing but rows of this second, and more of it would not come however often we ask
		r.crowded = r.crowded || p.lines >= r.fullest
		w.end = w.end.Add(-time.Second)
	default:
		w.end = p.oldest
	}
	if done || !w.low.IsZero() && !w.end.After(w.low) {
		r.windows, r.empty = r.windows[1:], 0
	}
	return p, nil
}

// fetchRanges asks for entries by ranges of their numbers, highest first, where the relay knows that. It takes the
// requests that it makes from budget and returns the numbers that were asked for, whether they are there or not.
func (r *reader) fetchRanges(ctx context.Context, want ranges, budget *int) (asked ranges, err error) {
	width := int64(thingspeak.MaxResults)
	for len(want) > 0 && *budget > 0 && r.c.rangeReads.Load() != rangesIgnored {
		*budget--
		last := want.highest()
		batch := want.minus(numbers(1, last-width))
		first := batch.lowest()
		p, err := r.page(ctx, Query{Results: int(last - first + 1), FirstID: first, LastID: last})
		if err != nil {
			return asked, err
		}
		if p.rows > 0 {
			if p.lowest < first || p.highest > last {
				r.c.rangeReads.Store(rangesIgnored)
				break
			}
			r.c.rangeReads.Store(rangesWork)
		}
		if rest := batch.minus(r.seen); len(rest) > 0 && p.lines > 0 && p.lines >= r.fullest && last > first {
			// The answer may have been as long as the relay's answers get, so less is asked for.
			width = (last - first + 1) / 2
			want = want.minus(r.seen)
			continue
		}
		asked = asked.union(batch)
		want = want.minus(batch)
	}
	return asked, nil
}

// fetchSingles asks for entries one by one, highest first, a second apart. It takes what it asks for from budget and
// returns the numbers that were asked for, whether they are there or not.
func (r *reader) fetchSingles(ctx context.Context, want ranges, budget *int) (asked ranges, err error) {
	for len(want) > 0 && *budget > 0 {
		*budget--
		id := want.highest()
		if err := r.c.awaitTurn(ctx); err != nil {
			return asked, err
		}
		var entry thingspeak.Entry
		err := again(ctx, func(int) (err error) {
			var info FeedInfo
			if entry, info, err = r.c.entry(ctx, id); err == nil {
				r.header, r.date = info.Header, info.Date
			}
			return err
		})
		switch {
		case err == nil && r.seen.has(id):
			if r.known != nil {
				r.known(&entry)
			}
		case err == nil:
			if err := r.visit(&entry); err != nil {
				return asked, err
			}
			r.seen.add(id, id)
		case isAbsent(err):
		default:
			return asked, err
		}
		asked.add(id, id)
		want = want.minus(numbers(id, id))
	}
	return asked, nil
}

// isAbsent reports whether an error concerns one entry only, which the relay does not show or not in a readable form.
func isAbsent(err error) bool {
	if errors.Is(err, ErrNoEntry) {
		return true
	}
	if _, ok := passing(err); ok {
		return false
	}
	_, refused := errors.AsType[*RefusedError](err)
	_, unexpected := errors.AsType[*UnexpectedError](err)
	return refused || unexpected
}

// awaitTurn keeps single reads apart.
func (c *Client) awaitTurn(ctx context.Context) error {
	c.mu.Lock()
	now := time.Now()
	wait := c.nextAsk.Sub(now)
	c.nextAsk = now.Add(max(wait, 0) + singleEvery)
	c.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	return sleep(ctx, wait)
}
