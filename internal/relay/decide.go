package relay

import (
	"cmp"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Decide says what becomes of updates that stand in order of arrival, given the states of their channels in order of
// channel number. It is the only place that judges the write key, the interval and whether a channel is full, and the
// only one that gives out numbers. It returns the new states, in the same order, and a decision per update.
//
// Of two updates to one channel inside its interval the first is taken and the second refused. A refused update does not
// restart the interval (contract section 5.5). A channel without state is gone: its key opens nothing.
func Decide(states []State, updates []Update, now time.Time) ([]State, []Decision) {
	now = now.Truncate(time.Millisecond) // as states keep it
	states = slices.Clone(states)
	decisions := make([]Decision, len(updates))
	for i := range updates {
		at, found := slices.BinarySearchFunc(states, updates[i].Channel, func(s State, channel int64) int {
			return cmp.Compare(s.Channel, channel)
		})
		if !found {
			decisions[i].Err = ErrKey
			continue
		}
		decisions[i] = states[at].take(&updates[i], now)
	}
	return states, decisions
}

// take applies one update to a state.
func (s *State) take(u *Update, now time.Time) Decision {
	if !sameKey(u.Key, s.WriteKey) {
		return Decision{Err: ErrKey}
	}
	interval, since := u.Limits.Interval, s.LastUpdate
	if u.Bulk {
		interval, since = u.Limits.BulkInterval, s.LastBulk
	}
	if wait := remaining(since, interval, now); wait > 0 {
		return Decision{Err: &TooSoonError{Wait: wait}}
	}
	if most := u.Limits.Entries; most > 0 && s.Last+int64(len(u.Entries)) > most {
		return Decision{Err: ErrFull}
	}
	if u.Bulk {
		s.LastBulk = now
	} else {
		s.LastUpdate = now
	}
	accepted := make([]thingspeak.Entry, len(u.Entries))
	for i := range u.Entries {
		accepted[i] = s.Add(&u.Entries[i], now)
	}
	return Decision{Entries: accepted, Unordered: s.Unordered}
}

// Add numbers and dates one entry and moves the state on. It is for stores whose entries come by other ways than updates.
func (s *State) Add(e *NewEntry, now time.Time) thingspeak.Entry {
	accepted := e.Entry
	accepted.CreatedAt = e.Date(now)
	s.Last++
	accepted.ID = s.Last
	switch {
	case s.Last == 1 || !accepted.CreatedAt.Before(s.Newest):
		s.Newest = accepted.CreatedAt
	case s.Unordered == 0:
		s.Unordered, s.Back = s.Last, s.Last
	case accepted.CreatedAt.Before(s.LastDate):
		s.Back = s.Last
	}
	s.LastDate = accepted.CreatedAt
	for i, v := range accepted.Fields {
		if v.Given {
			s.LastOf[i] = s.Last
		}
	}
	return accepted
}

// earliness is how much too early an update may come: who sends by an exact clock is early by as much as the update before
// was late on its way.
const earliness = 50 * time.Millisecond

// remaining returns how much of an interval since a moment is left. Intervals of a second and more count from the whole
// second of that moment, as the service has it (contract section 5.5), so that who sends every 15.000 s is never refused.
// A moment in the future means that the clock was set back; it must not lock a channel for as long as that.
func remaining(since time.Time, interval time.Duration, now time.Time) time.Duration {
	if since.IsZero() || since.After(now) {
		return 0
	}
	open := since.Add(interval)
	if interval >= time.Second {
		// By whole seconds alone a sender is refused whose updates come now just after a full second, now just before.
		open = open.Add(-max(earliness, time.Duration(since.Nanosecond())))
	}
	return max(0, open.Sub(now))
}
