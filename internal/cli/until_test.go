package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// What a file lacks above --until does not count.
func TestUntilAnEntryNothingAboveItCounts(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("send", "one")
	row := func(n, minute int) string { return fmt.Sprintf("2026-11-20 10:%02d:00 UTC,%d,\n", minute, n) }
	for name, rows := range map[string][]string{
		"no cut above": {row(10, 10), row(11, 11), row(12, 12)},
		"cut above":    {row(10, 10), row(11, 11), row(12, 12), row(20, 5), row(21, 21)},
	} {
		f := ana.feedOf(func(all []string) []string { return rows })
		if code := ana.run("verify", "--until", "12", "--csv", f); strings.Contains(ana.stderr.String(), "cut off") {
			t.Errorf("%s: exit %d\n%s%s", name, code, &ana.stdout, &ana.stderr)
		}
	}
}
