package record

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/fernpost/fernpost/internal/testenv"
)

// unicodeFold is Unicode's folding as its tables say it, but that all letters of Cherokee become capitals.
func unicodeFold(s string) string {
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cherokee, r) {
			return unicode.ToUpper(r)
		}
		return r
	}, cases.Fold().String(norm.NFKC.String(s))))
}

// Pins are kept under folded names, so fold is to be what Unicode's tables say: of each letter, and of letters with marks.
func TestFoldIsUnicodes(t *testing.T) {
	var marked []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S) || unicode.In(r, unicode.Han, unicode.Hangul) {
			continue // no case
		}
		if got, want := fold(string(r)), unicodeFold(string(r)); got != want {
			t.Errorf("fold(%U) = %q, want %q", r, got, want)
		}
		if unicode.Is(unicode.M, r) || fold(string(r)) != string(r) {
			marked = append(marked, r)
		}
	}
	testenv.Check(t, func(rt *rapid.T) {
		s := string(slices.Concat(
			rapid.SliceOfN(rapid.SampledFrom(marked), 0, 6).Draw(rt, "marks"), rapid.SliceOfN(rapid.Rune(), 0, 3).Draw(rt, "any"),
			rapid.SliceOfN(rapid.SampledFrom(marked), 0, 6).Draw(rt, "more marks"),
		))
		if got, want := fold(s), unicodeFold(s); got != want {
			rt.Fatalf("fold(%q) = %+q, want %+q", s, got, want)
		}
	})
}
