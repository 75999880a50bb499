package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/screen"
)

func TestWrap(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"short":            {"hello, bo", []string{"hello, bo"}},
		"empty":            {"", []string{""}},
		"empty lines":      {"a\n\nb\n", []string{"a", "", "b", ""}},
		"at a blank":       {"hello there, bo", []string{"hello", "there, bo"}},
		"exactly":          {"0123456789", []string{"0123456789"}},
		"blank at the end": {"0123456789 a", []string{"0123456789", "a"}},
		"only blanks":      {"                  ", []string{""}},
		"indented":         {"  a b", []string{"  a b"}},
		"a long word":      {"01234567890123456789x", []string{"0123456789", "0123456789", "x"}},
		"wide":             {"日本語日本語", []string{"日本語日本", "語"}},
		"emoji at the end": {"123456789👍", []string{"123456789", "👍"}},
		"joined emoji":     {"12345678👩\u200d💻", []string{"12345678", "👩\u200d💻"}},
		"heart":            {"123456789❤\ufe0f", []string{"123456789", "❤\ufe0f"}},
		"marks stay":       {"123456789e\u0301\u0302x", []string{"123456789e\u0301\u0302", "x"}},
		"blanks at breaks": {"0123456789     next", []string{"0123456789", "next"}},
	} {
		if d := cmp.Diff(c.want, wrap(c.text, 10)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestCut(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "short": "short", "0123456789": "0123456789", "01234567890": "012345678…", "日本語日本語": "日本語日…",
		"12345678👩\u200d💻x": "12345678…",
	} {
		if got := cut(in, 10); got != want {
			t.Errorf("cut(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzWrap: no line is longer than wanted, by either way to count, and nothing but blanks is lost.
func FuzzWrap(f *testing.F) {
	f.Add("hello, bo", 20)
	f.Add(strings.Repeat("👩\u200d", 30)+"💻", 12)
	f.Add("e\u0301\u0302\u0303\u0304\u0305 日本語 ❤\ufe0f 🇩🇪🇩🇪", 10)
	f.Add("שלום \u200d نامه\u200cها", 11)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		text = screen.ShortBlanks(screen.Text(text))
		columns = max(columns%200, minText)
		lines := wrap(text, columns)
		for _, line := range lines {
			if wc := ansi.WcWidth.StringWidth(line); wc > columns {
				t.Errorf("%q takes %d columns of %d", line, wc, columns)
			}
			if joined := ansi.GraphemeWidth.StringWidth(line); joined > columns {
				t.Errorf("%q takes %d columns of %d, joined", line, joined, columns)
			}
			if short := cut(line, columns/2); columnsOf(short) > max(columns/2, 1) {
				t.Errorf("cut(%q, %d) = %q", line, columns/2, short)
			}
		}
		bare := strings.NewReplacer(" ", "", "\n", "")
		if got, want := bare.Replace(strings.Join(lines, "")), bare.Replace(text); got != want {
			t.Errorf("%q becomes %q", want, got)
		}
	})
}
