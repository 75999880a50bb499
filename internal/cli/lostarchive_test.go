package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// TestAnArchiveThatWasLost: whoever has lost what was read reads it again, writes with a new key, since nobody knows
// which numbers the old one has used, and is told so once; so are the others, by the name.
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

			if err := os.RemoveAll(filepath.Join(ana.env["HOME"], ".local/share/fernpost/archive")); err != nil {
				t.Fatal(err)
			}
			ana.must(command...)
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
		})
	}
}
