package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// maxKnown is how many channels' states the writer remembers.
const maxKnown = 8192

// Commit is part of [relay.Store].
func (s *Store) Commit(_ context.Context, updates []relay.Update) ([]relay.Decision, error) {
	channels := store.ChannelsOf(updates)
	defer s.subscribers.Wake(channels...) // behind the lock: whoever is woken reads
	s.mu.Lock()
	defer s.mu.Unlock()
	var after []relay.State
	var decisions []relay.Decision
	err := s.transaction("storing updates", func(c *sqlite.Conn) (err error) {
		after, decisions, err = s.commit(c, channels, updates)
		return err
	})
	if err != nil {
		clear(s.known)
		if errors.Is(err, relay.ErrTaken) { // by a number that was given out twice: not the client's fault
			err = fmt.Errorf("storing updates: %w: states were outdated", relay.ErrUnavailable)
		}
		return nil, err
	}
	if len(s.known)+len(after) > maxKnown {
		clear(s.known)
	}
	for i := range after {
		s.known[after[i].Channel] = after[i]
	}
	return decisions, nil
}

// commit does the work of Commit inside its transaction. A batch of which nothing was accepted writes nothing, and so
// costs no fsync.
func (s *Store) commit(
	c *sqlite.Conn, channels []int64, updates []relay.Update,
) (after []relay.State, decisions []relay.Decision, err error) {
	before, err := s.lockedStates(c, channels)
	if err != nil {
		return nil, nil, err
	}
	after, decisions = relay.Decide(before, updates, time.Now())
	for i := range decisions {
		d := &decisions[i]
		if d.Err != nil {
			continue
		}
		generation := store.GenerationOf(after, updates[i].Channel)
		if err := s.inserts.insert(c, generation, d); err != nil {
			return nil, nil, err
		}
		if first, last, ok := d.Bulk(&updates[i]); ok {
			if err := c.Exec(store.InsertBulk, generation, first, last); err != nil {
				return nil, nil, err
			}
		}
	}
	for i := range after {
		if after[i] == before[i] {
			continue
		}
		if err := update(c, &after[i]); err != nil {
			return nil, nil, err
		}
	}
	return after, decisions, nil
}

// lockedStates returns the states of those channels that are there. What an earlier commit left in memory is still true
// unless another connection has written since, which SQLite tells by its data version.
func (s *Store) lockedStates(c *sqlite.Conn, channels []int64) ([]relay.State, error) {
	version := int64(0)
	err := c.Query("PRAGMA data_version", func(row sqlite.Row) error {
		version = row.Int(0)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if version != s.knownVersion {
		clear(s.known)
		s.knownVersion = version
	}
	states := make([]relay.State, 0, len(channels))
	for _, channel := range channels {
		if state, ok := s.known[channel]; ok {
			states = append(states, state)
			continue
		}
		err := c.Query(selectState, func(r sqlite.Row) error {
			states = append(states, store.ScanState(row(r)))
			return nil
		}, channel)
		if err != nil {
			return nil, err
		}
	}
	return states, nil
}
