package relay

import (
	"cmp"
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Store keeps accounts, channels and entries. It makes no decision of its own: what an update becomes is up to [Decide].
// Package storetest holds the suite that an engine has to pass. All methods may be called from several goroutines;
// refusals are this package's errors, and everything that is the engine's own trouble wraps [ErrUnavailable].
type Store interface {
	// Commit takes updates in order of arrival. In one transaction it locks their channels in order of number, calls
	// Decide with their states and the store's clock, and writes what was accepted. When it returns without error
	// that is on disk, and decisions[i] tells of updates[i]; with an error none of it is there, as far as is known.
	Commit(ctx context.Context, updates []Update) (decisions []Decision, err error)
	// Writer returns the channel that a write key opens, or ErrNotFound.
	Writer(ctx context.Context, key string) (channel int64, err error)

	// Position returns where a channel stands, or ErrNotFound. It is asked for at each read, so it has to be cheap.
	Position(ctx context.Context, channel int64) (Position, error)
	// Channel returns a channel with its keys, and its state of the same moment, or ErrNotFound.
	Channel(ctx context.Context, channel int64) (*Channel, State, error)
	// Entries calls visit for the entries first to last of a generation, in order of number. The entry is valid
	// during the call only. Numbers that are not there are left out.
	Entries(ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error) error
	// EntriesByTime does the same for the entries of an unordered stretch (State.Unordered), the newest first, ties
	// by number, and stops after limit.
	EntriesByTime(ctx context.Context, s Stretch, limit int, visit func(*thingspeak.Entry) error) error

	// BulkCalls returns which of the entries first to last of a generation came by bulk calls, in order of number. A call
	// that is so only in part is told whole.
	BulkCalls(ctx context.Context, generation, first, last int64) ([]Span, error)

	// Subscribe returns a channel that gets a value whenever there may be something new in a channel of the relay: an entry,
	// a clear, other settings, its end. It holds one value, so that none is missed between two looks, and nobody closes it;
	// end ends the subscription. It only wakes, and not when another process has written to the same data without a word:
	// whoever has subscribed reads by number, and looks without being woken every few seconds.
	Subscribe(channel int64) (woken <-chan struct{}, end func())

	// CreateChannel adds a channel; ErrTaken when its number or a key is in use. It fails with ErrFull when the
	// owner has limit channels already; 0 is no limit.
	CreateChannel(ctx context.Context, c *Channel, limit int) error
	// ChangeChannel lets change alter a channel's settings and keys, and keeps the result. An error of change ends it
	// without effect and is returned as it is.
	ChangeChannel(ctx context.Context, channel int64, change func(*Channel) error) error
	// ClearChannel gives the channel a new generation without entries.
	ClearChannel(ctx context.Context, channel int64) error
	// DeleteChannel removes a channel with its keys and entries.
	DeleteChannel(ctx context.Context, channel int64) error
	// Channels returns an account's channels in order of number, with LastEntryID set.
	Channels(ctx context.Context, owner int64) ([]*Channel, error)
	// PublicChannels returns a page of a listing in order of number, with LastEntryID set, and how many channels are on
	// all its pages.
	PublicChannels(ctx context.Context, l Listing) (page []*Channel, total int, err error)

	// CreateAccount adds an account and sets its ID; ErrTaken when the name or the key is in use.
	CreateAccount(ctx context.Context, a *Account) error
	// AccountByKey returns the account that a user key opens, or ErrNotFound.
	AccountByKey(ctx context.Context, key string) (Account, error)
	// Accounts returns all accounts in order of ID. A new store has one: LocalAccount.
	Accounts(ctx context.Context) ([]Account, error)

	// CreateDevice adds a device; ErrTaken when its ID is in use, or a channel that it has a right to is not there.
	CreateDevice(ctx context.Context, d *Device) error
	// ChangeDevice lets change alter a device's password and rights, and keeps the result. Errors are ErrNotFound, those of
	// CreateDevice, and that of change, which ends it without effect.
	ChangeDevice(ctx context.Context, id string, change func(*Device) error) error
	// RemoveDevice removes a device, or fails with ErrNotFound.
	RemoveDevice(ctx context.Context, id string) error
	// Device returns a device, or ErrNotFound. With a channel go all rights to it.
	Device(ctx context.Context, id string) (*Device, error)
	// Devices returns all devices in order of ID.
	Devices(ctx context.Context) ([]*Device, error)

	// Close ends the store. It waits for what is under way.
	Close() error
}

// LocalAccount is the name of the account with ID 1, which every store has from the start. It belongs to whoever runs
// the relay, and owns the channels that are made without a user key.
const LocalAccount = "local"

// LocalAccountID is the ID of LocalAccount.
const LocalAccountID = 1

// Account owns channels.
type Account struct {
	ID   int64
	Name string
	// Key is the user key: it makes, lists, changes, clears and deletes the account's channels.
	Key       string
	CreatedAt time.Time
}

// Channel is a channel's settings and keys. What a Relay hands out is shared: do not change it.
type Channel struct {
	// Channel has its Keys filled, the one write key first. LastEntryID is not kept here: see State.
	thingspeak.Channel
	// Owner is the ID of an account.
	Owner int64
}

// Position tells whether what is known of a channel is still all there is to know: while it is the same, so are the
// channel, its state and its entries.
type Position struct {
	// Settings is another number after each change of settings or keys.
	Settings int64
	// Generation names the feed: no two channels share one, and a clear begins a new, higher one.
	Generation int64
	// Last is the newest entry's number, 0 in an empty feed. The numbers 1 to Last are all there.
	Last int64
	// Continues is the name of the feed for whoever reads on by number, where a store has a generation for each moment of
	// it, as one has that cheats; 0 otherwise. See Feed.
	Continues int64
}

// Feed names the feed for whoever reads on by number: as long as it is the same, what comes next has the next number.
func (p Position) Feed() int64 { return cmp.Or(p.Continues, p.Generation) }

// State is what writing changes about a channel, and what reading has to know first.
type State struct {
	// Channel is the channel's number.
	Channel int64
	// WriteKey is the key that writes it.
	WriteKey string
	Position
	// LastOf holds, per field, the number of the newest entry where that field is not null; 0 for none.
	LastOf [thingspeak.FieldCount]int64
	// Newest is the latest CreatedAt of all entries, zero in an empty feed.
	Newest time.Time
	// Unordered is the number of the first entry that is older than one before it; 0 while there is none. Entries
	// before it stand in order of time; those from it on are found by EntriesByTime.
	Unordered int64
	// Back is the number of the last entry that is older than the one right before it, or that of a later one; 0 while
	// there is none. From it on entries stand in order of time again.
	Back int64
	// LastDate is the CreatedAt of the newest entry by number, zero in an empty feed.
	LastDate time.Time
	// LastUpdate and LastBulk are when an update and a bulk call were last accepted, in milliseconds, by the store's
	// clock.
	LastUpdate, LastBulk time.Time
}

// Cleared returns the state of the channel without entries, in a new generation. Clearing does not end the interval.
func (s State) Cleared(generation int64) State {
	return State{
		Channel:    s.Channel,
		WriteKey:   s.WriteKey,
		Position:   Position{Settings: s.Settings, Generation: generation},
		LastUpdate: s.LastUpdate,
		LastBulk:   s.LastBulk,
	}
}

// Kept returns what a store keeps of Back and LastDate, for Restore: Back, the date in seconds since 1970, and of which
// moment they are. In a feed in order of time they follow from the rest, and all three are 0.
func (s *State) Kept() (back, date, moment int64) {
	if s.Unordered == 0 {
		return 0, 0, 0
	}
	return s.Back, s.LastDate.Unix(), s.moment()
}

// Restore sets Back and LastDate of a state that is read from a store. A program of an earlier version, which knows nothing
// of them, may have written to the same store since they were kept, so they count only if it is still that moment.
func (s *State) Restore(back, date, moment int64) {
	switch {
	case s.Unordered == 0:
		s.Back, s.LastDate = 0, s.Newest
	case moment == s.moment():
		s.Back, s.LastDate = back, time.Unix(date, 0).UTC()
	default:
		// One entry is in order by itself. The next one goes for older unless it is the latest of all.
		s.Back, s.LastDate = s.Last, s.Newest
	}
}

// moment names the generation and the newest entry in one number.
func (s *State) moment() int64 {
	const lastBits = 32
	return s.Generation<<lastBits | s.Last
}

// Stretch is a part of an unordered feed.
type Stretch struct {
	Generation int64
	// First and Last are the lowest and highest entry number; First is at least State.Unordered.
	First, Last int64
	// Start and End are inclusive; zero is open.
	Start, End time.Time
}

// Holds reports whether a time is inside the stretch.
func (s *Stretch) Holds(t time.Time) bool {
	return (s.Start.IsZero() || !t.Before(s.Start)) && (s.End.IsZero() || !t.After(s.End))
}

// Seconds returns the bounds of time in seconds since 1970, both inclusive, as entries have whole ones.
func (s *Stretch) Seconds() (start, end int64) {
	start, end = -1<<62, 1<<62
	if !s.Start.IsZero() {
		start = secondsUp(s.Start)
	}
	if !s.End.IsZero() {
		end = s.End.Unix()
	}
	return start, end
}

// secondsUp rounds a time up to seconds.
func secondsUp(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}
