package messenger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// An identity moves: the file is written, then this device is told to stop, and only then is it said that it may be
// imported elsewhere. Two devices that sign with one key would give one number to two records, which everybody is told
// of as a fork.

// GoneError refuses to sign with an identity that has moved to another device, or that signs here no more since another
// one has come in its place; then At is zero.
type GoneError struct{ At time.Time }

func (e *GoneError) Error() string {
	if e.At.IsZero() {
		return "the identity of this device was replaced, or brought here, after the room was opened: open it again"
	}
	return "the identity of this device has moved to another device (" + e.At.Format(time.DateOnly) + ") and signs nothing here"
}

// Signer is [Engine.Identity] for whoever is about to sign. The error is a [*GoneError] if that identity has moved to
// another device.
func (e *Engine) Signer(r model.Room) (record.Identity, string, error) {
	identity, nick, err := e.Identity(r)
	if err != nil {
		return identity, nick, err
	}
	if at, err := e.Gone(); err != nil {
		return record.Identity{}, "", err
	} else if !at.IsZero() {
		return record.Identity{}, "", &GoneError{at}
	}
	return identity, nick, nil
}

// maySign returns a [*GoneError] unless the key that the room was opened with signs in it still, behind the same
// number.
func (r *Room) maySign() error {
	now, err := r.engine.Current(r.settings)
	if errors.Is(err, model.ErrNoRoom) {
		now, err = r.settings, nil // taken off this device: whoever seals finds that out
	}
	if err != nil {
		return err
	}
	identity, _, err := r.engine.Signer(now)
	if err == nil && (identity.Public() != r.talk.Own() || now.Brought != r.brought) {
		err = &GoneError{}
	}
	return err
}

// Gone returns when the identity of this device has moved to another one, zero if it has not.
func (e *Engine) Gone() (time.Time, error) {
	id, err := e.device(false)
	if errors.Is(err, keyring.ErrNoIdentity) {
		return time.Time{}, nil
	}
	return id.Moved, err
}

// WaitsHereError refuses to move an identity away from what it has signed and the relay has not accepted: nobody else
// could post that.
type WaitsHereError struct {
	Room    string
	Entries int
}

func (e *WaitsHereError) Error() string {
	return fmt.Sprintf("the outbox of room %s still has what was signed here (entries: %d)", e.Room, e.Entries)
}

// ErrWroteMeanwhile means that rooms, or the numbers in them, are not as the file of an identity has them any more.
var ErrWroteMeanwhile = errors.New("something was written in a room, or a room has changed, while the file was made")

// MoveAway moves the identity of this device, with all rooms, into a file, and has it sign nothing here from then on.
// write asks whoever has to be asked, which may take minutes, writes the file and returns its name, empty for standard
// output; until then nothing has changed, and its error is returned as it is. Others are a [*WaitsHereError], and
// [ErrWroteMeanwhile]: then the file is not to be used, and this device goes on signing.
func (e *Engine) MoveAway(write func(*handover.Content) (file string, err error)) error {
	c, err := e.movingAway()
	if err != nil {
		return err
	}
	file, err := write(c)
	if err != nil {
		return err
	}
	// Otherwise a power cut could take the file, and leave a device that has stopped.
	if file != "" {
		if err := diskfile.SyncNames(filepath.Dir(file)); err != nil {
			return err
		}
	}
	before, now := time.Time{}, time.Now().UTC().Truncate(time.Second)
	err = e.changeOwn(c.Identity, func(device *keyring.Identity) { before, device.Moved = device.Moved, now })
	if err != nil {
		return err
	}
	// From here on nothing more is signed, so what is looked up now stays true.
	changed, err := e.numbersChanged(c)
	if err == nil && !changed {
		return nil
	}
	if changed {
		err = errors.Join(ErrWroteMeanwhile, err)
	}
	return errors.Join(err, e.changeOwn(c.Identity, func(device *keyring.Identity) { device.Moved = before }))
}

// changeOwn changes the identity of this device, as long as it is a certain one.
func (e *Engine) changeOwn(id record.Identity, change func(*keyring.Identity)) error {
	return e.keys(func(keys *keyring.Keyring) error {
		_, err := keys.UpdateIdentity(func(device *keyring.Identity) error {
			if device.Seed != seedOf(id) {
				return errors.New("this device has got another identity meanwhile")
			}
			change(device)
			return nil
		})
		return err
	})
}

