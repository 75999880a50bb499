package messenger

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fernpost/fernpost/internal/export"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// An identity moves: the file is written, then this device is told to stop, and only then is it said that it may be imported
// elsewhere. Two devices that sign with one key would give one number to two records, which everybody is told of as a fork.

// GoneError refuses to sign with an identity that has moved to another device.
type GoneError struct{ At time.Time }

func (e *GoneError) Error() string {
	return "the identity of this device has moved to another device (" + e.At.Format(time.DateOnly) + ") and signs nothing here"
}

// MaySign returns a [*GoneError] if the identity of this device has moved to another one.
func (e *Engine) MaySign() error {
	at, err := e.Gone()
	if err == nil && !at.IsZero() {
		err = &GoneError{at}
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

// WaitsHereError refuses to move an identity away from what it has signed and the relay has not accepted: nobody else could post
// that.
type WaitsHereError struct {
	Room    string
	Entries int
}

func (e *WaitsHereError) Error() string {
	return fmt.Sprintf("the outbox of room %s still has what was signed here (%d entries)", e.Room, e.Entries)
}

// MovingAway returns what moves the identity of this device, with all rooms, to another one. Nothing has changed yet. The error may
// be a [*WaitsHereError].
func (e *Engine) MovingAway() (*export.Content, error) {
	device, err := e.device(false)
	if err != nil {
		return nil, err
	}
	c := &export.Content{Nickname: device.Nickname}
	if c.Identity, err = parseSeed(device.Seed); err != nil {
		return nil, err
	}
	if c.Rooms, err = e.Export(); err != nil {
		return nil, err
	}
	for i := range c.Rooms {
		if err := e.numbers(&c.Rooms[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// numbers adds to a room who signs in it and up to which number.
func (e *Engine) numbers(one *export.Room) error {
	settings, err := e.Find(one.Name)
	if err != nil {
		return err
	}
	signed, err := Signed(settings)
	if err != nil || !signed {
		return err
	}
	if settings.Identity != "" {
		if one.Identity, err = parseSeed(settings.Identity); err != nil {
			return err
		}
	}
	last := settings.Brought
	if has, err := e.HasArchive(settings); err != nil {
		return err
	} else if has {
		r, err := e.Open(settings, Face{})
		if err != nil {
			return err
		}
		last, err = r.last()
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	one.Last, one.LastHash = last.Number, last.Hash
	return nil
}

// last returns the last number that was used here, once nothing waits.
func (r *Room) last() (model.Brought, error) {
	n, err := r.Unposted()
	if err == nil && n > 0 {
		err = &WaitsHereError{r.settings.Name, n}
	}
	if err != nil {
		return model.Brought{}, err
	}
	return r.talk.Last()
}

// MoveAway has this device sign nothing from now on, as somebody's identity is in a file that was written; file is empty if that
// is elsewhere.
func (e *Engine) MoveAway(id record.Identity, file string, now time.Time) error {
	// Otherwise a power cut could take the file, and leave a device that has stopped.
	if file != "" {
		if err := keyring.SyncNames(filepath.Dir(file)); err != nil {
			return err
		}
	}
	return e.keys(func(keys *keyring.Keyring) error {
		_, err := keys.UpdateIdentity(func(device *keyring.Identity) error {
			if device.Seed != seedOf(id) {
				return errors.New("this device has got another identity meanwhile")
			}
			device.Moved = now.UTC().Truncate(time.Second)
			return nil
		})
		return err
	})
}

// Replaced is the identity that a device would give up for one that comes to it: the zero key if it has none, or the same, and the
// rooms in which it has signed.
type Replaced struct {
	Key   record.PublicKey
	Nick  string
	Rooms []string
}

// Replaces returns what an identity would replace on this device.
func (e *Engine) Replaces(id record.Identity) (r Replaced, err error) {
	device, err := e.device(false)
	if errors.Is(err, keyring.ErrNoIdentity) {
		return r, nil
	}
	if err != nil || device.Seed == seedOf(id) {
		return r, err
	}
	own, err := parseSeed(device.Seed)
	if err != nil {
		return r, err
	}
	r.Key, r.Nick = own.Public(), device.Nickname
	names, _, err := e.Rooms()
	for _, name := range names {
		if room, err := e.Find(name); err == nil && room.Wrote {
			r.Rooms = append(r.Rooms, name)
		}
	}
	return r, err
}

// TakeIdentity makes an identity the one of this device.
func (e *Engine) TakeIdentity(id record.Identity, nick string) error {
	return e.keys(func(keys *keyring.Keyring) error {
		_, err := keys.UpdateIdentity(func(device *keyring.Identity) error {
			*device = keyring.Identity{Seed: seedOf(id), Nickname: nick}
			return nil
		})
		return err
	})
}

// GoOn lets who signs in a room on the device that has written a file sign in it here, behind what they have signed there.
func (e *Engine) GoOn(name string, from *export.Room) error {
	_, err := e.Update(name, func(r *model.Room) error {
		r.Identity = ""
		if !from.Identity.IsZero() {
			r.Identity = seedOf(from.Identity)
		}
		r.Brought = model.Brought{Number: from.Last, Hash: from.LastHash}
		return nil
	})
	return err
}

// RenewIdentity gives this device a new identity in the place of one that has moved away, also in rooms that had one of their own.
// The nickname stays. The error is [ErrNotGone] if the identity has not moved.
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
			r.Identity, r.Brought = "", model.Brought{}
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

func seedOf(id record.Identity) model.Secret {
	seed := id.RevealSeed()
	return model.Secret(hex.EncodeToString(seed[:]))
}
