package exchange

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A relay shows entries by date, which their writers may choose: a page of the newest rows may be full of rows from
// 2099, may leave out what was posted a moment ago with a date of last year, and cannot be turned where one second has
// more rows than it holds. Entry numbers are what counts. So a reader pages by date as long as that brings something
// and then asks for what is lacking by number.

const (
	// maxNothingNew is how many pages may bring nothing new, beyond those that what was read before fills, until paging ends.
	maxNothingNew = 8
	// maxSpans is how many spans the numbers that were read may make until a reading is stopped like one that has brought
	// as much as it may: a relay that invents numbers would otherwise take ever more work and memory for each page.
	maxSpans = 100_000
	// maxRecent is how many of the rows read last are told apart, twice over.
	maxRecent = 1 << 14
)

// reader collects the entries of a channel that are not in seen.
type reader struct {
	*call
	// seen holds the numbers of which a row was read, or the caller knows one.
	seen ranges
	// visit gets each row; known tells that its number was in seen. The same row may come with several answers: of those
	// of late it is visited once. The entry is reused.
	visit func(e *thingspeak.Entry, known bool) error
	// recent and before are the rows of the last answers: a number may have several, and each is to be visited.
	recent, before map[rowSum]struct{}
	// doubles are the numbers that have several rows in what was read; nil if nobody asks.
	doubles *doubles

	// opened tells that the newest rows were read, and windows are the stretches of time still to be paged through.
	opened  bool
	windows []window
	// beyondPages tells that rows may exist that paging by date cannot show.
	beyondPages bool
	// fullest is the most rows that an answer had: the relay's page holds as many at least.
	fullest int
	// repeated counts the pages of rows that were read before, nothingNew all others that had nothing new, and empty those in
	// a row that had no row that can be read.
	repeated, nothingNew, empty int
	// vain counts the answers by range of numbers that had nothing new.
	vain int

	// complete tells which rows the looks at the newest ones must have shown.
	complete []covered

	header thingspeak.Header
	// fields are those that the answer under way shows, and hidden those that any answer did not show.
	fields, hidden thingspeak.FieldSet

	date     time.Time // the relay's clock in its last answer
	skipped  int
	cutShort bool
}

// rowSum tells rows apart within one reading: by number, date and fields, as [RowDigest] does later.
type rowSum struct {
	id, date int64
	sum      uint64
}

var rowSeed = maphash.MakeSeed()

// sum returns the row with the fields of the answer under way.
func (r *reader) sum(e *thingspeak.Entry) rowSum {
	var h maphash.Hash
	h.SetSeed(rowSeed)
	_ = h.WriteByte(byte(r.fields))
	for i := range e.Fields {
		_, _ = h.WriteString(e.Fields[i].Text)
		_ = h.WriteByte(0)
	}
	return rowSum{e.ID, e.CreatedAt.Unix(), h.Sum64()}
}

// repeats reports whether the very row was among the last answers, with these fields, and remembers it.
func (r *reader) repeats(row rowSum) bool {
	if _, ok := r.recent[row]; ok {
		return true
	}
	_, again := r.before[row]
	if r.recent == nil || len(r.recent) >= maxRecent {
		r.recent, r.before = map[rowSum]struct{}{}, r.recent
	}
	r.recent[row] = struct{}{}
	return again
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
	err = r.x.again(ctx, func(try int) (Failure, error) {
		p = page{}
		// A relay that leaves out the last line's end says nothing else the second time; then the row is taken.
		request := Request{What: FeedRows, Query: q, KeepCut: try > 1}
		a, err := r.ask(ctx, request, func(e *thingspeak.Entry, fields thingspeak.FieldSet) error {
			known := r.seen.has(e.ID)
			r.fields = fields
			p.add(e, known)
			row := r.sum(e)
			if r.repeats(row) {
				return nil
			}
			r.doubles.add(row, fields)
			if stop = r.visit(e, known || fresh.has(e.ID)); stop != nil {
				return stop
			}
			if !known {
				fresh.add(e.ID, e.ID)
			}
			return nil
		})
		p.lines = a.Rows + a.Skipped
		if stop != nil {
			return Failure{}, nil
		}
		if err == nil && a.CutShort && try == 1 {
			return Failure{Kind: Cut}, errIncomplete
		}
		if err == nil {
			r.answered(&a)
			r.skipped += a.Skipped
			r.cutShort = r.cutShort || a.CutShort
			r.fullest = max(r.fullest, p.lines)
		}
		return a.Failure, err
	})
	p.fresh = int(fresh.count())
	r.seen = r.seen.with(fresh)
	if stop != nil {
		err = stop
	}
	if err == nil && len(r.seen) > maxSpans {
		err = &BudgetError{Doing: r.x.reading(), Spans: maxSpans}
	}
	return p, err
}

