package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// conversation is a room of signed records, opened: its keys, its archive and its relay.
type conversation struct {
	*room.Conversation
	*app

	room    keyring.Room
	client  *remote.Client
	archive *archive.Room

	// news is what the last reading found out about the relay.
	news  exchange.News
	relay relayTeller
	// cut says why the last reading did not come to the feed's end, "" if it did.
	cut string

	noWait bool // fail where posting would wait
	yes    bool // do not ask before a long transfer
	asJSON bool
	// plan is what was announced, and bulkRows how many entries one bulk call may hold; 0 if that is not known.
	plan     estimate
	bulkRows int
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
	defer a.computing(func() string { return "reading what this device holds" })()
	options, err := roomOptions(r)
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
	options.ArchiveSize, options.CurrentKeys = a.archiveSize(), c.currentKeys
	// The first use of an identity and opening the archive are what takes longest at start: each goes by itself.
	identified := make(chan error, 1)
	go func() {
		var err error
		options.Identity, options.Nick, err = a.identityFor(r)
		identified <- err
	}()
	c.archive, err = archive.OpenRoom(dir, r.FilesName())
	if err = errors.Join(<-identified, err); err != nil {
		return nil, errors.Join(err, c.close())
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
	client.SetWriters(c.writers)
	return c, nil
}

// roomOptions are what a room of records is opened with, by whoever reads it or writes in it.
func roomOptions(r keyring.Room) (room.Options, error) {
	keys, err := fernetKeys(r)
	if err != nil {
		return room.Options{}, err
	}
	profile, err := passphrase.ParseProfile(r.Profile)
	if err != nil {
		return room.Options{}, fmt.Errorf("room %s: %w", r.Name, err)
	}
	return room.Options{
		Keys: keys, Salt: record.Salt(passphrase.RoomSalt(r.Channel)), Fields: r.Fields, Pad: r.Pad,
		Wrapped: profile.Wrapper == passphrase.WrapperPython, Used: r.Wrote,
	}, nil
}

// currentKeys returns the room's keys as they are now, newest first. The room may have been renamed meanwhile.
func (c *conversation) currentKeys() ([]fernet.Key, error) {
	now, err := c.currentRoom(c.room)
	if err != nil {
		return nil, err
	}
	if now.Name != c.room.Name {
		c.say("room %s is called %s now", c.room.Name, now.Name)
		c.room.Name, c.room.Files = now.Name, now.Files
	}
	return fernetKeys(now)
}

// archiveSize is how many bytes the archive of a room may take. Loading the settings has checked it.
func (a *app) archiveSize() int64 {
	size, err := config.ParseLimit(a.config.Get("archive_size"))
	if err != nil {
		panic(err)
	}
	return size
}

// leave is close at the end of the process, see [archive.Room.Leave].
func (c *conversation) leave() error {
	c.client.Close()
	return c.archive.Leave()
}

func (c *conversation) close() error {
	c.client.Close()
	if c.archive == nil {
		return nil
	}
	return c.archive.Close()
}

// fernetKeys returns a room's keys, newest first.
func fernetKeys(r keyring.Room) ([]fernet.Key, error) {
	keys, err := parseKeys(r.Keys)
	if err != nil {
		return nil, fmt.Errorf("room %s: %w", r.Name, err)
	}
	return keys, nil
}

func parseKeys(texts []keyring.Secret) ([]fernet.Key, error) {
	keys := make([]fernet.Key, len(texts))
	for i, text := range texts {
		key, err := fernet.ParseKey(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
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
	device, err := keys.Identity()
	if errors.Is(err, keyring.ErrNoIdentity) {
		device, err = keys.UpdateIdentity(withSeed)
	}
	if err != nil {
		return record.Identity{}, "", err
	}
	seed := device.Seed
	if r.Identity != "" {
		seed = r.Identity
	}
	identity, err := parseSeed(seed)
	return identity, device.Nickname, err
}

// ownKey returns the key of who signs in a room, the zero key if nobody does yet.
func (a *app) ownKey(r keyring.Room) (key record.PublicKey, err error) {
	seed := r.Identity
	if seed == "" {
		keys, err := a.openKeyring()
		if err != nil {
			return key, err
		}
		defer keys.Close()
		device, err := keys.Identity()
		if errors.Is(err, keyring.ErrNoIdentity) {
			return key, nil
		}
		if err != nil {
			return key, err
		}
		seed = device.Seed
	}
	identity, err := parseSeed(seed)
	if err != nil {
		return key, err
	}
	return identity.Public(), nil
}

// withSeed gives a new identity its secret half. Another process may have been quicker.
func withSeed(id *keyring.Identity) error {
	if *id == (keyring.Identity{}) {
		id.Seed = newSeed()
	}
	_, err := parseSeed(id.Seed)
	return err
}

func newSeed() keyring.Secret {
	seed := record.GenerateIdentity().RevealSeed()
	return keyring.Secret(hex.EncodeToString(seed[:]))
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
	before := r.Identity
	*r, err = keys.Update(r.Name, func(r *keyring.Room) error {
		if r.Identity == before { // otherwise another process has replaced it already
			r.Identity, r.Wrote = newSeed(), false
		}
		return nil
	})
	if err != nil {
		return record.Identity{}, err
	}
	identity, err := parseSeed(r.Identity)
	if err != nil {
		return identity, err
	}
	a.say("%s", a.style.warn(fmt.Sprintf("the archive of room %s is lost: you write with a new identity from now on (key %s); tell the others",
		r.Name, identity.Public().Tag().Name())))
	return identity, nil
}

// updateRoom changes a room in the keyring, see [keyring.Keyring.Update].
func (a *app) updateRoom(name string, change func(*keyring.Room) error) (keyring.Room, error) {
	keys, err := a.openKeyring()
	if err != nil {
		return keyring.Room{}, err
	}
	defer keys.Close()
	return keys.Update(name, change)
}

// noteWriting remembers in the keyring that the identity writes in this room: before it does, since a number that nobody
// knows to be taken would be taken twice once the archive is lost.
func (c *conversation) noteWriting() (err error) {
	if c.room.Wrote {
		return nil
	}
	c.room, err = c.updateRoom(c.room.Name, func(r *keyring.Room) error {
		r.Wrote = true
		return nil
	})
	return err
}

// adopt makes the identity of the keyring the one that signs in this room, if another one did until now, and says so:
// once, before anything is written or posted. The room is read before, unless that is not wanted.
func (c *conversation) adopt(ctx context.Context, read bool) error {
	before, err := c.Predecessor()
	if err != nil || before.IsZero() {
		return err
	}
	if read {
		news, err := c.startReading(ctx)
		if err == nil {
			err = c.catchUp(ctx, news)
		}
		if err != nil {
			return hint(fmt.Errorf("reading the room before what another identity has signed here is signed anew: %w", err),
				"nothing was written, and what waits stays in the outbox; the same command can be run again")
		}
	}
	if err := c.noteWriting(); err != nil {
		return err
	}
	done, err := c.Adopt(time.Now())
	if errors.Is(err, room.ErrOtherIdentity) {
		return hint(err, "nothing was written; \"fernpost outbox --retry\" reads the room, signs what waits with your identity and posts it")
	}
	if err != nil {
		return err
	}
	c.say("%s", c.style.warn(fmt.Sprintf("the identity that wrote in room %s until now (key %s) is not here any more: you write with a "+
		"new identity from now on (key %s); tell the others", c.room.Name, before.Tag().Name(), c.Own().Tag().Name())))
	if c.OwnName() == c.Own().Tag().Name() {
		c.say("it has no nickname: \"fernpost identity name NICKNAME\" sets one")
	}
	if n := done.Anew; n > 0 {
		c.say("%s of the outbox %s signed anew with it", count(n, "message"), wasOrWere(1, int64(n)))
	}
	if n := done.Completed; n > 0 {
		c.say("%s of the outbox may have been posted already, at least in part, and %s completed as it was signed before",
			count(n, "message"), isOrAre(n))
	}
	if n := done.LeftOut; n > 0 {
		c.say("%s about devices %s taken out of the outbox: only the identity before could make that", count(n, "claim"), wasOrWere(1, int64(n)))
	}
	return nil
}

// write signs a message and puts it into the outbox.
func (c *conversation) write(body record.Body) (room.Written, error) {
	if err := c.tellOfKeys(); err != nil {
		return room.Written{}, err
	}
	if err := c.noteWriting(); err != nil {
		return room.Written{}, err
	}
	return c.Write(body, time.Now())
}

// tellOfKeys writes a record about each new key that the others were not told of: a rotation may have been killed before
// it did.
func (c *conversation) tellOfKeys() error {
	if len(c.room.Untold) == 0 {
		return nil
	}
	var err error
	if c.room, err = c.currentRoom(c.room); err != nil { // another process may have told of them meanwhile
		return err
	}
	if err := c.noteWriting(); err != nil {
		return err
	}
	keys, err := parseKeys(c.room.Untold)
	if err != nil {
		return fmt.Errorf("room %s: %w", c.room.Name, err)
	}
	waiting, err := c.OnTheirWay()
	if err != nil {
		return err
	}
	for _, key := range keys {
		moved := record.KeyMoved{Key: record.KeyID(key.ID())}
		if slices.ContainsFunc(waiting, func(it room.Item) bool { return it.Record.Body == moved }) {
			continue // killed right after it was written
		}
		if _, err := c.Write(moved, time.Now()); err != nil {
			return err
		}
	}
	told := c.room.Untold
	c.room, err = c.updateRoom(c.room.Name, func(r *keyring.Room) error {
		r.Untold = slices.DeleteFunc(r.Untold, func(s keyring.Secret) bool { return slices.Contains(told, s) })
		return nil
	})
	return err
}

// deliver posts what is in the outbox. The room must have been read before.
func (c *conversation) deliver(ctx context.Context) (done room.Delivered, err error) {
	waiting, before, err := c.waiting()
	if err != nil {
		return done, err
	}
	t := c.newTransfer(waiting, before)
	var printing error
	done, err = c.Deliver(ctx, &poster{c: c, transfer: t}, func(p room.Progress) {
		printing = errors.Join(printing, t.accepted(p))
	})
	t.end()
	for _, r := range done.Renumbered {
		c.say("%s", c.style.warn(fmt.Sprintf("%s became %s: this identity has written somewhere else, "+
			"from a copied home directory or before a backup was restored", c.OwnNumber(r.Before), c.OwnNumber(r.Now))))
	}
	if done.Posted > 0 {
		c.noteProven(c.room)
	}
	if err != nil {
		return done, explainDelivery(err)
	}
	return done, printing
}

// noteProven remembers that a room's write key writes its channel, once the relay has taken something for it. Where that
// cannot be kept, the next message shows it again.
func (a *app) noteProven(proven keyring.Room) {
	if !proven.Unproven {
		return
	}
	_, _ = a.updateRoom(proven.Name, func(r *keyring.Room) error {
		r.Unproven = r.Unproven && (r.WriteKey != proven.WriteKey || r.Relay != proven.Relay)
		return nil
	})
}

// waiting counts the entries of the outbox that are to be posted, and those of the same messages that were accepted
// before: of a transfer that was interrupted.
func (c *conversation) waiting() (left, before int, err error) {
	if left, err = c.Unposted(); err != nil || left < 2 {
		return left, 0, err
	}
	queue, err := c.Outbox()
	if err != nil {
		return 0, 0, err
	}
	for i := range queue {
		if queue[i].Sent != kept.Accepted {
			before += queue[i].Accepted
		}
	}
	if before > 0 {
		c.say("going on where it was interrupted: %d of %s were accepted before", before, count(left+before, "entry"))
	}
	return left, before, nil
}

func explainDelivery(err error) error {
	if errors.Is(err, exchange.ErrUnknownOutcome) {
		return hint(err, "the message stays in the outbox; \"fernpost outbox --retry\" looks for it, and posts it again if it is not there")
	}
	if e, ok := errors.AsType[*remote.RefusedError](err); ok && e.Reason == remote.KeyRefused {
		return hint(err, "the message stays in the outbox. Are the relay and the write key of this room still right? "+
			"\"fernpost rooms set ROOM\" changes them, \"fernpost outbox --retry\" posts it then")
	}
	return hint(explainPost(err), "the message stays in the outbox: \"fernpost outbox\" lists it, \"fernpost outbox --retry\" posts it")
}
