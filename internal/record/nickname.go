package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/fernpost/fernpost/internal/invisible"
)

const (
	// MaxNickname is the longest nickname, in bytes of UTF-8.
	MaxNickname = 24
	// maxMarks is how many combining marks may follow each other: no living script needs more, and text that climbs
	// over the lines above it does.
	maxMarks = 4
	// scriptBits is the length of the blocks, 256 characters, that hold a script with spacing marks.
	scriptBits = 8
)

// ErrNickname means that a nickname breaks the rules of [CheckNickname].
var ErrNickname = errors.New("not a possible nickname")

// CheckNickname accepts 1 to [MaxNickname] bytes of UTF-8 in Unicode normalisation form C, made of letters, marks,
// decimal digits, "-", "_", "." and single spaces between other characters. It begins with a letter or a digit, because
// a mark at the beginning would change what stands before it. Nothing of it shows nothing, it has no modifier letters
// but 々 and ー, and a spacing mark stands behind a character of its script. It can be taken neither for a tag (eight
// hexadecimal digits) nor for somebody's device ("py's phone"), and not for a part of a line: of several words each has
// a letter ("ana 7" would be a number of ana's, "2 more" the rest of a list), none is "and", and nothing looks like a
// colon, "&" or "+". The error wraps [ErrNickname].
func CheckNickname(nick string) error {
	switch {
	case nick == "":
		return fmt.Errorf("%w: it is empty", ErrNickname)
	case len(nick) > MaxNickname:
		return fmt.Errorf("%w: %d bytes, at most %d are possible", ErrNickname, len(nick), MaxNickname)
	case !utf8.ValidString(nick) || !norm.NFC.IsNormalString(nick):
		return fmt.Errorf("%w: it is not UTF-8 in normalisation form C", ErrNickname)
	case strings.HasSuffix(nick, " ") || strings.Contains(nick, "  "):
		return fmt.Errorf("%w: spaces stand alone, between other characters", ErrNickname)
	}
	if err := checkCharacters([]rune(nick)); err != nil {
		return err
	}
	return checkLabels(nick)
}

// CheckChosen is [CheckNickname] for who chooses one: it also has a letter, since a name such as "42" looks like a number of
// somebody's wherever it stands in a line.
func CheckChosen(nick string) error {
	if err := CheckNickname(nick); err != nil {
		return err
	}
	if strings.IndexFunc(nick, unicode.IsLetter) < 0 {
		return fmt.Errorf("%w: it has no letter", ErrNickname)
	}
	return nil
}

// checkLabels refuses what can be taken for what readers write themselves: a tag, "py's phone", "ana 7", "bo and cy", and
// the colon behind a name.
func checkLabels(nick string) error {
	folded := strings.ToLower(nick)
	looks := []string{folded} // an ASCII letter looks like no apostrophe and no colon
	if !isASCII(nick) {
		folded, looks = fold(nick), lookalikes(nick)
	}
	var tag Tag
	if tag.UnmarshalText([]byte(folded)) == nil {
		return fmt.Errorf("%w: it looks like the tag of a key", ErrNickname)
	}
	words := strings.Fields(nick)
	letterless := func(word string) bool { return strings.IndexFunc(word, unicode.IsLetter) < 0 }
	if len(words) > 1 && slices.ContainsFunc(words, letterless) {
		return fmt.Errorf("%w: it has a word without a letter, as in a number or a list", ErrNickname)
	}
	marked := apostrophized(nick)
	for _, form := range looks {
		switch {
		case strings.Contains(form, "'s"), marked:
			return fmt.Errorf("%w: it looks like the name of somebody's device", ErrNickname)
		case slices.Contains(strings.Fields(form), "and"), strings.ContainsAny(form, "&+"):
			return fmt.Errorf("%w: it looks like the names of several", ErrNickname)
		case strings.Contains(form, ":"):
			return fmt.Errorf("%w: it looks as if it ended before its end, in a colon", ErrNickname)
		}
	}
	return nil
}

// apostrophized reports whether a combining mark stands where a device has its apostrophe, and looks like one: above or behind the
// letter before "s" at the end of a word that is not the last.
func apostrophized(nick string) bool {
	runes := []rune(nick)
	for i, r := range runes {
		if unicode.Is(unicode.Mn, r) && unicode.In(r, unicode.Inherited, unicode.Cyrillic, unicode.Lao) && i+2 < len(runes) &&
			unicode.ToLower(runes[i+1]) == 's' && runes[i+2] == ' ' {
			return true
		}
	}
	return false
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func checkCharacters(nick []rune) error {
	marks := 0
	for i, r := range nick {
		switch {
		case showsNothing(nick, i):
			return fmt.Errorf("%w: it has a character that shows nothing", ErrNickname)
		case unicode.Is(unicode.Lm, r) && r != '々' && r != 'ー':
			// Many of them look like quotation marks, or like a letter that is merely smaller.
			return fmt.Errorf("%w: it has a modifier letter", ErrNickname)
		case unicode.IsLetter(r) || unicode.Is(unicode.Nd, r):
			marks = 0
			continue
		case i == 0:
			return fmt.Errorf("%w: it begins with neither a letter nor a digit", ErrNickname)
		case unicode.Is(unicode.Mc, r) && nick[i-1]>>scriptBits != r>>scriptBits:
			// Such a mark has a width of its own: behind a Latin letter many of them look like a colon.
			return fmt.Errorf("%w: it has a mark behind a character of another script", ErrNickname)
		case unicode.IsMark(r):
			if marks++; marks > maxMarks {
				return fmt.Errorf("%w: more than %d marks on one character", ErrNickname, maxMarks)
			}
		case strings.ContainsRune(" -_.", r):
			marks = 0
		default:
			return fmt.Errorf("%w: only letters, digits, single spaces and - _ . are possible", ErrNickname)
		}
	}
	return nil
}

// showsNothing reports whether the character at i leaves no trace on a screen.
func showsNothing(nick []rune, i int) bool {
	r := nick[i]
	if invisible.Stacker(r) {
		const block = 7 // 128 characters, which hold the letters of such a script
		near := func(j int) bool { return 0 <= j && j < len(nick) && nick[j]>>block == r>>block }
		return !near(i-1) || !near(i+1) || !unicode.IsLetter(nick[i+1])
	}
	return invisible.Rune(r)
}
