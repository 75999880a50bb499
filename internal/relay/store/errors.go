package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fernpost/fernpost/internal/relay"
)

// translate turns the driver's errors into the relay's and says what was attempted. Others, which are the rules' own,
// pass as they are.
func translate(doing string, err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	switch {
	case !ok:
		return err
	case e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT:
		return relay.ErrTaken
	default:
		return fmt.Errorf("%s: %w: %w", doing, relay.ErrUnavailable, err)
	}
}

// isBusy reports whether another connection held a lock for too long.
func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}
