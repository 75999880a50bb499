package cli

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// Whatever stands in readings and texts, a table has one row for each, of the same columns, and nothing that a terminal acts on.
func TestTableOfStrangersValues(t *testing.T) {
	var out, talk bytes.Buffer
	a := &app{stdout: &out, stderr: &talk}
	w := bufio.NewWriter(&out)
	table, err := a.newTable(w)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	clock := func(it *model.Item) { it.Record.Clock = at.UnixMilli() + 5 }
	for _, it := range []*model.Item{
		signed(reading("21,5 \"°C\"", "1\n2", "\x1b[2Jred"), clock),
		signed(record.Text("=1+1, he said"), func(it *model.Item) { it.Record.Clock, it.Record.Name = at.UnixMilli(), "a\x07na" }),
		signed(record.File{Name: "no row"}, nil),
		signed(record.KeyMoved{}, func(it *model.Item) { it.Notice = "the room moves" }),
		{Sealed: at, Unsigned: &model.Message{Kind: model.KindReading, Reading: new(reading("", "40"))}},
		{Sealed: at, Unsigned: &model.Message{Kind: model.KindText, Field: 3, Text: "21.5"}},
		{Sealed: at, Unsigned: &model.Message{Kind: model.KindText, Field: 1, Text: "21.5 degrees"}},
		{Sealed: at, Unsigned: &model.Message{Kind: model.KindBinary, Size: 3}},
	} {
		if err := table.add(it); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07") || !strings.Contains(talk.String(), "the room moves") {
		t.Errorf("printed %q, said %q", &out, &talk)
	}
	got, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"time", "author", "field1", "field2", "field3", "field4", "field5", "field6", "field7", "field8", "status", "text"},
		{"2026-11-20T10:00:00.005Z", "ana", "21,5 \"°C\"", "1\n2", "[2Jred", "", "", "", "", "", "warm", ""},
		{"2026-11-20T10:00:00.000Z", "ana", "", "", "", "", "", "", "", "", "", "'=1+1, he said"},
		{"2026-11-20T10:00:00.000Z", "", "", "40", "", "", "", "", "", "", "warm", ""},
		{"2026-11-20T10:00:00.000Z", "", "", "", "21.5", "", "", "", "", "", "", ""},
		{"2026-11-20T10:00:00.000Z", "", "", "", "", "", "", "", "", "", "", "21.5 degrees"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// Values are strings, and numbers only where that was asked for and they are some.
func TestReadingAsJSON(t *testing.T) {
	r := reading("21.50", "+3", "warm", "")
	r.Elevation = "34"
	for numbers, want := range map[bool]string{
		false: `{"field1":"21.50","field2":"+3","field3":"warm","field4":"","field5":null,"field6":null,"field7":null,"field8":null,` +
			`"status":"warm","latitude":null,"longitude":null,"elevation":"34"}`,
		true: `{"field1":21.50,"field2":3,"field3":"warm","field4":"","field5":null,"field6":null,"field7":null,"field8":null,` +
			`"status":"warm","latitude":null,"longitude":null,"elevation":34}`,
	} {
		got, err := json.Marshal(jsonOf(signed(r, nil), "", numbers).Reading)
		if err != nil || string(got) != want {
			t.Errorf("numbers %t: %s, %v, want %s", numbers, got, err, want)
		}
	}
	if got := jsonOf(signed(record.Text("21.5"), nil), "", true); got.Reading != nil || *got.Text != "21.5" {
		t.Errorf("a text is %+v", got)
	}
}
