package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxFile bounds what is read of a file, in bytes: a position has a few hundred.
const maxFile = 1 << 20

// ErrNothing is returned by [Archive.Load] for a room of which nothing is remembered.
var ErrNothing = errors.New("nothing is remembered of this room")

// Archive is the directory of what `watch` remembers of rooms that write texts: how far it has read. One small JSON
// file a room, mode 0600, without keys and without plaintext. Rooms that write records have a [Room] instead.
type Archive struct{ root *os.Root }

// Open opens the directory, and makes it (mode 0700) if it is not there.
func Open(dir string) (*Archive, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the archive: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	return &Archive{root}, nil
}

// Close releases the directory.
func (a *Archive) Close() error { return a.root.Close() }

// Load reads into position, a pointer, what [Archive.Save] was given for the room. The error is [ErrNothing] if there is
// none, and [ErrDamaged], after a power cut mostly, if it cannot be read.
func (a *Archive) Load(room string, position any) error {
	f, err := a.root.Open(room + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNothing
	} else if err != nil {
		return fmt.Errorf("reading the position in %s: %w", room, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return fmt.Errorf("reading the position in %s: %w", room, err)
	}
	if err := json.Unmarshal(b, position); err != nil {
		return fmt.Errorf("reading the position in %s: %s: %w: %w", room, f.Name(), ErrDamaged, err)
	}
	return nil
}

// Remove forgets the position of a room.
func (a *Archive) Remove(room string) error {
	if err := a.root.Remove(room + ".json"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the position in %s: %w", room, err)
	}
	return nil
}

// Save remembers the position of a room. A crash or a full disk leaves the old one as it was. There is no fsync: after
// a power cut an older position may come back, and then some messages are shown once more.
func (a *Archive) Save(room string, position any) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keeping the position in %s: %w", room, err)
		}
	}()
	b, err := json.Marshal(position)
	if err != nil {
		return err
	}
	// Two watchers of one room may save at once: each writes a file of its own, the last rename wins.
	temp := fmt.Sprintf(".%s.%d", room, os.Getpid())
	if err := a.root.WriteFile(temp, append(b, '\n'), 0o600); err != nil {
		a.root.Remove(temp)
		return err
	}
	if err := a.root.Rename(temp, room+".json"); err != nil {
		a.root.Remove(temp)
		return err
	}
	return nil
}
