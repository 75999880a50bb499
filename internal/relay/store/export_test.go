package store

// Bounds of the log in pages.
const (
	FoldAfter = foldAfter
	LogLimit  = logLimit
)

// SweepRows is how many cleared entries go at a time.
const SweepRows = sweepRows

// OpenSQLiteOn is OpenSQLite on one of SQLite's VFSs.
func OpenSQLiteOn(dir, vfs string) (*SQLite, error) { return openSQLite(dir, vfs) }
