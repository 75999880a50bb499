package model

import (
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/record"
)

// Adopted tells what became of an outbox that another identity has signed.
type Adopted struct {
	// Anew is how many messages are signed with ours now, and Completed how many stay as they are, as something of them was
	// tried to be posted.
	Anew, Completed int
	// LeftOut is how many were claims about devices, which nobody but that identity could make.
	LeftOut int
	// Renumbered are messages of ours that were written before the room could be read, and stand behind those now.
	Renumbered []Renumbered
}

// Progress tells how far a delivery has come.
type Progress struct {
	// Posted of Total entries were accepted in this call.
	Posted, Total int
	// Entry is the number of the last one.
	Entry int64
}

// Delivered tells what a delivery has done.
type Delivered struct {
	// Posted is how many entries were accepted, and Last the number of the last one; both are 0 if there was nothing to
	// post, or another process has posted it.
	Posted int
	Last   int64
	// Tried is how many entries this delivery has handed to the relay, whatever came of it.
	Tried int
	// Renumbered are the messages that were signed anew, because another copy of this identity has used their numbers:
	// each is there once, with the number that it had before this delivery and the one that it has now.
	Renumbered []Renumbered
}

// Number returns the number that a message has after the delivery.
func (d *Delivered) Number(before uint32) uint32 {
	for _, r := range d.Renumbered {
		if r.Before == before {
			return r.Now
		}
	}
	return before
}

// State is how far an entry of the outbox, or a message of our own, has come.
type State uint8

// The states of an entry of the outbox, and of messages.
const (
	// StateQueued, of an entry: nobody but this device has had it, see StateRefused. Of a message: no entry of it has come further,
	// and perhaps the relay has refused some, see [Queued.Untried].
	StateQueued State = iota
	// StateTried: posting has begun, and may have succeeded.
	StateTried
	// StateAccepted: the relay has given it a number.
	StateAccepted
	// StateUnknown: it was posted and looked for, and nobody can say whether it is stored.
	StateUnknown

	// No entry is the following, but a message may be.

	// StateSeen: somebody has signed that they have seen it.
	StateSeen
	// StateDropped: it was taken back before anybody had tried to post it.
	StateDropped

	// StateRefused, of an entry: the relay has had it, and says that it has not stored it. So would one that lies: what was signed is
	// posted again as it is, and never signed anew. A message of which no entry has come further is [StateQueued].
	StateRefused

	// States is how many states there are.
	States
)

// String names the state.
func (s State) String() string {
	switch s {
	case StateQueued:
		return "queued"
	case StateTried:
		return "tried"
	case StateAccepted:
		return "accepted"
	case StateSeen:
		return "seen"
	case StateDropped:
		return "dropped"
	default:
		return "unknown"
	}
}

// Queued is a message in the outbox: one that was not yet read back from the relay.
type Queued struct {
	// Author is who has signed it: our identity, or one that signed here before; zero for a text. Name is how readers know
	// that one.
	Author record.PublicKey
	Name   string
	Number uint32
	Kind   record.Kind
	Since  time.Time
	// Entries is in how many entries it stands, and Accepted how many of them the relay has accepted.
	Entries, Accepted int
	// Sent is how far it has come as a whole, and Entry the number of its last entry once all are accepted.
	Sent  State
	Entry int64
	// Refused tells that the relay has refused an entry of it: so it has had it.
	Refused bool

	// At is where that stands.
	At record.Place
}

// Untried reports whether nobody but this device has had any of it.
func (q *Queued) Untried() bool { return q.Sent == StateQueued && !q.Refused }

// What names the message: "ana 3", or "text 3".
func (q *Queued) What() string { return OwnID{q.Author, q.Number}.called(q.Name) }

// OwnID names a message of our own by the identity that has signed it, zero for a text, and its number.
type OwnID struct {
	Author record.PublicKey
	Number uint32
}

func (id OwnID) called(name string) string {
	if id.Author.IsZero() {
		return fmt.Sprint("text ", id.Number)
	}
	return record.Numbers(name, id.Number, id.Number)
}

// OwnState says how far a message of our own has come, or who has seen it.
type OwnState struct {
	OwnID

	State State
	// At is where the relay has accepted the last of it, once it is [StateAccepted].
	At record.Place
	// By is who says to have seen it, with all that its author has written before it, where it is [StateSeen].
	By record.PublicKey
	// Was is the message that it was before it was signed anew, zero if it was not.
	Was OwnID

	// Name is how readers know its author, empty for a text, and SeenBy how who has seen it is called. No archive keeps them.
	Name, SeenBy string
}

// What names the message: "ana 3", or "text 3".
func (s *OwnState) What() string { return s.called(s.Name) }

// Text says it in words: "ana 3: accepted as entry 12", "ana 3 seen by bo".
func (s *OwnState) Text() string {
	switch s.State {
	case StateAccepted:
		return fmt.Sprintf("%s: accepted as entry %d", s.What(), s.At.Entry)
	case StateSeen:
		return s.What() + " seen by " + s.SeenBy
	case StateDropped:
		return s.What() + ": taken back"
	}
	if s.Was.Number > 0 && s.Was.Author == s.Author {
		return fmt.Sprintf("%s: %s, %s before", s.What(), s.State, s.Was.called(s.Name))
	}
	return s.What() + ": " + s.State.String()
}

// Renumbered is a message that was signed anew under another number.
type Renumbered struct{ Before, Now uint32 }
