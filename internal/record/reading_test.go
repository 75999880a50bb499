package record

import (
	"testing"
)

// No text of a reading looks like another one's, so that nobody writes a field that nobody has measured.
func TestReadingIsShown(t *testing.T) {
	for _, c := range []struct {
		r    Reading
		want string
	}{
		{Reading{Values: values("21.5", "40"), Status: "warm"}, "field1=21.5 field2=40 (warm)"},
		{Reading{Values: [ReadingFields]Value{7: {"", true}}}, `field8=""`},
		{Reading{Values: values("1 field2=2 (ok)")}, `field1="1 field2=2 (ok)"`},
		{Reading{Values: values("1\u00a0x", "a=b")}, `field1="1\u00a0x" field2="a=b"`},
		{Reading{Status: "a) (b"}, `("a) (b")`},
		{Reading{Status: "signed by ana"}, "(signed by ana)"},
		{Reading{Status: "two\nlines"}, `("two\nlines")`},
		{Reading{Status: "up", Latitude: "52.5", Elevation: "34"}, "latitude=52.5 elevation=34 (up)"},
	} {
		if got := c.r.String(); got != c.want {
			t.Errorf("%+v is shown as %s, want %s", c.r, got, c.want)
		}
	}
}
