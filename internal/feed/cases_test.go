package feed_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// told is what reading a file has shown, in lines: entries with the beginning of their values, what was assumed, rows that
// were left out, and how it ended.
func told(t testing.TB, name string, o feed.Options) (lines []string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	report, err := feed.Read(f, o, func(line int, e *thingspeak.Entry) error {
		lines = append(lines, fmt.Sprintf("%d: %s", line, show(e)))
		return nil
	})
	for _, row := range report.PartlyNamed {
		lines = append(lines, fmt.Sprintf("%d is read in part: %s", row.Line, row.Reason))
	}
	for _, bad := range report.Named {
		lines = append(lines, fmt.Sprintf("%d is left out: %s", bad.Line, bad.Reason))
	}
	lines = append(lines, report.Assumed...)
	if report.Cut || report.NoEnd {
		lines = append(lines, "cut")
	}
	if err != nil {
		lines = append(lines, "error: "+err.Error())
		if e, ok := errors.AsType[*feed.NotFeedError](err); ok && e.Next == "" {
			t.Errorf("%s: the error says not what to do", name)
		}
	}
	return lines
}

func show(e *thingspeak.Entry) string {
	var text strings.Builder
	text.WriteString(fmt.Sprintf("entry %d at %s", e.ID, e.CreatedAt.UTC().Format(time.RFC3339)))
	for i, v := range e.Fields {
		if v.Given {
			text.WriteString(fmt.Sprintf(", field%d %.16s", i+1, v.Text))
		}
	}
	if e.Status.Given {
		text.WriteString(", status " + e.Status.Text)
	}
	return text.String()
}

// TestCases: files as people have them, each with its right value, for a reader and for an import.
func TestCases(t *testing.T) {
	const first = "2: entry 1 at 2023-11-14T22:14:20Z, field1 b'gAAAAABlU_E8Mq"
	for _, tt := range []struct {
		file string
		want []string
	}{
		{"c01-semicolon-excel-de.csv", []string{
			first, "3: entry 2 at 2023-11-14T22:15:20Z, field1 b'gAAAAABlU_F47Y", "it is read as: separated by ';'",
		}},
		{"c03-utf16le-bom.csv", []string{first, "it is read as: UTF-16"}},
		{"c04-bom-crlf-trailing-blank-rows.csv", []string{first}},
		{"c05-excel-us-dates.csv", []string{
			"2: entry 1 at 2023-11-14T22:14:00Z, field1 b'gAAAAABlU_E8Mq", "dates without a zone are taken as UTC",
		}},
		{"c07-zone-names.csv", []string{
			first, "3: entry 2 at 2023-11-14T22:14:20Z, field1 b'gAAAAABlU_F47Y",
			"4 is left out: created_at is in the zone IST, a name that stands for several zones or none: write an offset such as +01:00",
		}},
		{"c13-renamed-headers.csv", []string{
			first, `no column is called a field, so those that hold tokens are taken in their order: "Message" is field1`,
			`the column "Humidity" is ignored`,
		}},
		{"c16-all-quoted-spaces.csv", []string{first}},
		{"c19-truncated-255.csv", []string{"2: entry 1 at 2023-11-14T22:14:20Z, field1 b'gAAAAABrC7Kol7"}},
		{"c24-json-saved-as-csv.csv", []string{"1" + first[1:]}},
		{"c29-epoch-ms.csv", []string{
			"2: entry 1 at 2023-11-14T22:14:20Z, field1 b'gAAAAABlU_E8Mq", "3: entry 2 at 2023-11-14T22:15:20Z, field1 b'gAAAAABlU_F47Y",
			"dates are numbers since 1970; long ones are milliseconds or less",
		}},
		{"d01-dst-fold.csv", []string{
			"2: entry 1 at 2024-11-03T05:30:00Z, field1 b'gAAAAABnJwpYe4", "3: entry 2 at 2024-11-03T06:30:00Z, field1 b'gAAAAABnJxhoGE",
			"4: entry 3 at 2024-11-03T07:30:00Z, field1 b'gAAAAABnJyZ4ig",
		}},
		{"i03-wide-into-one-field-channel.csv", []string{
			"2: entry 1 at 2024-01-01T00:00:00Z, field1 a, field2 b, field8 c, status s",
		}},
		{"i04-only-blank-row.csv", nil},
		{"i05-empty.csv", []string{"error: it is empty"}},
		{"t04-double-encoded.csv", []string{"2: entry 1 at 2023-11-14T22:14:20Z, field1 Z0FBQUFBQmxVX0U4"}},
		{"t11-cut-wrapped.csv", []string{first}},
		{"t13-json.csv", []string{`2: entry 1 at 2023-11-14T22:14:20Z, field1 {"token":"gAAAAA`}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			name := filepath.Join("testdata", "cases", tt.file)
			if diff := cmp.Diff(tt.want, told(t, name, feed.Options{})); diff != "" {
				t.Errorf("a reader (-want +got):\n%s", diff)
			}
			var imported []string
			for _, line := range tt.want {
				line = strings.Replace(line, "entry 1 ", "entry 0 ", 1)
				line = strings.Replace(line, "entry 2 ", "entry 0 ", 1)
				imported = append(imported, strings.Replace(line, "entry 3 ", "entry 0 ", 1))
			}
			if diff := cmp.Diff(imported, told(t, name, feed.Options{Import: true})); diff != "" {
				t.Errorf("an import (-want +got):\n%s", diff)
			}
		})
	}
}
