package invisible

import "testing"

// Each reader of a text that people hand on had its own list of what is taken out of it.
func TestStripTakesOutWhatCarriersAdd(t *testing.T) {
	if got := Strip("\ufeff f\u200bp1_\r\n a\u00adb\x00\u00a0\u200e"); got != "fp1_ab" {
		t.Errorf("%q is left", got)
	}
}

func TestRune(t *testing.T) {
	for _, r := range []rune{
		0xad, 0x34f, 0x115f, 0x1160, 0x17b4, 0x180b, 0x180e, 0x1bab, 0x200b, 0x200d, 0x202e, 0x2060, 0x2065, 0x2800, 0x2d7f, 0x3164,
		0xaaf6, 0xfe0f, 0xfeff, 0xffa0, 0xfff0, 0x10a3f, 0x1107f, 0x11d45, 0x13440, 0x16fe4, 0x1bc9d, 0x1bca0, 0x1d159, 0x1d173, 0x1da9b,
		0xe0001, 0xe0fff,
	} {
		if !Rune(r) {
			t.Errorf("%U is to be seen", r)
		}
	}
	for _, r := range "a1 -é\u0301अ्ब中😀\u0600\u070f\ufff9\u303f" {
		if Rune(r) {
			t.Errorf("%U is not to be seen", r)
		}
	}
}
