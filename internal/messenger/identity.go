package messenger

import (
	"cmp"
	"errors"
	"slices"

	"golang.org/x/text/unicode/norm"

	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// Identity returns who signs in a room, and the nickname: the room's own identity where it has one, otherwise the
// device's, which is made when it is needed first.
func (e *Engine) Identity(r model.Room) (record.Identity, string, error) {
	device, err := e.device(true)
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

// Own returns the key of who signs in a room, the zero key if nobody does yet.
func (e *Engine) Own(r model.Room) (key record.PublicKey, err error) {
	seed := r.Identity
	if seed == "" {
		device, err := e.device(false)
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

// Nickname returns what this device's messages are called by, "" if nothing was chosen yet. It makes no identity.
func (e *Engine) Nickname() (string, error) {
	device, err := e.device(false)
	if errors.Is(err, keyring.ErrNoIdentity) {
		return "", nil
	}
	return device.Nickname, err
}

// SetNickname changes what this device's messages are called by. A name that is written otherwise in Unicode is the
// same. The error wraps [record.ErrNickname] if that is no nickname, and is a [*GoneError] where this device signs
// nothing any more: it would be nobody's. It is a [*model.NameTakenError] where somebody else has that name in a room of this device,
// as far as it has read: [Engine.InsistOnNickname] takes it all the same.
func (e *Engine) SetNickname(nick string) error {
	nick = norm.NFC.String(nick)
	if err := record.CheckChosen(nick); err != nil {
		return err
	}
	if err := e.takenByOthers(nick, record.PublicKey{}); err != nil {
		return err
	}
	return e.InsistOnNickname(nick)
}

// takenByOthers returns a [*model.NameTakenError] where somebody else has a nickname in a room of this device than who signs there, and
// than a key that is to sign there, unless that is zero.
func (e *Engine) takenByOthers(nick string, comes record.PublicKey) error {
	taken, err := e.nameTaken(nick, comes)
	if err == nil && len(taken) > 0 {
		err = &model.NameTakenError{Nick: nick, By: taken[0].by, Room: taken[0].room}
	}
	return err
}

// InsistOnNickname is [Engine.SetNickname] for a name that somebody else may have.
func (e *Engine) InsistOnNickname(nick string) error {
	nick = norm.NFC.String(nick)
	if err := record.CheckChosen(nick); err != nil {
		return err
	}
	if gone, err := e.Gone(); err != nil || !gone.IsZero() {
		return cmp.Or(err, error(&GoneError{At: gone}))
	}
	return e.keys(func(keys *keyring.Keyring) error {
		_, err := keys.UpdateIdentity(func(id *keyring.Identity) error {
			err := withSeed(id)
			id.Nickname = nick
			return err
		})
		return err
	})
}

// takenName is somebody else who has a nickname already, in a room by its name here.
type takenName struct {
	room string
	by   model.Person
}

// nameTaken returns who else has a nickname, or one that looks like it, in the rooms of this device, as far as it has
// read: one in each. A room that cannot be looked at has nobody. Who else is neither who signs there now, nor a key that comes.
func (e *Engine) nameTaken(nick string, comes record.PublicKey) (taken []takenName, err error) {
	rooms, _, err := e.All()
	if err != nil {
		return nil, err
	}
	for _, r := range rooms {
		own, err := e.Own(r)
		if err != nil {
			continue
		}
		people, _ := e.people(r)
		if !comes.IsZero() {
			people = slices.DeleteFunc(people, func(p model.Person) bool { return p.Key == comes || p.Person == comes })
		}
		if by := model.NameTaken(people, nick, own); by != nil {
			taken = append(taken, takenName{r.Name, *by})
		}
	}
	return taken, nil
}

// device returns this device's identity, and makes it if it is wanted and not there.
func (e *Engine) device(wanted bool) (keyring.Identity, error) {
	return inKeys(e, func(keys *keyring.Keyring) (keyring.Identity, error) {
		id, err := keys.Identity()
		if wanted && errors.Is(err, keyring.ErrNoIdentity) {
			return keys.UpdateIdentity(withSeed)
		}
		return id, err
	})
}

// withSeed gives a new identity its secret half. Another process may have been quicker.
func withSeed(id *keyring.Identity) error {
	if *id == (keyring.Identity{}) {
		id.Seed = newSeed()
	}
	_, err := parseSeed(id.Seed)
	return err
}

func newSeed() model.Secret { return seedOf(record.GenerateIdentity()) }

func parseSeed(s model.Secret) (record.Identity, error) {
	id, err := record.ParseSeed(s.Reveal())
	if err != nil {
		return id, errors.New("the identity's file is damaged")
	}
	return id, nil
}

// Names returns what the others are called who have written in a room, as far as this device has read it; it keeps
// nothing.
func (e *Engine) Names(r model.Room) (names []string, err error) {
	people, err := e.people(r)
	for _, p := range people {
		if !p.Own {
			names = append(names, p.Name)
		}
	}
	return names, err
}
