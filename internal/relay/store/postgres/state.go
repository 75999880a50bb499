package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// stateColumns are the columns of a state, in the order of scanState.
const stateColumns = `s.channel, s.write_key, s.settings, s.generation, s.last, s.last1, s.last2, s.last3, s.last4,
	s.last5, s.last6, s.last7, s.last8, s.newest_s, s.unordered, s.update_ms, s.bulk_ms,
	s.back, s.last_s, s.back_at`

const (
	// lockStates takes the rows in order of channel, so that two batches never wait for each other.
	lockStates = "SELECT " + stateColumns + " FROM states AS s WHERE s.channel = ANY($1) ORDER BY s.channel FOR UPDATE"
	lockState  = "SELECT " + stateColumns + " FROM states AS s WHERE s.channel = $1 FOR UPDATE"
	// updateStates sets what an update changes.
	updateStates = `UPDATE states AS s SET last = n.last, last1 = n.last1, last2 = n.last2, last3 = n.last3,
		last4 = n.last4, last5 = n.last5, last6 = n.last6, last7 = n.last7, last8 = n.last8, newest_s = n.newest_s,
		unordered = n.unordered, update_ms = n.update_ms, bulk_ms = n.bulk_ms, back = n.back, last_s = n.last_s,
		back_at = n.back_at
		FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[],
			$8::BIGINT[], $9::BIGINT[], $10::BIGINT[], $11::BIGINT[], $12::BIGINT[], $13::BIGINT[], $14::BIGINT[],
			$15::BIGINT[], $16::BIGINT[], $17::BIGINT[])
			AS n (channel, last, last1, last2, last3, last4, last5, last6, last7, last8, newest_s, unordered, update_ms,
			bulk_ms, back, last_s, back_at)
		WHERE s.channel = n.channel`
)

func scanState(r row) relay.State {
	s := relay.State{
		Channel:  r.number(0),
		WriteKey: r.text(1),
		Position: relay.Position{Settings: r.number(2), Generation: r.number(3), Last: r.number(4)},
	}
	for i := range s.LastOf {
		s.LastOf[i] = r.number(5 + i)
	}
	const after = 5 + thingspeak.FieldCount
	if s.Last > 0 {
		s.Newest = r.seconds(after)
	}
	s.Unordered = r.number(after + 1)
	s.LastUpdate, s.LastBulk = fromMillis(r.number(after+2)), fromMillis(r.number(after+3))
	s.Restore(r.number(after+4), r.number(after+5), r.number(after+6))
	return s
}

// queueStates adds what sets the states to a batch.
func queueStates(b *pgx.Batch, states []relay.State) {
	var columns [9 + thingspeak.FieldCount][]int64
	for i := range columns {
		columns[i] = make([]int64, 0, len(states))
	}
	for i := range states {
		s, column := &states[i], 0
		add := func(n int64) {
			columns[column] = append(columns[column], n)
			column++
		}
		add(s.Channel)
		add(s.Last)
		for _, n := range s.LastOf {
			add(n)
		}
		newest := int64(0)
		if !s.Newest.IsZero() {
			newest = s.Newest.Unix()
		}
		add(newest)
		add(s.Unordered)
		add(millis(s.LastUpdate))
		add(millis(s.LastBulk))
		back, date, moment := s.Kept()
		add(back)
		add(date)
		add(moment)
	}
	args := make([]any, len(columns))
	for i := range columns {
		args[i] = columns[i]
	}
	b.Queue(updateStates, args...)
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
