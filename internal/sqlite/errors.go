package sqlite

import (
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Code is what kind an error of a database is (SQLite's documentation, "Result and Error Codes", the primary ones).
type Code int

// Those that somebody has an answer to.
const (
	Busy       Code = sqlite3.SQLITE_BUSY       // another connection holds a lock
	Full       Code = sqlite3.SQLITE_FULL       // the disk, or as many pages as the database may have
	IOErr      Code = sqlite3.SQLITE_IOERR      // the disk has failed to read, write or fsync
	Corrupt    Code = sqlite3.SQLITE_CORRUPT    // the file is damaged
	NotADB     Code = sqlite3.SQLITE_NOTADB     // the file is no database
	Constraint Code = sqlite3.SQLITE_CONSTRAINT // such as a value that has to be unique
)

// CodeOf returns the kind of an error, 0 if it is no error of a database.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // a full disk has no place for the memory that processes share
			return Full
		}
		return Code(e.Code() & 0xff)
	}
	if errors.Is(err, errAltered) {
		return Corrupt
	}
	return 0
}
