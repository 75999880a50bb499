// Package room turns messages into the fields of entries and entries back into messages. A room is a conversation: some
// fields of a channel and a ring of keys. It does no I/O: whoever has the room posts the fields and hands in the entries
// that were read.
//
// So far a room carries texts: one token a message, nothing signed. Whoever has the key can write as anybody, and what
// the relay drops is not noticed; what it alters is.
package room

import (
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// MaxText is the longest text of one message, in bytes of UTF-8: what one field holds once it is sealed.
const MaxText = token.CellSize

// TooLongError is a text that does not fit one entry.
type TooLongError struct {
	// Bytes is its length in UTF-8.
	Bytes int
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the message has %d bytes, and one entry carries at most %d", e.Bytes, MaxText)
}

// ErrNoText refuses a message without content.
var ErrNoText = errors.New("the message is empty")

// Room seals and opens the messages of one conversation. It is safe for concurrent use.
type Room struct {
	ring    fernet.Ring
	field   int
	wrapped bool
}

// New returns the room with these keys that writes to the given field, 1 to 8. wrapped makes its tokens look as Python
// prints them, b'…', for peers that expect it.
func New(ring fernet.Ring, field int, wrapped bool) (*Room, error) {
	if field < 1 || field > thingspeak.FieldCount {
		return nil, fmt.Errorf("field %d: a channel has the fields 1 to %d", field, thingspeak.FieldCount)
	}
	return &Room{ring, field, wrapped}, nil
}

// Seal returns the fields of an entry that carries text, sealed now. It refuses an empty text with [ErrNoText] and a
// long one with [*TooLongError].
func (r *Room) Seal(text string, now time.Time) (thingspeak.Fields, error) {
	var fields thingspeak.Fields
	switch {
	case text == "":
		return fields, ErrNoText
	case len(text) > MaxText:
		return fields, &TooLongError{len(text)}
	}
	sealed, err := r.ring.Seal([]byte(text), now)
	if err != nil {
		return fields, err
	}
	if r.wrapped {
		sealed = token.Wrap(sealed)
	}
	fields[r.field-1] = thingspeak.Text(sealed)
	return fields, nil
}
