package cli

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
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

// A relay pretended a clear, showed all but one of the messages again under new dates, and nothing was wrong; later verify was in
// doubt, and recv --strict was not.
func TestAClearAfterWhichMostIsShownAgainIsInDoubt(t *testing.T) {
	for copies, code := range map[int]int{4: exitPartly, 1: exitDone} { // a single copy anybody posts
		synctest.Test(t, func(t *testing.T) {
			class, ana, _, reader := liedTo(t)
			hide := relaytest.RewriteRows(func(row string) string {
				if strings.HasPrefix(row, "created_at") {
					return row
				}
				return ""
			})
			reader.must("recv")
			before := class.relay.Entries(t, ana.channel())
			class.relay.Clear(t, ana.channel())
			class.relay.Inject(hide)
			for range 3 {
				reader.run("recv")
				time.Sleep(time.Minute)
			}
			class.relay.Inject(nil)
			for _, e := range before[1 : 1+copies] {
				e.CreatedAt = time.Now()
				class.relay.Seed(t, ana.channel(), 1, func(int) thingspeak.Entry { return e })
			}
			reader.run("recv")
			for _, args := range [][]string{{"verify"}, {"recv", "--strict"}, {"recv", "--strict"}} {
				reader.exits(code, args...)
				reader.says(map[int]int{4: 1}[copies], "1 message that this device has read or posted is not shown since the channel was cleared, and "+
					"4 messages that stood there with it are shown again: either somebody has posted those once more, or the relay has cleared nothing")
			}
		})
	}
}
