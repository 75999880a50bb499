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
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// Room seals and opens the messages of one conversation. It is safe for concurrent use.
type Room struct {
	ring    fernet.Ring
	fields  []int
	wrapped bool
}

// New returns the room with these keys that writes to the given fields, of 1 to 8: texts to the first of them. wrapped makes its
// tokens look as Python prints them, b'…', for peers that expect it.
func New(ring fernet.Ring, fields []int, wrapped bool) (*Room, error) {
	for _, n := range fields {
		if n < 1 || n > thingspeak.FieldCount {
			return nil, fmt.Errorf("field %d: a channel has the fields 1 to %d", n, thingspeak.FieldCount)
		}
	}
	if len(fields) == 0 {
		return nil, errors.New("a room writes to one field at least")
	}
	return &Room{ring, fields, wrapped}, nil
}

// Seal returns an entry that carries a text or a reading, sealed at a time: fields, and of a reading the status. It refuses an empty
// text with [model.ErrNoText], a long one with [*model.TooLongError], one that is none with [model.ErrNotUTF8], a reading that does
// not fit with [model.ErrReading], what is neither with [record.ErrBody], and times that no record states with [record.ErrClock].
func (r *Room) Seal(body record.Body, at time.Time) (e thingspeak.Entry, err error) {
	if ms := at.UnixMilli(); ms < 0 || ms > record.MaxClock {
		return e, record.ErrClock
	}
	switch body := body.(type) {
	case record.Text:
		e.Fields[r.fields[0]-1], err = r.seal(string(body), at)
	case record.Reading:
		e, err = r.sealReading(&body, at)
	default:
		err = fmt.Errorf("%w: a room of texts carries no %s", record.ErrBody, body.Kind())
	}
	return e, err
}

// seal makes a token of a text.
func (r *Room) seal(text string, at time.Time) (thingspeak.Value, error) {
	switch {
	case text == "":
		return thingspeak.Value{}, model.ErrNoText
	case len(text) > model.MaxText:
		return thingspeak.Value{}, &model.TooLongError{Bytes: len(text)}
	case !utf8.ValidString(text):
		return thingspeak.Value{}, model.ErrNotUTF8
	}
	sealed, err := r.ring.Seal([]byte(text), at)
	if r.wrapped {
		sealed = token.Wrap(sealed)
	}
	return thingspeak.Text(sealed), err
}

// sealReading makes a token of each value, in its own field, and of the status. What no token carries is refused, and never posted
// clear.
func (r *Room) sealReading(reading *record.Reading, at time.Time) (e thingspeak.Entry, err error) {
	if err := reading.Check(); err != nil {
		return e, fmt.Errorf("%w: %w", model.ErrReading, err)
	}
	if reading.Latitude+reading.Longitude+reading.Elevation != "" {
		return e, fmt.Errorf("%w: latitude, longitude and elevation would be posted clear", model.ErrReading)
	}
	seal := func(name, text string) (thingspeak.Value, error) {
		switch {
		case text == "":
			return thingspeak.Value{}, fmt.Errorf("%w: %s is empty", model.ErrReading, name)
		case len(text) > model.MaxText:
			return thingspeak.Value{}, fmt.Errorf("%w: %s has %d bytes, and a token carries at most %d",
				model.ErrReading, name, len(text), model.MaxText)
		}
		return r.seal(text, at)
	}
	for i, v := range reading.Values {
		if !v.Given {
			continue
		}
		if !slices.Contains(r.fields, i+1) {
			return e, fmt.Errorf("%w: this one writes to %s, and not to field %d", model.ErrOtherField, fieldsText(r.fields), i+1)
		}
		if e.Fields[i], err = seal(fmt.Sprint("field", i+1), v.Text); err != nil {
			return e, err
		}
	}
	if e.Fields == (thingspeak.Fields{}) {
		return e, fmt.Errorf("%w: it needs a value beside the status", model.ErrReading)
	}
	if reading.Status != "" {
		e.Status, err = seal("status", reading.Status)
	}
	return e, err
}

// fieldsText lists fields: "field 1", "the fields 1, 2 and 3".
func fieldsText(fields []int) string {
	fields = slices.Sorted(slices.Values(fields))
	if len(fields) == 1 {
		return fmt.Sprint("field ", fields[0])
	}
	var s strings.Builder
	for i, n := range fields {
		switch {
		case i == len(fields)-1:
			s.WriteString(" and ")
		case i > 0:
			s.WriteString(", ")
		}
		s.WriteString(strconv.Itoa(n))
	}
	return "the fields " + s.String()
}
