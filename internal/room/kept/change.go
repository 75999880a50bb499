package kept

import (
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// Change is what a store is to write in one step. The zero Change writes nothing. Of each kind of row, what goes goes
// before what comes; what comes replaces the row that is there.
type Change struct {
	State *State
	// Learnt is what a reader has learnt. Of the records held it only moves those that are there: new ones are Messages.
	Learnt *record.Change
	// Compared are keys that the user has compared with their owners, and Forgotten those that are to have no name: what is
	// pinned to them goes, and that they were compared is forgotten, too. Their authors must be known.
	Compared, Forgotten []KeyDate
	// Emptied are groups that go if no cell of theirs is pending.
	Emptied []record.GroupID
	// EventsGone are IDs of events, and ToldGone findings that were told and may be told anew, without an event that says so.
	EventsGone []int64
	ToldGone   []record.FindingID

	// Entries without tokens are let go of. Unopened are entries with tokens that no key has opened and that cannot be read
	// again; UnopenedGone lets go of all of those.
	Entries, Unopened []Entry
	UnopenedGone      bool
	// Ranges are all of those that are kept for a reason.
	Ranges map[int][]Range
	// MACs tell where tokens stand that a key has opened.
	MACs     []MAC
	MACsGone [][16]byte

	// Messages are inserted, in the order of their arrival: each gets a higher ID than all before. Their authors must be
	// known. Moves are what some messages say, which must be there.
	Messages []Message
	Moves    []Move
	// TextsMoved are unsigned tokens that stand elsewhere now, or of which is known now that they are our own.
	TextsMoved []TextMove

	// PostsFrom, if it is not 0, lets go of the posts from that one on; OwnGone goes with the posts in which no other record
	// stands.
	PostsFrom int64
	Posts     []Post
	// Dated gives posts their dates, and Settled says how far they have come, if they are still there.
	Dated   []PostDate
	Settled []Settled
	OwnGone []Own
	Own     []Own
	// States become events, behind those of what was learnt. Each takes the place of the one before it of the same message, unless
	// that says what the message was; and one of who has seen what of an author's, of the one before it of the same two.
	States []model.OwnState

	// Once are messages of our own that are to be written once. Where States say what a message was, what is known here of that one
	// is of the message itself from then on. Those are forgotten that States say were dropped, and those from before OnceFrom, unless
	// that is zero.
	Once     []Once
	OnceFrom time.Time

	Marks     []Mark
	MarksGone []string
}

// KeyDate is when the user has said something of a key.
type KeyDate struct {
	Key record.PublicKey
	At  time.Time
}

// MAC is the first half of the MAC of a token, and where that stands first.
type MAC struct {
	MAC [16]byte
	At  record.Place
}

// TextMove is from where to where an unsigned token has moved. Own is our number of it, 0 for as before.
type TextMove struct {
	From, To record.Spot
	Own      uint32
}

// PostDate is the date that a [Post] is given.
type PostDate struct {
	Seq int64
	At  time.Time
}

// Settled is how far a [Post] has come, and where it was accepted.
type Settled struct {
	Seq   int64
	State model.State
	At    record.Place
}

// Mark is how far somebody has looked, by name: the ID of a message, and of an event.
type Mark struct {
	Name           string
	Message, Event int64
}
