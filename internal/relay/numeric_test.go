package relay

import (
	"math"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

func TestParseNumber(t *testing.T) {
	for s, want := range map[string]float64{
		"5": 5, "-5": -5, "+5": 5, "0.5": 0.5, "1,5": 1.5, " 7 ": 7, "007": 7, "1.50": 1.5, strings.Repeat("9", 255): 1e255,
	} {
		if got, ok := ParseNumber(s); !ok || got != want {
			t.Errorf("ParseNumber(%q) = %v, %v; want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", " ", "-", "+-5", "--5", ".5", "5.", "1.2.3", "1,2,3", "1,2.3", "1e3", "0x10", "NaN", "Inf", "1_000", "5 V", "٣",
		strings.Repeat("9", 400),
	} {
		if got, ok := ParseNumber(s); ok {
			t.Errorf("ParseNumber(%q) = %v, want none", s, got)
		}
	}
}

func TestFormatNumber(t *testing.T) {
	for want, n := range map[string]float64{
		"3.0": 3, "-0.5": -0.5, "14.333333333333334": 43.0 / 3, "0.00001": 1e-5, "100000000000000000000.0": 1e20,
	} {
		if got := formatNumber(n, false); got != want {
			t.Errorf("formatNumber(%v) = %q, want %q", n, got, want)
		}
	}
	if got := formatNumber(2.5, true); got != "2,5" {
		t.Errorf("with a comma 2.5 is %q", got)
	}
}

func TestRound(t *testing.T) {
	for _, tt := range []struct {
		value  string
		places int
		want   string
	}{
		{"3.14159", 2, "3.14"},
		{"3", 2, "3.00"},
		{"2.5", 0, "2"}, // half to even, as the service's sprintf
		{"3.5", 0, "4"},
		{"-2,666", 1, "-2,7"},
		{"text", 1, "text"},
		{"", 1, ""},
		{"1.5", -3, "2"},
		{"1.5", 1000, "1.50000000000000000000"},
	} {
		e := thingspeak.Entry{
			Fields: thingspeak.Fields{2: thingspeak.Text(tt.value)}, Latitude: thingspeak.Text("48.123456"),
		}
		Round(&e, tt.places)
		if got := e.Fields[2]; got != thingspeak.Text(tt.want) {
			t.Errorf("Round(%q, %d) = %+v, want %q", tt.value, tt.places, got, tt.want)
		}
		if e.Fields[0].Given || e.Latitude.Text != "48.123456" {
			t.Errorf("Round touched more than the fields that are given: %+v", e)
		}
	}
}

// FuzzNumber: what is written after a calculation is a number again, and the same.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"5", "-1,5", "1e3", "", ".", "+0", "999999999999999999999", "0.000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, comma, ok := parseNumber(s)
		if !ok {
			return
		}
		if math.IsNaN(n) || math.IsInf(n, 0) {
			t.Fatalf("%q is taken for %v", s, n)
		}
		written := formatNumber(n, comma)
		if again, againComma, ok := parseNumber(written); !ok || again != n || againComma != comma {
			t.Errorf("%q is written as %q, which reads as %v, %v", s, written, again, ok)
		}
		e := thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(s)}}
		Round(&e, 3)
		if _, ok := ParseNumber(e.Fields[0].Text); !ok {
			t.Errorf("%q is rounded to %q", s, e.Fields[0].Text)
		}
	})
}
