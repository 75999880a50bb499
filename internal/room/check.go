package room

import (
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/token"
)

// Check is what members of a room have put into the metadata of its channel: tokens of filler cells, the first sealed with
// the room's first key, one more with each key that it has moved to. A key that opens one is the room's, also before
// anybody has written under it. It says no more than that: whoever may change the metadata can put others there.
type Check struct{ tokens []token.Token }

// maxChecks is how many tokens of a channel's metadata are looked at, the first ones. Those of our relay hold 40.
const maxChecks = 64

// NewCheck returns the text of a check.
func NewCheck(key fernet.Key, now time.Time) (string, error) {
	ring, err := fernet.NewRing(key)
	if err != nil {
		return "", err
	}
	cell := record.Filler()
	return ring.Seal(cell[:], now)
}

// ParseCheck finds a check in the metadata of a channel: words that are tokens, as long as that of a cell. Metadata may be
// anything, of anybody.
func ParseCheck(metadata string) (c Check, found bool) {
	for word := range strings.FieldsSeq(metadata) {
		if len(word) != token.EncodedLen(record.CellSize) || len(c.tokens) == maxChecks {
			continue
		}
		if tok, err := token.Parse(word); err == nil {
			c.tokens = append(c.tokens, tok)
		}
	}
	return c, len(c.tokens) > 0
}

// Opens reports whether a key opens one of the tokens, and how many were put behind that: so often the room may have moved
// to another key since.
func (c Check) Opens(key fernet.Key) (opens bool, behind int) {
	ring, err := fernet.NewRing(key)
	if err != nil {
		return false, 0
	}
	for i := len(c.tokens) - 1; i >= 0; i-- {
		if _, err := ring.OpenToken(c.tokens[i]); err == nil {
			return true, len(c.tokens) - 1 - i
		}
	}
	return false, 0
}

// RenewCheck returns metadata with a check for a key behind what stands there; nothing is added where the key opens one
// already. What stands there must be nothing, or have a check in it: ok is false where it is something else of somebody
// else. A foreign word beside checks does no harm: whoever has the write key can put one there.
func RenewCheck(metadata string, key fernet.Key, now time.Time) (renewed string, ok bool, err error) {
	c, found := ParseCheck(metadata)
	if opens, _ := c.Opens(key); opens {
		return metadata, true, nil
	}
	if !found && strings.TrimSpace(metadata) != "" {
		return "", false, nil
	}
	check, err := NewCheck(key, now)
	if err != nil || metadata == "" {
		return check, err == nil, err
	}
	return metadata + "\n" + check, true, nil
}
