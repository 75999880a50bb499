package thingspeak_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// importReader reads a file that is to be imported, its dates without an offset in the zone.
func importReader(text string, zone *time.Location) *thingspeak.CSVReader {
	return thingspeak.NewFileReader(strings.NewReader(text), thingspeak.FileRules{
		Import: true,
		Time: func(s string) (time.Time, error) {
			t, err := thingspeak.ParseTime(s, zone)
			if err != nil {
				t, err = thingspeak.ParseEpoch(s)
			}
			return t, err
		},
	})
}

// importAll reads a file that is to be imported: its rows, and for each row that cannot be read its line and why.
func importAll(t testing.TB, text string, zone *time.Location) (rows []thingspeak.Entry, lines []int, bad []string) {
	t.Helper()
	r := importReader(text, zone)
	for {
		var e thingspeak.Entry
		err := r.Read(&e)
		row, isRow := errors.AsType[*thingspeak.RowError](err)
		cut, isCut := errors.AsType[*thingspeak.CutShortError](err)
		switch {
		case errors.Is(err, io.EOF):
			return rows, lines, bad
		case isRow:
			lines, bad = append(lines, row.Line), append(bad, row.Reason)
		case isCut && cut.Delivered:
		case isCut:
			lines, bad = append(lines, cut.Line), append(bad, "cut short")
		case err != nil:
			t.Fatalf("%q: %v", text, err)
		default:
			rows, lines = append(rows, e), append(lines, r.Line())
		}
	}
}

func TestImportReader(t *testing.T) {
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.UTC()
	}
	vienna := time.FixedZone("", 3600)
	field1 := func(date, text string) thingspeak.Entry {
		return thingspeak.Entry{CreatedAt: at(date), Fields: thingspeak.Fields{thingspeak.Text(text)}}
	}
	for _, tt := range []struct {
		name, text string
		zone       *time.Location
		rows       []thingspeak.Entry
		lines      []int
		bad        []string
	}{
		{
			"an export", "created_at,entry_id,field1\n2026-01-02 03:04:05 UTC,9,a\n", nil,
			[]thingspeak.Entry{field1("2026-01-02T03:04:05Z", "a")},
			[]int{2},
			nil,
		},
		{
			"a number that is none", "created_at,entry_id,field1\n2026-01-02 03:04:05 UTC,x,a\n", nil,
			[]thingspeak.Entry{field1("2026-01-02T03:04:05Z", "a")},
			[]int{2},
			nil,
		},
		{
			"epoch", "created_at,field1\n1700000000,a\n1700000000.5,b\n", nil,
			[]thingspeak.Entry{field1("2023-11-14T22:13:20Z", "a"), field1("2023-11-14T22:13:20Z", "b")},
			[]int{2, 3},
			nil,
		},
		{
			"a zone", "created_at,field1\n2026-01-02 03:04:05,a\n2026-01-02 03:04:05 UTC,b\n", vienna,
			[]thingspeak.Entry{field1("2026-01-02T02:04:05Z", "a"), field1("2026-01-02T03:04:05Z", "b")},
			[]int{2, 3},
			nil,
		},
		{
			"places", "created_at,latitude,longitude,elevation,status\n2026-01-01, 48.20000000001 ,-16, high,ok\n2026-01-01,,,,\n", nil,
			[]thingspeak.Entry{{
				CreatedAt: at("2026-01-01T00:00:00Z"), Latitude: thingspeak.Text("48.2000000000"),
				Longitude: thingspeak.Text("-16"), Elevation: thingspeak.Text(" high"), Status: thingspeak.Text("ok"),
			}, {CreatedAt: at("2026-01-01T00:00:00Z")}},
			[]int{2, 3},
			nil,
		},
		{
			"bad rows", "created_at,field1,latitude\nnever,a,\n,a,\n2026-01-01,a,north\n2026-01-01,a,1,more\n2026-01-01,fine\n", nil,
			[]thingspeak.Entry{field1("2026-01-01T00:00:00Z", "fine")},
			[]int{2, 3, 4, 5, 6},
			[]string{
				`created_at is not a date: "never"`, "created_at is empty", `latitude is no decimal: "north"`,
				"it has more values than the 3 columns of the first line",
			},
		},
		{
			"a value over two lines", "created_at,field1\n2026-01-01,\"a\r\nb\"\nnever,\n", nil,
			[]thingspeak.Entry{field1("2026-01-01T00:00:00Z", "a\r\nb")},
			[]int{2, 4},
			[]string{`created_at is not a date: "never"`},
		},
		{"half a row at the end", "created_at,field1,field2\n2026-01-01,a", nil, nil, []int{2}, []string{"cut short"}},
		{
			"no end of the last line", "created_at,field1\n2026-01-01,a", nil,
			[]thingspeak.Entry{field1("2026-01-01T00:00:00Z", "a")},
			[]int{2},
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, lines, bad := importAll(t, tt.text, tt.zone)
			if diff := cmp.Diff(tt.rows, rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.lines, lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.bad, bad); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNumbersOfEntriesWithPlaces: places of zeros are none, with a point or a comma, unless they may be thousands.
func TestNumbersOfEntriesWithPlaces(t *testing.T) {
	for in, want := range map[string]int64{
		"7": 7, "7.0": 7, "7,0": 7, "7.00": 7, "1000,0": 1000, "7.": 7,
		"1.000": 0, "1,000": 0, "1.000.000": 0, "7,5": 0, ".0": 0, ",": 0, "7.0,0": 0, "1e3": 0,
	} {
		text := fmt.Sprintf("created_at,entry_id\n2026-01-01,%q\n", in)
		var e thingspeak.Entry
		err := thingspeak.NewFileReader(strings.NewReader(text), thingspeak.FileRules{}).Read(&e)
		if e.ID != want || (err == nil) != (want != 0) {
			t.Errorf("entry_id %q is %d, %v, want %d", in, e.ID, err, want)
		}
	}
}

func TestFileReaderTellsItsColumns(t *testing.T) {
	r := importReader("created_at,field1,mood,field9,\x1b[31mfield1\n", nil)
	if _, err := r.Header(); err != nil {
		t.Fatal(err)
	}
	names, takenAs := r.Names()
	if diff := cmp.Diff([]string{"created_at", "field1", "mood", "field9", "[31mfield1"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"created_at", "field1", "", "", ""}, takenAs); diff != "" {
		t.Errorf("taken as (-want +got):\n%s", diff)
	}
	_, err := importReader("field1\nx\n", nil).Header()
	if e, ok := errors.AsType[*thingspeak.NoColumnError](err); !ok || e.Lacks != "created_at" {
		t.Errorf("a file without dates: %v", err)
	}
}

// FuzzImportReader: what can be read can be written as a feed and read again, the same.
func FuzzImportReader(f *testing.F) {
	f.Add("created_at,field1\n2026-01-01,a\n")
	f.Add("\ufeffcreated_at,entry_id,field8,status,latitude\r\n1700000000,7,\"a\"\"b\r\nc\",,1.5\r\nnever,,,,\r\n")
	f.Add("field1,created_at\n\"open,1\n,,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > thingspeak.MaxRowBytes/2 {
			return // quotes may double, and a row must stay readable
		}
		r := importReader(text, nil)
		if _, err := r.Header(); err != nil {
			return
		}
		rows, lines, bad := importAll(t, text, nil)
		if len(rows)+len(bad) != len(lines) {
			t.Fatalf("%d rows and %d bad ones stand on %d lines", len(rows), len(bad), len(lines))
		}
		feed := thingspeak.AppendCSVHeader(nil, thingspeak.AllFields, true, true)
		for i := range rows {
			rows[i].ID = int64(i + 1)
			feed = thingspeak.AppendCSVRow(feed, &rows[i], thingspeak.AllFields, true, true, nil)
		}
		again := thingspeak.NewCSVReader(strings.NewReader(string(feed)))
		for i := range rows {
			var e thingspeak.Entry
			if err := again.Read(&e); err != nil {
				t.Fatalf("row %d of %q: %v", i, feed, err)
			}
			if diff := cmp.Diff(rows[i], e); diff != "" {
				t.Errorf("row %d (-imported +read again):\n%s", i, diff)
			}
		}
	})
}

