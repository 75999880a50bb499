package cli

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// channelRows are the rows of a channel in which people write, an interval apart, one after the other or by bulk updates: those
// are dated back, one a second.
func channelRows(rng *rand.Rand, interval int64) (rows []row) {
	now := int64(1_000_000)
	for range 2 + rng.IntN(12) {
		now += interval + rng.Int64N(60)
		n := int64(1)
		if rng.IntN(3) == 0 {
			n += rng.Int64N(40)
		}
		sealed := now - rng.Int64N(2) // or a message has waited in an outbox: nothing shows then that it is dated back
		if rng.IntN(4) == 0 {
			sealed -= 1000
		}
		for i := range n {
			at := now - (n - 1 - i)
			rows = append(rows, row{id: int64(len(rows) + 1), posted: at, back: sealed > at})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.posted, b.posted) })
	return rows
}

// A relay answers start= and end=, and results=, by date: with both, or with the few newest rows, an honest answer was told as
// "entry 3 was not shown".
func TestAWindowByDateAccusesNobody(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		all := channelRows(rng, 15)
		first, last := all[0].posted, all[len(all)-1].posted
		start := first - 1 + rng.Int64N(last-first+2)
		end := start + rng.Int64N(last-start+2)
		window := slices.DeleteFunc(slices.Clone(all), func(r row) bool { return r.posted < start || r.posted > end })
		if newest := rng.IntN(3) == 0; newest {
			window = all[rng.IntN(len(all)):]
		}
		if len(window) == 0 {
			continue
		}
		n := rowNumbers{rows: slices.Clone(window)}
		for first, last := range n.without(n.between()) {
			at, _ := slices.BinarySearchFunc(n.rows, last+1, func(r row, id int64) int { return cmp.Compare(r.id, id) })
			if at == len(n.rows)-1 && !n.rows[at].back {
				continue // of one row alone, which had waited in an outbox, nothing can show that it is dated back
			}
			t.Fatalf("entries %d–%d are told as not shown, of\n%v\nout of\n%v", first, last, window, all)
		}
	}
}

// What no window explains is told, whatever the file begins with: without bulk updates each row that was cut out of the middle.
func TestARowThatWasCutOutIsTold(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		var rows []row
		now := int64(1_000_000)
		for id := range 3 + rng.Int64N(20) {
			now += 15 + rng.Int64N(60)
			rows = append(rows, row{id: id + 1, posted: now})
		}
		rows = rows[rng.IntN(len(rows)-2):]
		cut := 1 + rng.IntN(len(rows)-2)
		n := rowNumbers{rows: slices.Delete(slices.Clone(rows), cut, cut+1)}
		told := 0
		for first, last := range n.without(n.between()) {
			if told++; first != rows[cut].id || last != first {
				t.Fatalf("entries %d–%d are told, entry %d was cut out of\n%v", first, last, rows[cut].id, rows)
			}
		}
		if told != 1 {
			t.Fatalf("entry %d was cut out of\n%v\nand %d gaps are told", rows[cut].id, rows, told)
		}
	}
}

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
