package messenger

import (
	"time"

	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/model"
)

// KeepKeysIn moves this device's keys to a place, see [keyring.Keyring.MoveTo].
func (e *Engine) KeepKeysIn(place model.Place) (files int, changed bool, err error) {
	err = e.keys(func(keys *keyring.Keyring) error {
		files, changed, err = keys.MoveTo(place)
		return err
	})
	return files, changed, err
}

// WhereKeysLie tells where this device's keys lie, without asking the system's keyring.
func (e *Engine) WhereKeysLie() (model.Kept, error) {
	return inKeys(e, (*keyring.Keyring).Kept)
}

// KeysHealth is what an examination has found out about where a device's keys lie.
type KeysHealth struct {
	model.Kept
	// System is why the system's keyring does not tell the key that seals them, and Took how long its answer took. It
	// is asked only if they are kept there.
	System error
	Took   time.Duration
}

// ExamineKeys finds out where this device's keys lie.
func (e *Engine) ExamineKeys() (h KeysHealth, err error) {
	err = e.keys(func(keys *keyring.Keyring) error {
		if h.Kept, err = keys.Kept(); err != nil || h.Place != model.InSystem {
			return err
		}
		begin := time.Now()
		h.System = keys.Ask()
		h.Took = time.Since(begin)
		return nil
	})
	return h, err
}
