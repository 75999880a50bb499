package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// A passphrase was asked for, or generated and shown, for a file that could not be written.
func TestAFileThatIsThereIsRefusedBeforeItsPassphrase(t *testing.T) {
	ana := newDevice(t, relaytest.New(t))
	ana.makeRoom(quickSigned)
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{there, filepath.Join(there, "below a file")} {
		for _, command := range [][]string{
			{"rooms", "export", "--generate"},
			{"rooms", "export"}, // which would say that there is no passphrase
			{"identity", "export", "--yes", "--generate"},
			{"key", "derive", "--profile", "tutorial"},
			{"key", "generate"},
		} {
			ana.exits(exitUsage, append(command, "-o", out)...)
			ana.says(1, "--out: ")
			if ana.stdout.Len() > 0 {
				t.Errorf("%q prints %q", command, &ana.stdout)
			}
		}
	}
	// Where no passphrase is given, no empty file is left.
	ana.exits(exitUsage, "rooms", "export", "-o", filepath.Join(dir, "new"))
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("there are %v, %v", all, err)
	}
	ana.must("send", "this device still signs")
}

// A command that is printed for somebody to run is one that a shell takes as it is meant.
func TestShellWord(t *testing.T) {
	for text, want := range map[string]string{
		"rooms.age": "rooms.age", "/a/b-c_d@e": "/a/b-c_d@e", "my rooms.age": "'my rooms.age'", "it's": `'it'\''s'`, "-x": "'./-x'",
		"": "''", "$HOME": "'$HOME'", "a;b": "'a;b'",
	} {
		if got := shellWord(text); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", text, got, want)
		}
	}
}
