package record

import (
	"errors"
	"slices"
	"strconv"
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

// A nickname that looked like the tag of a key, or like somebody's device, was shown as if it were that.
func TestNicknamesThatLookLikeLabels(t *testing.T) {
	for nick, ok := range map[string]bool{
		"6f691867": false, "6F691867": false, "６f691867": false, "6f69186": true, "6f691867a": true, "6f69186g": true,
		"pyꞌs phone": false, "pyꞌѕ phone": false, "PYꞋS phone": false, "pyיs phone": false, "py s phone": true, "יוסי": true,
	} {
		if err := CheckNickname(nick); (err == nil) != ok {
			t.Errorf("%q: %v", nick, err)
		}
	}
}

// A mark or letter that leaves no trace made a second nickname of one that was known.
func TestNicknamesThatShowNothing(t *testing.T) {
	for nick, ok := range map[string]bool{
		"anaʹ": false, "anaʼ": false, "anaˑ": false, "ᵃna": false, "ana\u2d7f": false, "ana\U0001107f": false,
		"ana\U00016fe4": false, "ana\u17d2": false, "ana\u17d2b": false, "ana\u1039": false, "ស្រី": true, "ស្": false,
		"佐々木": true, "ベーカー": true, "々": true,
	} {
		if err := CheckNickname(nick); (err == nil) != ok {
			t.Errorf("%q: %v", nick, err)
		}
	}
}

func TestSkeletons(t *testing.T) {
	alike := func(a, b string) bool {
		return slices.ContainsFunc(Skeletons(a), func(form string) bool { return slices.Contains(Skeletons(b), form) })
	}
	for _, same := range [][]string{
		{"ana", "Ana", "ANA", "ａｎａ", "аna", "аnа", "ANА", "αna", "ꭺna"},
		{"lan", "Ian", "1an", "LAN", "ⅼan"},
		{"bo", "b0", "BO", "Вo", "bо", "bօ"},
		{"ram", "rarn", "RAM"},
		{"straße", "STRASSE", "strasse"},
		{"zoë", "ZOË"},
		{"роса", "poca"},
		{"Ι.ο", "i.o", "І.О"},
	} {
		for _, nick := range same {
			if !alike(nick, same[0]) {
				t.Errorf("%q has the forms %q, %q has %q", nick, Skeletons(nick), same[0], Skeletons(same[0]))
			}
		}
	}
	for _, different := range [][2]string{{"ana", "anna"}, {"zoe", "zoë"}, {"bo", "bob"}, {"оля", "ona"}, {"py", "pi"}} {
		if alike(different[0], different[1]) {
			t.Errorf("%q and %q look alike", different[0], different[1])
		}
	}
}

// Every line of the table is found, and none is mapped to what is mapped in turn.
func TestPrototypes(t *testing.T) {
	lines := 0
	for line := range strings.Lines(confusables) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		code, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		r, err := strconv.ParseInt(code, 16, 32)
		if want := parsePrototype(to); err != nil || prototype(rune(r)) != want {
			t.Errorf("%s is found as %q, want %q (%v)", code, prototype(rune(r)), want, err)
		}
		for _, r := range parsePrototype(to) {
			if prototype(r) != string(r) {
				t.Errorf("%s looks like %q, which looks like %q", code, r, prototype(r))
			}
		}
	}
	if lines != 5107 {
		t.Errorf("%d lines", lines)
	}
	for _, r := range []rune{0, 'a', 0x10ffff, 0x2fa1e, 0x2f} {
		if prototype(r) != string(r) {
			t.Errorf("%U looks like %q", r, prototype(r))
		}
	}
}
