package record

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckNickname(t *testing.T) {
	for _, c := range []struct {
		name, nick string
		ok         bool
	}{
		{"plain", "ana", true},
		{"accents", "Zoë", true},
		{"other scripts", "Ана", true},
		{"with marks", "शिवा", true},
		{"with digits and punctuation", "r2-d2_v1.0", true},
		{"with a space", "ana k", true},
		{"24 bytes", strings.Repeat("ab", 12), true},
		{"four marks", "q\u0321\u0322\u0323\u0324", true},

		{"nothing", "", false},
		{"25 bytes", strings.Repeat("a", 25), false},
		{"not UTF-8", "an\xff", false},
		{"not composed", "Zoe\u0308", false},
		{"a control character", "ana\x1b", false},
		{"a line break", "a\nb", false},
		{"a right-to-left mark", "ana\u200f", false},
		{"a right-to-left override", "\u202eana", false},
		{"a zero-width space", "a\u200bna", false},
		{"a joiner", "a\u200dna", false},
		{"combining bytes only", strings.Repeat("\u0323", 12), false},
		{"five marks", "q\u0321\u0322\u0323\u0324\u0325", false},
		{"a filler that shows nothing", "\u3164", false},
		{"a joiner that shows nothing", "a\u034fna", false},
		{"a variation selector", "a\ufe0fna", false},
		{"two spaces", "ana  k", false},
		{"a space in front", " ana", false},
		{"a space behind", "ana ", false},
		{"a hyphen in front", "-ana", false},
		{"another space", "ana\u00a0k", false},
		{"an emoji", "🌿", false},
		{"a Roman numeral", "ana Ⅳ", false},
		{"brackets, as around a tag", "ana (3f9a)", false},
	} {
		if err := CheckNickname(c.nick); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrNickname) {
			t.Errorf("%s: %q: %v", c.name, c.nick, err)
		}
	}
}

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"ana", "Ana", "ANA", "ａｎａ", "аna", "аnа", "ANА", "αna"},
		{"straße", "STRASSE", "strasse"},
		{"zoë", "ZOË"},
		{"роса", "poca"},
		{"Ι.ο", "i.o", "І.О"},
	} {
		for _, nick := range same {
			if Fold(nick) != Fold(same[0]) {
				t.Errorf("Fold(%q) = %q, Fold(%q) = %q", nick, Fold(nick), same[0], Fold(same[0]))
			}
		}
	}
	for _, different := range [][2]string{{"ana", "anna"}, {"zoe", "zoë"}, {"bo", "b0"}, {"оля", "ona"}} {
		if Fold(different[0]) == Fold(different[1]) {
			t.Errorf("%q and %q fold to %q", different[0], different[1], Fold(different[0]))
		}
	}
	if len(lookalikes) != 2*len(latin) {
		t.Errorf("%d bytes of lookalikes for %d letters", len(lookalikes), len(latin))
	}
}
