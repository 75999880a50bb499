package tui

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// cluster returns the first character of a text as people see it, with the marks and joined emoji that belong to it,
// and how many columns it takes at most. Terminals differ about emoji, so of two ways to count the greater number
// counts: a line never gets too long for one of them. A chain of joined emoji that may be wider than limit comes rune
// by rune.
func cluster(s string, limit int) (c string, columns int) {
	if s[0] < utf8.RuneSelf && (len(s) == 1 || s[1] < utf8.RuneSelf) {
		return s[:1], 1
	}
	c, columns = ansi.FirstGraphemeCluster(s, ansi.WcWidth)
	_, joined := ansi.FirstGraphemeCluster(c, ansi.GraphemeWidth)
	if columns = max(columns, joined); columns > limit {
		_, n := utf8.DecodeRuneInString(c)
		c = c[:n]
		columns = max(ansi.WcWidth.StringWidth(c), ansi.GraphemeWidth.StringWidth(c))
	}
	return c, columns
}

// columnsOf is how many columns a text without line breaks takes at most.
func columnsOf(s string) (columns int) {
	for len(s) > 0 {
		c, w := cluster(s, maxColumns)
		columns += w
		s = s[len(c):]
	}
	return columns
}

const (
	// maxColumns is more than any character may take.
	maxColumns = 8
	// minText is how many columns a text has at least, however narrow the window is.
	minText = 10
)

// wrap breaks a text into lines of at most so many columns, behind blanks where there are some, otherwise anywhere.
// Blanks at a break are left out; others stay, as an empty line does.
func wrap(text string, columns int) (lines []string) {
	columns = max(columns, minText)
	for line := range strings.SplitSeq(text, "\n") {
		lines = wrapLine(lines, line, columns)
	}
	return lines
}

func wrapLine(lines []string, line string, columns int) []string {
	// Where the line under way begins, its columns, and behind which blank it may be broken.
	begin, at, blank := 0, 0, -1
	for i := 0; i < len(line); {
		c, w := cluster(line[i:], maxColumns)
		if at+w > columns && c == " " { // it falls into the break
			blank = i + 1
			i++
			continue
		}
		for at+w > columns && i > begin {
			end := i
			if blank > begin {
				end = blank
			}
			lines = append(lines, strings.TrimRight(line[begin:end], " "))
			begin, blank = end, -1
			at = columnsOf(line[begin:i])
		}
		at += w
		if i += len(c); c == " " && strings.Trim(line[begin:i], " ") != "" { // an indentation stays with its word
			blank = i
		}
	}
	if rest := line[begin:]; begin == 0 || strings.Trim(rest, " ") != "" {
		lines = append(lines, fit(rest, columns))
	}
	return lines
}

// fit cuts off blanks at the end that do not fit any more.
func fit(line string, columns int) string {
	if len(line) <= columns || columnsOf(line) <= columns {
		return line
	}
	return strings.TrimRight(line, " ")
}

// cut shortens a text of one line to so many columns, with "…" at its end if something is left out.
func cut(s string, columns int) string {
	if len(s) <= columns || columnsOf(s) <= columns {
		return s
	}
	at := 0
	for i := 0; i < len(s); {
		c, w := cluster(s[i:], maxColumns)
		if at+w > columns-1 {
			return s[:i] + "…"
		}
		at += w
		i += len(c)
	}
	return s
}

// firstRunes returns the first n runes of a text, and how many are left out.
func firstRunes(s string, n int) (first string, left int) {
	for i := range s {
		if n == 0 {
			return s[:i], utf8.RuneCountInString(s[i:])
		}
		n--
	}
	return s, 0
}

// clip cuts a line of the screen, which may have colours, off at so many columns.
func clip(line string, columns int) string {
	if len(line) <= columns {
		return line
	}
	at := 0
	for i := 0; i < len(line); {
		if end := strings.IndexByte(line[i:], 'm'); line[i] == '\x1b' && end >= 0 { // a colour of ours: texts have none
			i += end + 1
			continue
		}
		c, w := cluster(line[i:], maxColumns)
		if at += w; at > columns {
			if strings.IndexByte(line, '\x1b') >= 0 {
				return line[:i] + "\x1b[0m"
			}
			return line[:i]
		}
		i += len(c)
	}
	return line
}
