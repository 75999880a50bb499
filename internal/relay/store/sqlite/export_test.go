package sqlite

import (
	"time"

	"github.com/fernpost/fernpost/internal/sqlite"
)

// Bounds of the log in pages.
const (
	FoldAfter = foldAfter
	LogLimit  = logLimit
)

// WaitForReaders sets how long a fold waits for reads.
func (s *Store) WaitForReaders(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foldWait = d
}

// SweepRows is how many cleared entries go at a time.
const SweepRows = sweepRows

// HoldSweep keeps the sweep from beginning until release. Meanwhile step does what it would do at a time, and tells
// whether there was something to do.
func (s *Store) HoldSweep() (step func() (bool, error), release func()) {
	s.sweeping.Lock()
	return func() (bool, error) {
		generation, err := s.abandoned()
		if err != nil || generation == 0 {
			return false, err
		}
		return true, s.sweepSome(generation)
	}, s.sweeping.Unlock
}

// Remembered is how many channels' states the writer remembers.
func (s *Store) Remembered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

// MaxRemembered bounds them.
const MaxRemembered = maxKnown

// OpenOn is Open on another disk.
func OpenOn(dir string, on sqlite.Disk) (*Store, error) { return open(dir, on) }
