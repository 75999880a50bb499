package room

import (
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/token"
)

// Check is a token in the metadata of a channel that whoever has made the room put there: a filler cell, sealed with the
// room's first key. A key that opens it is one of the room's, also before anybody has written. It says no more than that:
// whoever may change the metadata can put another one there, and when the room moves to a new key it stays.
type Check struct{ token token.Token }

// NewCheck returns the text of a check.
func NewCheck(key fernet.Key, now time.Time) (string, error) {
	ring, err := fernet.NewRing(key)
	if err != nil {
		return "", err
	}
	cell := record.Filler()
	return ring.Seal(cell[:], now)
}

// ParseCheck finds a check in the metadata of a channel: a token as long as that of a cell, and nothing else but white
// space. Metadata may be anything, of anybody.
func ParseCheck(metadata string) (Check, bool) {
	text := strings.TrimSpace(metadata)
	if len(text) != token.EncodedLen(record.CellSize) {
		return Check{}, false
	}
	tok, err := token.Parse(text)
	return Check{tok}, err == nil
}

// Opens reports whether a key opens the check.
func (c Check) Opens(key fernet.Key) bool {
	ring, err := fernet.NewRing(key)
	if err != nil {
		return false
	}
	_, err = ring.OpenToken(c.token)
	return err == nil
}
