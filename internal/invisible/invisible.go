// Package invisible says which characters take no room on a screen, or take some and show nothing. Names, file names and
// texts are judged by this one list.
package invisible

import (
	"strings"
	"unicode"
)

// Rune reports whether r shows nothing: Unicode's default ignorable characters (section 5.21 of the standard, the property
// Default_Ignorable_Code_Point) and those of other, by which no property tells that. Spaces are for whoever asks: they
// belong into a text. A [Stacker] shows nothing by itself.
func Rune(r rune) bool {
	if r < 0xad { // the first of them
		return false
	}
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, other) || Stacker(r) ||
		unicode.Is(unicode.Cf, r) && !unicode.In(r, unicode.Prepended_Concatenation_Mark, annotations)
}

// Strip takes out of a text of plain characters what carriers such as mails and chats add: white space, control characters, and
// what shows nothing.
func Strip(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || Rune(r) {
			return -1
		}
		return r
	}, text)
}

// Stacker reports whether r is a sign of a living script that puts the letter behind it below the one before it:
// Indic_Syllabic_Category Invisible_Stacker. Between two letters of its script something is seen of it.
func Stacker(r rune) bool { return unicode.Is(stackers, r) }

var (
	stackers = &unicode.RangeTable{
		R16: []unicode.Range16{{0x1039, 0x1039, 1}, {0x17d2, 0x17d2, 1}, {0x1a60, 0x1a60, 1}},
		R32: []unicode.Range32{{0x11133, 0x11133, 1}},
	}

	// annotations are the format characters that Unicode does not want ignored: interlinear annotation shows its anchors.
	annotations = &unicode.RangeTable{R16: []unicode.Range16{{0xfff9, 0xfffb, 1}}}

	// other are, of Unicode 15, stackers of scripts that nobody writes any more, Indic_Syllabic_Category Number_Joiner,
	// joiners, fillers, blanks, the empty pattern of Braille, the note without a head, what fills or turns a sign of
	// SignWriting, and what joins or turns hieroglyphs.
	other = &unicode.RangeTable{
		R16: []unicode.Range16{{0x1bab, 0x1bab, 1}, {0x2800, 0x2800, 1}, {0x2d7f, 0x2d7f, 1}, {0xaaf6, 0xaaf6, 1}},
		R32: []unicode.Range32{
			{0x10a3f, 0x10a3f, 1},
			{0x1107f, 0x1107f, 1},
			{0x1193e, 0x1193e, 1},
			{0x11a47, 0x11a47, 1},
			{0x11a99, 0x11a99, 1},
			{0x11d45, 0x11d45, 1},
			{0x11d97, 0x11d97, 1},
			{0x11f42, 0x11f42, 1},
			{0x13440, 0x13442, 1},
			{0x16fe4, 0x16fe4, 1},
			{0x1bc9d, 0x1bc9e, 1},
			{0x1d159, 0x1d159, 1},
			{0x1da9b, 0x1da9f, 1},
			{0x1daa1, 0x1daaf, 1},
		},
	}
)
