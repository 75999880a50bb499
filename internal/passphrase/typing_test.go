package passphrase

import (
	"slices"
	"strings"
	"testing"
)

func TestCompletions(t *testing.T) {
	for _, word := range wordList() {
		if all := Completions(strings.ToUpper(word)); len(all) == 0 || all[0] != word || !IsWord(word) {
			t.Fatalf("%s begins %q", word, all)
		}
	}
	if got := Completions("zo"); !slices.Equal(got, []string{"zodiac", "zombie", "zone", "zoning", "zookeeper", "zoologist", "zoology", "zoom"}) {
		t.Errorf("zo begins %q", got)
	}
	for _, none := range []string{"zz", "mapel", "maple maple", "é", "\xff"} {
		if got := Completions(none); len(got) > 0 || IsWord(none) {
			t.Errorf("%q begins %q", none, got)
		}
	}
	if got := Completions(""); len(got) != listSize {
		t.Errorf("nothing begins %d words", len(got))
	}
}

func TestNearest(t *testing.T) {
	for typed, want := range map[string]string{
		"lips":   "lisp", // and not lip: letters that changed places are one mistake, and no letter is missing
		"zodaic": "zodiac", "zodiak": "zodiac", "zodic": "zodiac", "zodiacc": "zodiac", "Umbrela": "umbrella", "umberlla": "umbrella",
		"zookeepr": "zookeeper", "zokeper": "zookeeper", "zokepr": "", "zodiac": "zodiac",
		"q": "", "": "", "hunter2hunter2": "", "öäüöä": "", strings.Repeat("a", 1<<20): "",
	} {
		if got := Nearest(typed); got != want {
			t.Errorf("Nearest(%.40q) = %q, want %q", typed, got, want)
		}
	}
}

// A typing error in a generated passphrase is told with the word that was meant; a passphrase of somebody's own is left alone.
func TestMistakes(t *testing.T) {
	typed := "zookeeper, umbrela abdomen zodaic  zoom umbr"
	got := Mistakes(typed)
	if want := []Mistake{{"umbrela", "umbrella", 11, false}, {"zodaic", "zodiac", 27, false}, {"umbr", "umbrella", 40, true}}; !slices.Equal(got, want) {
		t.Errorf("Mistakes(%q) = %v, want %v", typed, got, want)
	}
	for _, own := range []string{
		"", "zodaic", "zookeeper umbrella abdomen zodaic", "correct horse battery staple", "zookeeper umbrella abdomen zoom zodiac xyzzyplugh", "zodaic zodaic umbrella zoom abdomen",
		"zookeeper umbrella abdomen zodiac zoom", "hunter2", "to be or not to be",
	} {
		if got := Mistakes(own); got != nil {
			t.Errorf("Mistakes(%q) = %v", own, got)
		}
	}
}

// FuzzMistakes: what is typed is never taken for something else without a reason, and nothing makes it fail.
func FuzzMistakes(f *testing.F) {
	f.Add("zookeeper umbrela abdomen zodiac zo zoom")
	f.Fuzz(func(t *testing.T, typed string) {
		for _, m := range Mistakes(typed) {
			if !strings.HasPrefix(typed[m.At:], m.Typed) || !IsWord(m.Meant) || IsWord(m.Typed) {
				t.Errorf("Mistakes(%q) has %v", typed, m)
			}
		}
	})
}
