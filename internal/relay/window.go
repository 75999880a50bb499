package relay

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Window chooses the entries of a read: of those inside all its bounds the newest Results (contract section 7.3).
type Window struct {
	// Results is the most rows; more than Limits.Results counts as that, less than 1 is none.
	Results int
	// Start and End bound CreatedAt, both inclusive; zero is open.
	Start, End time.Time
	// StartID and EndID bound the number, both inclusive; 0 is open.
	StartID, EndID int64
}

// Rows calls visit for the entries of a window, the oldest first, ties by number. The entry is valid during the call
// only. If the channel is cleared meanwhile, fewer rows come, as if it had been cleared before.
func (r *Relay) Rows(ctx context.Context, v *View, w Window, visit func(*thingspeak.Entry) error) error {
	w.Results = min(w.Results, r.limits.Results)
	if v.State.Unordered == 0 {
		first, last, err := r.span(ctx, v, w, v.State.Last)
		if err != nil || first > last {
			return err
		}
		return r.entries(ctx, v, first, last, visit)
	}
	rows, err := r.sorted(ctx, v, w)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := visit(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// span returns the numbers of a window among the entries 1 to newest, which stand in order of time. Where first is
// greater than last there are none.
func (r *Relay) span(ctx context.Context, v *View, w Window, newest int64) (first, last int64, err error) {
	first, last = max(1, w.StartID), newest
	if w.EndID > 0 {
		last = min(last, w.EndID)
	}
	if !w.End.IsZero() && w.End.Before(v.State.Newest) {
		// The last entry that is not after End.
		if last, err = r.search(ctx, v, first, last, func(t time.Time) bool { return t.After(w.End) }); err != nil {
			return 0, 0, err
		}
		last--
	}
	first = max(first, last-int64(w.Results)+1)
	if !w.Start.IsZero() && first <= last {
		first, err = r.search(ctx, v, first, last, func(t time.Time) bool { return !t.Before(w.Start) })
	}
	return first, last, err
}

// search returns the lowest number in first to last whose time fits, and last+1 if none does. Times that come later fit
// if earlier ones do. It reads about log2(last-first) entries.
func (r *Relay) search(
	ctx context.Context, v *View, first, last int64, fits func(time.Time) bool,
) (int64, error) {
	low, high := first, last+1
	for low < high {
		middle := low + (high-low)/2
		found := false
		err := r.entries(ctx, v, middle, middle, func(e *thingspeak.Entry) error {
			found = fits(e.CreatedAt)
			return nil
		})
		switch {
		case err != nil:
			return 0, err
		case found:
			high = middle
		default:
			low = middle + 1
		}
	}
	return low, nil
}

// sorted returns the rows of a window of a feed whose times went back. Before the first such entry the numbers are in
// order of time, from it on an index by time is; a window needs the newest of both.
func (r *Relay) sorted(ctx context.Context, v *View, w Window) ([]thingspeak.Entry, error) {
	if w.Results < 1 {
		return nil, nil
	}
	var rows []thingspeak.Entry
	collect := func(e *thingspeak.Entry) error {
		rows = append(rows, *e)
		return nil
	}
	first, last, err := r.span(ctx, v, w, v.State.Unordered-1)
	if err != nil {
		return nil, err
	}
	if first <= last {
		if err := r.entries(ctx, v, first, last, collect); err != nil {
			return nil, err
		}
	}
	s := Stretch{
		Generation: v.State.Generation,
		First:      max(v.State.Unordered, w.StartID),
		Last:       v.State.Last,
		Start:      w.Start,
		End:        w.End,
	}
	if w.EndID > 0 {
		s.Last = min(s.Last, w.EndID)
	}
	switch {
	case s.First > s.Last:
	case s.Last-s.First < int64(r.limits.Results):
		// A short stretch, and perhaps far from the newest by time: the index by time would be walked down to it.
		err = r.entries(ctx, v, s.First, s.Last, func(e *thingspeak.Entry) error {
			if !s.Holds(e.CreatedAt) {
				return nil
			}
			return collect(e)
		})
	default:
		err = r.store.EntriesByTime(ctx, s, w.Results, collect)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b thingspeak.Entry) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return rows[max(0, len(rows)-w.Results):], nil
}
