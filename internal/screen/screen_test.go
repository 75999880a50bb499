package screen

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "hello, bo", "hello, bo"},
		{"accents and scripts stay", "é ß 中文 שלום ภาษาไทย", "é ß 中文 שלום ภาษาไทย"},
		{"emoji with joiner stays", "👩\u200d💻", "👩\u200d💻"},
		{"colour", "\x1b[31mred\x1b[0m", "[31mred[0m"},
		{"title", "\x1b]0;owned\x07x", "]0;ownedx"},
		{"C1 control sequence introducer", "a\u009b31mb", "a31mb"},
		{"C1 as a raw byte", "a\x9b31mb", "a\ufffd31mb"},
		{"carriage return", "ok\rno", "ok\nno"},
		{"CR LF", "a\r\nb", "a\nb"},
		{"backspaces", "ana\b\b\bbo", "anabo"},
		{"NUL and DEL", "a\x00b\x7fc", "abc"},
		{"DEL alone", "a\x7fb", "ab"},
		{"tab", "a\tb", "a b"},
		{"right-to-left override", "gnp\u202egpj.exe", "gnpgpj.exe"},
		{"isolates", "\u2066a\u2069", "a"},
		{"zero width", "a\u200bn\ufeffa", "ana"},
		{"tag characters", "a\U000e0041b", "ab"},
		{"line separator", "a\u2028b", "a\nb"},
		{"next line", "a\u0085b", "a\nb"},
		{"invalid UTF-8", "a\xffb", "a\ufffdb"},
		{"marks piled up", "z" + strings.Repeat("\u0335", 30), "z" + strings.Repeat("\u0335", maxMarks)},
	} {
		if got := Text(c.in); got != c.want {
			t.Errorf("%s: Text(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestLineKeepsOneLine(t *testing.T) {
	if got, want := Line("lab\r\n#12 forged\u2028x"), "lab #12 forged x"; got != want {
		t.Errorf("Line = %q, want %q", got, want)
	}
}

func TestJSONKeepsTheValueAndHidesTheCharacters(t *testing.T) {
	in := "a\u009b31m \u202e \U000e0041 \u2028 \x7f é"
	doc, err := json.Marshal(map[string]string{"text": in})
	if err != nil {
		t.Fatal(err)
	}
	out := JSON(doc)
	for _, r := range string(out) {
		if hidden(r) {
			t.Errorf("JSON left %U in %q", r, out)
		}
	}
	var back map[string]string
	if err := json.Unmarshal(out, &back); err != nil || back["text"] != in {
		t.Errorf("decoded %q (%v), want %q", back["text"], err, in)
	}
}

func FuzzText(f *testing.F) {
	f.Add("hello\x1b[2J\u202e\xff\u0085")
	f.Fuzz(func(t *testing.T, s string) {
		for what, got := range map[string]string{"Text": Text(s), "Line": Line(s)} {
			if !utf8.ValidString(got) {
				t.Errorf("%s(%q) is not UTF-8", what, s)
			}
			for _, r := range got {
				if unicode.Is(unicode.Cc, r) && (r != '\n' || what == "Line") || unicode.Is(unicode.Bidi_Control, r) {
					t.Errorf("%s(%q) let %U through", what, s, r)
				}
			}
		}
		short := ShortBlanks(Text(s))
		if ShortBlanks(short) != short || strings.Contains(short, strings.Repeat(" ", maxBlanks+1)) || !utf8.ValidString(short) {
			t.Errorf("the blanks of %q become %q", s, short)
		}
		var written strings.Builder
		w := Writer{To: &written}
		for i := range len(s) {
			if n, err := w.Write([]byte(s[i : i+1])); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		// Of marks that climb over a line a piece of its own may show some more.
		if strings.IndexFunc(s, unicode.IsMark) < 0 && written.String() != Text(s) {
			t.Errorf("in pieces %q becomes %q, and %q at once", s, written.String(), Text(s))
		}
		if Text(Text(s)) != Text(s) || Line(Line(s)) != Line(s) {
			t.Errorf("cleaning %q twice differs from once", s)
		}
		doc, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		if err := json.Unmarshal(doc, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(JSON(doc), &got); err != nil || got != want {
			t.Errorf("JSON changed %q into %q (%v)", want, got, err)
		}
	})
}
