// Package messenger brings keyring, archive, remote and room together, once, for every face: it finds rooms, opens them,
// reads, writes, keeps the outbox going. It prints nothing: what happens meanwhile it tells as an [Event], and whether a
// long transfer is wanted it has asked.
package messenger

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/remote"
)

// Options say what an engine works with.
type Options struct {
	// Dir returns the directory for one kind of data: rooms, archive or state. It need not exist.
	Dir func(kind string) (string, error)
	// Timeout is how long a relay may be silent; it must be above 0.
	Timeout time.Duration
	// Budget is how many bytes a reading may bring, and an hour of what no key opens; 0 is no limit.
	Budget int64
	// ArchiveSize returns how many bytes the archive of a room may take; 0 is no limit.
	ArchiveSize func() int64
	// Version is what requests say of the program.
	Version string
	// Transport carries the requests instead of the network, in tests.
	Transport http.RoundTripper
	// Slow is told what takes long at the relay; nil for nobody. It is called from several goroutines.
	Slow func(remote.SlowCall)
	// Keeping is called when a reading begins to keep what comes, with what counts the entries; the function that it returns is
	// called at the end. It may be nil.
	Keeping func(entries func() int64) (done func())
}

// Engine is what every face works with.
type Engine struct {
	o Options

	mu      sync.Mutex           // guards what follows
	watched map[string]*watching // what is followed, by the name of its files
}

// New returns the engine with these options. Nothing is opened yet.
func New(o Options) *Engine { return &Engine{o: o} }

// Keyring opens what keeps this device's rooms and identity.
func (e *Engine) Keyring() (*keyring.Keyring, error) {
	dir, err := e.o.Dir("rooms")
	if err != nil {
		return nil, err
	}
	return keyring.Open(dir)
}

// WhichRoomError says that a room must be named.
type WhichRoomError struct {
	// Names are the rooms of this device.
	Names []string
}

func (e *WhichRoomError) Error() string { return fmt.Sprintf("which room of %d?", len(e.Names)) }

// Find returns the settings of the room of this name; without one, of the default room, or of the only one there is. The
// error may be [model.ErrNoRoom] or [*WhichRoomError].
func (e *Engine) Find(name string) (model.Room, error) {
	keys, err := e.Keyring()
	if err != nil {
		return model.Room{}, err
	}
	defer keys.Close()
	if name == "" {
		names, err := keys.Names()
		switch {
		case err != nil:
			return model.Room{}, err
		case len(names) == 0:
			return model.Room{}, fmt.Errorf("%w: this device is in none yet", model.ErrNoRoom)
		case keys.Default() != "":
			names[0] = keys.Default()
		case len(names) > 1:
			return model.Room{}, &WhichRoomError{names}
		}
		name = names[0]
	}
	return keys.Load(name)
}

// Add keeps a new room, see [keyring.Keyring.Add].
func (e *Engine) Add(r model.Room) error {
	keys, err := e.Keyring()
	if err != nil {
		return err
	}
	defer keys.Close()
	return keys.Add(r)
}

// Current returns the settings of a room as they are now, see [keyring.Keyring.Current].
func (e *Engine) Current(before model.Room) (model.Room, error) {
	keys, err := e.Keyring()
	if err != nil {
		return model.Room{}, err
	}
	defer keys.Close()
	return keys.Current(before)
}

// Update changes the settings of a room, see [keyring.Keyring.Update].
func (e *Engine) Update(name string, change func(*model.Room) error) (model.Room, error) {
	keys, err := e.Keyring()
	if err != nil {
		return model.Room{}, err
	}
	defer keys.Close()
	return keys.Update(name, change)
}

// RemoveFiles removes what was kept of a room besides its settings: the archive, and where a watch has ended.
func (e *Engine) RemoveFiles(ctx context.Context, settings model.Room) error {
	if err := e.forgetWatched(settings); err != nil {
		return err
	}
	dir, err := e.o.Dir("archive")
	if err != nil {
		return err
	}
	return archive.RemoveRoom(ctx, dir, settings.FilesName())
}

// NoteProven remembers that a room's write key writes its channel, once the relay has taken something for it. Where that
// cannot be kept, the next message shows it again.
func (e *Engine) NoteProven(proven model.Room) {
	if !proven.Unproven {
		return
	}
	_, _ = e.Update(proven.Name, func(r *model.Room) error {
		r.Unproven = r.Unproven && (r.WriteKey != proven.WriteKey || r.Relay != proven.Relay)
		return nil
	})
}

// AddressError is an address, or another setting of a room, that no client can be made of.
type AddressError struct{ Err error }

func (e *AddressError) Error() string { return e.Err.Error() }
func (e *AddressError) Unwrap() error { return e.Err }

// Dial makes the client for a room's channel. Nothing is sent yet.
func (e *Engine) Dial(r model.Room) (*remote.Client, error) {
	interval, err := time.ParseDuration(r.Interval)
	if err != nil {
		return nil, fmt.Errorf("room %s: its interval is no duration", r.Name)
	}
	return e.Client(remote.Options{
		BaseURL: r.Relay, Channel: r.Channel, Interval: interval,
		WriteKey: remote.Secret(r.WriteKey.Reveal()), ReadKey: remote.Secret(r.ReadKey.Reveal()),
	})
}

// Client makes a client of which the options name relay, channel and keys. The error may be an [*AddressError].
func (e *Engine) Client(o remote.Options) (*remote.Client, error) {
	o.Timeout, o.Version, o.Transport = e.o.Timeout, e.o.Version, e.o.Transport
	o.Budget, o.Slow = e.o.Budget, e.o.Slow
	client, err := remote.New(o)
	if err != nil {
		return nil, &AddressError{err}
	}
	return client, nil
}

// Profile returns how a room's key is derived and its messages are written.
func Profile(r model.Room) (passphrase.Profile, error) {
	p, err := passphrase.ParseProfile(r.Profile)
	if err != nil {
		err = fmt.Errorf("room %s: %w", r.Name, err)
	}
	return p, err
}

// Signed reports whether the members of a room sign what they write.
func Signed(r model.Room) (bool, error) {
	p, err := Profile(r)
	return err == nil && p.Form == passphrase.FormRecords, err
}

// Keys returns a room's keys, newest first.
func Keys(r model.Room) ([]fernet.Key, error) {
	keys, err := parseKeys(r.Keys)
	if err != nil {
		return nil, fmt.Errorf("room %s: %w", r.Name, err)
	}
	return keys, nil
}

func parseKeys(texts []model.Secret) ([]fernet.Key, error) {
	keys := make([]fernet.Key, len(texts))
	for i, text := range texts {
		key, err := fernet.ParseKey(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		keys[i] = key
	}
	return keys, nil
}
