package thingspeak

import (
	"slices"
	"testing"
)

func TestFieldSet(t *testing.T) {
	s := FieldsOf(8, 1, 3, 3, 0, 9, -1)
	if got := slices.Collect(s.All()); !slices.Equal(got, []int{1, 3, 8}) {
		t.Errorf("FieldsOf(8, 1, 3, …) holds %v, want 1, 3 and 8", got)
	}
	for n := -1; n <= FieldCount+1; n++ {
		if want := n == 1 || n == 3 || n == 8; s.Has(n) != want {
			t.Errorf("Has(%d) = %t, want %t", n, s.Has(n), want)
		}
	}
	for n := range s.All() {
		if n != 1 {
			t.Errorf("the first field is %d, want 1", n)
		}
		break
	}
	if got := slices.Collect(AllFields.All()); len(got) != FieldCount {
		t.Errorf("AllFields holds %v", got)
	}
}

func TestEnabledFieldsHaveALabel(t *testing.T) {
	c := Channel{Labels: [FieldCount]string{"a", "", " \t", "\u00a0", "e"}}
	if got := c.Enabled(); got != FieldsOf(1, 5) {
		t.Errorf("enabled are %08b, want fields 1 and 5", got)
	}
}

func TestParseDecimal(t *testing.T) {
	const none = "none"
	for s, want := range map[string]string{
		"48.2": "48.2", "-16": "-16", " 7.5 ": "7.5", "+3": "+3", ".5": ".5", "1.12345678901": "1.1234567890",
		"1234567890.5": "1234567890.5", "00": "00",
		"": none, "north": none, "1e3": none, "1,5": none, "-": none, "--3": none, "1.2.3": none, "12345678901": none,
		"NaN": none, "0x1p4": none, "1_0": none, "٣": none,
	} {
		got, ok := ParseDecimal(s)
		if !ok {
			got = none
		}
		if got != want {
			t.Errorf("ParseDecimal(%q) = %q, want %q", s, got, want)
		}
	}
}
