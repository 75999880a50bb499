package messenger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
)

// keys opens what keeps this device's rooms and identity for the time of work.
func (e *Engine) keys(work func(*keyring.Keyring) error) error {
	dir, err := e.o.Dir("rooms")
	if err != nil {
		return err
	}
	keys, err := keyring.Open(dir)
	if err != nil {
		return err
	}
	defer keys.Close()
	return work(keys)
}

// inKeys is keys for work that has a result.
func inKeys[T any](e *Engine, work func(*keyring.Keyring) (T, error)) (result T, err error) {
	err = e.keys(func(keys *keyring.Keyring) error {
		result, err = work(keys)
		return err
	})
	return result, err
}

// Rooms returns the names of this device's rooms, and which of them is meant where none is named; "" if none is chosen.
func (e *Engine) Rooms() (names []string, chosen string, err error) {
	err = e.keys(func(keys *keyring.Keyring) error {
		names, err = keys.Names()
		chosen = keys.Default()
		return err
	})
	return names, chosen, err
}

// RoomError says why a room of several could not be looked into.
type RoomError struct {
	Room string
	Err  error
}

func (e *RoomError) Error() string { return "room " + e.Room + ": " + e.Err.Error() }
func (e *RoomError) Unwrap() error { return e.Err }

// All returns the settings of this device's rooms. missed are those that cannot be read: what is damaged keeps nobody
// from the others.
func (e *Engine) All() (rooms []model.Room, missed []*RoomError, err error) {
	err = e.keys(func(keys *keyring.Keyring) error {
		names, err := keys.Names()
		for _, name := range names {
			if r, err := keys.Load(name); err != nil {
				missed = append(missed, &RoomError{name, err})
			} else {
				rooms = append(rooms, r)
			}
		}
		return err
	})
	return rooms, missed, err
}

// WhichRoomError says that a room must be named.
type WhichRoomError struct {
	// Names are the rooms of this device.
	Names []string
}

func (e *WhichRoomError) Error() string {
	return "which room? there are " + strings.Join(e.Names, ", ")
}

// Find returns the settings of the room of this name; without one, of the default room, or of the only one there is.
// The error may be [model.ErrNoRoom] or [*WhichRoomError].
func (e *Engine) Find(name string) (model.Room, error) {
	return inKeys(e, func(keys *keyring.Keyring) (r model.Room, err error) {
		if name == "" {
			if name, err = onlyName(keys); err != nil {
				return r, err
			}
		}
		return keys.Load(name)
	})
}

// onlyName returns the name of the room that is meant where none is named.
func onlyName(keys *keyring.Keyring) (string, error) {
	if chosen := keys.Default(); chosen != "" {
		return chosen, nil
	}
	names, err := keys.Names()
	switch {
	case err != nil:
		return "", err
	case len(names) == 0:
		return "", fmt.Errorf("%w: this device is in none yet", model.ErrNoRoom)
	case len(names) > 1:
		return "", &WhichRoomError{names}
	}
	return names[0], nil
}

// CheckName tells whether a room may have this name on a device, see [keyring.CheckName].
func CheckName(name string) error { return keyring.CheckName(name) }

// RoomExistsError says that this device has a room of the name of a new one. It is a [model.ErrRoomExists].
type RoomExistsError struct{ Room string }

func (e *RoomExistsError) Error() string {
	return "there is a room " + e.Room + " on this device already"
}
func (e *RoomExistsError) Unwrap() error { return model.ErrRoomExists }

// nameIsFree tells whether this device has no room of that name yet, and can keep one: if it has one the error is a
// [*RoomExistsError].
func (e *Engine) nameIsFree(name string) error {
	switch _, err := e.Find(name); {
	case err == nil:
		return &RoomExistsError{name}
	case errors.Is(err, model.ErrNoRoom):
		return e.keys((*keyring.Keyring).Ready)
	default:
		return err
	}
}

// NameLike returns the name of a room that is like a text, "" if none is.
func NameLike(text string) string {
	like := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case unicode.IsSpace(r):
			return '-'
		}
		return -1
	}, strings.ToLower(norm.NFD.String(strings.ReplaceAll(text, "ß", "ss")))) // which takes ü apart into u and its dots
	like = strings.Trim(like[:min(len(like), longestName)], "-_")
	if CheckName(like) != nil {
		return ""
	}
	return like
}

// nameAs returns a name for a room that this device has none of: like a text, if that may be.
func (e *Engine) nameAs(text string) (string, error) {
	name := cmp.Or(NameLike(text), "room")
	if e.nameIsFree(name) == nil {
		return name, nil
	}
	return e.FreeName(name)
}

