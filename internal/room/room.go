// Package room turns messages into the fields of entries and entries back into messages. A room is some fields of a
// channel and a ring of keys. What it needs of a relay and an archive it declares, as [Poster] and [Store]; somebody
// else brings them together.
//
// A [Conversation] is a room whose members sign what they write: records, cut into cells, sealed, and laid into
// entries. What it writes waits in an outbox until the relay has accepted it. What it reads is kept, with everything
// learnt from it, before anybody sees it. Who wrote what is proven, and what the relay does to it is named.
//
//	c, err := room.Open(archive, options)
//	in, err := c.Receive(10)                                // read: entries in any order
//	news, err := client.Follow(ctx, position, visitor)      // which hands them to in.Add
//	arrivals, err := in.Finish(facts)
//	written, err := c.Write(record.Text("hello"), now)      // write: into the outbox
//	delivered, err := c.Deliver(ctx, poster, nil)           // and out
//
// Texts, one token a message and nothing signed, take the same way without an identity. Whoever has the key can write as
// anybody, and what the relay has never shown is not noticed. That is what the published Python scripts speak. A [Room] seals
// and opens them where nothing is to be kept.
package room

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

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

// Seal returns the fields of an entry that carries text, sealed now. It refuses an empty text with [model.ErrNoText], a long one
// with [*model.TooLongError] and one that is none with [model.ErrNotUTF8].
func (r *Room) Seal(text string, now time.Time) (thingspeak.Fields, error) {
	var fields thingspeak.Fields
	switch {
	case text == "":
		return fields, model.ErrNoText
	case len(text) > model.MaxText:
		return fields, &model.TooLongError{Bytes: len(text)}
	case !utf8.ValidString(text):
		return fields, model.ErrNotUTF8
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
