package model

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/token"
)

// Item is a message of a conversation as it is shown: a record that was verified, or a text that nobody has signed.
type Item struct {
	// At is where it stands. It is zero for a message of our own that was not read back yet.
	At record.Spot
	// Posted is the relay's date, and Sealed the clock in the token of the message's last cell; zero where not known.
	Posted, Sealed time.Time
	// Record is the message; nil where nobody has signed it.
	Record *record.Message
	// Unsigned is a token that holds no cell of a record.
	Unsigned *Message
	// Notice is what the user reads in place of the message: that its author moves the room to a key which is not here. Only
	// a history, or what came since a mark, tells it.
	Notice string
	// Before is the entry of a message that came earlier and stands behind this one; only what came since a mark tells it, 0 if there is
	// none.
	Before int64
	// OldKey means that somebody else has sealed it with a key from which the room had moved away, knowingly or not.
	OldKey bool
	// Lost means that its author is a device that was lost or stolen, as the user has said.
	Lost bool
	// Left is set where somebody has taken back that its author is a device of theirs; only a history, or what came since a mark,
	// tells that.
	Left *Left
	// Standing is what is known of who has signed it; only a history, or what came since a mark, tells that of somebody else.
	Standing Standing
	// Sent tells how far a message of our own has come, and SeenBy who has signed that they have seen it.
	Sent   *Queued
	SeenBy []string
}

// Reading returns what a sensor has measured, and whether the message is such, signed or not.
func (it *Item) Reading() (r record.Reading, ok bool) {
	switch {
	case it.Record != nil:
		r, ok = it.Record.Body.(record.Reading)
	case it.Unsigned != nil && it.Unsigned.Reading != nil:
		r, ok = *it.Unsigned.Reading, true
	}
	return r, ok
}

// ForPeople reports whether people read it: a heartbeat is for programs, unless there is something to be said in its place.
func (it *Item) ForPeople() bool {
	if it.Record == nil {
		return true
	}
	_, heartbeat := it.Record.Body.(record.Heartbeat)
	return !heartbeat || it.Notice != ""
}

// Text returns what a text says, and whether the message is one, signed or not.
func (it *Item) Text() (text string, ok bool) {
	switch {
	case it.Record != nil:
		var t record.Text
		t, ok = it.Record.Body.(record.Text)
		text = string(t)
	case it.Unsigned != nil && it.Unsigned.Kind == KindText:
		text, ok = it.Unsigned.Text, true
	}
	return text, ok
}

// IsOwn reports whether this device has written it, or for a record the user's key. Of a text that nobody signs that is known once its
// sender has noted that it is sent.
func (it *Item) IsOwn() bool {
	return it.Sent != nil || it.Record != nil && it.Record.Own || it.Unsigned != nil && it.Unsigned.Own
}

// Clock returns when the author says to have written it: the record's clock, or that of an unsigned token.
func (it *Item) Clock() time.Time {
	if it.Record != nil {
		return it.Record.Time()
	}
	return it.Sealed
}

// Mark tells how far somebody has looked at what came. The zero Mark has seen nothing.
type Mark struct{ Message, Event int64 }

// String writes a mark for [ParseMark].
func (m Mark) String() string { return fmt.Sprintf("%d-%d", m.Message, m.Event) }

// ErrMark refuses what is no mark.
var ErrMark = errors.New("this is no mark")

// ParseMark reads what [Mark.String] has written. The only error is [ErrMark].
func ParseMark(s string) (m Mark, err error) {
	message, event, _ := strings.Cut(s, "-")
	var messageErr, eventErr error
	m.Message, messageErr = strconv.ParseInt(message, 10, 64)
	m.Event, eventErr = strconv.ParseInt(event, 10, 64)
	if messageErr != nil || eventErr != nil || m.Message < 0 || m.Event < 0 || m.String() != s {
		return Mark{}, ErrMark
	}
	return m, nil
}

// Printed takes the messages that a user was really shown. What that user writes next names the record by somebody else
// among them that stands highest: nobody signs for having seen what was never shown.
type Printed struct {
	// Top is that record.
	Top record.Held
}

// Add takes a message.
func (p *Printed) Add(it *Item) {
	if m := it.Record; m != nil && !m.Own && m.At.Compare(p.Top.At) > 0 {
		p.Top = record.Held{Author: m.Author, Number: m.Number, Hash: m.Hash, At: m.At}
	}
}

// Kind is what a message turned out to be once it was opened.
type Kind string

// The kinds of messages.
const (
	// KindText is UTF-8.
	KindText Kind = "text"
	// KindReading is values of a sensor, each of which stands in a field of its own.
	KindReading Kind = "reading"
	// KindRecord is a part of a signed record, which package room puts together.
	KindRecord Kind = "record"
	// KindBinary is anything else.
	KindBinary Kind = "binary"
)

