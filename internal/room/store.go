package room

import (
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Store is what a conversation asks of its archive. internal/archive has one. What is written within Transact is kept
// as a whole or not at all, and nothing of it is shown before; a single method outside is a transaction of its own.
type Store interface {
	// Transact runs work in a transaction that no other process is within.
	Transact(work func() error) error
	// Note is Transact for what can be read again. A power cut may lose it.
	Note(work func() error) error
	// Version is another number once somebody else has changed something.
	Version() (int64, error)
	// Reread runs work in a transaction if an older version has kept what is here: work is to learn it anew from the
	// entries.
	Reread(work func() error) error
	// Lock takes the lock that the one process holds which posts what is in the outbox.
	Lock(ctx context.Context) (unlock func(), err error)

	// Size is how many bytes of the disk are in use.
	Size() (int64, error)
	State() (kept.State, error)
	SetState(kept.State) error

	feedStore
	knowledgeStore
	messageStore
	outboxStore
}

// feedStore keeps one copy of each token that a key has opened, the one that stands lowest.
type feedStore interface {
	// Entries visits entries in order, NewestEntries at most limit from the last one back.
	Entries(first, last record.Place, visit func(kept.Entry) error) error
	NewestEntries(last record.Place, limit int, visit func(kept.Entry) error) error
	// PutEntry inserts or replaces; an entry without tokens is let go.
	PutEntry(kept.Entry) error
	// Unopened visits entries with tokens that no key has opened and that cannot be read again, PutUnopened is to them what
	// PutEntry is to others, and DropUnopened lets go of them all.
	Unopened(first record.Place, visit func(kept.Entry) error) error
	PutUnopened(kept.Entry) error
	DropUnopened() error
	// Span returns the lowest and the highest entry kept with this number of clears before it; zero if there is none.
	Span(clears uint32) (first, last record.Place, err error)
	// Ranges returns the ranges that are kept for a reason, in order, and SetRanges replaces them.
	Ranges(why int) ([]kept.Range, error)
	SetRanges(why int, all []kept.Range) error

	// ClaimMAC notes where an opened token stands, unless one with this MAC does already: then it returns where that is.
	ClaimMAC(mac [16]byte, at record.Place) (first record.Place, fresh bool, err error)
	MAC(mac [16]byte) (first record.Place, ok bool, err error)
	ForgetMAC(mac [16]byte) error
	MoveMAC(mac [16]byte, at record.Place) error
}

// knowledgeStore is [record.Known], except that it cannot open tokens.
type knowledgeStore interface {
	Author(record.PublicKey) (record.Author, bool, error)
	Tagged(record.Tag) ([]record.PublicKey, []record.Claim, error)
	Held(author record.PublicKey, first, last uint32) ([]record.Held, error)
	Lines(author record.PublicKey, from, to record.Spot) ([]record.Held, error)
	Pinned(form string) (record.PublicKey, bool, error)
	Devices(key record.PublicKey) ([]record.DeviceClaim, error)
	Told(record.FindingID) (last uint32, told bool, err error)
	Groups(tag record.Tag, first, last uint32) ([]record.Group, error)
	Untried() ([]record.GroupID, error)
	Pending(record.GroupID) ([]record.Spot, error)
	// DropIfEmpty lets go of a group of which no cell is pending, and DropFindings of findings about cells of no record:
	// of those that came before the newest events, as many as keep says.
	DropIfEmpty(record.GroupID) error
	DropFindings(keep int) error
	Arriving(tag record.Tag, above uint32, limit int) ([]record.Group, error)
	Waiting() (record.Waiting, error)
	Lacking() (authors []record.PublicKey, tags []record.Tag, err error)
	// Apply keeps a change. Of the records held it only moves those that are there: see AddMessage.
	Apply(*record.Change) error

	// Unnamed returns authors whom our own records are to name next, Witnesses those who named one of ours.
	Unnamed(own record.PublicKey, limit int) ([]record.Author, error)
	Witnesses() ([]record.Author, error)
	Authors() ([]kept.Author, error)
	SetVerified(author record.PublicKey, at time.Time) error
	Forget(author record.PublicKey, at time.Time) (forms []string, err error)
}

// messageStore keeps which messages there are, and in what order they came.
type messageStore interface {
	AddMessage(kept.Message) error
	MoveText(from, to record.Spot) error
	// FirstMove and Moves look at the moves that are sealed with a key.
	AddMove(kept.Move) error
	FirstMove(sealed, named record.KeyID) (record.Spot, bool, error)
	Moves(sealed record.KeyID, except []record.KeyID, since int64, limit int) ([]kept.Move, error)
	// MessagesSince goes by arrival, the two others by the order of lines: place, field, author, number, hash.
	MessagesSince(id int64, limit int) ([]kept.Message, error)
	MessagesFrom(from record.Held, limit int) ([]kept.Message, error)
	NewestMessages(until int64, n int, leftOut record.Kind) ([]kept.Message, error)
	// SetShown notes that a record that is held was shown, and LastShown returns the one of those that stands highest.
	SetShown(author record.PublicKey, number uint32, hash record.Hash) error
	LastShown() (record.Held, bool, error)
	Records(visit func(record.Held) error) error
	Events(since int64, limit int) ([]kept.Event, error)
	LastMessage() (int64, error)
	LastEvent() (int64, error)
	// Mark and SetMark remember how far somebody has looked.
	Mark(name string) (message, event int64, ok bool, err error)
	SetMark(name string, message, event int64) error
}

// outboxStore keeps what is to be posted.
type outboxStore interface {
	// OpenPosts returns the first that were not accepted, TriedPosts those of them that may be stored.
	OpenPosts(limit int) ([]kept.Post, error)
	TriedPosts() ([]kept.Post, error)
	LastPost() (kept.Post, bool, error)
	Posts(first, last int64) ([]kept.Post, error)
	PutPost(kept.Post) error
	// Undated returns the numbers of those that were not accepted and have no date.
	Undated() ([]int64, error)
	DatePost(seq int64, at time.Time) error
	// SettlePost does nothing if the post is not there any more.
	SettlePost(seq int64, state kept.Sent, at record.Place) error
	DeletePosts(first int64) error
	Progress(first, last int64) (states [4]int, err error)
	// Own returns the records of one of our identities with numbers from first to last that were not read back, in order;
	// Outbox those of all, in the order of their posts, and Signers whose they are.
	Own(author record.PublicKey, first, last uint32) ([]kept.Own, error)
	Outbox() ([]kept.Own, error)
	Signers() ([]record.PublicKey, error)
	PutOwn(kept.Own) error
	DeleteOwn(kept.Own) error
}

// Poster is what a conversation asks of a relay. Whoever implements it waits for the channel's interval and tells the
// user so.
type Poster interface {
	// Post posts an entry and returns its number. after is the newest entry number known before it was first tried. An
	// error that is [exchange.ErrNotStored] means that it certainly was not stored; [exchange.ErrUnknownOutcome], that nobody can say; after any
	// other the entry is looked for before it is posted again.
	Post(ctx context.Context, fields thingspeak.Fields, after int64) (entry int64, err error)
	// Find looks among the entries after a number for those with the whole text of some fields, and returns their numbers, 0
	// for those that are not there. What the relay has promised just now it may take a while to show.
	Find(ctx context.Context, fields []thingspeak.Fields, after int64, promised bool) (entries []int64, err error)
}

// BulkPoster is a [Poster] that can post many entries in one request.
type BulkPoster interface {
	Poster
	// PostBulk posts at most [exchange.MaxBulkRows] entries under the dates in CreatedAt. Success is no more than a promise. The
	// errors are those of Post, [ErrNoBulk] and [*TooManyError].
	PostBulk(ctx context.Context, entries []thingspeak.Entry) error
}

// knowledge is a store as [record.Reader] wants it: with the cells opened again.
type knowledge struct {
	Store
	opener *opener
	// moved tells where the tokens stand now that stood elsewhere when the reader was called last.
	moved map[record.Spot]record.Spot
}

var _ record.Known = knowledge{}

// Cells implements [record.Known].
func (k knowledge) Cells(spots []record.Spot) ([]record.Cell, error) {
	now, before := make([]record.Spot, len(spots)), make(map[record.Spot]record.Spot, len(spots))
	for i, s := range spots {
		now[i] = s
		if to, ok := k.moved[s]; ok {
			now[i] = to
		}
		before[now[i]] = s
	}
	pages, err := k.opener.fetch(k.Store, now)
	if err != nil {
		return nil, err
	}
	var cells []record.Cell
	for i := range pages {
		for c := range pages[i].cells(k.opener) {
			c.Spot = before[c.Spot]
			cells = append(cells, c)
		}
	}
	return cells, nil
}
