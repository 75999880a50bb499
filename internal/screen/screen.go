// Package screen makes strangers' text safe to show. Whatever a peer, a relay or a file has sent goes through it last,
// just before it reaches a terminal: no escape sequence, no carriage return over what stands there already, no
// right-to-left override that turns a name around.
//
// It filters runes and knows no terminal. Libraries that strip ANSI sequences look for sequences; a terminal acts on
// single control characters too, so nothing that is not plainly printable is let through.
package screen

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/invisible"
)

// maxMarks is how many combining marks in a row are shown on one character: every living script stays below it, while
// text that climbs over the lines above it does not.
const maxMarks = 4

// Text cleans text of several lines: line feeds stay, every other line break becomes one, a tab becomes a blank.
// Control, bidirectional and invisible characters are dropped, invalid UTF-8 becomes U+FFFD.
func Text(s string) string {
	if plain(s, true) {
		return s
	}
	// A carriage return with its line feed is one line break, alone it is one as well.
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return clean(s, '\n')
}

// Line cleans text that must stay on one line, such as a name: line breaks become blanks.
func Line(s string) string {
	if plain(s, false) {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return clean(s, ' ')
}

// maxBlanks is how many blanks in a row a text for people keeps.
const maxBlanks = 8

// ShortBlanks cuts runs of more than eight blanks to eight. A terminal wraps a longer run so that what follows it begins
// a line of its own, and looks like one that somebody else has written. Characters that show nothing count as blanks.
func ShortBlanks(s string) string {
	var out []byte // nil until something is left out
	run, from := 0, 0
	for i, r := range s {
		if !blank(r) {
			run = 0
			continue
		}
		if run++; run > maxBlanks {
			out = append(out, s[from:i]...)
			from = i + utf8.RuneLen(r)
		}
	}
	if from == 0 {
		return s
	}
	return string(append(out, s[from:]...))
}

// blank reports whether r takes room, or no room, and shows nothing.
func blank(r rune) bool { return r == '\t' || unicode.Is(unicode.Zs, r) || invisible.Rune(r) }

// plain reports whether s is printable ASCII (and line feeds, where they are welcome): the common case, copied by nobody.
func plain(s string, lines bool) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c > '~') && (!lines || c != '\n') {
			return false
		}
	}
	return true
}

func clean(s string, lineBreak rune) string {
	var b strings.Builder
	b.Grow(len(s))
	marks := 0
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			r = lineBreak
		case r == '\t':
			r = ' '
		case hidden(r):
			continue
		}
		if unicode.In(r, unicode.Mn, unicode.Me) {
			if marks++; marks > maxMarks {
				continue
			}
		} else {
			marks = 0
		}
		b.WriteRune(r) // an invalid byte ranges as U+FFFD
	}
	return b.String()
}

// hidden reports whether r shows nothing itself but changes what is shown: C0, DEL and C1 controls, the format
// characters of Unicode (bidirectional controls, zero-width space, byte order mark, tag characters), private use and
// surrogates. The joiners U+200C and U+200D stay: Persian and emoji are spelt with them, and they move nothing else.
func hidden(r rune) bool {
	if r == '\u200c' || r == '\u200d' {
		return false
	}
	return unicode.Is(unicode.C, r)
}

// JSON returns doc, a JSON text, with every character that Text would drop or change written as a \u escape. The value
// a program decodes is the same to the letter; a terminal that the text is printed to sees only printable characters.
func JSON(doc []byte) []byte {
	const hex = "0123456789abcdef"
	var out []byte // nil until the first escape
	last := 0
	for i := 0; i < len(doc); {
		c := doc[i]
		if c < utf8.RuneSelf && c != 0x7f {
			i++ // encoding/json has escaped C0 inside strings; between them only line feeds and blanks stand
			continue
		}
		r, n := utf8.DecodeRune(doc[i:])
		if !hidden(r) && r != '\u2028' && r != '\u2029' {
			i += n
			continue
		}
		out = append(out, doc[last:i]...)
		for _, u := range utf16(r) {
			out = append(out, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
		}
		i += n
		last = i
	}
	if out == nil {
		return doc
	}
	return append(out, doc[last:]...)
}

// utf16 returns r in UTF-16: one unit, or the surrogate pair that JSON demands above U+FFFF.
func utf16(r rune) []uint16 {
	if r < 0x10000 {
		return []uint16{uint16(r)}
	}
	r -= 0x10000
	return []uint16{0xd800 + uint16(r>>10), 0xdc00 + uint16(r&0x3ff)}
}

// Writer cleans what a stranger's text may stand in as [Text] does, for a writer that reaches a terminal. Flush writes what has
// come of a character that may still go on.
type Writer struct {
	To io.Writer

	rest []byte
}

// Write implements io.Writer. The error is that of To.
func (w *Writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	whole := len(text)
	for n := 1; n <= min(utf8.UTFMax-1, len(text)); n++ {
		if at := len(text) - n; utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				whole = at
			}
			break
		}
	}
	if whole > 0 && text[whole-1] == '\r' { // with a line feed it is one line break
		whole--
	}
	w.rest = bytes.Clone(text[whole:])
	if _, err := io.WriteString(w.To, Text(string(text[:whole]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is left.
func (w *Writer) Flush() error {
	_, err := io.WriteString(w.To, Text(string(w.rest)))
	w.rest = nil
	return err
}
