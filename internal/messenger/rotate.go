package messenger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/room"
)

// KeyKept says that a room has moved to a new key, which is to be handed over to those who stay.
type KeyKept struct{}

func (KeyKept) event() {}

// NotKeptError says that a key that was shown could not be kept: there is no such room, or it goes on as it was.
type NotKeptError struct {
	Room string
	// Goes tells that there is such a room.
	Goes bool
	Err  error
}

func (e *NotKeptError) Error() string { return e.Err.Error() }

// Next says what that means for what was shown, and what to do.
func (e *NotKeptError) Next() string {
	if e.Goes {
		return "what was shown is void, the passphrase too: room " + e.Room + " goes on with the key that it had; rotate again"
	}
	return "what was shown is void, the passphrase too: there is no room " + e.Room + " on this device; make it again"
}

func (e *NotKeptError) Unwrap() error { return e.Err }

// UntoldError says that a room has moved to a new key, and that it was not written down yet that the others are to be
// told: the next command that writes in the room does that.
type UntoldError struct {
	Room string
	Err  error
}

func (e *UntoldError) Error() string {
	return "room " + e.Room + " has the new key now, and the others are not told of it yet: " + e.Err.Error()
}
func (e *UntoldError) Unwrap() error { return e.Err }

// Rotation is how a room gets a new passphrase, and who is asked.
type Rotation struct {
	// Passphrase returns it: one that becomes a key by this profile.
	Passphrase func(passphrase.Profile) (string, error)
	// Deriving is as in [Entry].
	Deriving func() (done func())
	// Show shows it before it is kept: what nobody has seen is not to be used.
	Show func(pass string, key [passphrase.KeySize]byte) error
}

// RotatePassphrase is [Engine.Rotate] to the key of a new passphrase.
func (e *Engine) RotatePassphrase(ctx context.Context, r model.Room, o Rotation, face Face) error {
	profile, err := Profile(r)
	if err != nil {
		return err
	}
	pass, err := o.Passphrase(profile)
	if err != nil {
		return err
	}
	done := o.Deriving()
	key, err := Derive(r, profile, pass)
	done()
	if err != nil {
		return err
	}
	return e.Rotate(ctx, r, key, func() error { return o.Show(pass, key) }, face)
}

// Rotate moves a room to a new key. It is shown, kept, and then announced to the others, under the old one: killed
// between any two of these, it leaves no key that nobody has, and the next command that writes tells what is untold.
// The error may be [*NotKeptError], [*UntoldError], or one of those of [Room.TellOfKeys].
func (e *Engine) Rotate(
	ctx context.Context, r model.Room, key [passphrase.KeySize]byte, show func() error, face Face,
) error {
	signed, err := Signed(r)
	if err == nil && signed {
		_, _, err = e.Signer(r) // otherwise nobody could be told of the key
	}
	if err != nil {
		return err
	}
	if err := show(); err != nil {
		return err // a passphrase that nobody has seen is not to be used
	}
	canTell, text := signed && r.WriteKey != "", secretOf(fernet.NewKey(key))
	moved := len(r.Keys) > 1 && r.Keys[0] == text // a rotation that could not leave its check may be run again
	untold := slices.Contains(r.Untold, text)     // or was interrupted, and goes on
	if !untold && !moved {
		if r, err = e.keepKey(r.Name, text, canTell); err != nil {
			// It may be kept all the same: what failed last makes no more than sure of it.
			if now, failed := e.Current(r); failed == nil && !slices.Contains(now.Keys, text) {
				err = &NotKeptError{r.Name, true, err}
			}
			return err
		}
	}
	left, there, err := e.renewCheck(ctx, r, fernet.NewKey(key))
	if err == nil && !there {
		err = face.tell(NoCheckLeft{})
	}
	if err == nil && moved && !untold && !left {
		err = &HasKeyError{r.Name}
	}
	if _, again := errors.AsType[*HasKeyError](err); again {
		return err
	}
	if err == nil {
		err = face.tell(KeyKept{})
	}
	if !canTell {
		return err
	}
	var c *Room
	if err == nil {
		c, err = e.Open(r, face)
	}
	if err != nil {
		return &UntoldError{r.Name, err}
	}
	return errors.Join(c.TellOfKeys(ctx), c.Close())
}

// renewCheck puts a check for a room's new key beside those of the keys before, so that whoever joins with it is known,
// also before anybody has written under it. It reports whether it has left one, and whether one is there. A room works
// without, so a relay that refuses it is no error.
func (e *Engine) renewCheck(ctx context.Context, r model.Room, key fernet.Key) (left, there bool, err error) {
	client, err := e.dial(r)
	if err != nil {
		return false, false, err
	}
	defer client.Close()
	channel, err := client.Channel(ctx)
	if err != nil {
		return false, false, ctx.Err()
	}
	renewed, there, err := room.RenewCheck(channel.Metadata, key, time.Now())
	if err != nil {
		return false, false, err
	}
	if there && renewed != channel.Metadata {
		left = client.AddMetadata(ctx, renewed) == nil
		there = left
	}
	return left, there, ctx.Err()
}

