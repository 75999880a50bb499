package exchange

import (
	"context"
	"time"
)

// A row that was visited may have been another one than the channel holds: blank once, and whole ever since. Rows in which
// something may stand that is missing are therefore asked for again, in rounds, ever more rarely. What that costs is
// bounded, whoever makes up what is missing: a call asks for suspectWindow neighbouring numbers by one range or, where the
// relay knows none, for singlesPerCall numbers, and for none within suspectPause of the last time.

const (
	// suspectPause is the shortest time between two calls that ask for such rows, and between two rounds. The pause after a
	// round is as long as there have been rounds, up to suspectRest.
	suspectPause = time.Minute
	suspectRest  = 24 * time.Hour
	// suspectWindow is how many neighbouring numbers a call asks for at most: 2 KiB each, if the rows are full.
	suspectWindow = 256
	// rangesPerWindow is how many requests that may take, where a relay's answers are shorter.
	rangesPerWindow = 4
)

// Rounds tell when numbers of [Visitor.Suspect] are asked for again. The zero Rounds is due.
type Rounds struct {
	// Since is when something was last found to be missing, and Next when the next call asks for suspects.
	Since time.Time `json:"since,omitzero"`
	Next  time.Time `json:"next,omitzero"`
	// Below is the number below which the round under way goes on; 0 if a new one begins.
	Below int64 `json:"below,omitempty"`
}

// Due reports whether a call of [Exchange.Follow] would ask for suspects now.
func (r *Rounds) Due(now time.Time) bool {
	return !now.Before(r.Next) || now.Before(r.Since) || r.Next.Sub(now) > suspectRest // the clock was set back
}

// Restart has a round begin at once, or when the one under way has ended: something was found to be missing.
func (r *Rounds) Restart(now time.Time) {
	if r.Since = now; r.Below == 0 {
		r.Next = now
	}
}

// advance notes that those from a number up were asked for; left tells that there are more below it.
func (r *Rounds) advance(from int64, left bool, now time.Time) {
	pause := suspectPause
	if r.Below = from; !left {
		r.Below = 0
		pause = min(max(now.Sub(r.Since), suspectPause), suspectRest)
	}
	r.Next = now.Add(pause)
}

// suspects returns the numbers that this call asks for again: the highest that are left of the round.
func (f *follower) suspects() (all, part ranges) {
	if !f.pos.Suspected.Due(f.now) {
		return nil, nil
	}
	for _, s := range f.v.Suspect {
		all.add(max(s.First, 1), min(s.Last, f.pos.Last))
	}
	all = all.minus(f.pos.Gaps.numbers()) // those are asked for anyway
	if below := f.pos.Suspected.Below; below > 0 {
		all = all.within(span{1, below - 1})
	}
	top := all.highest()
	return all, all.within(span{top - suspectWindow + 1, top})
}

// revisit asks for suspects.
func (f *follower) revisit(ctx context.Context) (err error) {
	all, part := f.suspects()
	if len(part) == 0 {
		return nil
	}
	f.r.seen = f.r.seen.minus(part)
	f.r.recent, f.r.before = nil, nil // what was only compared so far is visited
	// What lies between them comes for little, and tokens may have been shown in the place of others.
	window := numbers(max(part.highest()-suspectWindow+1, 1), part.highest())
	requests := rangesPerWindow
	asked, err := f.r.fetchRanges(ctx, downwards(window), window, &requests)
	switch {
	case err != nil:
	case f.r.x.rangeReads.Load() != rangesIgnored:
		asked = part // also if the requests did not do: who hides one row must not keep those below it from being asked for
	default:
		if err = f.flush(); err != nil { // before the pauses
			return err
		}
		singles := singlesPerCall
		asked, err = f.r.fetchSingles(ctx, downwards(part), &singles)
	}
	from := part.lowest()
	if rest := part.minus(asked.union(f.r.seen)); len(rest) > 0 {
		from = rest.highest() + 1
	}
	f.pos.Suspected.advance(from, all.lowest() < from, f.now)
	return err
}
