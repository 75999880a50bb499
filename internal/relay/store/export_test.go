package store

import "github.com/fernpost/fernpost/internal/sqlite"

// Bounds of the log in pages.
const (
	FoldAfter = foldAfter
	LogLimit  = logLimit
)

// SweepRows is how many cleared entries go at a time.
const SweepRows = sweepRows

// OpenSQLiteOn is OpenSQLite on another disk.
func OpenSQLiteOn(dir string, on sqlite.Disk) (*SQLite, error) { return openSQLite(dir, on) }
