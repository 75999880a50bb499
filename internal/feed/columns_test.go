package feed_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/feed"
)

// TestWhichOfSeveralColumns: a column with the very name goes before a labelled one, what was taken of several is said, and
// an import refuses to choose.
func TestWhichOfSeveralColumns(t *testing.T) {
	const at = "2023-11-14 22:14:20 UTC"
	const entry = "2: entry 1 at 2023-11-14T22:14:20Z, field1 x"
	for _, tt := range []struct {
		name, text string
		want       []string
		refused    string
	}{
		{
			"a local time before the date", "created_at (local),created_at,entry_id,field1\n2023-11-14 23:14:20," + at + ",1,x\n",
			[]string{entry, `the column "created_at (local)" is ignored`},
			"",
		},
		{
			"a raw value before the field", "created_at,entry_id,field1_raw,field1\n" + at + ",1,raw,x\n",
			[]string{entry, `the column "field1_raw" is ignored`},
			"",
		},
		{
			"two labelled ones", "created_at,entry_id,field1_a,field1_b\n" + at + ",1,x,y\n",
			[]string{entry, `field1 is read from the first of the columns "field1_a" and "field1_b"`, `the column "field1_b" is ignored`},
			`two of its columns could be field1: "field1_a" and "field1_b"`,
		},
		{
			"one name twice", "created_at,entry_id,field1,field1\n" + at + ",1,x,y\n",
			[]string{entry, `field1 is read from the first of the columns "field1" and "field1"`, `the column "field1" is ignored`},
			`two of its columns could be field1: "field1" and "field1"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, toldOf(t, tt.text, feed.Options{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			got := toldOf(t, tt.text, feed.Options{Import: true})
			if last := got[len(got)-1]; (tt.refused != "") != (last == "error: "+tt.refused) {
				t.Errorf("an import says %q, want the error %q", got, tt.refused)
			}
		})
	}
}

// TestZoneBehindTheColumnsName: dates without a zone are in the one that stands behind created_at; what is no zone is said.
func TestZoneBehindTheColumnsName(t *testing.T) {
	file := func(name string) string { return name + ",entry_id,field1\n2023-11-14 23:14:20,1,x\n" }
	got := toldOf(t, file("created_at (Europe/Berlin)"), feed.Options{})
	want := []string{"2: entry 1 at 2023-11-14T22:14:20Z, field1 x", "dates without a zone are taken as Europe/Berlin"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a known zone (-want +got):\n%s", diff)
	}
	for name, want := range map[string]struct{ at, zone string }{
		"created_at (+01:00)":     {"2023-11-14T22:14:20Z", "+01:00"},
		"created_at +0100":        {"2023-11-14T22:14:20Z", "+0100"},
		"Created at: UTC+1":       {"2023-11-14T22:14:20Z", "UTC+1"},
		"created_at (\u22125:00)": {"2023-11-15T04:14:20Z", "-5:00"},
		"created_at (utc)":        {"2023-11-14T23:14:20Z", "UTC"},
		"created_at (CET)":        {"2023-11-14T22:14:20Z", "CET, +01:00 in summer and winter"},
	} {
		got := toldOf(t, file(name), feed.Options{})
		said := []string{"2: entry 1 at " + want.at + ", field1 x", "dates without a zone are taken as " + want.zone}
		if diff := cmp.Diff(said, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		// A clock that is said to show CET may have been put forward in summer: what is stored is not assumed.
		got = toldOf(t, file(name), feed.Options{Import: true})
		if refused := strings.HasPrefix(got[len(got)-1], "error: its dates name no zone"); refused != strings.HasPrefix(want.zone, "CET") {
			t.Errorf("an import of %s: %q", name, got)
		}
	}
	got = toldOf(t, file("created_at (local)"), feed.Options{})
	if last := got[len(got)-1]; !strings.HasPrefix(last, `the zone of the dates is not taken from "created_at (local)": write one such as`) {
		t.Errorf("no zone: %q", got)
	}
	got = toldOf(t, file("created_at (local)"), feed.Options{Import: true})
	if last := got[len(got)-1]; !strings.HasPrefix(last, "error: its dates name no zone") {
		t.Errorf("an import of no zone: %q", got)
	}
}

// TestCarriageReturnsAmongLineFeeds: a line ends as it may, whatever the others end in.
func TestCarriageReturnsAmongLineFeeds(t *testing.T) {
	const at = "2023-11-14 22:14:20 UTC"
	want := []string{
		"2: entry 1 at 2023-11-14T22:14:20Z, field1 x", "3: entry 2 at 2023-11-14T22:14:20Z, field1 y",
		"4: entry 3 at 2023-11-14T22:14:20Z, field1 z",
	}
	for _, text := range []string{
		"created_at,entry_id,field1\r" + at + ",1,x\r" + at + ",2,y\r" + at + ",3,z\n",
		"created_at,entry_id,field1\n" + at + ",1,x\r" + at + ",2,y\n" + at + ",3,z\n",
		"created_at,entry_id,field1\r\n" + at + ",1,\"x\"\r" + at + ",2,\"y\"\n" + at + ",3,z\r",
	} {
		if diff := cmp.Diff(want, toldOf(t, text, feed.Options{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestValuesThatAreNotRead: what of a row cannot be read is named, and not stored.
func TestValuesThatAreNotRead(t *testing.T) {
	const at = "2023-11-14 22:14:20 UTC"
	const first = "entry 1 at 2023-11-14T22:14:20Z"
	for _, tt := range []struct {
		text     string
		want     []string
		imported string // how the first line of an import begins
	}{
		{"created_at,entry_id,field1,field2\n" + at + ",1,23,5,7\n", []string{
			"2: " + first + ", field1 23, field2 5", "2 is read in part: it has more values than the 4 columns of the first line",
		}, "2 is left out"},
		{`{"feeds":[{"created_at":"2023-11-14T22:14:20Z","entry_id":1,"field1":{"a":1},"field2":"x"}]}`, []string{
			"1: " + first + ", field2 x", "1 is read in part: field1 holds a list or an object, where a text or a number should stand",
		}, "1 is left out"},
		{"created_at,entry_id,field1\n" + at + ",1,21 \xb0C\n", []string{
			"2: " + first + ", field1 21 \xb0C",
			"1 row has bytes that are not UTF-8, the first one in line 2: save the file as UTF-8 to see what they stand for",
		}, "2: "},
		{`{"feeds":[{"created_at":"2023-11-14T22:14:20Z","entry_id":1,"field1":"21 ` + "\xb0" + `C \u00e4\n","field2":"ä"}]}`, []string{
			"1: " + first + ", field1 21 \xb0C ä\n, field2 ä",
			"1 row has bytes that are not UTF-8, the first one in line 1: save the file as UTF-8 to see what they stand for",
		}, "1: "},
		{`{"feeds":[{"created_at":"2023-11-14T22:14:20Z","entry_id":1,"field1":NaN,"field2":-Infinity,"field3":-5,"field4":"NaN \" NaN"}]}`, []string{
			"1: " + first + `, field3 -5, field4 NaN " NaN`,
			"2 values are NaN or Infinity, which JSON does not have; they are read as no value",
		}, "1: "},
		{`{"feeds":[{"created_at":"03/02/2023 10:00","entry_id":1,"field1":Infinity},{"created_at":"14/02/2023 10:00","entry_id":2}]}`, []string{
			"1: entry 1 at 2023-02-03T10:00:00Z", "2: entry 2 at 2023-02-14T10:00:00Z",
			"1 value is NaN or Infinity, which JSON does not have; it is read as no value",
			"dates are taken as day/month/year (14/02/2023 10:00)", "dates without a zone are taken as UTC",
		}, "1: "},
		{`{"feeds":[{"created_at":"03/02/2023 10:00","entry_id":1,"field1":"a"},{"created_at":"14/02/2023 10:00","entry_id":2}]}`, []string{
			"1: entry 1 at 2023-02-03T10:00:00Z, field1 a", "2: entry 2 at 2023-02-14T10:00:00Z",
			"dates are taken as day/month/year (14/02/2023 10:00)", "dates without a zone are taken as UTC",
		}, "1: "},
	} {
		if diff := cmp.Diff(tt.want, toldOf(t, tt.text, feed.Options{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
		if got := toldOf(t, tt.text, feed.Options{Import: true}); !strings.HasPrefix(got[0], tt.imported) {
			t.Errorf("an import of %q: %q", tt.text, got)
		}
	}
	got := toldOf(t, `{"feeds":[{"created_at":"2023-11-14T22:14:20Z","entry_id":1,"field1":nan}]}`, feed.Options{})
	if last := got[len(got)-1]; !strings.HasPrefix(last, "error: it is JSON only up to byte ") {
		t.Errorf("nan: %q", got)
	}
}

// TestBlanksAroundQuotedValues: where the header had none, rows with blanks around their quoted values were left out.
func TestBlanksAroundQuotedValues(t *testing.T) {
	want := []string{"2: entry 1 at 2023-11-14T22:14:20Z, field1 x"}
	for _, header := range []string{"created_at,entry_id,field1", `"created_at","entry_id","field1"`, `"created_at" , "entry_id" , "field1"`} {
		for _, row := range []string{`"2023-11-14 22:14:20 UTC" ,"1" ,"x" `, ` "2023-11-14 22:14:20 UTC", "1", "x"`, `2023-11-14 22:14:20 UTC,1,x`} {
			if diff := cmp.Diff(want, toldOf(t, header+"\n"+row+"\n", feed.Options{})); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", header, row, diff)
			}
		}
	}
	// Without blanks elsewhere quotes inside a value are a part of it.
	got := toldOf(t, "created_at,entry_id,field1\n2023-11-14 22:14:20 UTC,1, \"x\"\n2023-11-14 22:14:21 UTC,2,y\n", feed.Options{})
	if len(got) != 2 {
		t.Errorf("%q", got)
	}
}

// TestRowsOfNumbersThatNoChannelHas: a row whose number no reader keeps was left out without a word, and the messages were
// said to be none.
func TestRowsOfNumbersThatNoChannelHas(t *testing.T) {
	for _, number := range []string{"1099511627776", "4611686018427387904", "9223372036854775807"} {
		text := "created_at,entry_id,field1\n2023-11-14 22:14:20 UTC," + number + ",x\n"
		want := []string{"2 is left out: entry_id is " + number + ", and no channel comes to more than 1099511627775"}
		if diff := cmp.Diff(want, toldOf(t, text, feed.Options{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := toldOf(t, text, feed.Options{Import: true}); len(got) == 0 || strings.Contains(got[0], "left out") {
			t.Errorf("an import, which gives its own numbers, says %q", got)
		}
	}
}
