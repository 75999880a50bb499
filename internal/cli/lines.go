package cli

import (
	"bytes"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/width"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/screen"
)

// indent is the width of what stands before a message's text.
var indent = strings.Repeat(" ", len(item.Stamp)+2+entryWidth+2)

// textGutter stands before each further line of a text. Blanks alone begin our own lines too, those of messages without an
// entry, so that a text could add messages of somebody else.
const textGutter = "| "

const (
	// mostLines is how many lines of one text are shown to people.
	mostLines = 200
	// mostCharacters is how many characters of one text a terminal is given: a hundred lines of it.
	mostCharacters = 8000
	// leastColumns is how many columns are left for a text: on a narrower terminal its further lines begin further left.
	leastColumns = 20
)

// lines writes a message for people: its first line, further lines of its text behind the gutter, and lines of our own. On
// a terminal it breaks those that are too long, since the terminal would go on at the left margin, where messages and
// findings begin.
type lines struct {
	a      *app
	b      []byte
	from   int    // where the line under way begins
	next   string // with what the line below begins, if that is broken
	indent string
	width  int // 0 if nothing is broken
	// whole has words stay whole, and broken stands at the end of a broken line then.
	whole  bool
	broken string
}

func (a *app) startLines(b []byte) *lines {
	l := &lines{a: a, b: b, from: len(b), indent: indent, next: indent + textGutter}
	if a.stdoutTerminal {
		if l.width = a.columns(); l.width < len(l.next)+leastColumns {
			l.indent, l.next = "  ", "  "+textGutter
			l.width = max(l.width, len(l.next)+leastColumns/2) // or there would be a line for each character
		}
	}
	l.next = l.indent + "  "
	return l
}

// theirs ends what this program says of a message: what follows is behind the gutter where the line is broken. A head that
// is too long for its line is broken without it, or what stands behind the gutter would look like a head.
func (l *lines) theirs() {
	gutter := l.indent + textGutter
	if l.width > 0 && columnsIn(l.b[l.from:]) > l.width {
		l.begin(gutter, gutter)
	}
	l.next = gutter
}

// columns is the width of the terminal now: a watch may see several.
func (a *app) columns() int {
	if f, ok := a.stdout.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return a.width
}

// text writes a text: long runs of blanks cut short, because their wrapped end would look like a line of ours, and no more
// than mostLines; to a terminal no more than mostCharacters.
func (l *lines) text(text string) {
	l.theirs()
	text = screen.ShortBlanks(text)
	limit := len(text)
	if l.a.stdoutTerminal {
		limit = firstCharacters(text, mostCharacters)
	}
	for n := 1; ; n++ {
		line, rest, more := strings.Cut(text, "\n")
		if len(line) > limit {
			left := count(utf8.RuneCountInString(text[limit:]), "more character")
			l.b = append(l.b, line[:limit]...)
			l.own(l.a.style.dim("… " + left + "; --json or a pipe has all"))
			return
		}
		if l.b = append(l.b, line...); !more {
			return
		}
		limit = max(limit-len(line)-1, 0)
		if n == mostLines {
			left := count(1+strings.Count(rest, "\n"), "more line")
			l.own(l.a.style.dim("… " + left + "; --json has all"))
			return
		}
		l.begin(l.indent+textGutter, l.indent+textGutter)
		text = rest
	}
}

// own writes a line that is no text, but said by this program.
func (l *lines) own(words string) {
	l.begin(l.indent, l.indent+"  ")
	l.b = append(l.b, words...)
}

// begin ends the line under way, and begins one. next is with what the line below it begins if it must be broken.
func (l *lines) begin(with, next string) {
	l.wrap()
	l.b = append(l.b, '\n')
	l.from, l.next = len(l.b), next
	l.b = append(l.b, with...)
}

// end ends the last line, and returns all.
func (l *lines) end() []byte {
	l.wrap()
	return append(l.b, '\n')
}

// wrap breaks the line under way where it is too long: behind a blank, if there is one in its second half, or anywhere behind a
// word where words stay whole.
func (l *lines) wrap() {
	if l.width == 0 || len(l.b)-l.from <= l.width {
		return // no character takes more columns than bytes
	}
	line := string(l.b[l.from:])
	l.b = l.b[:l.from]
	at, written, blankAt := 0, 0, 0 // the column, and up to which byte the line is written, and could be broken
	least := 0                      // the column that the line begins at
	word := false                   // there is a word in it
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRuneInString(line[i:])
		if end := strings.IndexByte(line[i:], 'm'); r == '\x1b' && end >= 0 { // a colour of ours: texts have none
			i += end + 1
			continue
		}
		if at += columnsOf(r); at > l.width && i > written && (!l.whole || r != ' ' && blankAt > written) {
			end := i
			if blankAt > written {
				end = blankAt
			}
			part := line[written:end]
			if l.whole { // a blank in the last column would make an empty line of the next
				part = strings.TrimRight(part, " ") + l.broken
			}
			l.b = append(append(append(l.b, part...), '\n'), l.next...)
			written, blankAt, i = end, 0, end
			at, least, word = len(l.next), len(l.next), false
			continue
		}
		i += n
		word = word || r != ' '
		switch {
		case r != ' ':
		case l.whole && word && l.fitsBelow(line[i:]), !l.whole && at-least > (l.width-least)/2:
			blankAt = i
		}
	}
	l.b = append(l.b, line[written:]...)
}

// fitsBelow reports whether the first word of what is left of a line fits into a line of its own: else nothing is won by breaking
// before it.
func (l *lines) fitsBelow(rest string) bool {
	word, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	return columnsIn([]byte(word)) <= l.width-len(l.next)
}

// columnsIn is how many columns a line takes, its colours left out.
func columnsIn(line []byte) (columns int) {
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRune(line[i:])
		if end := bytes.IndexByte(line[i:], 'm'); r == '\x1b' && end >= 0 {
			i += end + 1
			continue
		}
		columns, i = columns+columnsOf(r), i+n
	}
	return columns
}

// columnsOf is how many columns of a terminal a character takes at most: terminals differ about emoji and other symbols,
// and about marks.
func columnsOf(r rune) int {
	if r < utf8.RuneSelf {
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	if unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.Z, unicode.C) {
		return 1
	}
	return 2 // symbols, and what is not known yet
}

// firstCharacters returns how many bytes the first n characters of a text take.
func firstCharacters(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}
