package eavesdrop

import (
	"context"
	"math"
	"slices"
)

// DevicesClaim is how many devices the clocks tell apart.
type DevicesClaim struct {
	// AtLeast is how many devices write, at least; 1 where the clocks tell none apart.
	AtLeast   int
	Certainty float64
}

// track is what may be one device: entries whose clock goes on as it went before.
type track struct {
	at     []int // in the seals
	recent []int64
	middle float64 // of recent
	posted int64
}

const (
	// apart is from how many seconds of difference on two clocks are two: closer ones may be one, by the whole seconds in which both
	// are stated and by the way to the relay.
	apart = 3
	// wander is how fast the clocks of small devices drift at most.
	wander = 60e-6
	// leastSeen is how many entries a device is known by.
	leastSeen = 4
)

// fresh returns the seals that waited for nothing that shows: the first of each entry that came later than a slot after the one
// before, since others may have waited for their slot; of a device that reports as a clock strikes, all. What was sealed at once is
// one message, whose later parts waited for the first.
func (a *Analysis) fresh(p *pace) (at []int) {
	last := -1
	for i := range a.seals {
		s := &a.seals[i]
		if s.posted == 0 || last >= 0 && a.seals[last].entry == s.entry {
			continue
		}
		if last < 0 {
			at = append(at, i)
		} else if before := &a.seals[last]; s.sealed < before.sealed || s.sealed > before.sealed+1 {
			if s.posted-before.posted > p.interval+2 || p.interval <= 2 || p.regular > steady {
				at = append(at, i)
			}
		}
		last = i
	}
	return at
}

// steady is from which share of common differences on a feed is that of a machine.
const steady = 0.6

// tracks puts entries together whose clock goes on as it went before.
func (a *Analysis) tracks(ctx context.Context, fresh []int) (all []*track, err error) {
	for _, i := range fresh {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := &a.seals[i]
		var best *track
		off := math.Inf(1)
		for _, t := range all {
			d := math.Abs(float64(s.offset()) - t.middle)
			if d < off && d <= apart/2.+wander*float64(s.posted-t.posted) {
				best, off = t, d
			}
		}
		if best == nil {
			if len(all) >= mostTracks {
				continue
			}
			best = &track{}
			all = append(all, best)
		}
		best.at, best.posted = append(best.at, i), s.posted
		if best.recent = append(best.recent, s.offset()); len(best.recent) > 9 {
			best.recent = slices.Delete(best.recent, 0, 1)
		}
		best.middle = median(best.recent) // here, and not where each entry is held against each track
	}
	least := max(leastSeen, len(fresh)/25)
	return slices.DeleteFunc(all, func(t *track) bool { return len(t.at) < least }), nil
}

// mostTracks bounds the work for a feed in which every clock says something else.
const mostTracks = 100

// distinct leaves out tracks that may be another one's: that were not there at the same time, or whose entries were late by a slot,
// by a retry, by a wait of any length, or by nearly nothing.
func (a *Analysis) distinct(ctx context.Context, all []*track, p *pace) (kept []*track, err error) {
	slices.SortFunc(all, func(x, y *track) int { return len(y.at) - len(x.at) })
	for _, t := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(kept, func(other *track) bool { return !a.apart(t, other, p) }) {
			kept = append(kept, t)
		}
	}
	return kept, nil
}

// retry is after how many seconds ThingSpeak takes another update: senders try again after that.
const retry = 15

// apart reports whether two tracks are of two clocks.
func (a *Analysis) apart(t, other *track, p *pace) bool {
	var differences []int64
	next := 0
	for _, i := range t.at {
		s := &a.seals[i]
		for next < len(other.at) && a.seals[other.at[next]].posted < s.posted {
			next++
		}
		if next > 0 && next < len(other.at) { // the other one was there before it and after it
			differences = append(differences, s.offset()-a.seals[other.at[next-1]].offset())
		}
	}
	if len(differences) < leastSeen {
		return false
	}
	d := median(differences)
	scattered := 0
	for _, x := range differences {
		if math.Abs(float64(x)-d) > apart/2. {
			scattered++
		}
	}
	if math.Abs(d) < apart || 5*scattered > len(differences) {
		return false
	}
	for _, slot := range []float64{float64(p.interval), retry} {
		slots := math.Round(d / slot)
		if slot > 2 && math.Abs(d-slots*slot) <= 1.5 && math.Abs(slots) >= 1 && math.Abs(slots) <= 20 {
			return false
		}
	}
	return true
}
