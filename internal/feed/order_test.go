package feed_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/testenv"
)

// The form of a date of three numbers. The two signs are to be the same.
var threeNumbers = regexp.MustCompile(`^((?:\pL+[ ,.]+)?)(\d{1,2})([./-]) ?(\d{1,2})([./-]) ?(\d{2}(?:\d{2})?)((?:[^\d./-].*)?)$`)

// A date of three numbers is known by its form, wherever a character stands that may or may not belong to it.
func TestDatesOfThreeNumbers(t *testing.T) {
	random := testenv.Random(t)
	pieces := []string{"1", "2", "12", "2023", "/", "/", ".", "-", "-", " ", ",", "Mo", "é", "\xff", ":", "T"}
	seen := 0
	for range 200_000 {
		text := ""
		if random.IntN(2) == 0 {
			text = "1/2/2023"
		}
		for range random.IntN(9) {
			at := random.IntN(len(text) + 1)
			text = text[:at] + pieces[random.IntN(len(pieces))] + text[at:]
		}
		var want []string
		if m := threeNumbers.FindStringSubmatch(text); m != nil && m[3] == m[5] {
			want = []string{m[1], m[2], m[4], m[6], m[7]}
			seen++
		}
		if got := feed.NumbersOf(text); !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
	}
	if seen < 1000 {
		t.Errorf("only %d of them were dates", seen)
	}
}