// answered notes what an answer tells besides its rows.
func (r *reader) answered(a *Answer) {
	r.header, r.date = a.Header, a.Date
	r.fields = a.Header.Fields
	r.hidden |= thingspeak.AllFields &^ r.fields
}

// covered is a page of the newest rows: it has every row with a higher number than its lowest and a later date than its
// oldest, whether the relay counts the newest rows by date or by number, and however few of them it shows.
type covered struct {
	lowest      int64
	oldest, end time.Time // no end where it is zero
}

func (c *covered) has(d *RowDigest) bool {
	return d.Entry > c.lowest && d.At.After(c.oldest) && (c.end.IsZero() || d.At.Before(c.end))
}

// newestPage reads a page of the newest rows, up to a time unless that is zero.
func (r *reader) newestPage(ctx context.Context, n int, end time.Time) (page, error) {
	skipped := r.skipped
	p, err := r.page(ctx, Query{Results: n, End: end})
	ignored := !end.IsZero() && p.newest.After(end)
	// A longer answer may be an old one for minutes on end (contract section 15), and a row that cannot be read may be any.
	if err == nil && p.rows > 0 && n <= thingspeak.DefaultResults && r.skipped == skipped && !r.cutShort && !ignored {
		r.complete = append(r.complete, covered{p.lowest, p.oldest, end})
	}
	return p, err
}

// newest reads the newest rows, at most n, and opens the windows for paging. Where some of the rows are dated after the
// relay's own clock, it reads once more up to that, since they might hide all others; what it returns then says what
// the second answer had, where there was one.
func (r *reader) newest(ctx context.Context, n int) (page, error) {
	p, err := r.newestPage(ctx, n, time.Time{})
	if err != nil {
		return p, err
	}
	r.opened = true
	if p.rows == 0 {
		r.beyondPages = p.lines > 0
		return p, nil
	}
	r.windows = []window{{end: p.oldest}}
	now := r.date
	if now.IsZero() || !p.newest.After(now) {
		return p, nil
	}
	future := p
	if p, err = r.newestPage(ctx, n, now); err != nil {
		return p, err
	}
	r.windows = nil
	switch {
	case p.rows > 0 && p.newest.After(now): // the relay ignores "end": there is no paging
		r.beyondPages = true
		return p, nil
	case p.rows > 0:
		r.windows = append(r.windows, window{end: p.oldest})
	}
	if future.oldest.After(now) { // so there may be more of them, which come last
		r.windows = append(r.windows, window{end: future.oldest, low: now})
	}
	return p, nil
}

// circles notes what a page had and reports whether paging gets nowhere any more. Whatever else it has, a page without a
// new row counts; but a page's worth of rows that were read before may lie in front of those that were not, and such
// pages are counted by themselves: twice as many as these rows can fill, of as many as full.
func (r *reader) circles(p *page, full int) bool {
	if p.fresh > 0 {
		return false
	}
	if 2*p.rows >= full && int64(r.repeated) < 2*r.seen.count()/int64(full) {
		r.repeated++
		return false
	}
	r.nothingNew++
	return r.nothingNew > maxNothingNew
}

// older reads the next page backwards in time. It may be called as long as there are windows.
func (r *reader) older(ctx context.Context) (page, error) {
	w := &r.windows[0]
	results := r.fits(thingspeak.MaxResults)
	p, err := r.page(ctx, Query{Results: results, End: w.end})
	if err != nil {
		return p, err
	}
	full := min(max(r.fullest, thingspeak.DefaultResults), results)
	// Rows that cannot be read have no date from which to go on, so they end a window as no rows do.
	if r.empty++; p.rows > 0 {
		r.empty = 0
	}
	done := false
	switch {
	case r.circles(&p, full), p.rows > 0 && p.newest.After(w.end): // or the relay ignores "end"
		r.beyondPages = true
		r.windows = nil
		return p, nil
	case p.rows == 0:
		r.beyondPages = r.beyondPages || p.lines > 0
		done = r.empty > 1 // one empty answer may be a stale one
	case p.oldest.Equal(w.end): // nothing but rows of this second, and more of it would not come however often we ask
		r.beyondPages = r.beyondPages || p.lines >= min(r.fullest, results)
		w.end = w.end.Add(-time.Second)
	default:
		w.end = p.oldest
	}
	if done || !w.low.IsZero() && !w.end.After(w.low) {
		r.windows, r.empty = r.windows[1:], 0
	}
	return p, nil
}
