package sqlite

import (
	"database/sql/driver"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// stateColumns are the columns of a state, in the order of scanState.
const stateColumns = `s.channel, s.write_key, s.settings, s.generation, s.last, s.last1, s.last2, s.last3, s.last4,
	s.last5, s.last6, s.last7, s.last8, s.newest_s, s.unordered, s.update_ms, s.bulk_ms,
	s.back, s.last_s, s.back_at`

const selectState = "SELECT " + stateColumns + " FROM states AS s WHERE s.channel = ?"

// updateState sets what an update changes.
const updateState = `UPDATE states SET last = ?, last1 = ?, last2 = ?, last3 = ?, last4 = ?, last5 = ?, last6 = ?,
	last7 = ?, last8 = ?, newest_s = ?, unordered = ?, update_ms = ?, bulk_ms = ?, back = ?, last_s = ?, back_at = ?
	WHERE channel = ?`

func scanState(row []driver.Value) relay.State {
	number := func(i int) int64 { return row[i].(int64) }
	s := relay.State{
		Channel:  number(0),
		WriteKey: row[1].(string),
		Position: relay.Position{Settings: number(2), Generation: number(3), Last: number(4)},
	}
	for i := range s.LastOf {
		s.LastOf[i] = number(5 + i)
	}
	const after = 5 + thingspeak.FieldCount
	if s.Last > 0 {
		s.Newest = time.Unix(number(after), 0).UTC()
	}
	s.Unordered = number(after + 1)
	s.LastUpdate, s.LastBulk = fromMillis(number(after+2)), fromMillis(number(after+3))
	s.Restore(number(after+4), number(after+5), number(after+6))
	return s
}

// stateArgs appends the arguments of updateState.
func stateArgs(args []driver.Value, s *relay.State) []driver.Value {
	args = append(args, s.Last)
	for _, n := range s.LastOf {
		args = append(args, n)
	}
	var newest int64
	if !s.Newest.IsZero() {
		newest = s.Newest.Unix()
	}
	args = append(args, newest, s.Unordered, millis(s.LastUpdate), millis(s.LastBulk))
	back, date, moment := s.Kept()
	return append(args, back, date, moment, s.Channel)
}

// findState returns a channel's state, or relay.ErrNotFound.
func findState(c *sqlite.Conn, channel int64) (relay.State, error) {
	s, err := relay.State{}, relay.ErrNotFound
	if e := c.Query(selectState, func(row []driver.Value) error {
		s, err = scanState(row), nil
		return nil
	}, channel); e != nil {
		err = e
	}
	return s, err
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
