package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// Where the keys lie is never told better than it is.
func TestDoctorSaysWhereTheKeysLie(t *testing.T) {
	away := fmt.Errorf("%w: it is locked", model.ErrKeyringAway)
	const system, files = model.InSystem, model.InFiles
	for name, c := range map[string]struct {
		kept             model.Kept
		system, unplaced error
		state            checkState
		says, hints      string
	}{
		"in files":     {model.Kept{Place: files, Plain: 2}, nil, nil, checkGood, "mode 0600", ""},
		"a new device": {model.Kept{Place: files}, nil, nil, checkGood, "mode 0600", ""},
		"sealed":       {model.Kept{Place: system, Sealed: 2}, nil, nil, checkGood, "answers in 3ms", ""},
		"locked":       {model.Kept{Place: system, Sealed: 2}, away, nil, checkWrong, "it is locked", "unlock"},
		"no key": {
			model.Kept{Place: system},
			model.ErrKeyringLacks, nil,
			checkWrong, "does not have the key", "bring it back",
		},
		"could not go": {
			model.Kept{Place: files, Plain: 2},
			nil, away,
			checkMind, "(system): the system's keyring cannot be used: it is locked", "unlock",
		},
		"half way": {
			model.Kept{Place: system, Moving: true, Sealed: 2, Plain: 1},
			nil, nil,
			checkMind, "2 of their files are sealed, 1 are not", "FERNPOST_KEYRING=system",
		},
		"half way back": {
			model.Kept{Place: files, Moving: true, Sealed: 2, Plain: 1},
			nil, nil,
			checkMind, "2 of their files are sealed", "FERNPOST_KEYRING=files",
		},
		"by an older one": {model.Kept{Place: system, Sealed: 2, Plain: 1}, nil, nil, checkMind, "1 file with keys is not sealed", "rooms set"},
		"left sealed":     {model.Kept{Place: files, Sealed: 1}, nil, nil, checkMind, "1 file with keys is sealed", "FERNPOST_KEYRING"},
		"open to others": {
			model.Kept{Place: files, Unread: errors.New("lab.json: other users can read its keys")},
			nil, nil,
			checkWrong, "lab.json: other users", "",
		},
	} {
		got := placeCheck(messenger.KeysHealth{Kept: c.kept, System: c.system, Took: 3 * time.Millisecond}, system, c.unplaced)
		if got.name != "keyring" || got.state != c.state || !strings.Contains(got.what, c.says) || !strings.Contains(got.next, c.hints) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
