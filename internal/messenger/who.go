package messenger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
)

// Among says who may be meant by what a user types for somebody.
type Among int

// Those who may be meant.
const (
	// Authors are those who have written in a room.
	Authors Among = iota
	// ComparedAuthors are those of them whose words were compared: another one is a [*NotComparedError].
	ComparedAuthors
	// Devices are, besides authors, keys by their tag: which were introduced in a room, which our own records, or their
	// own, call a device, or which were lost.
	Devices
)

// NotComparedError says that who is shown under a name, in a room of this device, is nobody whose words were compared.
type NotComparedError struct {
	Who string
	In  KnownIn
}

func (e *NotComparedError) Error() string {
	return fmt.Sprintf("%s is %s of room %s, whose words were not compared: anybody can take a name",
		e.Who, e.In.Person.Tagged(), e.In.Room)
}

// Who finds whose key is meant by what a user types: the key itself, in both its forms, or what [model.Called] takes,
// in one room, or without its name in all rooms whose members sign. missed are the rooms of several that could not be
// looked into. The error may be a [*model.WhoError].
func (e *Engine) Who(roomName, who string, among Among) (key record.PublicKey, missed []*RoomError, err error) {
	if key, err = record.ParseKey(who); !errors.Is(err, record.ErrMalformedKey) {
		return key, nil, err
	}
	if keys, err := publickey.Parse(who); err == nil {
		return keys.Signing, nil, nil
	}
	var rooms []model.Room
	if roomName == "" {
		rooms, missed, err = e.All()
	} else {
		rooms = make([]model.Room, 1)
		rooms[0], err = e.Find(roomName)
	}
	none := model.WhoError{Who: who}
	found := map[record.PublicKey]bool{}
	var stranger error
	for i := 0; err == nil && i < len(rooms); i++ {
		keys, wrong := e.meantIn(rooms[i], who, among)
		nobody, isWho := errors.AsType[*model.WhoError](wrong)
		_, isStranger := errors.AsType[*NotComparedError](wrong)
		switch {
		case isWho && nobody.Called == 0:
			none.Otherwise = append(none.Otherwise, nobody.Otherwise...)
		case isStranger:
			stranger = wrong
		case isWho, wrong != nil && roomName != "":
			err = wrong
		case wrong != nil:
			missed = append(missed, &RoomError{rooms[i].Name, wrong})
		}
		for _, k := range keys {
			key, found[k] = k, true
		}
	}
	if among == Devices && err == nil && len(found) == 0 { // it was lost before, perhaps, and is in no room any more
		var lost []record.PublicKey
		lost, err = e.LostDevices()
		for _, k := range lost {
			if isTag(k, who) {
				key, found[k] = k, true
			}
		}
	}
	switch {
	case err != nil:
	case len(found) == 1:
		return key, missed, nil
	case len(found) > 1:
		err = &model.WhoError{Who: who, Called: len(found)}
	case stranger != nil:
		err = stranger
	default:
		err = &none
	}
	return record.PublicKey{}, missed, err
}

// meantIn returns whose keys may be meant in a room.
func (e *Engine) meantIn(r model.Room, who string, among Among) (keys []record.PublicKey, err error) {
	people, err := e.people(r)
	if err != nil {
		return nil, err
	}
	p, err := model.Called(people, who)
	nobody, isWho := errors.AsType[*model.WhoError](err)
	switch {
	case err == nil && among == ComparedAuthors && !p.Compared:
		return nil, &NotComparedError{who, KnownIn{r.Name, p}}
	case err == nil:
		return []record.PublicKey{p.Key}, nil
	case among != Devices, !isWho, nobody.Called > 0:
		return nil, err
	}
	more, failed := e.related(r)
	if failed != nil {
		return nil, failed
	}
	for _, k := range append(parsedKeys(r.Introduced), more...) {
		if isTag(k, who) && !slices.Contains(keys, k) {
			keys, err = append(keys, k), nil
		}
	}
	return keys, err
}

// Person finds somebody by what a user types, see [model.Called].
func (r *Room) Person(who string) (model.Person, error) {
	people, err := r.People()
	if err != nil {
		return model.Person{}, err
	}
	return model.Called(people, who)
}

func isTag(key record.PublicKey, who string) bool {
	return who == key.Tag().Name() || who == key.Tag().String()
}

func parsedKeys(texts []string) (keys []record.PublicKey) {
	for _, text := range texts {
		if key, err := record.ParseKey(text); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// related are the keys that who signs in a room has spoken of as devices, or that have spoken so of theirs.
func (e *Engine) related(r model.Room) (keys []record.PublicKey, err error) {
	if signed, err := Signed(r); err != nil || !signed {
		return nil, err
	}
	err = e.inHeld(r, Face{}, func(r *Room) error {
		keys, err = r.talk.Related()
		return err
	})
	return keys, err
}
