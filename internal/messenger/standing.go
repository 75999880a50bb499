package messenger

import (
	"errors"
	"fmt"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
)

// Standing is what this device knows of a key.
type Standing struct {
	// Own means that it signs on this device.
	Own bool
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
	names, _, err := e.Rooms()
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
	signed, err := Signed(r)
	if err != nil || !signed {
		return err
	}
	if there, err := e.HasArchive(r); err != nil || !there {
		return err
	}
	return e.look(r, func(c *room.Conversation) error {
		people, err := c.People()
		for _, p := range people {
			s := all[p.Key]
			s.KnownIn = append(s.KnownIn, KnownIn{r.Name, p})
			all[p.Key] = s
		}
		return err
	})
}
