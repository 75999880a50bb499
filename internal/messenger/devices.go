package messenger

import (
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// DeviceIn is a key in a room, as far as this device has read.
type DeviceIn struct {
	Room   model.Room
	Person model.Person
	// Claimed tells that who signs here has said that it is a device of theirs, and has not taken that back.
	Claimed bool
}

// DeviceCalled finds a device by name, tag or key, in one room, or without its name in all rooms whose members sign. The error is a
// [*WhoError] if nobody is called so, or several are.
func (e *Engine) DeviceCalled(roomName, who string) (found []DeviceIn, err error) {
	names := []string{roomName}
	if roomName == "" {
		if names, _, err = e.Rooms(); err != nil {
			return nil, err
		}
	}
	keys := map[record.PublicKey]bool{}
	for _, name := range names {
		settings, err := e.Find(name)
		if err != nil {
			return nil, err
		}
		if has, err := e.HasArchive(settings); err != nil || !has {
			continue // nobody was read there
		}
		if signed, err := Signed(settings); err != nil || !signed {
			continue
		}
		in, err := e.deviceIn(settings, who)
		if e, ok := errors.AsType[*WhoError](err); ok && e.Called == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys[in.Person.Key] = true
		found = append(found, in)
	}
	if len(keys) != 1 {
		return nil, &WhoError{who, len(keys)}
	}
	return found, nil
}

func (e *Engine) deviceIn(settings model.Room, who string) (in DeviceIn, err error) {
	r, err := e.Open(settings, Face{})
	if err != nil {
		return in, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in.Room = settings
	if in.Person, err = r.Person(who); err != nil {
		return in, err
	}
	ours, _, err := r.talk.Claims(in.Person.Key)
	in.Claimed = ours != nil && *ours
	return in, err
}

// Distrust takes back on this device that somebody's words were compared, and their nickname.
func (e *Engine) Distrust(in DeviceIn) error {
	r, err := e.Open(in.Room, Face{})
	if err != nil {
		return err
	}
	_, err = r.Forget(in.Person.Key, time.Now())
	return errors.Join(err, r.Close())
}

// Withdrawn tells whether who signs here has taken back that a key is a device of theirs.
func (r *Room) Withdrawn(key record.PublicKey) (bool, error) {
	ours, _, err := r.talk.Claims(key)
	return ours != nil && !*ours, err
}
