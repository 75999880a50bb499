// Package keyring keeps what a device must know to enter its rooms, keys included: one file of mode 0600 a room, in a
// directory of mode 0700. It never keeps a passphrase, only what was derived from it.
//
// Where the user wants it ([Keyring.MoveTo]), these files are sealed with a key that lies in the keyring of the system: one
// secret there for all rooms and the identity. So whatever holds for a file (changed under a lock, replaced as a whole,
// there after a crash) holds for what is sealed, and the system's keyring is only ever read, but for once.
package keyring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/diskfile"
	"github.com/fernpost/fernpost/internal/model"
)

// version of the file format. A file of a higher version was written by a newer fernpost and is refused; one of version 1
// has all that is needed, and becomes one of this version when it is changed. Whoever writes version 1 takes no lock, and
// would put back what it has read before: it must refuse what was changed here. Whoever writes version 2 knows no
// [model.Room.Files], and would look for the archive elsewhere: version 3 is that of rooms that have it. Whoever writes these knows no [model.Room.MQTT], and
// would drop it: version 5 is that of rooms that have it (4 is that of a sealed file).
const (
	version      = 2
	filesVersion = 3
	mqttVersion  = 5
)

// maxFile bounds what is read of a room's file, in bytes.
const maxFile = 1 << 20

// CheckName tells whether a room may have this local name: 1 to 32 characters out of a-z, 0-9, - and _, the first a
// letter or digit. So it is a file name everywhere and needs no quoting in a shell. The error is [model.ErrRoomName].
func CheckName(name string) error {
	ok := len(name) >= 1 && len(name) <= 32 && name[0] != '-' && name[0] != '_'
	for i := range len(name) {
		c := name[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	if !ok {
		return model.ErrRoomName
	}
	return nil
}

// Keyring is the directory of rooms. It is safe for several processes: a file is replaced as a whole, and changed by one
// process at a time.
type Keyring struct {
	root   *os.Root
	system *system
}

// Open opens the directory, and makes it (mode 0700) if it is not there. What a killed process has left half written
// there is removed.
func Open(dir string) (*Keyring, error) {
	if err := diskfile.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("making the directory of rooms: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the directory of rooms: %w", err)
	}
	k := &Keyring{root, ofProcess}
	if err := k.sweep(); err != nil {
		return nil, errors.Join(fmt.Errorf("removing keys that were left half written: %w", err), k.Close())
	}
	return k, nil
}

// Close releases the directory.
func (k *Keyring) Close() error { return k.root.Close() }

// Names lists the rooms in alphabetical order.
func (k *Keyring) Names() ([]string, error) {
	files, err := k.files()
	if err != nil {
		return nil, fmt.Errorf("listing rooms: %w", err)
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f, ".json"); ok && CheckName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Load reads the named room. It refuses a file that other users of the machine can read, one of a newer version, and
// one that is damaged.
func (k *Keyring) Load(name string) (model.Room, error) {
	if err := CheckName(name); err != nil {
		return model.Room{}, err
	}
	room := model.Room{Name: name}
	err := k.read(name+".json", &room)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return model.Room{}, fmt.Errorf("%w: %s", model.ErrNoRoom, name)
	case err != nil:
		return model.Room{}, fmt.Errorf("reading room %s: %w", name, err)
	case room.Version > mqttVersion:
		return model.Room{}, fmt.Errorf("reading room %s: %w", name, newer(room.Version))
	case room.Version < 1 || room.Channel < 1 || len(room.Keys) == 0 || len(room.Fields) == 0 || room.Relay == "":
		return model.Room{}, fmt.Errorf("reading room %s: %s.json lacks something that every room has", name, name)
	}
	return room, nil
}

// Current returns a room that was loaded before as it is now, also if it was renamed and another one has its name. It
// returns [model.ErrNoRoom] if it was removed.
func (k *Keyring) Current(before model.Room) (model.Room, error) {
	isSame := func(r *model.Room) bool { return r.FilesName() == before.FilesName() && r.Channel == before.Channel }
	room, err := k.Load(before.Name)
	if err == nil && isSame(&room) {
		return room, nil
	}
	if err != nil && !errors.Is(err, model.ErrNoRoom) {
		return model.Room{}, err
	}
	names, err := k.Names()
	if err != nil {
		return model.Room{}, err
	}
	for _, name := range names {
		if room, err := k.Load(name); err == nil && isSame(&room) {
			return room, nil
		}
	}
	return model.Room{}, fmt.Errorf("%w: %s", model.ErrNoRoom, before.Name)
}

// Add writes a new room. It returns [model.ErrRoomExists] where the name is taken and never touches the room that has it.
func (k *Keyring) Add(room model.Room) error {
	if err := CheckName(room.Name); err != nil {
		return err
	}
	return k.locked(func() error {
		err := k.isFree(room.Name)
		if err != nil {
			return err
		}
		room.Files, err = k.filesFor(room.Name)
		if err != nil {
			return err
		}
		return k.keep(&room)
	})
}

// filesFor returns the Files of a new room: empty, unless another room, which had the name before, has files of that name.
func (k *Keyring) filesFor(name string) (string, error) {
	rooms, err := k.Names()
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, other := range rooms {
		taken[other] = true
		room, err := k.Load(other)
		if err == nil {
			taken[room.FilesName()] = true
		}
		if errors.Is(err, model.ErrKeyringAway) {
			return "", err // its files would be taken for nobody's
		}
	}
	if !taken[name] {
		return "", nil
	}
	for n := 2; ; n++ {
		if files := fmt.Sprintf("%s-%d", name, n); !taken[files] {
			return files, nil
		}
	}
}

// Rename gives a room another name. It returns [model.ErrRoomExists] where that is taken. Killed at any moment the room is there,
// with all that belongs to it, under one of the two names.
func (k *Keyring) Rename(before, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return k.locked(func() error {
		room, err := k.Load(before)
		if err != nil {
			return err
		}
		if err := k.isFree(name); err != nil {
			return err
		}
		wasDefault := k.Default() == before
		// Under its old name the room is the same with this as without.
		room.Files = room.FilesName()
		if err := k.keep(&room); err != nil {
			return err
		}
		if err := k.root.Rename(before+".json", name+".json"); err != nil {
			return fmt.Errorf("renaming room %s: %w", before, err)
		}
		if err := k.sync(); err != nil || !wasDefault {
			return err
		}
		return k.write(defaultFile, name)
	})
}

// Remove forgets a room: its keys and, if it has one, its identity. What else belongs to it is the caller's to remove
// before.
func (k *Keyring) Remove(name string) error {
	return k.locked(func() error {
		if err := CheckName(name); err != nil {
			return err
		}
		err := k.root.Remove(name + ".json")
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s", model.ErrNoRoom, name)
		}
		if err != nil {
			return fmt.Errorf("removing room %s: %w", name, err)
		}
		return k.sync()
	})
}

