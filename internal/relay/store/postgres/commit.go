package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
)

// Commit is part of [relay.Store].
func (s *Store) Commit(ctx context.Context, updates []relay.Update) (decisions []relay.Decision, err error) {
	channels := store.ChannelsOf(updates)
	var changed []relay.State
	err = s.write(ctx, "storing updates", func(t *transaction) error {
		before, now, err := s.lockedStates(t, channels)
		if err != nil {
			return err
		}
		var after []relay.State
		after, decisions = relay.Decide(before, updates, now)
		changed = changed[:0]
		for i := range after {
			if after[i] != before[i] {
				changed = append(changed, after[i])
			}
		}
		if len(changed) > 0 {
			s.inserts.queue(&t.last, after, updates, decisions)
			queueBulkCalls(&t.last, after, updates, decisions)
			queueStates(&t.last, changed)
		}
		return nil
	})
	if errors.Is(err, relay.ErrTaken) { // by a number that was given out twice: not the client's fault
		err = fmt.Errorf("storing updates: %w: entries were there already", relay.ErrUnavailable)
	}
	if err != nil {
		return nil, err
	}
	for i := range changed {
		s.waker.changed(changed[i].Channel)
	}
	return decisions, nil
}

// lockedStates locks those channels that are there and returns their states, and what time it is then.
func (s *Store) lockedStates(t *transaction, channels []int64) (states []relay.State, now time.Time, err error) {
	states = make([]relay.State, 0, len(channels))
	var b pgx.Batch
	b.Queue(lockStates, channels).Query(each(func(r row) error {
		states = append(states, store.ScanState(r))
		return nil
	}))
	if s.now == nil {
		// As a question of its own it is answered when all locks are held.
		b.Queue("SELECT clock_timestamp()").QueryRow(func(r pgx.Row) error { return r.Scan(&now) })
	}
	err = t.ask(&b)
	if s.now != nil {
		now = s.now()
	}
	return states, now, err
}
