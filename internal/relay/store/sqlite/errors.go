package sqlite

import (
	"fmt"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// translate turns a database's errors into the relay's and says what was attempted. Others, which are the rules' own, pass
// as they are.
func translate(doing string, err error) error {
	switch sqlite.CodeOf(err) {
	case 0:
		return err
	case sqlite.Constraint:
		return relay.ErrTaken
	default:
		return fmt.Errorf("%s: %w: %w", doing, relay.ErrUnavailable, err)
	}
}

// isBusy reports whether another connection held a lock for too long.
func isBusy(err error) bool { return sqlite.CodeOf(err) == sqlite.Busy }
