package record

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/runenames"

	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/testenv"
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

// "seen by bo and cy" can be one person, "ana 7" the seventh message of ana's, and behind a colon stands what was said.
func TestNicknamesThatReadAsLinesOrLists(t *testing.T) {
	for nick, ok := range map[string]bool{
		"bo and cy": false, "bo AND cy": false, "bo аnd cy": false, "and": false, "bo аnԁ cy": false, "bo ꝸ cy": false,
		"ana 7": false, "ana 1": false, "ana ٧": false, "ana ７": false, "ana 7-9": false, "ana 7.": false, "ana - bo": false,
		"2 more": false, "ana and 3 more": false, "7 ana": false, "ana 2ः yes pay mal": false, "anaः": false, "anaઃ": false,
		"anaး": false, "ana\u302f": false, "रामः": false,
		"andy": true, "bo andersen": true, "bo-and-cy": true, "ana7": true, "ana 7b": true, "7": true, "r2 d2": true,
		"Guðrún": true, "Ґанна": true, "Thơ": true, "יוסף": true, "ノリコ": true, "くみ": true, "ᐳᑦ": true, "मीरा दास": true,
		"အေး": true, "சீதா": true,
	} {
		if err := CheckNickname(nick); (err == nil) != ok {
			t.Errorf("%q: %v", nick, err)
		}
	}
}

// An Egyptian blank is a letter, and a nickname of it looked empty. The source is Unicode's list of names, of the version
// that Go's tables have.
func TestNoLetterOrMarkThatShowsNothingIsPossible(t *testing.T) {
	testenv.Unwatched(t)
	nothing := regexp.MustCompile(`\b(BLANK|FILLER|FILL|JOINER|SUBJOINER|CONJOINER|INVISIBLE|EMPTY|NULL|INHERENT|STACKER|SELECTOR|` +
		`VARIATION SELECTOR-[0-9]+|ROTATION MODIFIER-[0-9]+|ZERO WIDTH|SPACE)\b`)
	visible := []rune{0x6ea, 0x6eb} // stops with an empty centre
	found := 0
	for r := range unicode.MaxRune {
		if !unicode.In(r, unicode.L, unicode.M) || !nothing.MatchString(runenames.Name(r)) || slices.Contains(visible, r) {
			continue
		}
		found++
		for _, nick := range []string{string(r), "ana" + string(r), "a" + string(r) + "na"} {
			if CheckNickname(nick) == nil {
				t.Errorf("%q is possible, with %U %s", nick, r, runenames.Name(r))
			}
		}
	}
	if found < 290 {
		t.Errorf("%d characters that show nothing", found)
	}
}

// Texts and nicknames had lists of their own of what shows nothing: what one of them knew passed through the other.
func TestWhatShowsNothingIsTheSameInNamesAndTexts(t *testing.T) {
	testenv.Unwatched(t)
	for r := range rune(unicode.MaxRune + 1) {
		if !utf8.ValidRune(r) || r == ' ' {
			continue
		}
		run := strings.Repeat(string(r), 9)
		cut := screen.ShortBlanks(run) != run
		err := checkCharacters([]rune{'a', r})
		said := err != nil && strings.Contains(err.Error(), "shows nothing")
		if said && !cut || cut && err == nil {
			t.Errorf("%U %s: as a blank it is cut short: %t; in a nickname: %v", r, runenames.Name(r), cut, err)
		}
	}
}

// "ana." stood beside "ana", and nothing was told.
func TestSeparatorsMakeNoOtherName(t *testing.T) {
	ana, mallory := newScribe(t, 1, "ana"), newScribe(t, 3, "")
	l := newListener(t)
	l.read(at(t, 1, ana.write(Text("hello"))))
	for i, nick := range []string{"ana.", "ana-", "an_a", "a n a", "Аna._-"} {
		mallory.nick = nick
		m := l.read(at(t, int64(i+2), mallory.write(Text("it is me")))).Messages[0]
		if want := nick + " (" + mallory.tag().Name() + ")"; m.Name != want {
			t.Errorf("shown as %q, want %q", m.Name, want)
		}
	}
	if slices.Equal(Skeletons("٠"), Skeletons("٠٠")) || !slices.Equal(Skeletons("a-\u0323"), Skeletons("ạ")) {
		t.Errorf("forms %q, %q, %q", Skeletons("٠"), Skeletons("٠٠"), Skeletons("a-\u0323"))
	}
}

// A Cherokee letter was folded into its other case and back, so that a name and its folding were two names.
func TestFoldingAgainChangesNothing(t *testing.T) {
	testenv.Unwatched(t)
	for r := range rune(utf8.MaxRune + 1) {
		if once := fold(string(r)); fold(once) != once {
			t.Errorf("%U is folded to %q, and that to %q", r, once, fold(once))
		}
	}
	for _, pair := range []string{"anaᏒ anaꮢ", "anaᏒ anaR", "ꭱna Rna"} {
		a, b, _ := strings.Cut(pair, " ")
		if !slices.Equal(Skeletons(a), Skeletons(b)) && !slices.Contains(Skeletons(a), Skeletons(b)[0]) {
			t.Errorf("%q has the forms %q, %q has %q", a, Skeletons(a), b, Skeletons(b))
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
		{"Ι.ο", "i.o", "І.О", "io"},
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

// A mark that stands where the apostrophe of "anna's phone" does was taken for it.
func TestNicknamesWithAMarkForAnApostrophe(t *testing.T) {
	for _, mark := range "\u030d\u0312\u0313\u0314\u0315\u031b\u0343\u0484\u0485\u0486\u0ec8" {
		nick := "anna" + string(mark) + "s phone"
		if err := CheckNickname(nick); !errors.Is(err, ErrNickname) {
			t.Errorf("%+q: %v", nick, err)
		}
	}
	for _, nick := range []string{"Ọlá s", "Agnès B", "Anaïs de B", "m\u0325as x"} {
		if err := CheckNickname(nick); err != nil {
			t.Errorf("%+q: %v", nick, err)
		}
	}
}

// TestBeginsLike: letters begin a text whatever they look like, and whatever stands between them; others do not.
func TestBeginsLike(t *testing.T) {
	for text, want := range map[string]bool{
		"signed by bo": true, "SIGNED BY": true, "s.i.g.n.e.d-by": true, "ⓢⓘⓖⓝⓔⓓ by": true, "sïgned by": true, "\u202e1 ѕigned by": true,
		"": false, "signed": false, "signal by": false, "a signed by": false, "designed by": false, "\xff": false,
	} {
		if got := BeginsLike(text, "signed by "); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