// A beginning that is read where it stands gives the same rows as any other text, and stays what it is.
func TestHeadReaderLeavesTheTextAlone(t *testing.T) {
	const header = "created_at,entry_id,field1\n"
	long := strings.Repeat("x", thingspeak.MaxRowBytes/2)
	for _, text := range []string{
		"", "\n", "created_at", header, "<html>",
		header + "2026-01-02 03:04:05 UTC,1,a\n2026-01-02 03:04:06 UTC,2,\"b\nc\"\nbad\n2026-01-02 03:04:07 UTC,3,cut",
		"\ufeff" + header + "2026-01-02 03:04:05 UTC,1,\"open\n2026-01-02 03:04:06 UTC,2,b\n",
		header + "2026-01-02 03:04:05 UTC,1," + long + "\n2026-01-02 03:04:05 UTC,2," + long[:thingspeak.MaxRowBytes/3],
		strings.Repeat("x", thingspeak.MaxRowBytes+1),
	} {
		read := func(r *thingspeak.CSVReader) (said []string) {
			var e thingspeak.Entry
			for len(said) < 20 {
				err := r.Read(&e)
				said = append(said, fmt.Sprint(e, err))
				_, isRow := errors.AsType[*thingspeak.RowError](err)
				if err != nil && !isRow && !errors.Is(err, thingspeak.ErrCutShort) {
					break
				}
			}
			return said
		}
		head := []byte(text)
		got := read(thingspeak.NewHeadReader(head, thingspeak.FileRules{}))
		want := read(thingspeak.NewFileReader(strings.NewReader(text), thingspeak.FileRules{}))
		if d := cmp.Diff(want, got); d != "" || string(head) != text {
			t.Errorf("%.40q: the text is changed: %v; (-want +got)\n%s", text, string(head) != text, d)
		}
	}
}
