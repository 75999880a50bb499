package feed_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // a machine may have no zones
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// toldOf is told of a text, which a file and a stream must both tell.
func toldOf(t testing.TB, text string, o feed.Options) []string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := told(t, name, o)
	var streamed []string
	report, err := feed.Read(io.MultiReader(strings.NewReader(text)), o, func(line int, e *thingspeak.Entry) error {
		streamed = append(streamed, fmt.Sprintf("%d: %s", line, show(e)))
		return nil
	})
	for _, row := range report.PartlyNamed {
		streamed = append(streamed, fmt.Sprintf("%d is read in part: %s", row.Line, row.Reason))
	}
	for _, bad := range report.Named {
		streamed = append(streamed, fmt.Sprintf("%d is left out: %s", bad.Line, bad.Reason))
	}
	streamed = append(streamed, report.Assumed...)
	if report.Cut || report.NoEnd {
		streamed = append(streamed, "cut")
	}
	if err != nil {
		streamed = append(streamed, "error: "+err.Error())
	}
	if diff := cmp.Diff(lines, streamed); diff != "" {
		t.Errorf("%q (-as a file +as a stream):\n%s", text, diff)
	}
	return lines
}

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func inUTF16(text string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func TestFilesAsPeopleHaveThem(t *testing.T) {
	const (
		plain = "created_at,entry_id,field1\n2023-11-14 22:14:20 UTC,7,ä😀\n"
		entry = "2: entry 7 at 2023-11-14T22:14:20Z, field1 ä😀"
	)
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"as a relay writes it", plain, []string{entry}},
		{"tabs", strings.ReplaceAll(plain, ",", "\t"), []string{entry, "it is read as: separated by tabs"}},
		{"a line sep=", "sep=;\r\n" + strings.ReplaceAll(plain, ",", ";"), []string{"3" + entry[1:], "it is read as: separated by ';'"}},
		{"a line sep= of a comma", "\ufeffsep=,\n" + plain, []string{"3" + entry[1:]}},
		{"carriage returns", strings.ReplaceAll(plain, "\n", "\r"), []string{entry}},
		{"UTF-16, little end first", "\xff\xfe" + inUTF16(plain, binary.LittleEndian), []string{entry, "it is read as: UTF-16"}},
		{"UTF-16, big end first", "\xfe\xff" + inUTF16(plain, binary.BigEndian), []string{entry, "it is read as: UTF-16"}},
		{"UTF-16 without a mark", inUTF16(plain, binary.LittleEndian), []string{entry, "it is read as: UTF-16"}},
		{"packed", packed(t, plain), []string{entry, "it is read as: packed with gzip"}},
		{"packed, of a spreadsheet", packed(t, "\xff\xfe"+inUTF16(strings.ReplaceAll(plain, ",", "\t"), binary.LittleEndian)), []string{
			entry, "it is read as: packed with gzip, UTF-16, separated by tabs",
		}},
		{"rows of bare separators", plain + ",,\n , ,\n\n", []string{entry}},
		{"numbers with places", strings.Replace(plain, ",7,", ",7.0,", 1), []string{entry}},
		{"a number in quotes", strings.Replace(plain, ",7,", `," 7 ",`, 1), []string{entry}},
		{
			"as pandas writes it", ",created_at,entry_id,field1\n0,2023-11-14 22:14:20+00:00,7,ä😀\n",
			[]string{entry},
		},
		{
			"labels behind the fields", "Created At,Entry ID,field2 (Humidity),Field 1: Temp\n2023-11-14 22:14:20 UTC,7,x,ä😀\n",
			[]string{entry + ", field2 x"},
		},
		{
			"a field among other columns", "created_at,entry_id,field1,mood,<b>\n2023-11-14 22:14:20 UTC,7,ä😀,fine,\n",
			[]string{entry, `the columns "mood", "<b>" are ignored`},
		},
		{
			"rows that cannot be read", "created_at,entry_id,field1\nnever,7,a\n2023-11-14 22:14:20 UTC,x,a\n2023-11-14 22:14:20 UTC,0,b\n" + strings.Repeat("no\n", 9),
			[]string{
				`2 is left out: created_at is not a date: "never"`, `3 is left out: entry_id is not a number above 0: "x"`,
				`4 is left out: entry_id is not a number above 0: "0"`, `5 is left out: entry_id is not a number above 0: ""`,
				`6 is left out: entry_id is not a number above 0: ""`,
			},
		},
		{
			"a JSON feed", `{"channel":{"id":1},"feeds":[{"created_at":"14/11/2023 22:14:20","entry_id":7.0,"field1":"ä😀"},{"entry_id":8}]}`,
			[]string{"1" + entry[1:], "2 is left out: created_at is empty", "dates without a zone are taken as UTC"},
		},
		{"a JSON feed that is cut", `{"channel":{"id":1},"feeds":[{"created_at":"2023-11-14T22:14:20Z","entry_id":7,"field1":"ä😀"},{"ent`, []string{
			"1" + entry[1:], "cut",
		}},
		{"cut", plain + "2023-11-14 22:1", []string{entry, "cut"}},
		{"packed and cut", packed(t, plain+strings.Repeat("x", 1000))[:70], []string{entry, "it is read as: packed with gzip", "cut"}},
		{"two dates in a file of JavaScript's", "created_at,entry_id,field1\nTue Nov 14 2023 23:14:20 GMT+0100 (CET),7,ä😀\n", []string{entry}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, toldOf(t, tt.text, feed.Options{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDates(t *testing.T) {
	for date, want := range map[string]string{
		"2023-11-14 22:14:20 UTC":                "2023-11-14T22:14:20Z",
		"2023-11-14T22:14:20.5+01:00":            "2023-11-14T21:14:20Z",
		"2023-11-14 22:14:20 GMT":                "2023-11-14T22:14:20Z",
		"2023-11-14 22:14:20 cest":               "2023-11-14T20:14:20Z",
		"2023/11/14 22:14:20":                    "2023-11-14T22:14:20Z",
		"20231114T221420Z":                       "2023-11-14T22:14:20Z",
		"20231114221420":                         "2023-11-14T22:14:20Z",
		"11/14/2023 10:14:20 PM":                 "2023-11-14T22:14:20Z",
		"11/14/2023 12:14 am":                    "2023-11-14T00:14:00Z",
		"11/14/23 22:14":                         "2023-11-14T22:14:00Z",
		"14.11.2023 22:14":                       "2023-11-14T22:14:00Z",
		"04.03.2023 22:14":                       "2023-03-04T22:14:00Z",
		"14-11-2023 22:14":                       "2023-11-14T22:14:00Z",
		"14/11/2023":                             "2023-11-14T00:00:00Z",
		"05/05/2023 1:02":                        "2023-05-05T01:02:00Z",
		"14-Nov-23 22:14":                        "2023-11-14T22:14:00Z",
		"14. Dez. 2023 22:14":                    "2023-12-14T22:14:00Z",
		"1 Jun 2015 00:10":                       "2015-06-01T00:10:00Z",
		"Jun 1, 2015 00:10:00":                   "2015-06-01T00:10:00Z",
		"Tue, 14 Nov 2023 22:14:20 GMT":          "2023-11-14T22:14:20Z",
		"Tue Nov 14 22:14:20 2023":               "2023-11-14T22:14:20Z",
		"Tue Nov 14 22:14:20 EST 2023":           "2023-11-15T03:14:20Z",
		"Tue Nov 14 2023 22:14:20 GMT-0500 (x)":  "2023-11-15T03:14:20Z",
		"Tuesday, November 14, 2023 10:14:20 PM": "2023-11-14T22:14:20Z",
		"1700000060":                             "2023-11-14T22:14:20Z",
		"1700000060.25":                          "2023-11-14T22:14:20Z",
		"1700000060123":                          "2023-11-14T22:14:20Z",
		"1700000060123456":                       "2023-11-14T22:14:20Z",
		"1700000060123456789":                    "2023-11-14T22:14:20Z",
		"31/02/2023":                             "",
		"2023-02-30 00:00:00":                    "",
		"14/13/2023":                             "",
		"25:00":                                  "",
		"11/14/2023 25:00":                       "",
		"11/14/2023 13:00 PM":                    "",
		"14 Foo 2023":                            "",
		"45244.92667":                            "",
		"2023-11-14 22:14:20 XYZ":                "",
		"2023-11-14 22:14:20 +25:00":             "",
		"99999999999999999999":                   "",
		"03/04/2023":                             "2023-03-04T00:00:00Z",
		// What thingspeak.ParseTime reads is read whatever stands first.
		"16.04.2024 24:00:00":           "2024-04-17T00:00:00Z",
		"2024-04-16 24:00:00":           "2024-04-17T00:00:00Z",
		"31.12.2016 23:59:60":           "2017-01-01T00:00:00Z",
		"14.11.2023 22:14:20 JST":       "2023-11-14T13:14:20Z",
		"2023-11-14 22:14:20 MSK":       "2023-11-14T19:14:20Z",
		"14/11/2023 22:14:20 +01:00":    "2023-11-14T21:14:20Z",
		"Di, 14. 11. 2023, 22:14":       "2023-11-14T22:14:00Z",
		"11/14/2023 10:14:20\u202fp.m.": "2023-11-14T22:14:20Z",
		// Numbers: dates without separators, and what counts from 1970 in this century.
		"20231114":          "2023-11-14T00:00:00Z",
		"202311141005":      "2023-11-14T10:05:00Z",
		"20231114100501":    "2023-11-14T10:05:01Z",
		"2023111422":        "2023-11-14T22:00:00Z",
		"1700000060,25":     "2023-11-14T22:14:20Z",
		"17000000601":       "",
		"170000006012":      "",
		"20231314":          "",
		"15000101":          "",
		"2023318":           "",
		"0":                 "",
		"-1":                "",
		"86400":             "",
		"20231114.5":        "",
		"45244,5":           "",
		"20231114221420123": "",
		"1.70E+09":          "",
		"1,700,000,060":     "",
		// Forms that nobody may take for another one.
		"2023-W46-2":                "",
		"2023-318":                  "",
		"14/11/2023 9.05":           "",
		"2023-11-14 22:14:20 (CET)": "",
		"14 marraskuu 2023":         "",
		"14/11-2023":                "",
		"14/11/023":                 "",
		"14/11/20231":               "",
	} {
		text := "created_at,entry_id,field1\n\"" + date + "\",1,x\n"
		got := toldOf(t, text, feed.Options{})
		if want == "" {
			if len(got) == 0 || !strings.HasPrefix(got[0], "2 is left out: created_at is ") {
				t.Errorf("%s: %q", date, got)
			}
			continue
		}
		if len(got) == 0 || got[0] != "2: entry 1 at "+want+", field1 x" {
			t.Errorf("%s: %q, want %s", date, got, want)
		}
	}
}

// TestOrderOfDates: the file as a whole tells whether the day or the month comes first, a flag overrides it, and what
// stays open is said, or refused where it would be stored.
func TestOrderOfDates(t *testing.T) {
	file := func(dates ...string) string {
		var text strings.Builder
		text.WriteString("created_at,entry_id,field1\n")
		for i, d := range dates {
			text.WriteString(fmt.Sprintf("%s,%d,x\n", d, i+1))
		}
		return text.String()
	}
	imported := func(line string) string { return strings.Replace(line, "entry 1", "entry 0", 1) }
	const march, april = "2: entry 1 at 2023-03-04T00:00:00Z, field1 x", "2: entry 1 at 2023-04-03T00:00:00Z, field1 x"
	for _, tt := range []struct {
		name, text string
		options    feed.Options
		want       string // the first line
		says       string // in one of the last two
	}{
		{"a day above 12 further down", file("03/04/2023", "03/14/2023"), feed.Options{}, march, "month/day/year (03/14/2023)"},
		{"the same, the other way", file("03/04/2023", "14/04/2023"), feed.Options{}, april, "day/month/year (14/04/2023)"},
		{"only one order ascends", file("03/04/2023", "05/04/2023", "01/05/2023"), feed.Options{}, april, "day/month/year (so they ascend)"},
		{"only one order descends", file("03/04/2023", "02/05/2023", "01/02/2023"), feed.Options{}, march, "month/day/year (so they descend)"},
		{"open", file("03/04/2023"), feed.Options{}, march, "--dates dmy reads them the other way"},
		{"open, of a German program", strings.ReplaceAll(file("03/04/2023"), ",", ";"), feed.Options{}, april, "--dates mdy"},
		{"a flag", file("03/04/2023"), feed.Options{Dates: feed.DayFirst}, april, ""},
		{"both orders", file("03/04/2023", "14/04/2023", "04/15/2023"), feed.Options{}, "3: entry 2 at 2023-04-14T00:00:00Z, field1 x", "both orders"},
		{"dots", file("03.04.2023", "05.01.2023"), feed.Options{Import: true}, imported(april), ""},
		{"an import, open", file("03/04/2023"), feed.Options{Import: true}, `error: its dates may be month/day/year or day/month/year: "03/04/2023"`, ""},
		{"a date that is one in both orders", file("03/03/2023", "03/04/2023", "03/14/2023"), feed.Options{}, "2: entry 1 at 2023-03-03T00:00:00Z, field1 x", "entry 2 at 2023-03-04T00:00:00Z"},
		{"points, the month first", file("03.04.2023", "03.14.2023"), feed.Options{Import: true}, imported(march), "month/day/year (03.14.2023)"},
		{"points in both orders", file("03.04.2023", "14.04.2023", "04.15.2023"), feed.Options{}, "3: entry 2 at 2023-04-14T00:00:00Z, field1 x", "both orders"},
		{"points beside slashes", file("03.04.2023", "04/14/2023", "04/03/2023"), feed.Options{}, april, "month/day/year (04/14/2023)"},
		{"points, a flag", file("03.04.2023"), feed.Options{Dates: feed.MonthFirst}, march, ""},
		{"a flag beside one order", file("14/04/2023"), feed.Options{Dates: feed.MonthFirst}, "2: entry 1 at 2023-04-14T00:00:00Z, field1 x", ""},
		{"two digits", file("23-04-03"), feed.Options{}, "2: entry 1 at 2003-04-23T00:00:00Z, field1 x", "may be day/month/year or year/month/day; they are taken as day/month/year, --dates ymd reads them the other way"},
		{"two digits, an import", file("23-04-03"), feed.Options{Import: true}, `error: its dates may be day/month/year or year/month/day: "23-04-03"`, ""},
		{"two digits with points, an import", file("14.11.23"), feed.Options{Import: true}, `error: its dates may be day/month/year or year/month/day: "14.11.23"`, ""},
		{"two digits of three kinds", file("03/04/11"), feed.Options{Import: true}, `error: its dates may be month/day/year or day/month/year or year/month/day: "03/04/11"`, ""},
		{"two digits, a flag", file("23-04-03"), feed.Options{Import: true, Dates: feed.YearFirst}, imported(april), ""},
		{"two digits, one order exists", file("23-04-03", "23-05-31", "63-05-31"), feed.Options{Import: true}, imported(april), "year/month/day (63-05-31)"},
		{"two digits, one order ascends", file("29/11/23", "30/11/23", "01/12/23"), feed.Options{Import: true}, "2: entry 0 at 2023-11-29T00:00:00Z, field1 x", "day/month/year (so they ascend)"},
		{"the year behind the month's name", file("03-Apr-23"), feed.Options{Import: true}, imported(april), ""},
		{"dates of many rows without an order, then one", file("2023-04-03", "2023-04-04", "2023-04-05", "03/04/2023"), feed.Options{}, april, `"03/04/2023", which may be month/day/year or day/month/year: --dates mdy or --dates dmy says which`},
	} {
		got := toldOf(t, tt.text, tt.options)
		if len(got) == 0 || got[0] != tt.want || !strings.Contains(strings.Join(got, "\n"), tt.says) {
			t.Errorf("%s: %q, want %q and a word about %q", tt.name, got, tt.want, tt.says)
		}
	}
}

// TestNumbersThatAreDatesOrSeconds: ten digits that may be an hour are taken as one, and that is said; they are not stored.
func TestNumbersThatAreDatesOrSeconds(t *testing.T) {
	const text = "created_at,entry_id,field1\n2023111422,1,x\n"
	want := []string{
		"2: entry 1 at 2023-11-14T22:00:00Z, field1 x",
		`numbers such as "2023111422" may be hours or seconds since 1970; they are taken as hours`,
		"dates without a zone are taken as UTC",
	}
	if diff := cmp.Diff(want, toldOf(t, text, feed.Options{})); diff != "" {
		t.Errorf("a reader (-want +got):\n%s", diff)
	}
	want = []string{`2 is left out: created_at is "2023111422", which may be an hour or seconds since 1970: write it as ` +
		`"20231114 22:00" or "2034-02-09 15:23:42"`}
	if diff := cmp.Diff(want, toldOf(t, text, feed.Options{Import: true})); diff != "" {
		t.Errorf("an import (-want +got):\n%s", diff)
	}
}

// TestSpringHour: a time that no clock of the zone showed is not stored, and a reader is told.
func TestSpringHour(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	const text = "created_at,entry_id,field1\n2024-03-31 02:30:00,1,x\n31.3.2024 02:30 +0000,2,y\n"
	want := []string{
		"2: entry 1 at 2024-03-31T01:30:00Z, field1 x", "3: entry 2 at 2024-03-31T02:30:00Z, field1 y",
		"dates without a zone are taken as Europe/Vienna", "1 row stands in an hour that a clock change skips; it is taken as that much later",
	}
	if diff := cmp.Diff(want, toldOf(t, text, feed.Options{Zone: vienna})); diff != "" {
		t.Errorf("a reader (-want +got):\n%s", diff)
	}
	want = []string{
		"3: entry 0 at 2024-03-31T02:30:00Z, field1 y",
		`2 is left out: created_at is "2024-03-31 02:30:00", which clocks in Europe/Vienna skip: --timezone names another zone`,
	}
	if diff := cmp.Diff(want, toldOf(t, text, feed.Options{Zone: vienna, Import: true})); diff != "" {
		t.Errorf("an import (-want +got):\n%s", diff)
	}
}

// TestAutumnHour: where clocks are set back, two rows show one time. They are taken in the order of the file, and that is said.
func TestAutumnHour(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	const header = "created_at,field1\n"
	rows := []string{"2024-10-27 01:59:00,a\n", "27.10.2024 02:30,b\n", "2024-10-27 02:30:00,c\n", "27/10/2024 02:10,d\n", "2024-10-27 03:00:00,e\n"}
	want := []string{
		"2: entry 0 at 2024-10-26T23:59:00Z, field1 a", "3: entry 0 at 2024-10-27T00:30:00Z, field1 b",
		"4: entry 0 at 2024-10-27T00:30:00Z, field1 c", "5: entry 0 at 2024-10-27T01:10:00Z, field1 d",
		"6: entry 0 at 2024-10-27T02:00:00Z, field1 e", "dates without a zone are taken as Europe/Vienna",
		"3 rows stand in an hour that a clock change repeats; they are taken in the file's order",
	}
	o := feed.Options{Import: true, Zone: vienna}
	if diff := cmp.Diff(want, toldOf(t, header+strings.Join(rows, ""), o)); diff != "" {
		t.Errorf("ascending (-want +got):\n%s", diff)
	}
	slices.Reverse(rows)
	got := toldOf(t, header+strings.Join(rows, ""), o)
	for i, line := range want[:5] {
		if at := line[2:]; i < 5 && at[:36] != got[4-i][2:][:36] && i != 2 && i != 1 {
			t.Errorf("descending: %q, want %q", got[4-i], line)
		}
	}
}

func TestLabelsOfTheChannel(t *testing.T) {
	o := feed.Options{Import: true, Labels: [thingspeak.FieldCount]string{"", "Temperature", "", "note"}}
	got := toldOf(t, "created_at,Note,temperature,entry_id\n2023-11-14 22:14:20 UTC,n,21,1\n", o)
	if diff := cmp.Diff([]string{"2: entry 0 at 2023-11-14T22:14:20Z, field2 21, field4 n"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTokensInFarColumns: however many columns there are, those with tokens are found, whichever rows they stand in.
func TestTokensInFarColumns(t *testing.T) {
	head, row := "created_at,entry_id", "2023-11-14 22:14:20 UTC,1"
	for i := range 30 {
		head += fmt.Sprintf(",c%d", i)
		switch i {
		case 9, 28:
			row += ",b'gAAAAABx"
		default:
			row += ",1"
		}
	}
	text := head + "\n" + strings.Repeat("2023-11-14 22:14:20 UTC,1\n", 2000) + row + "\n"
	got := toldOf(t, text, feed.Options{})
	if len(got) < 2002 || got[2000] != "2002: entry 1 at 2023-11-14T22:14:20Z, field1 b'gAAAAABx, field2 b'gAAAAABx" ||
		!strings.HasSuffix(got[2001], `"c9" is field1, "c28" is field2`) {
		t.Errorf("read %d lines, the last are %q", len(got), got[max(0, len(got)-3):])
	}
}

// TestWhatIsNoFeed: what cannot be read is called what it is, in the words of a file, and something is said that helps.
func TestWhatIsNoFeed(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "it is empty",
		"\n \n":                                 "it is empty",
		"\ufeff":                                "it is empty",
		"-1":                                    "it holds only -1",
		"\"-1\"":                                "it holds only -1",
		"<!DOCTYPE html><title>Sign in</title>": `it is a web page (HTML), not a feed: "Sign in"`,
		`<?xml version="1.0"?><channel></channel>`:                    "it is XML",
		`{"status":400,"error":{"error_code":"error_auth_required"}}`: "it holds an error message of a relay (error_auth_required)",
		`{"a":1}`:                          "it is JSON, but no feed",
		`[{"a":1}]`:                        "it is JSON, but no feed",
		"PK\x03\x04xl/workbook.xml":        "it is a spreadsheet (.xlsx, .ods)",
		"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "it is an old spreadsheet",
		"%PDF-1.4\n":                       "it is a PDF",
		"\x1f\x8bnonsense":                 "it begins like a gzip file",
		"\x00\x01\x02\x03\n":               "it is not text",
		"2023-11-14 22:14:20 UTC,1,x\n2023-11-14 22:14:35 UTC,2,y\n": "it has no line with the names of the columns",
		"1700000000;1;x\n":                "it has no line with the names of the columns",
		"date;value\n1;2\n":               `its first line names no column created_at, but "date", "value"`,
		"created_at,field1\n":             `its first line names no column entry_id, but "created_at", "field1"`,
		"Dear all,\n":                     `its first line names no column created_at, but "Dear all", ""`,
		"hello\x1b[31m":                   `it is no feed; it begins with "hello[31m"`,
		strings.Repeat("x", 3*headLength): "it is no feed; it begins with \"xxx",
	} {
		got := toldOf(t, text, feed.Options{})
		if len(got) != 1 || !strings.HasPrefix(got[0], "error: "+want) {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
		for _, line := range got {
			if strings.Contains(line, "reply") || strings.Contains(line, "answered") {
				t.Errorf("%.40q: %q speaks of a relay's reply", text, line)
			}
		}
	}
}

const headLength = thingspeak.MaxRowBytes

// endless delivers a text for ever.
type endless struct {
	text string
	at   int
	most int
}

func (r *endless) Read(p []byte) (n int, err error) {
	if r.most <= 0 {
		return 0, io.EOF
	}
	for n < len(p) {
		m := copy(p[n:], r.text[r.at:])
		r.at = (r.at + m) % len(r.text)
		n += m
	}
	r.most -= n
	return n, nil
}

// TestMemoryIsBounded: neither one endless line nor a bomb of gzip nor a stream whose order of dates stays open fills the
// memory.
func TestMemoryIsBounded(t *testing.T) {
	const header = "created_at,entry_id,field1\n"
	pack := func(src io.Reader) []byte {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := io.Copy(w, src); err != nil {
			t.Fatal(err)
		}
		w.Close()
		return packed.Bytes()
	}
	// A file may be of many parts, each packed by itself.
	row := "2023-11-14 22:14:20 UTC,1," + strings.Repeat("x", 50_000) + "\n"
	bomb := append(pack(strings.NewReader(header)), bytes.Repeat(pack(&endless{text: row, most: 300 * len(row)}), 20)...)
	for name, src := range map[string]io.Reader{
		"a line":  io.MultiReader(strings.NewReader(header), &endless{text: "x", most: 24 << 20}),
		"no line": &endless{text: "x", most: 24 << 20},
		"quotes":  io.MultiReader(strings.NewReader(header), &endless{text: "\"", most: 24 << 20}),
		"a bomb":  bytes.NewReader(bomb),
		"dates":   io.MultiReader(strings.NewReader(header), &endless{text: "03/04/2023,1," + strings.Repeat("x", 50) + "\n", most: 24 << 20}),
		"columns": io.MultiReader(strings.NewReader("created_at,entry_id,x\n"), &endless{text: "03/04/2023,1," + strings.Repeat("x", 200) + "\n", most: 24 << 20}),
		"JSON":    io.MultiReader(strings.NewReader(`{"feeds":[{"a":"`), &endless{text: "x", most: 24 << 20}),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var most uint64
		rows := 0
		_, err := feed.Read(io.MultiReader(src), feed.Options{}, func(int, *thingspeak.Entry) error {
			if rows++; rows%100_000 == 0 {
				runtime.ReadMemStats(&after)
				most = max(most, after.HeapInuse)
			}
			return nil
		})
		runtime.ReadMemStats(&after)
		if most = max(most, after.HeapInuse); most > before.HeapInuse+100<<20 {
			t.Errorf("%s: %d MiB in use, %d before; %v", name, most>>20, before.HeapInuse>>20, err)
		}
		if _, refused := errors.AsType[*feed.NotFeedError](err); name == "a bomb" && !refused {
			t.Errorf("a bomb is read: %v", err)
		}
	}
}

func TestVisitEndsReading(t *testing.T) {
	stop := errors.New("enough")
	for _, text := range []string{
		"created_at,entry_id,field1\n2023-11-14 22:14:20 UTC,1,x\n", `{"feeds":[{"created_at":"2023-11-14","entry_id":1}]}`,
	} {
		_, err := feed.Read(strings.NewReader(text), feed.Options{}, func(int, *thingspeak.Entry) error { return stop })
		if err != stop {
			t.Errorf("%q: %v, want what visit returned", text, err)
		}
	}
}

// FuzzRead: nothing crashes, a file and a stream are read alike, and what the strict reader reads of a feed with fields the
// lenient one reads identically.
func FuzzRead(f *testing.F) {
	names, _ := filepath.Glob("testdata/cases/*")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("sep=;\ncreated_at;entry_id;x\n03/04/2023;1;gAAAAABx\n13/04/2023;2.0;\n")
	f.Add("created_at,entry_id,field1\r2023-11-14 22:14:20 UTC,1,\"a\n\"\r")
	f.Add("\xff\xfec\x00r\x00")
	f.Add("created_at,entry_id,field1\n14.11.23 1:2 PM JST,1,x\n2023111422,2,\n20231114,3,\nMo 3. Mrz 15 24:00,\"4,0\",\n")
	f.Add("created_at,entry_id,field1, \"x\"\n2023-11-14 22:14:20 UTC,1, \"a\"\n")
	f.Add("created_at,entry_id,field1\n2023-11-14 22:14:20 UTC,1,a\rb\n")
	f.Add("{\"feeds\":[{\"created_at\":\"03/04/2023\",\"entry_id\":-Infinity,\"field1\":NaN,\"field2\":\"21 \xb0C\"}]}")
	f.Add("created_at (+01:00),entry_id,field1\n2023-11-14 22:14:20,1,a\n")
	f.Fuzz(func(t *testing.T, text string) {
		type row struct {
			Line  int
			Entry thingspeak.Entry
		}
		read := func(src io.Reader, o feed.Options) (rows []row, report feed.Report, err error) {
			report, err = feed.Read(src, o, func(line int, e *thingspeak.Entry) error {
				rows = append(rows, row{line, *e})
				return nil
			})
			return rows, report, err
		}
		streamed, report, err := read(strings.NewReader(text), feed.Options{})
		file, fileReport, fileErr := read(memoryFile{strings.NewReader(text)}, feed.Options{})
		if diff := cmp.Diff(streamed, file); diff != "" || !cmp.Equal(report, fileReport) || fmt.Sprint(err) != fmt.Sprint(fileErr) {
			t.Fatalf("%v or %v; %v or %v (-stream +file):\n%s", report, fileReport, err, fileErr, diff)
		}
		if said := strings.Join(report.Assumed, "\n"); strings.Contains(said, "dates are ") || strings.Contains(said, "dates such as ") {
			return // by the file as a whole, which the strict reader does not see
		}
		strict := thingspeak.NewCSVReader(strings.NewReader(text))
		if h, err := strict.Header(); err != nil || h.Fields == 0 || bytes.IndexByte([]byte(text), '\n') < 0 {
			return
		}
		names, _, _ := strings.Cut(strings.TrimPrefix(text, "\ufeff"), "\n")
		if !plainNames(names) || strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), "\r") {
			return // in a file a carriage return ends a line, in what a relay sends it does not
		}
		for i := 0; ; {
			var e thingspeak.Entry
			err := strict.Read(&e)
			if err == io.EOF {
				return
			}
			if err != nil {
				continue
			}
			for i < len(streamed) && streamed[i].Line != strict.Line() {
				i++ // a row that only the lenient reader reads
			}
			if i == len(streamed) || !cmp.Equal(e, streamed[i].Entry) {
				t.Fatalf("line %d of %q: strictly %v, leniently %v", strict.Line(), text, e, streamed)
			}
		}
	})
}

// plainNames reports whether a first line has only the columns that a relay writes.
func plainNames(line string) bool {
	for name := range strings.SplitSeq(strings.TrimSuffix(line, "\r"), ",") {
		switch name {
		case "created_at", "entry_id", "latitude", "longitude", "elevation", "status":
		default:
			if len(name) != 6 || name[:5] != "field" || name[5] < '1' || name[5] > '8' {
				return false
			}
		}
	}
	return true
}

// memoryFile is a text that can be read again, as a file can.
type memoryFile struct{ *strings.Reader }

func (f memoryFile) Stat() (os.FileInfo, error) { return memoryInfo{size: f.Size()}, nil }

type memoryInfo struct {
	os.FileInfo
	size int64
}

func (i memoryInfo) Size() int64       { return i.size }
func (i memoryInfo) Mode() os.FileMode { return 0o600 }

// A file of UTF-16 beyond the first 128 KiB ended in "multiple Read calls return no data".
func TestUTF16OfAnySize(t *testing.T) {
	for _, wide := range []string{"a", "\u20ac", "\U0001f600"} {
		var text strings.Builder
		text.WriteString("created_at;entry_id;field1\n")
		for n := range 4000 {
			fmt.Fprintf(&text, "2023-11-14 22:14:20 UTC;%d;%s\n", n+1, strings.Repeat(wide, n%50+1))
		}
		file := []byte{0xff, 0xfe}
		for _, unit := range utf16.Encode([]rune(text.String())) {
			file = append(file, byte(unit), byte(unit>>8))
		}
		n := 0
		report, err := feed.Read(bytes.NewReader(file), feed.Options{}, func(_ int, e *thingspeak.Entry) error {
			if want := strings.Repeat(wide, n%50+1); e.Fields[0].Text != want {
				t.Fatalf("row %d is %q, want %q", n+1, e.Fields[0].Text, want)
			}
			n++
			return nil
		})
		if err != nil || report.Rows != 4000 || n != 4000 {
			t.Errorf("%q: %v, %d rows", wide, err, report.Rows)
		}
	}
}
