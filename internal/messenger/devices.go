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

// RoomError says why a room of several could not be looked into.
type RoomError struct {
	Room string
	Err  error
}

func (e *RoomError) Error() string { return "room " + e.Room + ": " + e.Err.Error() }
func (e *RoomError) Unwrap() error { return e.Err }

// DeviceCalled finds a device by name, tag or key, in one room, or without its name in all rooms whose members sign; missed are those
// that could not be looked into. The error is a [*WhoError] if nobody is called so, or several are.
func (e *Engine) DeviceCalled(roomName, who string) (found []DeviceIn, missed []*RoomError, err error) {
	names := []string{roomName}
	if roomName == "" {
		if names, _, err = e.Rooms(); err != nil {
			return nil, nil, err
		}
	}
	keys := map[record.PublicKey]bool{}
	for _, name := range names {
		in, ok, err := e.deviceIn(name, who)
		several, isWho := errors.AsType[*WhoError](err)
		switch {
		case isWho && several.Called == 0, err == nil && !ok:
		case isWho, err != nil && roomName != "":
			return nil, missed, err
		case err != nil:
			missed = append(missed, &RoomError{name, err})
		default:
			keys[in.Person.Key] = true
			found = append(found, in)
		}
	}
	if len(keys) != 1 {
		return nil, missed, &WhoError{who, len(keys)}
	}
	return found, missed, nil
}

// deviceIn finds a device in a room; ok is false where nobody signs, or nobody was read.
func (e *Engine) deviceIn(name, who string) (in DeviceIn, ok bool, err error) {
	settings, err := e.Find(name)
	if err != nil {
		return in, false, err
	}
	if has, err := e.HasArchive(settings); err != nil || !has {
		return in, false, err
	}
	if signed, err := Signed(settings); err != nil || !signed {
		return in, false, err
	}
	r, err := e.Open(settings, Face{})
	if err != nil {
		return in, false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in.Room = settings
	if in.Person, err = r.Person(who); err != nil {
		return in, false, err
	}
	ours, _, err := r.talk.Claims(in.Person.Key)
	in.Claimed = ours != nil && *ours
	return in, true, err
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
