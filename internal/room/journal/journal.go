// Package journal keeps a room in memory and tells, as bytes, what is to be kept of it elsewhere: one row for each transaction. A
// page in a browser keeps those; a store that is filled with them is the same store.
//
// Rows are read in their order. Once there are many a [Store.Snapshot] takes the place of all before it.
package journal

import (
	"fmt"
	"sync"

	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/room/memory"
)

// What a row is: its first byte.
const (
	changesRow  = 1 // []kept.Change, of one transaction
	snapshotRow = 2 // memory.Rows, and nothing of what stands before counts
)

// journal is what the stores of one room share.
type journal struct {
	memory *memory.Store

	writing sync.Mutex // held by the transaction under way
	changes []kept.Change
	commits int64

	mu   sync.Mutex // guards what follows
	rows [][]byte   // not taken yet
}

// Store implements [room.Store], see there. Several conversations of one process read and write one room with a Store each: see
// [Store.Another].
type Store struct {
	*memory.Store

	of *journal
	// own counts the transactions of this one, and within tells that one is under way.
	own    int64
	within bool
}

// New returns an empty store.
func New() *Store { return over(memory.New()) }

func over(m *memory.Store) *Store { return &Store{Store: m, of: &journal{memory: m}} }

// Fill returns the store of which rows were kept. It takes time and memory in proportion to them.
func Fill(rows [][]byte) (*Store, error) {
	s := New()
	for i, row := range rows {
		if err := s.fill(row); err != nil {
			return nil, fmt.Errorf("row %d of %d: %w", i+1, len(rows), err)
		}
	}
	return s, nil
}

// Add takes in a row that another store of the same room has written.
func (s *Store) Add(row []byte) error {
	s.of.writing.Lock()
	defer s.of.writing.Unlock()
	s.of.commits++
	return s.fill(row)
}

func (s *Store) fill(row []byte) error {
	if len(row) == 0 {
		return errDamaged
	}
	switch row[0] {
	case changesRow:
		changes, err := decode[[]kept.Change](row[1:])
		if err != nil {
			return err
		}
		return s.Store.Transact(func() error {
			for i := range changes {
				if err := s.Store.Apply(&changes[i]); err != nil {
					return fmt.Errorf("%w: %w", errDamaged, err)
				}
			}
			return nil
		})
	case snapshotRow:
		rows, err := decode[memory.Rows](row[1:])
		if err == nil {
			if err = s.of.memory.Fill(&rows); err != nil {
				err = fmt.Errorf("%w: %w", errDamaged, err)
			}
		}
		return err
	}
	return errNewer
}

// Another returns a store of the same room for another conversation, as another process would have it.
func (s *Store) Another() *Store { return &Store{Store: s.Store, of: s.of, own: s.of.commits} }

// Take returns the rows that came since it was called last. Whoever calls it keeps them, before anything is done that rests on
// them.
func (s *Store) Take() [][]byte {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	rows := s.of.rows
	s.of.rows = nil
	return rows
}

// Snapshot returns one row in place of all that were taken.
func (s *Store) Snapshot() []byte {
	s.of.writing.Lock()
	defer s.of.writing.Unlock()
	rows := s.of.memory.Rows()
	return encode(snapshotRow, &rows)
}

// Transact implements [room.Store].
func (s *Store) Transact(work func() error) error {
	s.of.writing.Lock()
	defer s.of.writing.Unlock()
	s.within = true
	defer func() { s.within, s.of.changes = false, nil }()
	err := s.Store.Transact(work)
	if err != nil || len(s.of.changes) == 0 {
		return err
	}
	row := encode(changesRow, &s.of.changes)
	s.of.mu.Lock()
	s.of.rows = append(s.of.rows, row)
	s.of.mu.Unlock()
	s.of.commits++
	s.own++
	return nil
}

// Note is Transact.
func (s *Store) Note(work func() error) error { return s.Transact(work) }

// Version implements [room.Store]: it is another one once another store of the room has changed something.
func (s *Store) Version() (int64, error) {
	if !s.within {
		s.of.writing.Lock()
		defer s.of.writing.Unlock()
	}
	return s.of.commits - s.own, nil
}

// Apply implements [room.Store].
func (s *Store) Apply(c *kept.Change) error {
	if !s.within {
		return s.Transact(func() error { return s.Apply(c) })
	}
	if err := s.Store.Apply(c); err != nil {
		return err
	}
	s.of.changes = append(s.of.changes, *c)
	return nil
}
