package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// A file that began in the middle of a room accused authors of messages that stood before it, and the relay of rows that a cut
// by date takes out of the middle, where a bulk update is dated back.
func TestAPartOfAFeedAccusesNobodyOfTheRest(t *testing.T) { synctest.Test(t, partsAccuseNobody) }

func partsAccuseNobody(t *testing.T) {
	class := newClass(t, relaytest.InBubble(t))
	ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
	ana.makeRoom(quickSigned)
	bo.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
	bo.must("join", "lab", "--channel", fmt.Sprint(ana.channel()), "--profile", quickSigned)
	for i := range 3 {
		time.Sleep(time.Minute) // as people write: each bulk update reaches back some seconds, and not before all there is
		ana.must("send", fmt.Sprint("ana ", i))
		time.Sleep(time.Minute)
		bo.must("send", strings.Repeat("long ", 800)) // of several entries in a bulk update
		bo.must("recv")
	}
	rows := 0
	var dates []string
	whole := ana.feedOf(func(all []string) []string {
		rows = len(all)
		for _, row := range all {
			date, _, _ := strings.Cut(row, ",")
			dates = append(dates, date)
		}
		return all
	})
	ana.must("verify", "--csv", whole)
	if strings.Contains(ana.stderr.String(), "part of the feed") {
		t.Errorf("of all of it verify says %q", &ana.stderr)
	}
	var windows [][2]int // as people cut files, and relays answer start= and end=
	for from := range rows {
		for to := from + 1; to <= rows; to++ {
			// Nobody cuts within a second by date.
			if (from == 0 || dates[from] != dates[from-1]) && (to == rows || dates[to] != dates[to-1]) {
				windows = append(windows, [2]int{from, to})
			}
		}
	}
	for _, w := range windows {
		begins := false // with entry 1, before which rows of a bulk update are dated
		part := ana.feedOf(func(all []string) []string {
			begins = slices.ContainsFunc(all[w[0]:w[1]], func(row string) bool { return strings.Split(row, ",")[1] == "1" })
			return all[w[0]:w[1]]
		})
		for _, command := range [][]string{{"verify"}, {"recv", "--strict"}} {
			code := ana.run(append(command, "--csv", part)...)
			got := ana.stderr.String()
			if code != exitDone && code != exitPartly || !begins && !strings.Contains(got, "this is a part of the feed: the file begins with entry ") {
				t.Errorf("of rows %v %s exits %d:\n%s", w, command[0], code, got)
			}
		}
	}
	if len(windows) < rows {
		t.Errorf("%d windows of %d rows", len(windows), rows)
	}
	// What was cut out of a part whose rows stand in order is told like that of a whole.
	text := func(n int) string { return fmt.Sprintf("2026-11-20 10:%02d:00 UTC,%d,\n", n, n) }
	gap := ana.feedOf(func([]string) []string { return []string{text(10), text(11), text(13)} })
	ana.exits(exitFindings, "recv", "--strict", "--csv", gap)
	if got := ana.stderr.String(); !strings.Contains(got, "entry 12 was not shown\n") {
		t.Errorf("of a gap recv says\n%s", got)
	}
}

// One row of a number that no channel reaches was told as a billion entries that were withheld.
func TestANumberThatNoChannelReachesIsDoubtful(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("send", "one")
	far := ana.feedOf(func(rows []string) []string {
		return slices.Concat(rows, []string{"2026-11-20 10:00:00 UTC,999999999,\n"})
	})
	ana.exits(exitFindings, "verify", "--csv", far)
	if got := ana.stderr.String(); !strings.Contains(got, "none of the entries 2–999999998 was shown, but one above them: that number is doubtful\n") ||
		strings.Contains(got, "not shown") {
		t.Errorf("verify says\n%s", got)
	}
}
