package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/model"
)

// identityFile stands beside the rooms; no room can have its name.
const identityFile = ".identity"

// ErrNoIdentity is returned while the device has none.
var ErrNoIdentity = errors.New("this device has no identity yet")

// Identity is who this device signs as.
type Identity struct {
	Version int `json:"version"`
	// Seed is the secret half: 32 bytes in hexadecimal (RFC 8032, section 5.1.5).
	Seed model.Secret `json:"seed"`
	// Nickname is how its owner wants to be called; empty: by the tag of the key.
	Nickname string `json:"nickname,omitempty"`
	// Moved is when it was handed over to another device; it signs nothing here from then on. Zero: it was not.
	Moved time.Time `json:"moved,omitzero"`
}

// movedVersion is that of an identity that has moved: who knows nothing of that would go on signing, and has to refuse it.
const movedVersion = version + 1

// Identity reads the device's identity; [ErrNoIdentity] if there is none.
func (k *Keyring) Identity() (Identity, error) {
	var id Identity
	err := k.read(identityFile, &id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return id, ErrNoIdentity
	case err != nil:
		return id, fmt.Errorf("reading the identity: %w", err)
	case id.Version > movedVersion:
		return id, fmt.Errorf("reading the identity: %w", newer(id.Version))
	case strings.Trim(id.Seed.Reveal(), "0") == "":
		// A new seed over it would throw away whatever identity there was.
		return id, errors.New("reading the identity: it is damaged: there is no seed in it")
	}
	return id, nil
}

// UpdateIdentity changes the device's identity as [Keyring.Update] changes a room, and returns it. Where there is none,
// change makes one of the zero Identity.
func (k *Keyring) UpdateIdentity(change func(*Identity) error) (id Identity, err error) {
	err = k.locked(func() error {
		if id, err = k.Identity(); err != nil && !errors.Is(err, ErrNoIdentity) {
			return err
		}
		if err := change(&id); err != nil {
			return err
		}
		if id.Version = version; !id.Moved.IsZero() {
			id.Version = movedVersion
		}
		if err := k.keepSecret(identityFile, id); err != nil {
			return fmt.Errorf("keeping the identity: %w", err)
		}
		return nil
	})
	return id, err
}
