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

// A file had two rows of one number, as a relay shows that tells people different things, and verify said that nothing is wrong.
func TestTwoVersionsOfAnEntryAreTold(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	for _, text := range []string{"one", "two", "three"} {
		ana.must("send", text)
	}
	const contents, dates = "in this feed with two contents", "in this feed with two dates"
	renumbered := func(row, as string) string {
		c := strings.SplitN(row, ",", 3)
		return c[0] + "," + as + "," + c[2]
	}
	for name, tt := range map[string]struct {
		change func(rows []string) []string
		code   int
		says   string
	}{
		"a repeat":      {func(rows []string) []string { return append(rows, rows[1]) }, exitDone, ""},
		"another token": {func(rows []string) []string { return append(rows, renumbered(rows[2], "2")) }, exitFindings, "entry 2 stands " + contents},
		"of all":        {func(rows []string) []string { return append(rows, renumbered(rows[2], "1"), renumbered(rows[2], "2")) }, exitFindings, "entries 1–2 stand " + contents},
		"not encrypted": {func(rows []string) []string { return append(rows, "2099-01-01 10:00:00 UTC,2,hello\n") }, exitFindings, "entry 2 stands " + contents},
		"blank":         {func(rows []string) []string { return append(rows, "2099-01-01 10:00:00 UTC,2,\n") }, exitFindings, "entry 2 stands " + contents},
		"a wrapped one": {func(rows []string) []string { return append(rows, wrappedToken(rows[1])) }, exitDone, ""},
		"another date": {func(rows []string) []string {
			return append(rows, "2099-01-01 10:00:00 UTC"+rows[1][len("2099-01-01 10:00:00 UTC"):])
		}, exitPartly, "entry 2 stands " + dates},
		"of many enough": {func(rows []string) []string { return append(rows, contradictions(30)...) }, exitFindings, "20 ranges more of entries with two contents, among entries 30–68"},
	} {
		t.Run(name, func(t *testing.T) {
			file := ana.feedOf(tt.change)
			for _, command := range [][]string{{"verify"}, {"recv", "--strict"}, {"eavesdrop"}} {
				code := ana.run(append(command, "--csv", file)...)
				want := tt.code
				if command[0] == "eavesdrop" {
					want = exitDone
				}
				if code != want && name != "of many enough" || code != exitFindings && want == exitFindings {
					t.Errorf("%v exits %d, want %d\n%s%s", command, code, want, &ana.stdout, &ana.stderr)
				}
				if got := ana.stderr.String(); !strings.Contains(got, tt.says) || tt.says == "" && strings.Contains(got, "in this feed") {
					t.Errorf("%v says\n%s", command, got)
				}
				if tt.code != exitDone && strings.Contains(ana.stdout.String(), "nothing is wrong") {
					t.Errorf("%v prints\n%s", command, &ana.stdout)
				}
			}
		})
	}
}

// wrappedToken is a row with its token as Python writes it.
func wrappedToken(row string) string {
	c := strings.SplitN(row, ",", 4)
	return c[0] + "," + c[1] + ",b'" + c[2] + "'," + c[3]
}

// contradictions are so many pairs of rows with one number, a gap apart.
func contradictions(n int) (rows []string) {
	for i := range n {
		for _, text := range []string{"a", "b"} {
			rows = append(rows, fmt.Sprintf("2099-01-01 10:00:00 UTC,%d,%s\n", 10+2*i, text))
		}
	}
	return rows
}

// Where clocks are set back, and the dates name no zone, eavesdrop showed the rows of an hour mixed with those of the next.
func TestEavesdropKeepsTheOrderOfAFileWithoutAZone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "autumn.csv")
	rows := []string{"00:50", "01:10", "01:40", "01:05", "01:35", "02:05"}
	write := func(descending bool) {
		var lines []string
		for i, at := range rows {
			lines = append(lines, fmt.Sprintf("2024-11-03 %s:00,%d,value %d\n", at, i+1, i+1))
		}
		if descending {
			slices.Reverse(lines)
		}
		if err := os.WriteFile(file, []byte("created_at,entry_id,field1\n"+strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := newDevice(t, relaytest.New(t))
	for _, descending := range []bool{false, true} {
		write(descending)
		d.must("eavesdrop", "--csv", file, "-n", "4")
		last := -1
		for i := 3; i <= 6; i++ {
			at := strings.Index(d.stdout.String(), fmt.Sprint("value ", i))
			if at <= last {
				t.Errorf("descending %t: out of order:\n%s", descending, &d.stdout)
			}
			last = at
		}
	}
}
