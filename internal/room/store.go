package room

import (
	"context"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// Store is what a conversation asks of its archive. internal/archive has one on disk, and room/memory one in memory;
// room/roomtest is what both promise. What is applied within Transact is kept as a whole or not at all, and nothing of it
// is shown before; outside, each Apply is a transaction of its own.
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
	// Apply writes a change.
	Apply(*kept.Change) error

	State() (kept.State, error)
	// Entries visits entries with tokens that a key has opened: one copy of each token is kept, the one that stands lowest.
	Entries(q kept.EntryQuery, visit func(kept.Entry) error) error
	// Ranges returns the ranges that are kept for a reason, in order.
	Ranges(why int) ([]kept.Range, error)
	// MACs tells of some tokens where they stand; those that are not kept are not in the answer.
	MACs(macs [][16]byte) (map[[16]byte]record.Place, error)

	record.Knowledge

	// Messages, Moves and Events return what came in the order in which it came, unless a query says otherwise: of the
	// moves those that are sealed with a key, and of the events at most limit with IDs above one.
	Messages(kept.MessageQuery) ([]kept.Message, error)
	Moves(sealed record.KeyID) ([]kept.Move, error)
	Events(after int64, limit int) ([]kept.Event, error)
	// End is the mark behind all messages and events, and Mark one that was set; ok tells whether it was.
	End() (kept.Mark, error)
	Mark(name string) (m kept.Mark, ok bool, err error)
	// Marks returns those of which the name begins with a prefix, by name.
	Marks(prefix string) ([]kept.Mark, error)

	Posts(kept.PostQuery) ([]kept.Post, error)
	// Progress counts the posts from first to last by their states.
	Progress(first, last int64) (states [model.States]int, err error)
	// Own returns records of our own that were not read back.
	Own(kept.OwnQuery) ([]kept.Own, error)
	// Once returns the message that is to be written once under a name; ok tells whether one was written.
	Once(name [32]byte) (o kept.Once, ok bool, err error)
}

// knowledge is a store as [record.Reader] wants it: with the cells opened again.
type knowledge struct {
	Store
	opener *opener
	// moved tells where the tokens stand now that stood elsewhere when the reader was called last.
	moved map[record.Spot]record.Spot
	// lost is that of [Options].
	lost func(record.PublicKey) bool
}

// Devices implements [record.Known]. Nobody calls a lost device theirs, nor does it anybody, whatever was kept of that.
func (k knowledge) Devices(key record.PublicKey) ([]record.DeviceClaim, error) {
	claims, err := k.Store.Devices(key)
	for i := range claims {
		c := &claims[i]
		c.Claims = c.Claims && (k.lost == nil || !k.lost(c.Author) && !k.lost(c.Device))
	}
	return claims, err
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
