package room

import (
	"cmp"
	"slices"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// shortStretch is how many entries a stretch may have that is suspect as a whole: where little stands between, what is
// missing may also have shown itself as another token that a key opens, or as a part of its row.
const shortStretch = 16

// Suspect returns the entries in which may stand what is missing, incomplete or said to be missing, and which a relay may
// have shown otherwise than they are: those of which no token is kept that a key opened, and short stretches in whole. It
// takes time in proportion to what the stretches hold: ask for it when they are to be read again.
func (in *Intake) Suspect() (all []EntryRange, err error) {
	stretches, err := record.Lacking(in.c.known())
	if err != nil {
		return nil, err
	}
	var long, suspect []EntryRange
	for _, s := range stretches {
		if s.First.Clear < in.clears { // what stood before a clear cannot be read again
			s.First.Entry = 1
		}
		if s.Last.Clear > in.clears {
			s.Last.Entry = kept.MaxEntry
		}
		e := EntryRange{max(s.First.Entry, 1), min(s.Last.Entry, kept.MaxEntry)}
		switch {
		case s.Last.Clear < in.clears || e.First > e.Last:
		case e.Last-e.First < shortStretch:
			suspect = append(suspect, e)
		default:
			long = append(long, e)
		}
	}
	for _, e := range joined(long) {
		next := e.First
		from, to := record.Place{Clear: in.clears, Entry: e.First}, record.Place{Clear: in.clears, Entry: e.Last}
		err := in.c.store.Entries(kept.EntryQuery{First: from, Last: to}, func(held kept.Entry) error {
			if next < held.At.Entry {
				suspect = append(suspect, EntryRange{next, held.At.Entry - 1})
			}
			next = held.At.Entry + 1
			return nil
		})
		if err != nil {
			return nil, err
		}
		if next <= e.Last {
			suspect = append(suspect, EntryRange{next, e.Last})
		}
	}
	if len(suspect) > 0 {
		if _, in.known, err = in.c.span(in.clears); err != nil {
			return nil, err
		}
	}
	return joined(suspect), nil
}

// joined returns ranges in order, those that overlap or touch as one.
func joined(all []EntryRange) (rest []EntryRange) {
	slices.SortFunc(all, func(a, b EntryRange) int { return cmp.Compare(a.First, b.First) })
	for _, e := range all {
		if n := len(rest); n > 0 && e.First <= rest[n-1].Last+1 {
			rest[n-1].Last = max(rest[n-1].Last, e.Last)
			continue
		}
		rest = append(rest, e)
	}
	return rest
}