// Message is a token that a key of the room has opened, or the tokens of one entry that are a reading. The text is a peer's: clean it before it is shown.
type Message struct {
	// Entry and Field tell where it stands, of a reading its first value. Field is 0 for what stands in the status alone.
	Entry int64
	Field int
	// Posted is the time that the relay states. Sealed is the sender's clock when the token was made: authentic, but
	// only as right as that clock.
	Posted, Sealed time.Time
	Kind           Kind
	// Text is the message itself when Kind is KindText.
	Text string
	// Reading is what was measured when Kind is KindReading. It has no location.
	Reading *record.Reading
	// Size is the length of the plaintext in bytes.
	Size int
	// Key tells which key of the ring opened it; 0 is the newest.
	Key int
	// Own tells that this device has written it.
	Own bool
}

// maxClockSkew is how far the two clocks of a message may lie apart before it is worth a word.
const maxClockSkew = 5 * time.Minute

// ClockSkew returns Sealed − Posted where the two are so far apart that a reader should know, otherwise 0. It means a
// clock that is wrong, a message that waited long, or an old token that somebody posted again.
func (m *Message) ClockSkew() time.Duration {
	if d := m.Sealed.Sub(m.Posted); d > maxClockSkew || d < -maxClockSkew {
		return d
	}
	return 0
}

// Moved is somebody who has moved the room to a key that is not here.
type Moved struct {
	By   record.PublicKey
	Name string
	// Compared means that the user has compared this author's key.
	Compared bool
	// Own means that the user has moved it, here or before this device was set up anew; Compared is true then.
	Own bool
	// Number is that of the record in which it is said.
	Number uint32
	// Key is the id of the key that the room is said to go on with, and Here means that it is here, and does not seal.
	Key  record.KeyID
	Here bool
}

// Says is a sentence without its end: who has moved a room, whose word that is, and where the key is.
func (m *Moved) Says(room string) string {
	where := ", which is not here"
	if m.Here {
		where = ", which is here and does not seal (\"fernpost key list\")"
	}
	switch {
	case m.Own:
		return "you have moved room " + room + " to a new key yourself" + where
	case m.Compared:
		return m.Name + ", whose key you have compared, has moved room " + room + " to a new key" + where
	}
	return m.Name + ", whose key you have not compared, says that room " + room + " goes on with a new key" + where
}

// MovedError refuses to seal with a key, or to hand it on, that somebody whose key was compared has moved away from.
type MovedError struct {
	Room string
	By   Moved
	// Invited tells that it is the invitation with that key that was not made.
	Invited bool
}

func (e *MovedError) Error() string {
	not := "not sent"
	if e.Invited {
		not = "no invitation was made"
	}
	return not + ": " + e.By.Says(e.Room)
}

// Person is an author of a conversation.
type Person struct {
	record.Author
	// Names are the nicknames pinned to the key, in the forms of [record.Skeletons].
	Names []string
	// Name is how the author is called, see [record.Message].
	Name string
	// Person is whose device the key is: the key itself, if it is nobody's.
	Person record.PublicKey
	// Own means that it is our own key.
	Own bool
	// Lost means that it is the key of a device that was lost or stolen, as the user has said.
	Lost bool
	// Left is set where somebody has taken back that it is a device of theirs.
	Left *Left
}

// Left is who has taken back that a key is a device of theirs: it may be lost, which no record says.
type Left struct {
	By []record.PublicKey
	// Names are what they are called.
	Names []string
	// Own means that we ourselves are among them.
	Own bool
}

// NameTakenError says that somebody else has a nickname, or one that looks like it. All others would be told of an impostor.
type NameTakenError struct {
	Nick string
	By   Person
	// Room is the name of the room here; "" is the one that the talk is of.
	Room string
}

func (e *NameTakenError) Error() string {
	where := "in this room"
	if e.Room != "" {
		where = "in room " + e.Room
	}
	if slices.Contains([]string{e.By.Name, e.By.Nick}, e.Nick) {
		return fmt.Sprintf("somebody else %s is called %s", where, e.By.Name)
	}
	return fmt.Sprintf("somebody else %s is called %s, and %s looks like that", where, e.By.Name, e.Nick)
}

// NameTaken returns who of some people has a nickname, or one that looks like it, and is not the person with a key; nil if nobody has.
func NameTaken(people []Person, nick string, own record.PublicKey) *Person {
	forms := record.Skeletons(nick)
	i := slices.IndexFunc(people, func(p Person) bool {
		return p.Key != own && p.Person != own && slices.ContainsFunc(p.Names, func(form string) bool { return slices.Contains(forms, form) })
	})
	if i < 0 {
		return nil
	}
	return &people[i]
}

// Tagged is how the author is called, with the tag, which the name may have already.
func (p *Person) Tagged() string {
	if tag := p.Key.Tag().Name(); !strings.Contains(p.Name, tag) {
		return p.Name + " (" + tag + ")"
	}
	return p.Name
}

// MaxText is the longest text of one message, in bytes of UTF-8: what one field holds once it is sealed. It
// is the size of a record's cell, so it cannot be changed by itself.
const MaxText = token.CellSize
