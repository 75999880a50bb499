package tui

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// typed presses keys, divided by blanks: one that means nothing as a key is text.
func typed(e *editor, keys string) {
	for key := range strings.FieldsSeq(keys) {
		if !e.press(key) {
			e.insert(strings.ReplaceAll(key, "_", " "))
		}
	}
}

func TestEditing(t *testing.T) {
	for name, c := range map[string]struct{ keys, want string }{
		"typed":           {"hello", "hello|"},
		"several lines":   {"one alt+enter two", "one\ntwo|"},
		"back":            {"ab left backspace c", "c|b"},
		"back over marks": {"e\u0301 backspace x", "x|"},
		"over a family":   {"a👩\u200d💻b left left c", "ac|👩\u200d💻b"},
		"delete":          {"abc home delete", "|bc"},
		"word away":       {"one_two_three ctrl+w ctrl+w", "one |"},
		"by words":        {"one_two_three ctrl+left alt+left x ctrl+right y", "one xtwoy| three"},
		"line away":       {"one alt+enter two ctrl+u", "one\n|"},
		"rest away":       {"one alt+enter two up ctrl+k", "one|\ntwo"},
		"lines joined":    {"one alt+enter two home backspace", "one|two"},
		"up and down":     {"longer alt+enter ab up x down y", "loxnger\naby|"},
		"nothing to do":   {"backspace delete left right up down ctrl+w", "|"},
		"control":         {"a\x1b[31mb\x07", "a[31mb|"},
	} {
		var e editor
		typed(&e, c.keys)
		if got := e.text[:e.at] + "|" + e.text[e.at:]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestWhatWasEnteredComesBack(t *testing.T) {
	var e editor
	for _, text := range []string{"one", "two", "two", "  "} {
		e.set(text)
		e.take()
	}
	typed(&e, "dra up")
	got := []string{e.text}
	for _, key := range []string{"up", "up", "down", "down", "down"} {
		e.press(key)
		got = append(got, e.text)
	}
	if d := cmp.Diff([]string{"two", "one", "one", "two", "dra", "dra"}, got); d != "" {
		t.Error(d)
	}
}

func TestTheInputIsDrawnAroundItsCursor(t *testing.T) {
	var e editor
	e.insert("01234567890123\n日本語日本語\n\nlast")
	lines, x, y := e.draw(10, 10)
	want := []string{"012345678", "90123", "日本語日", "本語", "", "last"}
	if d := cmp.Diff(want, lines); d != "" || x != 4 || y != 5 {
		t.Errorf("at %d, %d: %s", x, y, d)
	}
	e.at = 0
	if lines, x, y = e.draw(10, 2); len(lines) != 2 || lines[0] != want[0] || x != 0 || y != 0 {
		t.Errorf("%q, %d, %d", lines, x, y)
	}
	if e.insert(strings.Repeat("x", maxTyped)) {
		t.Error("more than fits was taken")
	}
}

// FuzzEditor: whatever is typed, the cursor stands between characters, and on the screen.
func FuzzEditor(f *testing.F) {
	f.Add("hello 👩\u200d💻 e\u0301", []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	keys := []string{
		"alt+enter", "backspace", "delete", "left", "right", "ctrl+left", "ctrl+right", "home", "end", "ctrl+u", "ctrl+k", "ctrl+w", "up", "down",
	}
	f.Fuzz(func(t *testing.T, text string, pressed []byte) {
		var e editor
		e.insert(text)
		for i, b := range pressed {
			if e.press(keys[int(b)%len(keys)]); i%3 == 0 {
				e.insert(text)
			}
			if i%5 == 4 {
				e.take()
			}
			if e.at < 0 || e.at > len(e.text) || e.at < len(e.text) && !utf8.RuneStart(e.text[e.at]) {
				t.Fatalf("after %s the cursor is at %d of %q", keys[int(b)%len(keys)], e.at, e.text)
			}
			lines, x, y := e.draw(20, 5)
			if x < 0 || x >= 20 || y < 0 || y >= len(lines) || len(lines) > 5 {
				t.Fatalf("the cursor is at %d, %d of %q", x, y, lines)
			}
		}
	})
}
