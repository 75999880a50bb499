package sqlite

import (
	"database/sql/driver"
	"strings"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
)

const selectState = "SELECT " + store.StateColumns + " FROM states AS s WHERE s.channel = $1"

var updateState = "UPDATE states SET " + strings.Join(store.UpdatedColumns[:], " = ?, ") + " = ? WHERE channel = ?"

// update writes what an update, or a clear, has changed in a channel's state.
func update(c *sqlite.Conn, s *relay.State) error {
	args := make([]driver.Value, 0, len(store.UpdatedColumns)+1)
	for _, n := range store.UpdatedValues(s) {
		args = append(args, n)
	}
	return c.Exec(updateState, append(args, s.Channel)...)
}

// findState returns a channel's state, or relay.ErrNotFound.
func findState(c *sqlite.Conn, channel int64) (relay.State, error) {
	s, err := relay.State{}, relay.ErrNotFound
	if e := c.Query(selectState, func(r sqlite.Row) error {
		s, err = store.ScanState(row(r)), nil
		return nil
	}, channel); e != nil {
		err = e
	}
	return s, err
}
