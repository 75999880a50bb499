package cli

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// conversation is a room of signed records, opened: its keys, its archive and its relay.
type conversation struct {
	*room.Conversation
	*app

	room    keyring.Room
	client  *remote.Client
	archive *archive.Room
	noWait  bool // fail where posting would wait
}

// isSigned reports whether the members of a room sign what they write.
func isSigned(r keyring.Room) (bool, error) {
	p, err := passphrase.ParseProfile(r.Profile)
	if err != nil {
		return false, fmt.Errorf("room %s: %w", r.Name, err)
	}
	return p.Form == passphrase.FormRecords, nil
}

// openConversation opens a room of records. Whoever has written nothing in it yet gets an identity here.
func (a *app) openConversation(r keyring.Room) (*conversation, error) {
	keys, err := fernetKeys(r)
	if err != nil {
		return nil, err
	}
	identity, nick, err := a.identityFor(r)
	if err != nil {
		return nil, err
	}
	dir, err := a.dataDir("archive")
	if err != nil {
		return nil, err
	}
	client, err := a.dial(r)
	if err != nil {
		return nil, err
	}
	c := &conversation{app: a, room: r, client: client}
	if c.archive, err = archive.OpenRoom(dir, r.Name); err != nil {
		client.Close()
		return nil, err
	}
	options := room.Options{
		Keys: keys, Salt: record.Salt(passphrase.RoomSalt(r.Channel)), Identity: identity, Nick: nick, Fields: r.Fields,
		Pad: r.Pad, Used: r.Wrote,
	}
	c.Conversation, err = room.Open(c.archive, options)
	if errors.Is(err, room.ErrLostArchive) {
		if options.Identity, err = a.replaceIdentity(&c.room); err == nil {
			options.Used = false
			c.Conversation, err = room.Open(c.archive, options)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("room %s: %w", r.Name, err), c.close())
	}
	return c, nil
}

func (c *conversation) close() error {
	c.client.Close()
	return c.archive.Close()
}

// fernetKeys returns a room's keys, newest first.
func fernetKeys(r keyring.Room) ([]fernet.Key, error) {
	keys := make([]fernet.Key, len(r.Keys))
	for i, text := range r.Keys {
		key, err := fernet.ParseKey(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("room %s: key %d: %w", r.Name, i+1, err)
		}
		keys[i] = key
	}
	return keys, nil
}

// identityFor returns who signs in a room: the room's own identity where it has one, otherwise the device's, which is
// made when it is needed first.
func (a *app) identityFor(r keyring.Room) (record.Identity, string, error) {
	keys, err := a.openKeyring()
	if err != nil {
		return record.Identity{}, "", err
	}
	defer keys.Close()
	kept, err := keys.Identity()
	if errors.Is(err, keyring.ErrNoIdentity) {
		seed := record.GenerateIdentity().RevealSeed()
		kept = keyring.Identity{Seed: keyring.Secret(hex.EncodeToString(seed[:]))}
		err = keys.SaveIdentity(kept)
	}
	if err != nil {
		return record.Identity{}, "", err
	}
	seed := kept.Seed
	if r.Identity != "" {
		seed = r.Identity
	}
	identity, err := parseSeed(seed)
	return identity, kept.Nickname, err
}

func parseSeed(s keyring.Secret) (record.Identity, error) {
	var seed [record.KeySize]byte
	if n, err := hex.Decode(seed[:], []byte(s.Reveal())); err != nil || n != len(seed) || len(s) != hex.EncodedLen(n) {
		return record.Identity{}, errors.New("the identity's file is damaged")
	}
	return record.NewIdentity(seed), nil
}

// replaceIdentity gives a room whose archive is lost an identity of its own: nobody knows which numbers the old one has
// used, and to use one twice would look like a forgery to everybody.
func (a *app) replaceIdentity(r *keyring.Room) (record.Identity, error) {
	keys, err := a.openKeyring()
	if err != nil {
		return record.Identity{}, err
	}
	defer keys.Close()
	identity := record.GenerateIdentity()
	seed := identity.RevealSeed()
	r.Identity, r.Wrote = keyring.Secret(hex.EncodeToString(seed[:])), false
	if err := keys.Save(*r); err != nil {
		return record.Identity{}, err
	}
	a.say("%s", a.style.warn(fmt.Sprintf("the archive of room %s is lost: you write with a new identity from now on (key %s); tell the others",
		r.Name, identity.Public().Tag())))
	return identity, nil
}

// noteWriting remembers in the keyring that the identity has written in this room.
func (c *conversation) noteWriting() error {
	if c.room.Wrote {
		return nil
	}
	keys, err := c.openKeyring()
	if err != nil {
		return err
	}
	defer keys.Close()
	c.room.Wrote = true
	return keys.Save(c.room)
}

// feedPosition is what a conversation keeps of its feed between readings.
type feedPosition struct {
	remote.Position

	// FromStart tells that the reading began with the channel's first entry.
	FromStart bool `json:"from_start"`
}

