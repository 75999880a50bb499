package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/fernpost/fernpost/internal/record"
)

// lostFile stands beside the rooms; no room can have its name. There is nothing secret in it.
const lostFile = ".lost"

// Lost is the key of a device that was lost or stolen, as far as this device was told: it is trusted in no room.
type Lost struct {
	Key record.PublicKey `json:"key"`
	// At is when this device was told, and Back when the user has compared the key once more, zero if that was not.
	At   time.Time `json:"at"`
	Back time.Time `json:"back,omitzero"`
}

// lostDevices is what the file holds.
type lostDevices struct {
	Version int    `json:"version"`
	Devices []Lost `json:"devices"`
}

// Lost returns the keys of devices that were lost, also those that have come back.
func (k *Keyring) Lost() ([]Lost, error) {
	var file lostDevices
	err := k.read(lostFile, &file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading which devices were lost: %w", err)
	case file.Version > version:
		return nil, fmt.Errorf("reading which devices were lost: %w", newer(file.Version))
	}
	return file.Devices, nil
}

// UpdateLost changes that list as [Keyring.Update] changes a room.
func (k *Keyring) UpdateLost(change func([]Lost) []Lost) error {
	return k.locked(func() error {
		devices, err := k.Lost()
		if err != nil {
			return err
		}
		if err := k.write(lostFile, lostDevices{version, change(devices)}); err != nil {
			return fmt.Errorf("keeping which devices were lost: %w", err)
		}
		return nil
	})
}
