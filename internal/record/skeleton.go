package record

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// confusables is Unicode's table of characters that look alike. Its head says where it comes from.
//
//go:embed confusables.txt
var confusables string

// Skeletons returns one or two forms of a nickname. Two nicknames that have one in common look alike: pins are kept
// under them. They are the skeleton of the nickname's folding, and of itself, both folded, without the separators space,
// "-", "_" and ".": the first takes аNA with a Cyrillic а for ana, and only the second takes Ian for lan.
func Skeletons(nick string) []string {
	forms := lookalikes(nick)
	for i, form := range forms {
		// A zero of Arabic looks like a full stop: a nickname of zeros would be like every other one of them.
		if bare := separators.Replace(form); bare != "" {
			forms[i] = norm.NFKC.String(bare)
		}
	}
	return slices.Compact(forms)
}

// separators takes out what nicknames may have between letters: "ana." is no other name than "ana".
var separators = strings.NewReplacer(" ", "", "-", "", "_", "", ".", "")

// BeginsLike reports whether a text begins with some letters, or with what looks like them: in whatever case and width, and with
// whatever blanks, signs and marks before and between them.
func BeginsLike(text, letters string) bool {
	var b strings.Builder
	for _, r := range norm.NFKD.String(text) {
		if unicode.IsLetter(r) {
			b.WriteRune(r)
			if b.Len() >= utf8.UTFMax*len(letters) { // none of what comes is in their places
				break
			}
		}
	}
	forms := Skeletons(letters)
	return slices.ContainsFunc(Skeletons(b.String()), func(form string) bool {
		return slices.ContainsFunc(forms, func(like string) bool { return strings.HasPrefix(form, like) })
	})
}

// lookalikes returns what a nickname looks like, with its separators.
func lookalikes(nick string) []string {
	return slices.Compact([]string{fold(skeleton(fold(nick))), fold(skeleton(nick))})
}

// fold takes away what case and width tell apart: Unicode's form KC and case folding. That is, of each letter without what it
// is composed with, the small letter of its capital: it takes no tables but those that are linked anyway.
func fold(s string) string {
	var b strings.Builder
	for _, whole := range norm.NFKC.String(s) {
		for _, r := range norm.NFD.String(string(whole)) {
			switch {
			case r == 'ß' || r == 'ẞ':
				b.WriteString("ss")
			case r == 'ı': // without a dot it is another letter than i, though their capitals are one
				b.WriteRune(r)
			case unicode.Is(unicode.Cherokee, r): // Unicode folds these to capitals
				b.WriteRune(unicode.ToUpper(r))
			default:
				b.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
			}
		}
	}
	return norm.NFKC.String(b.String())
}

// skeleton replaces each character by what it looks like (Unicode Technical Standard 39, section 4).
func skeleton(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		b.WriteString(prototype(r))
	}
	return norm.NFD.String(b.String())
}

// prototype looks a character up in the table, whose lines are in order.
func prototype(r rune) string {
	key := strconv.FormatInt(int64(r), 16)
	key = strings.Repeat("0", max(0, len("00000")-len(key))) + key + " "
	low, high := 0, len(confusables) // of the lines between them one may begin with key
	for low < high {
		middle := low + (high-low)/2
		start := strings.LastIndexByte(confusables[:middle], '\n') + 1
		line, _, _ := strings.Cut(confusables[start:], "\n")
		if strings.HasPrefix(line, key) {
			return parsePrototype(line[len(key):])
		}
		if line < key {
			low = start + len(line) + 1
		} else {
			high = start
		}
	}
	return string(r)
}

func parsePrototype(line string) string {
	var b strings.Builder
	for code := range strings.FieldsSeq(line) {
		r, err := strconv.ParseInt(code, 16, 32)
		if err != nil {
			panic("the table of look-alikes: " + err.Error())
		}
		b.WriteRune(rune(r))
	}
	return b.String()
}