// KeyAdded is a key that was added to a room.
type KeyAdded struct {
	Doubt

	Key  [passphrase.KeySize]byte
	Room model.Room // as it is now
	// Again tells that the room had the key already: it is the newest again.
	Again bool
}

// AddKey makes the key of a passphrase that somebody has handed over the newest of a room, also one that it had before.
// If that opens nothing, and the passphrase may have been generated and come here with capitals and commas, it is taken
// as it was generated. deriving is as in [Entry]. Where the keys that the room has open all that is there, agree is
// asked, and its error ends it. The error may be [*PassphraseError], or [*WrongKeyError], and then nothing was kept.
func (e *Engine) AddKey(
	ctx context.Context, r model.Room, pass string, deriving func() (done func()), agree func(KeyAdded) error, face Face,
) (k KeyAdded, err error) {
	profile, err := Profile(r)
	if err != nil {
		return k, err
	}
	phrases := []string{pass}
	if phrase, ok := passphrase.AsGenerated(pass); ok && phrase != pass {
		phrases = append(phrases, phrase)
	}
	for i, phrase := range phrases {
		done := deriving()
		key, wrong := Derive(r, profile, phrase)
		done()
		if wrong != nil {
			return k, wrong
		}
		may := agree
		if i < len(phrases)-1 { // as it was generated it may open something
			may = func(KeyAdded) error { return ErrNoKey }
		}
		if k, err = e.addKey(ctx, r, key, may, face); !errors.Is(err, ErrNoKey) {
			break
		}
	}
	return k, err
}

func (e *Engine) addKey(
	ctx context.Context, r model.Room, key [passphrase.KeySize]byte, agree func(KeyAdded) error, face Face,
) (k KeyAdded, err error) {
	text := secretOf(fernet.NewKey(key))
	k.Key = key
	if k.Again = slices.Contains(r.Keys, text); !k.Again {
		k.Doubt, err = e.checkKey(ctx, r, fernet.NewKey(key), face)
		if err == nil && k.Doubt.OthersOpen {
			err = agree(k)
		}
		if err != nil {
			return k, err
		}
	}
	k.Room, err = e.keepKey(r.Name, text, false)
	return k, err
}

// keepKey makes a key the newest of a room. The others are to be told of one that is untold. The error may be
// [*HasKeyError].
func (e *Engine) keepKey(name string, key model.Secret, untold bool) (model.Room, error) {
	return e.Update(name, func(r *model.Room) error {
		switch at := slices.Index(r.Keys, key); {
		case at == 0, at > 0 && untold:
			return &HasKeyError{name}
		case at > 0:
			r.Keys = slices.Delete(r.Keys, at, at+1)
		}
		r.Keys = slices.Insert(r.Keys, 0, key)
		if untold {
			r.Untold = append(r.Untold, key)
		}
		return nil
	})
}

// HasKeyError says that a room has a key already.
type HasKeyError struct{ Room string }

func (e *HasKeyError) Error() string { return "room " + e.Room + " has this key already" }

// Doubt is what speaks against being sure that a key is a room's: there is nothing to try it on.
type Doubt struct {
	// Any tells that there is some, and MovedBy how somebody is called whose words were not compared, and who names
	// another key; "" if nobody.
	Any     bool
	MovedBy string
	// OthersOpen tells that the keys which the room has open all that is there, and nobody says that it has moved.
	OthersOpen bool
}

// OpenedBy returns how many messages of the channel's newest rows one of a room's keys opens, and none of the others.
func (e *Engine) OpenedBy(ctx context.Context, r model.Room, key fernet.Key) (n int, err error) {
	keys, err := Keys(r)
	if err != nil {
		return 0, err
	}
	// The first key that opens a token counts: the one in question comes last.
	keys = append(slices.DeleteFunc(keys, key.Equal), key)
	messages, _, err := e.try(r, "").open(ctx, keys)
	for i := range messages {
		if messages[i].Key == len(keys)-1 {
			n++
		}
	}
	return n, err
}

// RemoveKey forgets a key of a room that is not its newest.
func (e *Engine) RemoveKey(name string, key model.Secret) (model.Room, error) {
	return e.Update(name, func(r *model.Room) error {
		at := slices.Index(r.Keys, key)
		if at == 0 {
			return errors.New("the newest key seals what is written: it stays") // another process has changed the keys
		}
		if at > 0 {
			r.Keys = slices.Delete(r.Keys, at, at+1)
		}
		r.Untold = slices.DeleteFunc(r.Untold, func(k model.Secret) bool { return k == key })
		return nil
	})
}