// longestName is how long the name of a room may be, in bytes.
const longestName = 32

// FreeName returns a name for a room that this device has none of: the one that is wanted, with a number behind it.
func (e *Engine) FreeName(wanted string) (string, error) {
	if CheckName(wanted) != nil {
		wanted = "room"
	}
	taken, _, err := e.Rooms()
	if err != nil {
		return "", err
	}
	for n := 2; ; n++ {
		number := fmt.Sprint("-", n)
		name := wanted[:min(len(wanted), longestName-len(number))] + number
		if !slices.Contains(taken, name) {
			return name, nil
		}
	}
}

// Add keeps a new room, see [keyring.Keyring.Add].
func (e *Engine) Add(r model.Room) error {
	return e.keys(func(keys *keyring.Keyring) error { return keys.Add(r) })
}

// FindByFilesName returns the room whose files have a name, however it is called now: see [model.Room.FilesName]. It
// returns [model.ErrNoRoom] if there is none.
func (e *Engine) FindByFilesName(files string) (model.Room, error) {
	return inKeys(e, func(keys *keyring.Keyring) (model.Room, error) {
		r, failed := keys.Load(files)
		if failed == nil && r.FilesName() == files {
			return r, nil
		}
		names, err := keys.Names()
		for _, name := range names {
			if r, err := keys.Load(name); err == nil && r.FilesName() == files {
				return r, nil
			}
		}
		if err == nil && failed != nil && !errors.Is(failed, model.ErrNoRoom) {
			err = failed
		}
		if err == nil {
			err = fmt.Errorf("%w: %s", model.ErrNoRoom, files)
		}
		return model.Room{}, err
	})
}

// Current returns the settings of a room as they are now, see [keyring.Keyring.Current].
func (e *Engine) Current(before model.Room) (model.Room, error) {
	return inKeys(e, func(keys *keyring.Keyring) (model.Room, error) { return keys.Current(before) })
}

// Update changes the settings of a room, see [keyring.Keyring.Update].
func (e *Engine) Update(name string, change func(*model.Room) error) (model.Room, error) {
	return inKeys(e, func(keys *keyring.Keyring) (model.Room, error) { return keys.Update(name, change) })
}

// SaltedNameError says that a room keeps its name, since its keys are made with it.
type SaltedNameError struct{ Room string }

func (e *SaltedNameError) Error() string {
	return fmt.Sprintf("room %s keeps its name: its keys are made with it (salt=@name)", e.Room)
}

// Rename gives a room another name on this device, and returns its settings. The error may be [*SaltedNameError] or
// [model.ErrRoomExists]. A process that has the room open goes on.
func (e *Engine) Rename(r model.Room, name string) (renamed model.Room, err error) {
	profile, err := Profile(r)
	if err != nil {
		return r, err
	}
	if profile.Salt.Kind == passphrase.SaltName {
		return r, &SaltedNameError{r.Name}
	}
	return inKeys(e, func(keys *keyring.Keyring) (model.Room, error) {
		if err := keys.Rename(r.Name, name); err != nil {
			return r, err
		}
		return keys.Load(name)
	})
}

// Choose makes a room the one that is meant where none is named.
func (e *Engine) Choose(name string) error {
	return e.keys(func(keys *keyring.Keyring) error { return keys.SetDefault(name) })
}

// Remove forgets a room: the archive, where a watch has ended, and the settings with the keys.
func (e *Engine) Remove(ctx context.Context, r model.Room) error {
	// The keys go last: a removal that is killed can be begun again.
	if err := e.forgetWatched(r); err != nil {
		return err
	}
	dir, err := e.o.Dir("archive")
	if err != nil {
		return err
	}
	if err := archive.RemoveRoom(ctx, dir, r.FilesName()); err != nil {
		return err
	}
	return e.keys(func(keys *keyring.Keyring) error { return keys.Remove(r.Name) })
}

// HasArchive reports whether something of a room was kept on this device besides its settings.
func (e *Engine) HasArchive(r model.Room) (bool, error) {
	dir, err := e.o.Dir("archive")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, r.FilesName()+".db"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return true, err
}

// NoteProven remembers that a room's write key writes its channel, once the relay has taken something for it. Where
// that cannot be kept, the next message shows it again.
func (e *Engine) NoteProven(proven model.Room) {
	if !proven.Unproven {
		return
	}
	_, _ = e.Update(proven.Name, func(r *model.Room) error {
		r.Unproven = r.Unproven && (r.WriteKey != proven.WriteKey || r.Relay != proven.Relay)
		return nil
	})
}
