package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// TestCompletion: a shell offers what this device knows, files only where one is wanted, and never a secret; for that no relay is
// asked, and no file made.
func TestCompletion(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := ana.makeRoom(quickSigned)
	bo.must("identity", "name", "bo")
	bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", quickSigned)
	bo.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
	bo.must("join", "lab2", "--channel", fmt.Sprint(channel), "--profile", quickSigned)
	bo.must("send", "--room", "lab2", "hello")
	ana.must("recv")
	ana.must("rooms", "rename", "lab", "club")
	ana.env["FERNPOST_RELAY"] = "http://127.0.0.1:1"
	offered := func(d *device, args ...string) (words []string, files bool) {
		d.must(append([]string{"__completeNoDesc"}, args...)...)
		lines := strings.Split(strings.TrimSpace(d.stdout.String()), "\n")
		return lines[:len(lines)-1], lines[len(lines)-1] == ":0"
	}
	before := filesBelow(t, ana.env["HOME"])
	for _, tt := range []struct{ args, want string }{
		{"send --room |", "club"},
		{"rooms remove |", "club"},
		{"rooms rename |", "club"},
		{"rooms rename club |", ""},
		{"invite |", "club"},
		{"init |", ""},
		{"join |", ""},
		{"key add |", ""},
		{"eavesdrop --dates |", "mdy dmy ymd"},
		{"identity verify |", "bo"},
		{"identity forget b|", "bo"},
		{"init --profile |", "fernpost pbkdf2 tutorial custom:"},
		{"relay --limits |", "free paid none"},
		{"relay --cheat drop,|", "drop,repeat drop,reorder drop,alter drop,fork drop,backdate drop,wipe"},
		{"recv --unsigned |", "balanced open strict"},
		{"watch --format |", "text csv"},
		{"join --write-key-file |", "FILES"},
		{"hash |", "FILES"},
		{"recv --ttl |", ""},
		{"recv |", "club"},
		{"key derive --channel |", ""},
		{"token encrypt --key-file |", "FILES"},
	} {
		line, _ := strings.CutSuffix(tt.args, "|")
		args := strings.Split(line, " ")
		words, files := offered(ana, args...)
		if files {
			words = append(words, "FILES")
		}
		if got, want := strings.Join(words, " "), tt.want; got != want {
			t.Errorf("%q offers %q, want %q", tt.args, got, want)
		}
	}
	if after := filesBelow(t, ana.env["HOME"]); !slices.Equal(before, after) {
		t.Errorf("files were made: %q, before %q", after, before)
	}
	// Whoever pressed Tab had the keys moved, and the prompt written over.
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "no bus"))
	ana.env["FERNPOST_KEYRING"] = "system"
	for _, args := range [][]string{{"send", "--room", ""}, {"identity", "verify", ""}} {
		words, _ := offered(ana, args...)
		if len(words) != 1 || strings.Contains(ana.stderr.String(), "your keys") || !slices.Equal(before, filesBelow(t, ana.env["HOME"])) {
			t.Errorf("for keys that are to be in the system's keyring %q offers %q, and says %q", args, words, &ana.stderr)
		}
	}
	nobody := newDevice(t, relay)
	for _, args := range [][]string{{"send", "--room", ""}, {"identity", "verify", ""}} {
		if words, files := offered(nobody, args...); len(words) > 0 || files || len(filesBelow(t, nobody.env["HOME"])) > 1 {
			t.Errorf("without rooms %q offers %q, %t, and leaves %q", args, words, files, filesBelow(t, nobody.env["HOME"]))
		}
	}
}

func filesBelow(t *testing.T, dir string) (all []string) {
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