// movingAway returns what moves the identity of this device, with all rooms, to another one.
func (e *Engine) movingAway() (*handover.Content, error) {
	device, err := e.device(false)
	if err != nil {
		return nil, err
	}
	c := &handover.Content{Nickname: device.Nickname}
	if c.Identity, err = parseSeed(device.Seed); err != nil {
		return nil, err
	}
	if c.Rooms, err = e.Export(); err != nil {
		return nil, err
	}
	if c.Lost, err = e.LostDevices(); err != nil {
		return nil, err
	}
	for i := range c.Rooms {
		if err := e.numbers(&c.Rooms[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// numbersChanged reports whether there are other rooms by now than in a file, or others sign in them, or behind another
// number.
func (e *Engine) numbersChanged(c *handover.Content) (bool, error) {
	now, err := e.movingAway()
	if _, waits := errors.AsType[*WaitsHereError](err); waits {
		return true, err
	}
	if err != nil {
		return false, err
	}
	return !slices.EqualFunc(c.Rooms, now.Rooms, func(a, b handover.Room) bool {
		return a.Name == b.Name && a.Channel == b.Channel && a.Inviter == b.Inviter && a.Last == b.Last && a.LastHash == b.LastHash
	}), nil
}

// numbers adds to a room who signs in it and up to which number.
func (e *Engine) numbers(one *handover.Room) error {
	settings, err := e.Find(one.Name)
	if err != nil {
		return err
	}
	signed, err := Signed(settings)
	if err != nil || !signed {
		return err
	}
	last := settings.Brought
	err = e.inHeld(settings, Face{}, func(r *Room) error {
		// Who would go on elsewhere would use the numbers again that an archive knew which is lost.
		if err := r.replaceLost(); err != nil {
			return err
		}
		settings = r.settings
		last, err = r.last()
		return err
	})
	if err == nil && settings.Identity != "" {
		one.Identity, err = parseSeed(settings.Identity)
	}
	one.Last, one.LastHash = last.Number, last.Hash
	return err
}

// last returns the last number that was used here, once nothing waits.
func (r *Room) last() (model.Brought, error) {
	last, err := r.talk.Last()
	if err != nil {
		return last, err
	}
	n, err := r.Unposted()
	if err == nil && n > 0 {
		err = &WaitsHereError{r.settings.Name, n}
	}
	return last, err
}

// Replaced is the identity that a device would give up for one that comes to it: the zero key if it has none, or the
// same, and the rooms in which it has signed.
type Replaced struct {
	Key   record.PublicKey
	Nick  string
	Rooms []string
	// Waiting are the rooms whose members sign, and in whose outbox something waits.
	Waiting []Waiting
	// Ahead are rooms in which the same identity has signed more since the file was written: another device has it, or
	// had it.
	Ahead []Ahead
	// Taken, unless it is nil, is who else has the nickname that comes, or one that looks like it, in a room of this device.
	Taken *model.NameTakenError
}

// Waiting is a room in whose outbox something waits. Anew tells that another identity is to sign there than has signed
// that: it does so anew, as far as that cannot have been posted.
type Waiting struct {
	WaitsHereError

	Anew bool
}

// Ahead is a room in which an identity has signed up to a number, and File is the last one that a file knows of.
type Ahead struct {
	Room         string
	Number, File uint32
}

// Replaces returns what an identity would replace on this device.
func (e *Engine) Replaces(ctx context.Context, c *handover.Content) (r Replaced, err error) {
	if c.Nickname != "" {
		err := e.takenByOthers(c.Nickname, c.Identity.Public())
		if r.Taken, _ = errors.AsType[*model.NameTakenError](err); err != nil && r.Taken == nil {
			return r, err
		}
	}
	device, err := e.device(false)
	if errors.Is(err, keyring.ErrNoIdentity) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if r.Waiting, err = e.waitingHere(ctx, c); err != nil {
		return r, err
	}
	if device.Seed == seedOf(c.Identity) {
		r.Ahead, err = e.aheadOf(ctx, c)
		return r, err
	}
	own, err := parseSeed(device.Seed)
	if err != nil {
		return r, err
	}
	r.Key, r.Nick = own.Public(), device.Nickname
	rooms, _, err := e.All()
	for _, room := range rooms {
		if room.Wrote {
			r.Rooms = append(r.Rooms, room.Name)
		}
	}
	return r, err
}

// waitingHere returns the rooms in whose outbox something waits, where an identity comes. One that cannot be looked
// into has nothing that could be posted.
func (e *Engine) waitingHere(ctx context.Context, c *handover.Content) (waiting []Waiting, err error) {
	rooms, _, err := e.All()
	if err != nil {
		return nil, err
	}
	signs := map[string]record.Identity{} // in the rooms of the file
	for i := range c.Rooms {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if j, err := e.importAmong(rooms, &c.Rooms[i], ""); err == nil && j.Has {
			signs[j.Room.Name] = c.Rooms[i].Identity
		}
	}
	for _, room := range rooms {
		if signed, err := Signed(room); err != nil || !signed {
			continue
		}
		n, err := e.Unposted(room, Face{})
		if err != nil || n == 0 {
			continue
		}
		before, err := e.Own(room)
		if err != nil {
			return nil, err
		}
		own, comes := signs[room.Name]
		after := before // in a room with an identity of its own that does not come, that stays
		switch {
		case comes && !own.IsZero():
			after = own.Public()
		case comes, room.Identity == "":
			after = c.Identity.Public()
		}
		waiting = append(waiting, Waiting{WaitsHereError{room.Name, n}, before != after})
	}
	return waiting, nil
}

// aheadOf returns the rooms in which the identity that a file brings has gone on here since: its own, or that of a room
// that has one.
func (e *Engine) aheadOf(ctx context.Context, c *handover.Content) (ahead []Ahead, err error) {
	rooms, _, err := e.All()
	if err != nil {
		return nil, err
	}
	for i := range c.Rooms {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		j, err := e.importAmong(rooms, &c.Rooms[i], "")
		if err != nil || !j.Has {
			continue
		}
		settings, err := e.Find(j.Room.Name) // not as the file would leave it
		if err != nil {
			return nil, err
		}
		own, err := e.Own(settings)
		if err != nil {
			return nil, err
		}
		if own.IsZero() || c.Rooms[i].Inviter != own {
			continue
		}
		last, err := e.lastNumber(settings)
		if err != nil {
			return nil, err
		}
		if last.Number > c.Rooms[i].Last {
			ahead = append(ahead, Ahead{settings.Name, last.Number, c.Rooms[i].Last})
		}
	}
	return ahead, nil
}

// lastNumber returns the last number that who signs in a room has used, whatever waits: where it was brought from
// another device, that may be all that is known.
func (e *Engine) lastNumber(settings model.Room) (last model.Brought, err error) {
	last = settings.Brought
	err = e.inHeld(settings, Face{}, func(r *Room) error {
		here, err := r.talk.Last()
		if here.Number > last.Number {
			last = here
		}
		return err
	})
	return last, err
}

// ImportIdentity makes the identity of a file the one of this device, which signs in each room of the file that is here
// behind what was signed there. For rooms that come later, [Importer.Import] does that. Killed or interrupted, this device signs nothing
// until it is run again.
func (e *Engine) ImportIdentity(ctx context.Context, c *handover.Content) error {
	if err := e.standStill(c); err != nil {
		return err
	}
	named, lost := e.LostIn(c)
	if err := errors.Join(lost, e.TakeLost(named.Fresh), e.found(c.Identity.Public())); err != nil {
		return err
	}
	rooms, _, err := e.All()
	if err != nil {
		return err
	}
	for i := range c.Rooms {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		j, err := e.importAmong(rooms, &c.Rooms[i], "")
		if err != nil || !j.Has {
			continue // it cannot be written in either; whoever enters it is told why
		}
		_, err = e.Update(j.Room.Name, func(r *model.Room) error {
			continueNumbers(r, &c.Rooms[i])
			return nil
		})
		if err != nil {
			return err
		}
	}
	return e.changeOwn(c.Identity, func(device *keyring.Identity) { device.Moved = time.Time{} })
}

// standStill makes the identity of a file the one of this device as if it had moved away again: while the rooms do not
// know its numbers, nothing may be signed with it.
func (e *Engine) standStill(c *handover.Content) error {
	return e.keys(func(keys *keyring.Keyring) error {
		_, err := keys.UpdateIdentity(func(device *keyring.Identity) error {
			*device = keyring.Identity{Seed: seedOf(c.Identity), Nickname: c.Nickname, Moved: time.Now().UTC().Truncate(time.Second)}
			return nil
		})
		return err
	})
}

// continueNumbers lets who signs in a room on the device that has written a file sign in it here, behind what they have
// signed there.
func continueNumbers(r *model.Room, from *handover.Room) {
	r.Identity, r.Former = "", nil
	if !from.Identity.IsZero() {
		r.Identity = seedOf(from.Identity)
	}
	r.Brought = model.Brought{Number: from.Last, Hash: from.LastHash}
}

// RenewIdentity gives this device a new identity in the place of one that has moved away, also in rooms that had one of
// their own. The nickname stays. The error is [ErrNotGone] if the identity has not moved.
func (e *Engine) RenewIdentity() error {
	if at, err := e.Gone(); err != nil {
		return err
	} else if at.IsZero() {
		return ErrNotGone
	}
	names, _, err := e.Rooms()
	if err != nil {
		return err
	}
	// The rooms first: until the device has its new identity, nothing is signed in them.
	for _, name := range names {
		_, err := e.Update(name, func(r *model.Room) error {
			r.Identity, r.Former, r.Brought = "", nil, model.Brought{}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return e.keys(func(keys *keyring.Keyring) error {
		_, err := keys.UpdateIdentity(func(device *keyring.Identity) error {
			if device.Moved.IsZero() {
				return ErrNotGone
			}
			*device = keyring.Identity{Seed: newSeed(), Nickname: device.Nickname}
			return nil
		})
		return err
	})
}

// ErrNotGone means that the identity of this device is still here.
var ErrNotGone = errors.New("the identity of this device has not moved away")

func seedOf(id record.Identity) model.Secret { return model.Secret(id.SeedText()) }