// read reads what is new in the channel and keeps it. Beside an error of the relay the arrivals up to it are good.
func (c *conversation) read(ctx context.Context) (room.Arrivals, error) {
	const tries = 3
	for i := 1; ; i++ {
		arrivals, err := c.readOnce(ctx)
		if i == tries || !errors.Is(err, room.ErrReadElsewhere) {
			return arrivals, err
		}
	}
}

// keepArrived is how many messages of one reading are handed out at once; the archive has all of them.
const keepArrived = 1000

func (c *conversation) readOnce(ctx context.Context) (room.Arrivals, error) {
	in, err := c.Receive(keepArrived)
	if err != nil {
		return room.Arrivals{}, err
	}
	at := feedPosition{FromStart: true}
	if b := in.Position(); len(b) > 0 {
		if err := json.Unmarshal(b, &at); err != nil {
			_, ferr := in.Finish(room.Facts{View: unread(), Now: time.Now()})
			return room.Arrivals{}, errors.Join(fmt.Errorf("the archive's position is damaged: %w", err), ferr)
		}
	}
	// What belongs to a cleared channel is to be told apart before it is handed on, so entries wait here.
	var entries []thingspeak.Entry
	news, readErr := c.client.Since(ctx, at.Position, func(e *thingspeak.Entry) error {
		entries = append(entries, *e)
		return nil
	})
	if news.Cleared {
		if err := in.Cleared(); err != nil {
			return room.Arrivals{}, err
		}
	}
	for i := range entries {
		if in.Add(&entries[i]) != nil {
			break // Finish returns the error
		}
	}
	at.Position = news.Position
	position, err := json.Marshal(at)
	if err != nil {
		return room.Arrivals{}, err
	}
	facts := room.Facts{
		View: record.View{FromStart: at.FromStart}, Position: position, LastID: news.LastID,
		Rewritten: news.Rewritten, Now: time.Now(),
	}
	for _, w := range append(news.Position.Waiting, news.Lost...) {
		facts.View.Holes = append(facts.View.Holes, record.Hole{First: w.First, Last: w.Last, Asked: w.Asked})
	}
	if readErr != nil {
		facts.View = unread()
	}
	arrivals, err := in.Finish(facts)
	return arrivals, errors.Join(readErr, err)
}

// unread is the view of somebody who has not read the feed to its end: nothing is concluded from what is lacking.
func unread() record.View {
	return record.View{Holes: []record.Hole{{First: 1, Last: 1<<53 - 1}}}
}

// poster posts for a conversation, and tells the user of waits.
type poster struct{ c *conversation }

func (p poster) Post(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	post := func() (int64, error) { return p.c.client.Post(ctx, fields, after, p.c.showWait) }
	if p.c.noWait {
		post = func() (int64, error) { return p.postOnce(ctx, fields) }
	}
	entry, err := post()
	if err == nil {
		return entry, nil
	}
	if errors.Is(err, remote.ErrUnknownOutcome) {
		return 0, outcomeError{err, room.ErrUnknown}
	}
	_, refused := errors.AsType[*remote.RefusedError](err)
	if e, ok := errors.AsType[*remote.UnreachableError](err); refused || ok && !e.Sent {
		return 0, outcomeError{err, room.ErrNotStored}
	}
	return 0, err
}

// outcomeError is an error of the relay that tells the room what became of an entry.
type outcomeError struct {
	error
	outcome error
}

func (e outcomeError) Is(target error) bool { return target == e.outcome }
func (e outcomeError) Unwrap() error        { return e.error }

func (p poster) Find(ctx context.Context, fields thingspeak.Fields, after int64) (int64, error) {
	return p.c.client.Find(ctx, fields, after)
}

// write signs a message and puts it into the outbox.
func (c *conversation) write(body record.Body) (room.Written, error) {
	written, err := c.Write(body, time.Now())
	if err != nil {
		return written, err
	}
	return written, c.noteWriting()
}

// deliver posts what is in the outbox. The room must have been read before.
func (c *conversation) deliver(ctx context.Context) (last int64, err error) {
	done, err := c.Deliver(ctx, poster{c}, func(p room.Progress) { last = p.Entry })
	for _, r := range done.Renumbered {
		c.say("%s", c.style.warn(fmt.Sprintf("your message #%d became #%d: this identity has written somewhere else, "+
			"from a copied home directory or before a backup was restored", r.Before, r.Now)))
	}
	if err != nil {
		return last, explainDelivery(err)
	}
	return last, nil
}

func explainDelivery(err error) error {
	if errors.Is(err, room.ErrUnknown) || errors.Is(err, remote.ErrUnknownOutcome) {
		return hint(err, "the message stays in the outbox; \"fernpost outbox\" looks for it and posts it again if it is not there")
	}
	return hint(explainPost(err), "the message stays in the outbox: \"fernpost outbox\" lists it, \"fernpost outbox --retry\" posts it")
}
