package tui

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/screen"
)

// maxTyped is how many bytes may be typed into one message: what is longer is a file.
const maxTyped = 16 << 10

// mostPast is how many messages the input remembers.
const mostPast = 200

// editor is the input: a text of several lines, a cursor in it, and what was entered before. The zero editor is empty.
type editor struct {
	text string
	at   int // the cursor, in bytes

	past  []string // entered before, oldest first
	back  int      // how far the user has gone back in it; 0 is the text under way
	draft string   // that, meanwhile
}

// insert writes a text at the cursor, and reports whether there was room for it.
func (e *editor) insert(s string) bool {
	s = screen.Text(s)
	if len(e.text)+len(s) > maxTyped {
		return false
	}
	e.text = e.text[:e.at] + s + e.text[e.at:]
	e.at += len(s)
	return true
}

// set replaces the text, with the cursor at its end.
func (e *editor) set(text string) { e.text, e.at = text, len(text) }

// take returns the text, remembers it, and begins anew.
func (e *editor) take() string {
	text := e.text
	if strings.TrimSpace(text) != "" && (len(e.past) == 0 || e.past[len(e.past)-1] != text) {
		if e.past = append(e.past, text); len(e.past) > mostPast {
			e.past = slices.Delete(e.past, 0, 1)
		}
	}
	e.text, e.at, e.back, e.draft = "", 0, 0, ""
	return text
}

// press does what a key does to the text, and reports whether it means anything there.
func (e *editor) press(key string) bool {
	line := e.lineBegin()
	switch key {
	case "alt+enter", "ctrl+j", "shift+enter":
		e.insert("\n")
	case "backspace", "ctrl+h":
		e.remove(e.before(e.at), e.at)
	case "delete":
		e.remove(e.at, e.behind(e.at))
	case "left", "ctrl+b":
		e.at = e.before(e.at)
	case "right", "ctrl+f":
		e.at = e.behind(e.at)
	case "ctrl+left", "alt+left", "alt+b":
		e.at = e.wordBefore()
	case "ctrl+right", "alt+right", "alt+f":
		e.at = e.wordBehind()
	case "home", "ctrl+a":
		e.at = line
	case "end", "ctrl+e":
		e.at = e.lineEnd()
	case "ctrl+u":
		e.remove(line, e.at)
	case "ctrl+k":
		e.remove(e.at, e.lineEnd())
	case "ctrl+w", "alt+backspace":
		e.remove(e.wordBefore(), e.at)
	case "up":
		e.up()
	case "down":
		e.down()
	default:
		return false
	}
	return true
}

func (e *editor) remove(from, to int) {
	e.text = e.text[:from] + e.text[to:]
	e.at = from
}

func (e *editor) lineBegin() int { return strings.LastIndexByte(e.text[:e.at], '\n') + 1 }

func (e *editor) lineEnd() int {
	if i := strings.IndexByte(e.text[e.at:], '\n'); i >= 0 {
		return e.at + i
	}
	return len(e.text)
}

// behind is where the character ends that begins at i.
func (e *editor) behind(i int) int {
	if i == len(e.text) {
		return i
	}
	c, _ := cluster(e.text[i:], maxColumns)
	return i + len(c)
}

// before is where the character begins that ends at i. Characters are told apart from the line's beginning on only.
func (e *editor) before(i int) int {
	if i == 0 || e.text[i-1] == '\n' {
		return max(i-1, 0)
	}
	at := strings.LastIndexByte(e.text[:i], '\n') + 1
	for next := at; next < i; next = e.behind(next) {
		at = next
	}
	return at
}

func (e *editor) wordBefore() int {
	head := strings.TrimRightFunc(e.text[:e.at], unicode.IsSpace)
	at := strings.LastIndexFunc(head, unicode.IsSpace)
	if at < 0 {
		return 0
	}
	_, n := utf8.DecodeRuneInString(head[at:])
	return at + n
}

func (e *editor) wordBehind() int {
	rest := strings.TrimLeftFunc(e.text[e.at:], unicode.IsSpace)
	from := len(e.text) - len(rest)
	if i := strings.IndexFunc(rest, unicode.IsSpace); i >= 0 {
		return from + i
	}
	return len(e.text)
}

// up goes to the line above, in the first one to what was entered before.
func (e *editor) up() {
	begin := e.lineBegin()
	if begin > 0 {
		e.toLine(strings.LastIndexByte(e.text[:begin-1], '\n')+1, e.at-begin)
		return
	}
	if e.back == len(e.past) {
		return
	}
	if e.back == 0 {
		e.draft = e.text
	}
	e.back++
	e.set(e.past[len(e.past)-e.back])
}

// down goes to the line below, in the last one to what was entered after.
func (e *editor) down() {
	if end := e.lineEnd(); end < len(e.text) {
		e.toLine(end+1, e.at-e.lineBegin())
		return
	}
	if e.back == 0 {
		return
	}
	if e.back--; e.back == 0 {
		e.set(e.draft)
		return
	}
	e.set(e.past[len(e.past)-e.back])
}

// toLine puts the cursor into the line that begins at begin, so many bytes behind that at most, and before a character.
func (e *editor) toLine(begin, behind int) {
	e.at = begin
	end := e.lineEnd()
	for next := e.behind(e.at); next <= min(begin+behind, end) && next > e.at; next = e.behind(e.at) {
		e.at = next
	}
}

// draw returns the lines of the input, broken at so many columns, and where in them the cursor stands. Of more lines
// than most it returns those around the cursor.
func (e *editor) draw(columns, most int) (lines []string, x, y int) {
	begin, at := 0, 0
	for i := 0; i <= len(e.text); {
		if i == len(e.text) || e.text[i] == '\n' {
			if i == e.at {
				x, y = at, len(lines)
			}
			lines = append(lines, e.text[begin:i])
			i++
			begin, at = i, 0
			continue
		}
		c, w := cluster(e.text[i:], maxColumns)
		if at+w >= columns && i > begin { // the last column is the cursor's
			lines = append(lines, e.text[begin:i])
			begin, at = i, 0
		}
		if i == e.at {
			x, y = at, len(lines)
		}
		at += w
		i += len(c)
	}
	if first := max(0, min(y-most/2, len(lines)-most)); len(lines) > most {
		lines, y = lines[first:first+most], y-first
	}
	return lines, x, y
}
