package messenger

import (
	"errors"
	"fmt"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
)

// Standing is what this device knows of a key.
type Standing struct {
	// Own means that it signs on this device.
	Own bool
	// Lost means that it is the key of a device that was lost or stolen, as the user has said.
	Lost bool
	// KnownIn are the rooms in which it was seen, by name.
	KnownIn []KnownIn
}

// KnownIn is somebody in a room.
type KnownIn struct {
	Room   string
	Person model.Person
}

// Compared returns who the key's owner is in a room in which somebody has compared the key's words; otherwise in any room where
// the key was seen. known is false if it was seen in none.
func (s Standing) Compared() (who KnownIn, compared, known bool) {
	for _, who = range s.KnownIn {
		if who.Person.Compared {
			return who, true, true
		}
	}
	if len(s.KnownIn) == 0 {
		return KnownIn{}, false, false
	}
	return s.KnownIn[0], false, true
}

// Credit is why what somebody has signed counts here, or does not, in one word.
type Credit string

// The credits.
const (
	// CreditUnknown: the key was seen in no room. CreditKnown: it was, and nobody has compared its words. Both are strangers: anybody can make a
	// key and take a name.
	CreditUnknown Credit = "unknown"
	CreditKnown   Credit = "known"
	// CreditCompared: somebody has compared its words. CreditOwn: it signs on this device. CreditNamed: the user has said that it has to be this key.
	CreditCompared Credit = "compared"
	CreditOwn      Credit = "own"
	CreditNamed    Credit = "named"
)

// Counts reports whether what the key has signed counts.
func (c Credit) Counts() bool { return c != CreditUnknown && c != CreditKnown }

// Credit is that of a key by what this device knows of it.
func (s Standing) Credit() Credit {
	_, compared, known := s.Compared()
	switch {
	case s.Own:
		return CreditOwn
	case compared:
		return CreditCompared
	case known:
		return CreditKnown
	}
	return CreditUnknown
}

// ErrOtherSigner means that a signature holds and is not by whom it had to be.
var ErrOtherSigner = errors.New("signed by somebody else")

// CreditOf is [Engine.StandingOf] of whoever has signed something, with what that is worth. Where the user names whose it has to be,
// wanted is not the zero key, and the error an [ErrOtherSigner] if it is by somebody else, or a [*LostKeyError] if it is the key of a
// device that was lost: whoever has that writes with it. missed says which rooms could not be looked
// into.
func (e *Engine) CreditOf(signer, wanted record.PublicKey) (s Standing, c Credit, missed, err error) {
	s, missed = e.StandingOf(signer)
	c = s.Credit()
	if wanted.IsZero() {
		return s, c, missed, nil
	}
	if signer != wanted {
		return s, CreditNamed, missed, ErrOtherSigner
	}
	if err := e.mayTrust(signer); err != nil {
		return s, c, missed, err
	}
	return s, CreditNamed, missed, nil
}

// StandingOf looks a key up in all rooms of this device. Nothing is read from a relay. A room that cannot be looked into adds to
// the error; what the others know is returned all the same.
func (e *Engine) StandingOf(key record.PublicKey) (Standing, error) {
	all, err := e.standings()
	return all[key], err
}

// standings are those of all keys that this device knows, see [Engine.StandingOf].
func (e *Engine) standings() (all map[record.PublicKey]Standing, err error) {
	all = map[record.PublicKey]Standing{}
	if own, err := e.Own(model.Room{}); err == nil && !own.IsZero() {
		all[own] = Standing{Own: true}
	}
	lost, err := e.lost()
	for key := range lost {
		s := all[key]
		s.Lost = true
		all[key] = s
	}
	names, _, failed := e.Rooms()
	err = errors.Join(err, failed)
	for _, name := range names {
		r, loading := e.Find(name)
		if loading == nil {
			loading = e.standingsIn(r, all)
		}
		if loading != nil {
			err = errors.Join(err, fmt.Errorf("room %s: %w", name, loading))
		}
	}
	return all, err
}

func (e *Engine) standingsIn(r model.Room, all map[record.PublicKey]Standing) error {
	own, err := e.Own(r)
	if err != nil {
		return err
	}
	if s := all[own]; !own.IsZero() {
		s.Own = true
		all[own] = s
	}
	people, err := e.people(r)
	for _, p := range people {
		s := all[p.Key]
		s.KnownIn = append(s.KnownIn, KnownIn{r.Name, p})
		all[p.Key] = s
	}
	return err
}

// people are the authors of a room whose members sign, as far as this device has read it.
func (e *Engine) people(r model.Room) (people []model.Person, err error) {
	signed, err := Signed(r)
	if err != nil || !signed {
		return nil, err
	}
	if there, err := e.HasArchive(r); err != nil || !there {
		return nil, err
	}
	err = e.look(r, func(c *room.Conversation) error {
		people, err = c.People()
		return err
	})
	return people, err
}

// NotComparedError says that who is shown under a name, in a room of this device, is nobody whose words were compared.
type NotComparedError struct {
	Who string
	In  KnownIn
}

func (e *NotComparedError) Error() string {
	return fmt.Sprintf("%s is %s of room %s, whose words were not compared: anybody can take a name",
		e.Who, e.In.Person.Tagged(), e.In.Room)
}

// Named returns whose key somebody is that a user names from outside of any room: by a public key, or as a room of this device shows
// somebody whose words were compared. The error may be a [*model.WhoError] or a [*NotComparedError]. A room that cannot be looked
// into shows nobody.
func (e *Engine) Named(who string) (key record.PublicKey, err error) {
	if key, err = record.ParseKey(who); !errors.Is(err, record.ErrMalformedKey) {
		return key, err
	}
	if keys, err := publickey.Parse(who); err == nil {
		return keys.Signing, nil
	}
	names, _, err := e.Rooms()
	if err != nil {
		return key, err
	}
	none := model.WhoError{Who: who}
	compared := map[record.PublicKey]bool{}
	var unproven error
	for _, name := range names {
		r, err := e.Find(name)
		if err != nil {
			continue
		}
		people, _ := e.people(r)
		p, err := model.Called(people, who)
		several, isWho := errors.AsType[*model.WhoError](err)
		switch {
		case err == nil && p.Compared:
			key, compared[p.Key] = p.Key, true
		case err == nil:
			unproven = &NotComparedError{who, KnownIn{name, p}}
		case isWho && several.Called > 0:
			return record.PublicKey{}, err
		case isWho:
			none.Otherwise = append(none.Otherwise, several.Otherwise...)
		}
	}
	switch {
	case len(compared) == 1:
		return key, nil
	case len(compared) > 1:
		return record.PublicKey{}, &model.WhoError{Who: who, Called: len(compared)}
	case unproven != nil:
		return key, unproven
	}
	return key, &none
}
