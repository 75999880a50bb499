package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// An archive that cannot be used is named, with what to do, and left as it is.
func TestArchivesThatCannotBeUsed(t *testing.T) {
	server := relaytest.New(t)
	for name, c := range map[string]struct {
		spoil      func(file []byte)
		says, hint string
	}{
		"of a newer version": {
			func(file []byte) { file[63] = 99 }, // PRAGMA user_version (SQLite's file format, section 1.3)
			"written by a newer fernpost", "use the newer fernpost on this device",
		},
		"damaged": {
			func(file []byte) { copy(file, "no database at all") },
			"the file is damaged", "move the file away to begin anew",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ana := newDevice(t, server)
			ana.makeRoom(quickSigned)
			ana.must("send", "hello")
			path := filepath.Join(ana.env["HOME"], ".local", "share", "fernpost", "archive", "lab.db")
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(before)
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"send hello", "recv", "outbox", "identity list"} {
				if code := ana.run(strings.Fields(command)...); code != exitFailed {
					t.Errorf("%s: exit %d", command, code)
				}
				if got := ana.stderr.String(); !strings.Contains(got, c.says) || !strings.Contains(got, "hint: "+c.hint) {
					t.Errorf("%s says %q", command, got)
				}
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	if got := nextStep(archive.ErrFull); !strings.HasPrefix(got, "make room on the disk") {
		t.Errorf("a full disk: %q", got)
	}
}
