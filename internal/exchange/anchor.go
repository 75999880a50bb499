package exchange

import (
	"context"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Anchor is the highest entry that is held with a token that a key has opened: as long as the relay shows it, the
// channel was not cleared. Rows without such a token prove nothing, since anybody can write them under any number.
type Anchor struct {
	// Entry is its number; 0 if there is none.
	Entry int64
	// Shows reports whether a row of that number has such a token still.
	Shows func(*thingspeak.Entry) bool
}

// believedAfter is how long a relay must keep showing less than was visited before that is believed.
const believedAfter = time.Minute

// Absence is an entry that a relay does not show any more.
type Absence struct {
	Entry int64     `json:"entry,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// lasts notes that an entry is not shown now, and reports whether that has lasted for long enough to be believed.
func (a *Absence) lasts(entry int64, now time.Time) bool {
	if a.Since.IsZero() || a.Entry != entry || now.Before(a.Since) {
		*a = Absence{entry, now}
	}
	return a.lasted(now)
}

// lasted reports whether an entry has not been shown for long enough.
func (a *Absence) lasted(now time.Time) bool { return now.Sub(a.Since) >= believedAfter }

// withheld looks among the newest rows for those that were visited before and are not shown. Those that were not for a
// minute are rewritten; it returns the others.
func (f *follower) withheld() (waiting []Absence) {
	since := map[int64]Absence{}
	for _, a := range f.pos.Withheld {
		since[a.Entry] = a
	}
	var told ranges
	unshown := f.unshown()
	for _, n := range f.pos.Rows.numbers().intersect(f.known).minus(f.shown).list() {
		a, waits := since[n]
		rows := f.pos.Rows.of(n)
		lacks := unshown.has(n) || f.trusted && slices.ContainsFunc(f.r.complete, func(c covered) bool {
			return !slices.ContainsFunc(rows, func(d RowDigest) bool { return !c.has(&d) })
		})
		switch {
		case lacks && a.lasts(n, f.now):
			told.add(n, n)
		case lacks || waits:
			waiting = append(waiting, a)
		}
	}
	f.news.Rewritten = slices.Compact(slices.Sorted(slices.Values(append(f.news.Rewritten, told.list()...))))
	return waiting
}

// unshown returns the numbers of rows that were pushed, of which this call has asked for each, and none was shown.
func (f *follower) unshown() ranges {
	return f.pos.Pushed.intersect(f.more).intersect(f.asked).intersect(f.pos.Rows.numbers()).minus(f.shown)
}

// compare looks at a row of a number that was visited before, and reports whether it is to be visited: another row, or one
// that shows more.
func (f *follower) compare(row *heldRow) bool {
	e, before, unread := &row.Entry, f.pos.Rows.of(row.ID), f.pos.Unread.of(row.ID)&row.fields
	more := contentIn(e, unread)
	if more && f.v.Seen == nil {
		row.only = unread
	}
	switch {
	case before.tell(e, unread):
		f.overlaps = true
		if !f.same.has(e.ID) { // or a relay could repeat it for nothing
			f.news.Compared += rowBytes(e)
		}
		f.same.add(e.ID, e.ID)
		return more
	case !more && before.mayTell(e, row.fields): // what is hidden cannot be compared
		f.overlaps = true
		return false
	case len(before) > 0:
		if slices.ContainsFunc(before, func(d RowDigest) bool { return d.holds(e, unread) }) {
			f.redated.add(e.ID, e.ID)
		}
		f.others.add(e.ID, e.ID)
		row.only = 0
		return true
	}
	row.unsure = f.v.Seen != nil
	return row.unsure || more
}

// rowBytes is how many bytes a row has at least as CSV.
func rowBytes(e *thingspeak.Entry) int64 {
	n := len("2006-01-02 15:04:05 UTC,1\n")
	for i := range e.Fields {
		n += len(e.Fields[i].Text)
	}
	return int64(n)
}

// trust decides whether the relay's answers may be used, after a look at the newest rows: they must overlap with what
// was visited before. If they do not, it asks for what should be there by itself; and what is not there then may come
// of a stale answer, so nothing is visited until it is there again, or a minute has passed.
func (f *follower) trust(ctx context.Context, newest page) (bool, error) {
	a := &f.v.Anchor
	probe := a.Entry
	if probe == 0 {
		probe = f.pos.Rows.highest()
	}
	if probe == 0 && f.last >= f.pos.Last {
		return true, nil // there is nothing to compare
	}
	shown := func() bool { return f.anchored || a.Entry == 0 && f.overlaps }
	if probe > 0 && !shown() && (!f.overlaps || newest.rows > 0 && probe >= newest.lowest) {
		if err := f.r.fetch(ctx, numbers(probe, probe)); err != nil {
			return false, err
		}
	}
	// A channel of which another row is there was not cleared, but has lost this one.
	if top := f.pos.Rows.highest(); !shown() && !f.overlaps && top > 0 && top != probe {
		if err := f.r.fetch(ctx, numbers(top, top)); err != nil {
			return false, err
		}
	}
	// One that stands below the newest page was not asked for: that the page shows known rows is enough.
	if shown() || f.overlaps && probe < newest.lowest {
		f.pos.Absent = Absence{}
		return true, nil
	}
	lasts := f.pos.Absent.lasts(probe, f.now)
	switch {
	case f.overlaps && !lasts: // the channel is the same; whether the relay has lost this row shows in a minute
		return true, nil
	case !lasts:
		f.news.Doubtful = true
		return false, nil
	case !f.overlaps:
		// If nothing was held that a key opens, reading begins anew, and nobody need be told.
		f.news.Cleared, f.anew = a.Entry > 0, true
		return false, nil
	}
	f.pos.Absent = Absence{}
	f.news.Rewritten = []int64{probe}
	return true, nil
}
