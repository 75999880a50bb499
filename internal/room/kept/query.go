package kept

import (
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// EntryQuery asks for entries, in their order.
type EntryQuery struct {
	// First and Last are from where to where they stand; see [Highest].
	First, Last record.Place
	// Limit, unless it is 0, is how many are asked for: the first or, with Newest, the last ones, from the last one back.
	Limit  int
	Newest bool
	// Unopened asks for those with tokens that no key has opened and that cannot be read again, instead of the others.
	Unopened bool
}

// MessageQuery asks for messages in the order of their arrival or, with From or Newest, in that of their lines: place,
// field, author, number, hash.
type MessageQuery struct {
	// After is the ID above which theirs are and Until, unless it is 0, up to which.
	After, Until int64
	// From is the line from which on they are.
	From *record.Held
	// Newest asks for those that stand highest, the highest first.
	Newest bool
	// Signed leaves out tokens that nobody has signed, and Said heartbeats; only for the newest.
	Signed, Said bool
	// Limit is how many are asked for.
	Limit int
}

// PostQuery asks for entries of the outbox, in order.
type PostQuery struct {
	// First and Last are from which to which they are asked for. Without Last they go to the end.
	First, Last int64
	// Only leaves out others.
	Only PostState
	// Limit, unless it is 0, is how many are asked for: the first or, with Newest, the last ones, from the last one back.
	Limit  int
	Newest bool
}

// PostState is a question about a [Post].
type PostState uint8

const (
	// AnyPost asks for all.
	AnyPost PostState = iota
	// OpenPost asks for those that were not accepted, TriedPost for those of them that may be stored, and UndatedPost for
	// those that have no date.
	OpenPost
	TriedPost
	UndatedPost
)

// Is reports whether a post is asked for.
func (s PostState) Is(p *Post) bool {
	switch s {
	case OpenPost:
		return p.State != model.StateAccepted
	case TriedPost:
		return p.State == model.StateTried || p.State == model.StateUnknown
	case UndatedPost:
		return p.State != model.StateAccepted && p.Dated.IsZero()
	default:
		return true
	}
}

// OwnQuery asks for records of our own: for those of an author with numbers from First to Last, in order, or without an
// author for all, in the order of their posts.
type OwnQuery struct {
	Author      record.PublicKey
	First, Last uint32
	// FirstPost and LastPost, unless they are 0, leave out those that do not stand in posts between; only without an author.
	FirstPost, LastPost int64
}
