package store

import "github.com/fernpost/fernpost/internal/sqlite"

// Bounds of the log in pages.
const (
	FoldAfter = foldAfter
	LogLimit  = logLimit
)

// SweepRows is how many cleared entries go at a time.
const SweepRows = sweepRows

// Remembered is of how many channels a store remembers where they stand, for writers and for readers.
func (s *SQLite) Remembered() (states, positions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.positions.mu.Lock()
	defer s.positions.mu.Unlock()
	return len(s.known), len(s.positions.known)
}

// MaxRemembered bounds both.
const MaxRemembered = max(maxKnown, maxPositions)

// OpenSQLiteOn is OpenSQLite on another disk.
func OpenSQLiteOn(dir string, on sqlite.Disk) (*SQLite, error) { return openSQLite(dir, on) }
