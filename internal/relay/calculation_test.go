package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// at is an entry at some seconds since 1970, with the texts of its first fields; "-" is null.
func at(sec int64, values ...string) thingspeak.Entry {
	e := thingspeak.Entry{ID: 1, CreatedAt: time.Unix(sec, 0).UTC()}
	for i, v := range values {
		if v != "-" {
			e.Fields[i] = thingspeak.Text(v)
		}
	}
	return e
}

// shownRows are the rows of a calculation as "seconds field1 field2".
func shownRows(t *testing.T, c *Calculation, most int, entries ...thingspeak.Entry) []string {
	t.Helper()
	rows := []string{}
	err := c.buckets(entries, thingspeak.FieldsOf(1, 2), most, func(e *thingspeak.Entry) error {
		if e.ID != 0 {
			t.Errorf("a row has the number %d", e.ID)
		}
		row := []string{fmt.Sprint(e.CreatedAt.Unix())}
		for _, v := range e.Fields[:2] {
			if !v.Given {
				v.Text = "-"
			}
			row = append(row, v.Text)
		}
		rows = append(rows, strings.Join(row, " "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestBuckets(t *testing.T) {
	entries := []thingspeak.Entry{
		at(601, "1", "x"), at(602, "2", "-"), at(1199, "6", "4"), at(2400, "7", "1,5"), at(2401, "-", "2.5"),
	}
	for _, tt := range []struct {
		method Method
		want   []string
	}{
		{First, []string{"600 1 x", "1200 - -", "1800 - -", "2400 7 1,5"}},
		{Sum, []string{"600 9.0 4.0", "1200 - -", "1800 - -", "2400 7.0 4,0"}},
		{Average, []string{"600 3.0 1.3333333333333333", "1200 - -", "1800 - -", "2400 3.5 2,0"}},
		{Median, []string{"600 2.0 4.0", "1200 - -", "1800 - -", "2400 7.0 2,0"}},
	} {
		c := &Calculation{Method: tt.method, Bucket: 10 * time.Minute}
		if diff := cmp.Diff(tt.want, shownRows(t, c, 100, entries...)); diff != "" {
			t.Errorf("method %d (-want +got):\n%s", tt.method, diff)
		}
	}
	c := &Calculation{Method: Sum, Bucket: 10 * time.Minute}
	for _, tt := range []struct {
		name    string
		most    int
		entries []thingspeak.Entry
		want    []string
	}{
		{"nothing", 100, nil, []string{}},
		{"fewer rows than buckets", 2, entries, []string{"1800 - -", "2400 7.0 4,0"}},
		{"before 1970", 100, []thingspeak.Entry{at(-1, "1"), at(0, "2")}, []string{"-600 1.0 -", "0 2.0 -"}},
		{
			"the longest time there is", 3,
			[]thingspeak.Entry{at(-62135596800, "1"), at(253402300799, "2")},
			[]string{"253402299000 - -", "253402299600 - -", "253402300200 2.0 -"},
		},
	} {
		if diff := cmp.Diff(tt.want, shownRows(t, c, tt.most, tt.entries...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestKeeps(t *testing.T) {
	two, five := 2.0, 5.0
	fields := thingspeak.FieldsOf(1, 2)
	for _, tt := range []struct {
		name string
		c    Calculation
		e    thingspeak.Entry
		want bool
	}{
		{"no bounds", Calculation{}, at(0, "-1000"), true},
		{"inside", Calculation{Min: &two, Max: &five}, at(0, "2", "5"), true},
		{"one field below", Calculation{Min: &two}, at(0, "3", "1.9"), false},
		{"one field above", Calculation{Max: &five}, at(0, "5,1", "3"), false},
		{"a field that is not shown", Calculation{Max: &five}, at(0, "3", "3", "99"), true},
		{"text and null", Calculation{Min: &two}, at(0, "open", "-"), true},
	} {
		if got := tt.c.keeps(&tt.e, fields); got != tt.want {
			t.Errorf("%s: keeps is %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestBackdate(t *testing.T) {
	ages := func(steps ...time.Duration) (ages []time.Duration) {
		entries := make([]NewEntry, len(steps))
		Backdate(entries, steps)
		for i := range entries {
			ages = append(ages, entries[i].Age)
		}
		return ages
	}
	const s = time.Second
	for _, tt := range []struct{ steps, want []time.Duration }{
		{nil, nil},
		{[]time.Duration{0}, []time.Duration{0}},
		{[]time.Duration{99 * s}, []time.Duration{0}},
		{[]time.Duration{0, 10 * s, 5 * s}, []time.Duration{15 * s, 5 * s, 0}},
		{[]time.Duration{0, 0, 0}, []time.Duration{0, 0, 0}},
		{[]time.Duration{0, -5 * s, 5 * s}, []time.Duration{5 * s, 5 * s, 0}},
		{[]time.Duration{0, 1<<63 - 1, 1<<63 - 1}, []time.Duration{longestAge, longestAge, 0}},
	} {
		if diff := cmp.Diff(tt.want, ages(tt.steps...)); diff != "" {
			t.Errorf("Backdate(%v) (-want +got):\n%s", tt.steps, diff)
		}
	}
}
