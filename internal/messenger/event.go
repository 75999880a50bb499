package messenger

import (
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// Event is what happens to a room while it is worked with, and what a face may tell about it. It is one of the types of
// this package that have a method event: those of a [Stream] stand beside it, the others here.
type Event interface{ event() }

// Renamed says that the room was renamed by another process, and goes on.
type Renamed struct{ Before, Now string }

// ArchiveLost says that the archive of the room is gone, so that it is written with a new identity: Now, or one that is made
// when something is written, and Now is zero.
type ArchiveLost struct {
	Room string
	Now  record.PublicKey
}

// ArchiveBack says that an archive that was lost is there again, and that the identity signs which has signed in it.
type ArchiveBack struct {
	Room string
	Now  record.PublicKey
}

// IdentityChanged says that another identity signs in the room than before, and what became of what waited.
type IdentityChanged struct {
	Room        string
	Before, Now record.PublicKey
	// Name is how readers know the new one.
	Name string
	// Nameless tells that the new one has no nickname.
	Nameless bool
	model.Adopted
}

// Moved warns that others have moved the room to a key that is not here, the one that counts most first; what is
// written is sealed with the old key.
type Moved struct {
	Room string
	By   []model.Moved
}

// ArchiveFull says that a reading has stopped because the archive is full. Writing goes on.
type ArchiveFull struct{ *model.FullError }

// StoppedReading says that a reading before writing did not come to the feed's end.
type StoppedReading struct{ exchange.Stop }

// AlreadyQueued says that what is to be sent is in the outbox already, from a transfer that was interrupted.
type AlreadyQueued struct{ model.Queued }

// NothingToWithdraw says that neither side has claimed a device that is withdrawn: it takes back, for good, what may
// have been consented to.
type NothingToWithdraw struct{ Device record.PublicKey }

// Estimated says what is about to be posted: so many entries of the new message, 0 for none, and so many that wait.
type Estimated struct {
	Entries, Waiting int
	All              exchange.Estimate
}

// Delivering says that posting begins. Of the entries of the messages so many were accepted before, where a transfer
// goes on that was interrupted.
type Delivering struct {
	Entries, Before int
	// All is what was estimated, zero for a single entry.
	All exchange.Estimate
}

// Accepted says that the relay has accepted entries, and how long the others take, as far as that was estimated.
type Accepted struct {
	model.Progress

	Left time.Duration
}

// ReadSoFar says how far a reading has come that takes a while: so many entries of those that the relay has named came,
// and the others take so long; 0 if nobody knows.
type ReadSoFar struct {
	Done, Of int64
	Left     time.Duration
}

// Waits says that posting waits, why and how long.
type Waits struct{ exchange.Wait }

// OneByOne says that the relay takes no bulk calls, so that the rest of a transfer takes longer than was said.
type OneByOne struct{ Rest exchange.Estimate }

// Delivered says that posting has ended, as far as it came. Name is that of who has written the messages.
type Delivered struct {
	Name string
	model.Delivered
}

func (Renamed) event()           {}
func (ArchiveLost) event()       {}
func (ArchiveBack) event()       {}
func (IdentityChanged) event()   {}
func (Moved) event()             {}
func (ArchiveFull) event()       {}
func (StoppedReading) event()    {}
func (AlreadyQueued) event()     {}
func (NothingToWithdraw) event() {}
func (Estimated) event()         {}
func (Delivering) event()        {}
func (Accepted) event()          {}
func (Waits) event()             {}
func (OneByOne) event()          {}
func (ReadSoFar) event()         {}
func (Delivered) event()         {}
