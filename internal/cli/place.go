package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/screen"
)

// placeKeys moves the keys to where the setting "keyring" wants them, once in a command, and says so. Where they cannot go
// they stay, and that is said at each command, with --quiet too.
func (a *app) placeKeys(e *messenger.Engine) {
	if a.place != "" {
		a.placing.Do(func() { a.moveKeys(e) })
	}
}

func (a *app) moveKeys(e *messenger.Engine) {
	files, changed, err := e.KeepKeysIn(a.place)
	switch {
	case err != nil:
		a.unplaced = err
		if !errors.Is(err, model.ErrKeyringLacks) { // whoever reads a key is told that
			fmt.Fprintf(a.stderr, "%s\n", a.style.warn(screen.Text(fmt.Sprintf(
				"your keys do not lie where the setting keyring wants them (%s): %v; %s", a.place, err, a.lie(e)))))
		}
	case !changed && files == 0:
	case a.place == model.InSystem:
		a.say("your keys are sealed with a key in the system's keyring from now on (%s): without that keyring nobody opens them, "+
			"not even you", count(files, "file"))
	default:
		a.say("your keys are in files of mode 0600 from now on (%s); the key that sealed them stays in the system's keyring, "+
			"as \"fernpost\", for copies that you may have", count(files, "file"))
	}
}

// lie says where the keys lie now.
func (a *app) lie(e *messenger.Engine) string {
	h, err := e.WhereKeysLie()
	switch {
	case err != nil:
		return "where they lie cannot be read"
	case h.Sealed == 0:
		return "they are not sealed"
	case h.Plain == 0:
		return "they are sealed"
	}
	return fmt.Sprintf("sealed of their files: %d, not: %d", h.Sealed, h.Plain)
}

// placeCheck says where the keys lie, and whether they can be read there.
func placeCheck(h messenger.KeysHealth, wanted model.Place, unplaced error) checkResult {
	const name = "keyring"
	switch {
	case h.Place == model.InSystem && h.System != nil:
		return checkResult{name, checkWrong, "your keys are sealed: " + h.System.Error(), nextStep(h.System)}
	case h.Unread != nil:
		return checkResult{name, checkWrong, "a file with keys cannot be read: " + h.Unread.Error(), ""}
	case unplaced != nil:
		return checkResult{
			name, checkMind, fmt.Sprintf("your keys do not lie where the setting keyring wants them (%s): %v", wanted, unplaced),
			nextStep(unplaced),
		}
	case h.Moving:
		return checkResult{
			name, checkMind, fmt.Sprintf("your keys were being moved: %d of their files are sealed, %d are not", h.Sealed, h.Plain),
			fmt.Sprintf("FERNPOST_KEYRING=%s fernpost rooms moves the rest", h.Place),
		}
	case h.Place == model.InSystem && h.Plain > 0:
		return checkResult{
			name, checkMind, areOf(h.Plain) + " not sealed, as an older fernpost has written it",
			"it is sealed when it changes next, such as by \"fernpost rooms set\"",
		}
	case h.Place == model.InSystem:
		return checkResult{
			name, checkGood, "your keys are sealed with a key in the system's keyring, which answers in " + h.Took.Round(time.Millisecond).String(), "",
		}
	case h.Sealed > 0:
		return checkResult{
			name, checkMind, areOf(h.Sealed) + " sealed, though they are kept in files",
			"FERNPOST_KEYRING=system fernpost rooms seals the rest, and then FERNPOST_KEYRING=files opens all",
		}
	}
	return checkResult{name, checkGood, "your keys are in files of mode 0600; the system's keyring is not asked", ""}
}

// areOf begins a sentence on so many files.
func areOf(files int) string {
	if files == 1 {
		return "1 file with keys is"
	}
	return fmt.Sprintf("%d files with keys are", files)
}
