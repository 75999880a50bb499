package store

// Bounds of the log in pages.
const (
	FoldAfter = foldAfter
	LogLimit  = logLimit
)

// OpenSQLiteOn is OpenSQLite on one of SQLite's VFSs.
func OpenSQLiteOn(dir, vfs string) (*SQLite, error) { return openSQLite(dir, vfs) }
