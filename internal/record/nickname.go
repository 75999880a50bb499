package record

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	// MaxNickname is the longest nickname, in bytes of UTF-8.
	MaxNickname = 24
	// maxMarks is how many combining marks may follow each other: no living script needs more, and text that climbs
	// over the lines above it does.
	maxMarks = 4
)

// ErrNickname means that a nickname breaks the rules of [CheckNickname].
var ErrNickname = errors.New("not a possible nickname")

// CheckNickname accepts 1 to [MaxNickname] bytes of UTF-8 in Unicode normalisation form C, made of letters, marks,
// decimal digits, "-", "_", "." and single spaces between other characters. It begins with a letter or a digit, because
// a mark at the beginning would change what stands before it, and has no letter or mark that shows nothing. The error
// wraps [ErrNickname].
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
	marks := 0
	for i, r := range nick {
		switch {
		case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return fmt.Errorf("%w: it has a character that shows nothing", ErrNickname)
		case unicode.IsLetter(r) || unicode.Is(unicode.Nd, r):
			marks = 0
			continue
		case i == 0:
			return fmt.Errorf("%w: it begins with neither a letter nor a digit", ErrNickname)
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

// Fold returns what two nicknames have in common that a reader could take for each other: Unicode normalisation form
// KC and case folding, and then Latin letters for the Greek and Cyrillic ones that look like them. Pins are kept under
// it.
func Fold(nick string) string {
	folded := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(nick)))
	return strings.Map(func(r rune) rune {
		if i := strings.IndexRune(lookalikes, r); i >= 0 {
			return rune(latin[i/2])
		}
		return r
	}, folded)
}

// The common letters of Unicode's list of confusables (UTS 39), after case folding, 2 bytes each, and below them the
// Latin letters that they look like.
const (
	lookalikes = "авсԁеһніјкӏморԛѕтуѵԝхαβεικμνορτυχζı"
	latin      = "abcdehhijklmopqstyvwxabeikmvoptuxzi"
)
