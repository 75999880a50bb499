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

// within returns the window with its numbers brought to what a read can mean, before anybody calculates with them.
func (w Window) within(l *Limits) Window {
	w.Results = min(max(0, w.Results), l.Results)
	w.StartID, w.EndID = max(0, w.StartID), max(0, w.EndID)
	return w
}

// after narrows the window to entries that are dated later.
func (w Window) after(t time.Time) Window {
	if next := t.Add(time.Second); w.Start.Before(next) { // dates are whole seconds
		w.Start = next
	}
	return w
}

// Rows calls visit for the entries of a window, the oldest first, ties by number. The entry is valid during the call
// only. If the channel is cleared meanwhile, fewer rows come, as if it had been cleared before.
func (r *Relay) Rows(ctx context.Context, v *View, w Window, visit func(*thingspeak.Entry) error) error {
	w = w.within(&r.limits)
	leave, err := r.largeReads.enter(ctx, min(int64(w.Results), v.State.Last))
	if err != nil {
		return err
	}
	defer leave()
	return r.rows(ctx, v, w, visit)
}

// rows does the work of Rows in a slot that the caller has; the window is within the limits.
//
// From State.Back on entries stand in order of time. Of what is before them only those count that are dated later than the
// first of the rows that are shown anyway: mostly none, or a few from the future.
func (r *Relay) rows(ctx context.Context, v *View, w Window, visit func(*thingspeak.Entry) error) error {
	if w.Results == 0 {
		return nil
	}
	first, last, err := r.span(ctx, v, w, v.State.Back, v.State.Last)
	if err != nil {
		return err
	}
	var before []thingspeak.Entry
	if v.State.Back > 0 {
		rest := w
		if last-first+1 == int64(w.Results) {
			err = r.entries(ctx, v, first, first, func(e *thingspeak.Entry) error {
				rest = w.after(e.CreatedAt)
				return nil
			})
		}
		if err == nil {
			before, err = r.before(ctx, v, rest)
		}
		if err != nil {
			return err
		}
	}
	// The two are merged as the later ones come, without the oldest that are too many.
	surplus := int64(len(before)) + max(0, last-first+1) - int64(w.Results)
	show := func(e *thingspeak.Entry) error {
		if surplus--; surplus >= 0 {
			return nil
		}
		return visit(e)
	}
	if first <= last {
		err = r.entries(ctx, v, first, last, func(e *thingspeak.Entry) error {
			for len(before) > 0 && !before[0].CreatedAt.After(e.CreatedAt) {
				if err := show(&before[0]); err != nil {
					return err
				}
				before = before[1:]
			}
			return show(e)
		})
	}
	for i := 0; i < len(before) && err == nil; i++ {
		err = show(&before[i])
	}
	return err
}

// span returns the numbers of a window among the entries oldest to newest, which stand in order of time. Where first is
// greater than last there are none.
func (r *Relay) span(ctx context.Context, v *View, w Window, oldest, newest int64) (first, last int64, err error) {
	first, last = max(1, oldest, w.StartID), newest
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
		first, err = r.searchBack(ctx, v, first, last, func(t time.Time) bool { return !t.Before(w.Start) })
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
		found, err := r.fits(ctx, v, middle, fits)
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

// searchBack is search for a number that is likely to be near to last. It reads about twice log2 of how far it is.
func (r *Relay) searchBack(
	ctx context.Context, v *View, first, last int64, fits func(time.Time) bool,
) (int64, error) {
	high := last + 1
	for step := int64(1); high > first; step *= 2 {
		next := max(first, high-step)
		found, err := r.fits(ctx, v, next, fits)
		if err != nil {
			return 0, err
		}
		if !found {
			first = next + 1
			break
		}
		high = next
	}
	return r.search(ctx, v, first, high-1, fits)
}

// fits reports whether the time of an entry fits.
func (r *Relay) fits(ctx context.Context, v *View, number int64, fits func(time.Time) bool) (found bool, err error) {
	err = r.entries(ctx, v, number, number, func(e *thingspeak.Entry) error {
		found = fits(e.CreatedAt)
		return nil
	})
	return found, err
}

// before returns the rows of a window among the entries that are numbered below State.Back, in order of time. Up to
// State.Unordered the numbers are in that order, from there on an index by time is; a window needs the newest of both.
func (r *Relay) before(ctx context.Context, v *View, w Window) ([]thingspeak.Entry, error) {
	first, last, err := r.span(ctx, v, w, 1, v.State.Unordered-1)
	if err != nil {
		return nil, err
	}
	var early, late []thingspeak.Entry
	if first <= last {
		err = r.entries(ctx, v, first, last, func(e *thingspeak.Entry) error {
			early = append(early, *e)
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(early) == w.Results {
			w = w.after(early[0].CreatedAt.Add(-time.Second)) // a tie is won by the higher number
		}
	}
	s := Stretch{
		Generation: v.State.Generation,
		First:      max(v.State.Unordered, w.StartID),
		Last:       v.State.Back - 1,
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
			if s.Holds(e.CreatedAt) {
				late = append(late, *e)
			}
			return nil
		})
	default:
		err = r.store.EntriesByTime(ctx, s, w.Results, func(e *thingspeak.Entry) error {
			late = append(late, *e)
			return nil
		})
	}
	rows := append(early, late...)
	slices.SortFunc(rows, func(a, b thingspeak.Entry) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return rows[max(0, len(rows)-w.Results):], err
}