// Default returns the room that is meant where none is named, "" if none was chosen or the one that was is gone.
func (k *Keyring) Default() string {
	var name string
	if err := k.read(defaultFile, &name); err != nil || CheckName(name) != nil {
		return ""
	}
	if _, err := k.root.Lstat(name + ".json"); err != nil {
		return ""
	}
	return name
}

// SetDefault chooses the room that is meant where none is named.
func (k *Keyring) SetDefault(name string) error {
	return k.locked(func() error {
		if _, err := k.Load(name); err != nil {
			return err
		}
		return k.write(defaultFile, name)
	})
}

// Update changes a room: it reads it, lets change work on it, and replaces its file as a whole, all while no other
// process can change it, and returns the room as it is now. There is no other way to write a room that exists, since
// whoever wrote one that was read earlier would take back what others have changed meanwhile. An error of change leaves
// the room as it is and is returned; after a crash or on a full disk the old file is still there.
func (k *Keyring) Update(name string, change func(*model.Room) error) (room model.Room, err error) {
	err = k.locked(func() error {
		if room, err = k.Load(name); err != nil {
			return err
		}
		if err := change(&room); err != nil {
			return err
		}
		return k.keep(&room)
	})
	return room, err
}

// isFree returns [model.ErrRoomExists] if there is a room of that name.
func (k *Keyring) isFree(name string) error {
	if _, err := k.root.Lstat(name + ".json"); err == nil {
		return fmt.Errorf("%w: %s", model.ErrRoomExists, name)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keeping room %s: %w", name, err)
	}
	return nil
}

func (k *Keyring) keep(room *model.Room) error {
	room.Version = version
	if room.Files != "" {
		room.Version = filesVersion
	}
	if room.MQTT != (model.MQTT{}) {
		room.Version = mqttVersion
	}
	if err := k.keepSecret(room.Name+".json", room); err != nil {
		return fmt.Errorf("keeping room %s: %w", room.Name, err)
	}
	return nil
}

var errNewer = errors.New("written by a newer fernpost")

func newer(format int) error {
	return fmt.Errorf("%w (format %d, this one knows %d)", errNewer, format, mqttVersion)
}

// read decodes a file, sealed or not.
func (k *Keyring) read(name string, into any) error {
	text, err := k.readFile(name)
	if err != nil {
		return err
	}
	text, err = k.unseal(text)
	if errors.Is(err, model.ErrKeyringAway) || errors.Is(err, model.ErrKeyringLacks) || errors.Is(err, errNewer) {
		return err
	}
	if err == nil {
		err = json.Unmarshal(text, into) // fails also where something stands behind the JSON
	}
	if err != nil {
		// The decoder's words may hold a piece of the file, and the file holds keys.
		damaged := &model.DamagedError{Path: filepath.Join(k.root.Name(), name)}
		if room, is := strings.CutSuffix(name, ".json"); is {
			damaged.Room = room
		}
		return damaged
	}
	return nil
}

// readFile reads a file with secrets as it is.
func (k *Keyring) readFile(name string) ([]byte, error) {
	f, err := k.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// Windows has no such bits; Go reports 0666 there.
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("other users can read its keys: run \"chmod 600 %s\"", f.Name())
	}
	if info.Size() > maxFile {
		return nil, tooLarge(info.Size())
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func tooLarge(size int64) error {
	return fmt.Errorf("its file has %d bytes, more than is ever needed", size)
}
