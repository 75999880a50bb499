package feed

import (
	"cmp"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Newest keeps the entries with the latest dates, in their order, as a relay shows them.
type Newest struct {
	Most int // how many; 0 is all

	entries []thingspeak.Entry
	// rising and falling tell of a feed in order of its numbers how its dates go, up or down.
	rising, falling numberOrder
}

// numberOrder tells whether rows came in order of their numbers, and their dates with them.
type numberOrder struct {
	last    int64
	reached time.Time
	broken  bool
}

// clocksBack is how far dates without a zone go back where clocks do.
const clocksBack = time.Hour

// add notes the next row, in a direction of 1 or -1.
func (o *numberOrder) add(e *thingspeak.Entry, direction int64) {
	against := o.reached.Sub(e.CreatedAt) * time.Duration(direction)
	o.broken = o.broken || o.last > 0 && (e.ID-o.last)*direction < 0 || !o.reached.IsZero() && against > clocksBack
	if o.last = e.ID; against < 0 || o.reached.IsZero() {
		o.reached = e.CreatedAt
	}
}

// Add takes an entry.
func (r *Newest) Add(e *thingspeak.Entry) error {
	r.rising.add(e, 1)
	r.falling.add(e, -1)
	r.entries = append(r.entries, *e)
	if r.Most > 0 && len(r.entries) > 2*r.Most+1000 {
		r.trim()
	}
	return nil
}

func (r *Newest) trim() {
	slices.SortStableFunc(r.entries, func(a, b thingspeak.Entry) int {
		byNumber := cmp.Compare(a.ID, b.ID)
		if !r.rising.broken || !r.falling.broken {
			return byNumber
		}
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), byNumber)
	})
	if n := len(r.entries) - r.Most; r.Most > 0 && n > 0 {
		r.entries = slices.Delete(r.entries, 0, n)
	}
}

// Entries returns those that were kept.
func (r *Newest) Entries() []thingspeak.Entry {
	r.trim()
	return r.entries
}
