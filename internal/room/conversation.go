package room

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Options tell what a [Conversation] is made of.
type Options struct {
	// Keys are the room's keys, newest first: the first seals, all open.
	Keys []fernet.Key
	// CurrentKeys returns the keys as they are now, for a room that may move to another key while it is open: they are asked
	// for when a reading begins, and inside the transaction that takes a number. Without it, Keys stay as they are.
	CurrentKeys func() ([]fernet.Key, error)
	Salt        record.Salt
	// Identity signs what is written here. Without one nothing but texts can be written.
	Identity record.Identity
	// Nick is the nickname in what is written; it may be empty.
	Nick string
	// Fields are the numbers of the fields that the room uses, in the order of writing. Reading looks at all fields.
	Fields []int
	// Pad fills the fields that an entry has left with tokens that say nothing, so that all entries look alike
	// (padding: entry).
	Pad bool
	// ArchiveSize is how many bytes the store may take; 0 is no limit. From then on it lets go of cells of no record.
	ArchiveSize int64
	// Texts tells that nobody signs here: the tokens of one entry are one message, and its status may be one of them.
	Texts bool
	// Wrapped makes tokens look as Python prints them.
	Wrapped bool
	// Used tells that the identity has written in this room before, as whoever keeps the identity remembers.
	Used bool
	// Brought is the last number that the identity had used here when it came from another device, and the hash of that record:
	// what is written goes on behind it, whatever the relay shows.
	Brought model.Brought
	// MaySign refuses to sign, where the identity may have gone elsewhere meanwhile: it is asked inside the transaction that takes a
	// number. nil allows it.
	MaySign func() error
	// Trying is called in each reading that leaves chains of parts untried, and returns what says after each call of
	// [record.Reader.Read] whether it goes on with them. nil goes on for 2.5 s.
	Trying func() func() bool
	// Lost tells whether a key is that of a device which was lost: it counts as not compared and as nobody's device, and what it
	// writes is marked. nil knows none.
	Lost func(record.PublicKey) bool
}

// Conversation is a room as it is read and written. What it learns is kept in a [Store], for which several
// processes may compete; one Conversation belongs to one goroutine.
type Conversation struct {
	store Store
	// posting are texts of our own that are posted without this room just now.
	posting map[record.Hash]bool
	o       Options
	own     record.PublicKey
	opener
	sealers []fernet.Ring // one a key
	// reader remembers cells that are pending, while the store has the version: what others change it would not notice.
	reader  *record.Reader
	version int64

	leftOut int // messages, by the last History

	// lost tells that the archive is, and lostNow that nobody was told so before.
	lost, lostNow bool

	// read means that this process has read the room, and newest is the newest entry that it knows of.
	read   bool
	newest record.Place
}

// Open returns the conversation that a store keeps. Where that is empty although the identity has written here before, nobody
// signs for now, see [Conversation.Lost]. The error wraps [model.ErrArchiveDamaged], or says which option is wrong.
func Open(store Store, o Options) (*Conversation, error) {
	c := &Conversation{store: store, o: o}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	c.reader = record.NewReader(o.Salt, c.own)
	if err := c.reread(); err != nil {
		return nil, fmt.Errorf("opening the room: %w", err)
	}
	if c.own.IsZero() {
		return c, nil
	}
	state, err := store.State()
	if err != nil {
		return nil, fmt.Errorf("opening the room: %w", err)
	}
	switch {
	case !state.Own.IsZero():
		return c, nil
	case o.Used:
		err = c.noteLost()
	default:
		err = c.claim()
	}
	if err != nil {
		return nil, fmt.Errorf("opening the room: %w", err)
	}
	return c, nil
}

// claim notes that our identity is the one that signs here, if none does yet.
func (c *Conversation) claim() error {
	return c.store.Transact(func() error {
		state, err := c.store.State()
		if err != nil || !state.Own.IsZero() {
			return err
		}
		state.Own = c.own
		return c.store.Apply(&kept.Change{State: &state, MarksGone: []string{lostMark}})
	})
}

// lostMark is the mark of a store that has begun empty although the identity had written in the room before.
const lostMark = "lost"

// noteLost lets nobody sign in a store that is lost. One that holds anything is not lost: it has forgotten whose it is.
func (c *Conversation) noteLost() error {
	err := c.store.Transact(func() error {
		_, noted, err := c.store.Mark(lostMark)
		if err != nil || noted {
			return err
		}
		end, err := c.store.End()
		if err == nil && end.Message == 0 && end.Event == 0 {
			err = c.store.Entries(kept.EntryQuery{Last: kept.Highest(), Limit: 1}, func(kept.Entry) error { return errNotEmpty })
		} else if err == nil {
			err = errNotEmpty
		}
		if err != nil {
			return err
		}
		c.lostNow = true
		return c.store.Apply(&kept.Change{Marks: []kept.Mark{{Name: lostMark}}})
	})
	c.lost, c.o.Identity, c.own = true, record.Identity{}, record.PublicKey{}
	c.reader = record.NewReader(c.o.Salt, c.own)
	return err
}

