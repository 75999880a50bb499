package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestFoldBreaksAtBlanksAndInTokens(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"short", []string{"hello"}, []string{"hello"}},
		{"at a blank", []string{"one two three four"}, []string{"one two", "  three", "  four"}},
		{"in a token", []string{"gAAAAABrAMNFmKE49m"}, []string{"gAAAAABrAM", "  NFmKE49m"}},
		{"letters of two bytes", []string{"äöüäöüäöüäöü"}, []string{"äöüäöüäöüä", "  öü"}},
		{"colour does not count", []string{"\x1b[1mhello\x1b[0m you"}, []string{"\x1b[1mhello\x1b[0m you"}},
		{"colour goes where a line breaks", []string{"\x1b[1mhello you all\x1b[0m"}, []string{"hello you", "  all"}},
	} {
		if d := cmp.Diff(c.want, fold(c.lines, 10)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestColumnsKeepToTheTerminal(t *testing.T) {
	s := scene{
		title: "ana sends", left: []string{"ana> hi", strings.Repeat("long words ", 20)},
		right: []string{"2026-11-20 10:00:00 UTC,1," + strings.Repeat("gAAAAA", 40)},
	}
	for _, width := range []int{80, 100, 200} {
		var b strings.Builder
		a := &app{stdout: &b, stdoutTerminal: true, width: width, style: style{on: true}}
		if err := a.show(s); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(b.String(), "\n") {
			if n := utf8.RuneCountInString(uncolour(line)); n > min(width, maxWidth) {
				t.Errorf("at %d columns a line has %d characters: %q", width, n, line)
			}
		}
		if n := strings.Count(uncolour(b.String()), gutter); n < 5 {
			t.Errorf("at %d columns %d lines have two columns", width, n)
		}
	}
}

func TestPipesAndNarrowTerminalsGetPlainText(t *testing.T) {
	for _, a := range []*app{{width: 200}, {stdoutTerminal: true, width: 79}} {
		var b strings.Builder
		a.stdout = &b
		if err := a.show(scene{title: "t", left: []string{"l"}, right: []string{"r"}}); err != nil {
			t.Fatal(err)
		}
		if got, want := b.String(), "\n== t\n\n  l\n\n  everybody else:\n    r\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// On a narrow terminal lines went on at its left margin.
func TestPlainTextKeepsToANarrowTerminal(t *testing.T) {
	for _, width := range []int{30, 40, 79} {
		var b strings.Builder
		a := &app{stdout: &b, stdoutTerminal: true, width: width}
		err := a.show(scene{
			title: strings.Repeat("a long title ", 8), left: []string{strings.Repeat("long words ", 20)}, right: []string{strings.Repeat("gAAAAA", 40)},
		})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(b.String(), "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("at %d columns a line has %d characters: %q", width, n, line)
			}
		}
	}
}
