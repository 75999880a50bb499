package store

import (
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// StateColumns are the columns of a state s, in the order of ScanState.
const StateColumns = `s.channel, s.write_key, s.settings, s.generation, s.last, s.last1, s.last2, s.last3, s.last4,
	s.last5, s.last6, s.last7, s.last8, s.newest_s, s.unordered, s.update_ms, s.bulk_ms,
	s.back, s.last_s, s.back_at`

// UpdatedColumns are those that an update changes; UpdatedValues returns their values.
var UpdatedColumns = [...]string{
	"last", "last1", "last2", "last3", "last4", "last5", "last6", "last7", "last8", "newest_s", "unordered",
	"update_ms", "bulk_ms", "back", "last_s", "back_at",
}

// UpdatedValues returns the values of UpdatedColumns.
func UpdatedValues(s *relay.State) (values [len(UpdatedColumns)]int64) {
	values[0] = s.Last
	copy(values[1:], s.LastOf[:])
	const after = 1 + thingspeak.FieldCount
	if !s.Newest.IsZero() {
		values[after] = s.Newest.Unix()
	}
	values[after+1], values[after+2], values[after+3] = s.Unordered, millis(s.LastUpdate), millis(s.LastBulk)
	values[after+4], values[after+5], values[after+6] = s.Kept()
	return values
}

// ScanState reads a row of StateColumns.
func ScanState[R Row](r R) relay.State { return scanState(r, 0) }

// scanState reads a state whose columns begin at one of a row.
func scanState[R Row](r R, at int) relay.State {
	s := relay.State{
		Channel:  r.Number(at),
		WriteKey: r.Text(at + 1),
		Position: relay.Position{Settings: r.Number(at + 2), Generation: r.Number(at + 3), Last: r.Number(at + 4)},
	}
	at += 5
	for i := range s.LastOf {
		s.LastOf[i] = r.Number(at + i)
	}
	at += thingspeak.FieldCount
	if s.Last > 0 {
		s.Newest = seconds(r.Number(at))
	}
	s.Unordered = r.Number(at + 1)
	s.LastUpdate, s.LastBulk = fromMillis(r.Number(at+2)), fromMillis(r.Number(at+3))
	s.Restore(r.Number(at+4), r.Number(at+5), r.Number(at+6))
	return s
}

// millis is 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
