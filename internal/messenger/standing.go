package messenger

import (
	"crypto/sha256"
	"errors"

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

// Compared returns who the key's owner is in a room in which somebody has compared the key's words; otherwise in any
// room where the key was seen. known is false if it was seen in none.
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
	// CreditUnknown: the key was seen in no room. CreditKnown: it was, and nobody has compared its words. Both are
	// strangers: anybody can make a key and take a name.
	CreditUnknown Credit = "unknown"
	CreditKnown   Credit = "known"
	// CreditCompared: somebody has compared its words. CreditOwn: it signs on this device. CreditNamed: the user has
	// said that it has to be this key.
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

// CreditOf is [Engine.StandingOf] of whoever has signed something, with what that is worth. Where the user names whose
// it has to be, wanted is not the zero key, and the error an [ErrOtherSigner] if it is by somebody else, or a
// [*LostKeyError] if it is the key of a device that was lost: whoever has that writes with it. missed says which rooms
// could not be looked into.
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

// CheckSignature says whether a signature of a file with a certain hash holds, as the error, and what it is worth, see
// [Engine.CreditOf]: by whom it had to be counts for nothing unless it holds.
func (e *Engine) CheckSignature(
	sig publickey.Signature, hash [sha256.Size]byte, wanted record.PublicKey,
) (s Standing, c Credit, missed, err error) {
	s, c, missed, wrong := e.CreditOf(sig.Author, wanted)
	if err := sig.Check(hash); err != nil {
		return s, s.Credit(), missed, err
	}
	return s, c, missed, wrong
}

// StandingOf looks a key up in all rooms of this device. Nothing is read from a relay. A room that cannot be looked
// into adds to the error; what the others know is returned all the same.
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
	rooms, missed, failed := e.All()
	err = errors.Join(err, failed)
	for _, r := range rooms {
		if err := e.standingsIn(r, all); err != nil {
			missed = append(missed, &RoomError{r.Name, err})
		}
	}
	for _, m := range missed {
		err = errors.Join(err, m)
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
