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
