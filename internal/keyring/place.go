package keyring

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/fernpost/fernpost/internal/model"
)

// homeFile says where the keys lie; without it they lie in files as they are.
const homeFile = ".keyring"

// homeVersion is the version of that file.
const homeVersion = 1

// sealedVersion is that of a file that is sealed, whatever version is inside: whoever knows no sealed files refuses it.
const sealedVersion = 4

// sealedPurpose is bound to what is sealed, so that it opens nowhere else.
var sealedPurpose = []byte("fernpost/v1 sealed file")

// home is what homeFile holds. Each file says by itself whether it is sealed, and with which key, so this decides only
// how files are written.
type home struct {
	Version int `json:"version"`
	// Place is where files are written to.
	Place model.Place `json:"place"`
	// Key is the id of the key that seals them. It stays, here and in the system's keyring, when they are no longer sealed:
	// copies of this directory may be.
	Key string `json:"key"`
	// Moving tells that some may not lie there yet.
	Moving bool `json:"moving,omitempty"`
}

func (k *Keyring) home() (h home, err error) {
	err = k.read(homeFile, &h)
	h.Place = cmp.Or(h.Place, model.InFiles)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return h, nil
	case err != nil:
		return h, fmt.Errorf("finding out where the keys lie: %w", err)
	case h.Version > homeVersion:
		return h, fmt.Errorf("finding out where the keys lie: %w", newer(h.Version))
	}
	return h, nil
}

// MoveTo moves all keys to a place, if they do not lie there: from then on they are kept there. It returns how many files
// it has changed, and whether the place was another one before. Killed at any moment, or with an error, every file can be
// read as before, and the next call goes on. A keyring that cannot be used ([model.ErrKeyringAway]) changes no file.
func (k *Keyring) MoveTo(place model.Place) (files int, changed bool, err error) {
	if h, err := k.home(); err != nil || h.Place == place && !h.Moving {
		return 0, false, err
	}
	err = k.locked(func() error {
		h, err := k.home()
		if err != nil || h.Place == place && !h.Moving {
			return err // another process was quicker
		}
		changed = h.Place != place
		if place == model.InSystem {
			if h.Key, err = k.sealingKey(h.Key); err != nil {
				return err
			}
		}
		h.Version, h.Place, h.Moving = homeVersion, place, true
		if err := k.write(homeFile, h); err != nil {
			return err
		}
		if files, err = k.rewrite(h); err != nil {
			return err
		}
		h.Moving = false
		return k.write(homeFile, h)
	})
	if err != nil {
		err = fmt.Errorf("moving the keys: %w", err)
	}
	return files, changed, err
}

// sealingKey returns the id of the key that is to seal files: the one that did before, if it is still there, or a new one.
func (k *Keyring) sealingKey(before string) (string, error) {
	if before != "" {
		if _, err := k.system.key(before); !errors.Is(err, model.ErrKeyringLacks) {
			return before, err
		}
	}
	return k.system.makeKey()
}

// rewrite writes all files with keys as they are to be, and returns how many were not. One that cannot be read stays.
func (k *Keyring) rewrite(h home) (files int, err error) {
	names, err := k.secretFiles()
	for _, name := range names {
		text, failed := k.readFile(name)
		if failed == nil && sealedWith(text) == h.sealsWith() {
			continue
		}
		if failed == nil {
			text, failed = k.unseal(text)
		}
		if failed == nil {
			failed = k.writeSecret(h, name, text)
		}
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, failed))
			continue
		}
		files++
	}
	return files, err
}

// sealsWith is the id of the key with which files are sealed, "" if they are not.
func (h *home) sealsWith() string {
	if h.Place == model.InSystem {
		return h.Key
	}
	return ""
}

// secretFiles returns the names of all files with keys that are there.
func (k *Keyring) secretFiles() ([]string, error) {
	rooms, err := k.Names()
	if err != nil {
		return nil, err
	}
	var names []string
	if _, err := k.root.Lstat(identityFile); err == nil {
		names = append(names, identityFile)
	}
	for _, room := range rooms {
		names = append(names, room+".json")
	}
	return names, nil
}

// Kept finds out where the keys lie. It does not ask the system's keyring.
func (k *Keyring) Kept() (kept model.Kept, err error) {
	h, err := k.home()
	if err != nil {
		return kept, err
	}
	kept.Place, kept.Moving = h.Place, h.Moving
	names, err := k.secretFiles()
	for _, name := range names {
		switch text, err := k.readFile(name); {
		case err != nil:
			kept.Unread = cmp.Or(kept.Unread, fmt.Errorf("%s: %w", name, err))
		case sealedWith(text) != "":
			kept.Sealed++
		default:
			kept.Plain++
		}
	}
	return kept, err
}

// Ready tells whether keys can be kept where they are to lie, before anything is made that needs it.
func (k *Keyring) Ready() error {
	h, err := k.home()
	if id := h.sealsWith(); err == nil && id != "" {
		_, err = k.system.key(id)
	}
	return err
}

// Ask asks the system's keyring for the key that seals files, even if it has told it before.
func (k *Keyring) Ask() error {
	h, err := k.home()
	if err != nil {
		return err
	}
	return k.system.fetch(h.Key)
}

// sealedFile is a file with keys that is sealed: AES-256-GCM behind a random nonce of 12 bytes.
type sealedFile struct {
	Version int    `json:"version"`
	Key     string `json:"key"`
	Sealed  []byte `json:"sealed"`
}

// sealedWith returns the id of the key that a file is sealed with, "" if it is not sealed.
func sealedWith(text []byte) string {
	var f sealedFile
	if json.Unmarshal(text, &f) != nil || f.Sealed == nil {
		return ""
	}
	return f.Key
}

// writeSecret writes a file with keys, under the lock, sealed if that is how they are kept.
func (k *Keyring) writeSecret(h home, name string, text []byte) error {
	id := h.sealsWith()
	if id == "" {
		return k.writeFile(name, text)
	}
	key, err := k.system.key(id)
	if err != nil {
		return err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return err
	}
	return k.write(name, sealedFile{sealedVersion, id, aead.Seal(nil, nil, text, sealedPurpose)})
}

// unseal returns what a file with keys holds, whether it is sealed or not.
func (k *Keyring) unseal(text []byte) ([]byte, error) {
	id := sealedWith(text)
	if id == "" {
		return text, nil
	}
	var f sealedFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, err
	}
	if f.Version > sealedVersion {
		return nil, newer(f.Version)
	}
	key, err := k.system.key(id)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, f.Sealed, sealedPurpose)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
