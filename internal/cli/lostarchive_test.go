package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// TestAnArchiveThatWasLost: whoever has lost what was read reads it again, writes with a new key, since nobody knows
// which numbers the old one has used, and is told so once; so are the others, by the name. The old key was destroyed when the
// room was only read; now it is kept, and writes again once its archive is back.
func TestAnArchiveThatWasLost(t *testing.T) {
	for _, command := range [][]string{{"send", "two"}, {"recv"}} {
		t.Run(command[0], func(t *testing.T) {
			relay := relaytest.New(t)
			ana := newDevice(t, relay)
			channel := fmt.Sprint(ana.makeRoom(quickSigned))
			ana.must("identity", "name", "ana")
			ana.must("send", "one")
			bo := newDevice(t, relay)
			bo.must("join", "lab", "--channel", channel, "--profile", quickSigned)
			bo.must("recv")

			dir := filepath.Join(ana.env["HOME"], ".local/share/fernpost/archive")
			if err := os.Rename(dir, dir+".away"); err != nil {
				t.Fatal(err)
			}
			settings := filepath.Join(filepath.Dir(dir), "rooms", "lab.json")
			before, err := os.ReadFile(settings)
			if err != nil {
				t.Fatal(err)
			}
			ana.must(command...)
			if command[0] == "recv" {
				if got := ana.stderr.String(); !strings.Contains(got, "put it back before you write") {
					t.Errorf("recv says %q", got)
				}
				if after, err := os.ReadFile(settings); err != nil || string(after) != string(before) {
					t.Errorf("reading has changed the settings: %s, %v", after, err)
				}
				ana.must("recv")
				if got := ana.stderr.String(); strings.Contains(got, "lost") {
					t.Errorf("it is said again: %q", got)
				}
				ana.must("send", "two")
			}
			lost := regexp.MustCompile(`^the archive of room lab is lost: you write with a new identity from now on \(key (\S+)\); tell the others\n`)
			said := lost.FindStringSubmatch(ana.stderr.String())
			if said == nil {
				t.Fatalf("%s says %q", command[0], &ana.stderr)
			}
			ana.must("send", "three")
			if got := ana.stderr.String(); strings.Contains(got, "lost") {
				t.Errorf("it is said again: %q", got)
			}
			ana.must("recv", "-n", "0")
			if got := ana.stdout.String(); !strings.Contains(got, "ana 1: one\n") || !strings.Contains(got, ": three") {
				t.Errorf("what was written before is gone:\n%s", got)
			}
			bo.must("recv", "-n", "0")
			other := regexp.MustCompile(fmt.Sprintf(`another ana \(%s\)`, regexp.QuoteMeta(said[1])))
			if got := bo.stderr.String(); !other.MatchString(got) || strings.Contains(got, "missing") || strings.Contains(got, "two different") {
				t.Errorf("bo is told %q, want another ana (%s)", got, said[1])
			}

			for range 2 { // whichever of the two comes back
				if err := errors.Join(os.Rename(dir, dir+".new"), os.Rename(dir+".away", dir), os.Rename(dir+".new", dir+".away")); err != nil {
					t.Fatal(err)
				}
				ana.must("send", "with the archive")
				if got := ana.stderr.String(); !strings.HasPrefix(got, "the archive of room lab is back: ") || strings.Contains(got, "lost") {
					t.Errorf("with its archive send says %q", got)
				}
				bo.must("recv", "-n", "1")
				if got := bo.stdout.String() + bo.stderr.String(); !strings.Contains(got, "with the archive") || strings.Contains(got, "missing") ||
					strings.Contains(got, "two different") {
					t.Errorf("bo reads %q", got)
				}
			}
		})
	}
}