// errNotEmpty is the error of a store that holds something and has forgotten who signs in it.
var errNotEmpty = fmt.Errorf("%w: it holds what was read and not who writes here", model.ErrArchiveDamaged)

// Lost reports whether the store began empty although the identity had written in the room before: nobody knows which numbers
// that has used, so that it must sign no more, and the room is only read until [Conversation.Identify]. now tells that it
// was found out when the conversation was opened.
func (c *Conversation) Lost() (lost, now bool) { return c.lost, c.lostNow }

// Identify lets another identity sign in the place of one whose archive is lost.
func (c *Conversation) Identify(identity record.Identity) error {
	c.lost, c.o.Identity, c.own = false, identity, identity.Public()
	c.o.Used, c.o.Brought = false, model.Brought{}
	c.reader = record.NewReader(c.o.Salt, c.own)
	if err := c.claim(); err != nil {
		return fmt.Errorf("noting who signs in the room: %w", err)
	}
	return nil
}

// Own is the key of the identity that signs what is written here; the zero key without one.
func (c *Conversation) Own() record.PublicKey { return c.own }

// OwnName is how readers know us: the nickname, or the tag where there is none.
func (c *Conversation) OwnName() string {
	if c.o.Nick == "" {
		return c.own.Tag().Name()
	}
	return c.o.Nick
}

// OwnNumber writes one of our own numbers as readers see it: "ana 3", and "text 3" of a text, whose number only the outbox
// knows.
func (c *Conversation) OwnNumber(n uint32) string {
	if c.own.IsZero() {
		return fmt.Sprint("text ", n)
	}
	return record.Numbers(c.OwnName(), n, n)
}

// prepare checks the options.
func (c *Conversation) prepare() error {
	if err := c.useKeys(c.o.Keys); err != nil {
		return err
	}
	if !c.o.Identity.IsZero() {
		c.own = c.o.Identity.Public()
	}
	if len(c.o.Fields) == 0 {
		return errors.New("the room has no field to write to")
	}
	for i, n := range c.o.Fields {
		if n < 1 || n > thingspeak.FieldCount {
			return fmt.Errorf("field %d: a channel has the fields 1 to %d", n, thingspeak.FieldCount)
		}
		if slices.Contains(c.o.Fields[:i], n) {
			return fmt.Errorf("field %d is named twice", n)
		}
	}
	if c.o.Nick != "" {
		return record.CheckNickname(c.o.Nick)
	}
	return nil
}

// useKeys opens with these keys from now on, and seals with the first.
func (c *Conversation) useKeys(keys []fernet.Key) error {
	o, err := newOpener(keys)
	if err != nil {
		return err
	}
	sealers := make([]fernet.Ring, len(keys))
	for i, k := range keys {
		if sealers[i], err = fernet.NewRing(k); err != nil {
			return err
		}
	}
	c.opener, c.sealers = o, sealers
	return nil
}

// renewKeys takes the keys of this moment.
func (c *Conversation) renewKeys() error {
	if c.o.CurrentKeys == nil {
		return nil
	}
	keys, err := c.o.CurrentKeys()
	if err == nil {
		err = c.useKeys(keys)
	}
	if err != nil {
		return fmt.Errorf("taking the keys of the room: %w", err)
	}
	return nil
}

// maySign is asked inside each transaction that signs something.
func (c *Conversation) maySign() error {
	if c.o.MaySign == nil || c.own.IsZero() {
		return nil
	}
	return c.o.MaySign()
}

func newOpener(keys []fernet.Key) (o opener, err error) {
	if o.ring, err = fernet.NewRing(keys...); err != nil {
		return o, err
	}
	for _, k := range keys {
		o.ids = append(o.ids, record.KeyID(k.ID()))
	}
	return o, nil
}

// known is the store as the reader wants it.
func (c *Conversation) known() knowledge {
	return knowledge{Store: c.store, opener: &c.opener, lost: c.o.Lost}
}

// isLost reports whether a key is that of a device which was lost.
func (c *Conversation) isLost(key record.PublicKey) bool { return c.o.Lost != nil && c.o.Lost(key) }

// names tells how authors are called by what is known here.
func (c *Conversation) names() *record.Names { return record.NamesOf(c.known()) }

// transact is Transact of the store; if it fails, what the reader remembers is forgotten, since it may have taken for
// kept what is not.
func (c *Conversation) transact(work func() error) error { return c.forgetful(c.store.Transact(work)) }

// note is Note of the store, likewise.
func (c *Conversation) note(work func() error) error { return c.forgetful(c.store.Note(work)) }

func (c *Conversation) forgetful(err error) error {
	if err != nil {
		c.reader = record.NewReader(c.o.Salt, c.own)
	}
	return err
}

// hasKey reports whether the room has the key with an id.
func (o *opener) hasKey(id record.KeyID) bool { return slices.Contains(o.ids, id) }

// sortedIDs returns the ids of the keys as [kept.State] has them.
func (o *opener) sortedIDs() []record.KeyID {
	ids := slices.Clone(o.ids)
	slices.SortFunc(ids, func(a, b record.KeyID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}
