package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// scene is one step of the demo: what the people in the room see, and what everybody else sees.
type scene struct {
	title       string
	left, right []string
}

// Widths of the two columns' layout, in characters.
const (
	minColumns = 80 // a terminal below it gets the plain layout
	maxWidth   = 140
	gutter     = " │ "
)

// show prints a scene: in two columns on a terminal that is wide enough, otherwise one below the other.
func (a *app) show(s scene) error {
	var b strings.Builder
	if a.stdoutTerminal && a.width >= minColumns {
		a.showColumns(&b, s)
	} else {
		a.showPlain(&b, s)
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func (a *app) showPlain(b *strings.Builder, s scene) {
	put := func(indent string, all ...string) {
		if a.stdoutTerminal {
			all = fold(all, max(leastColumns, a.width)-len(indent))
		}
		for _, line := range all {
			fmt.Fprintln(b, indent+line)
		}
	}
	b.WriteByte('\n')
	put("", "== "+s.title)
	b.WriteByte('\n')
	put("  ", s.left...)
	b.WriteByte('\n')
	put("  ", "everybody else:")
	put("    ", s.right...)
}

func (a *app) showColumns(b *strings.Builder, s scene) {
	width := min(a.width, maxWidth) - len(gutter)
	leftWidth := width / 2
	rightWidth := width - leftWidth
	fmt.Fprintf(b, "\n%s\n", a.style.bold(s.title))
	fmt.Fprintf(b, "%s%s%s\n", a.style.dim(pad("in the room", leftWidth)), a.style.dim(gutter), a.style.dim("everybody else"))
	left, right := fold(s.left, leftWidth), fold(s.right, rightWidth)
	for i := range max(len(left), len(right)) {
		var l, r string
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		fmt.Fprintf(b, "%s%s%s\n", pad(l, leftWidth), a.style.dim(gutter), r)
	}
}

// shownWidth is the number of characters of a line without its colours; the demo's lines hold no wide ones.
func shownWidth(line string) int {
	n := utf8.RuneCountInString(line)
	for rest := line; ; {
		_, after, ok := strings.Cut(rest, "\x1b[")
		if !ok {
			return n
		}
		code, tail, _ := strings.Cut(after, "m")
		n -= len("\x1b[") + len(code) + len("m")
		rest = tail
	}
}

func pad(line string, width int) string {
	return line + strings.Repeat(" ", max(0, width-shownWidth(line)))
}

// fold breaks lines that are too wide: at a blank where there is one, in the middle of a token otherwise. A coloured
// line that is too wide loses its colour, so that no colour runs over the border.
func fold(lines []string, width int) []string {
	var out []string
	for _, line := range lines {
		if shownWidth(line) > width {
			line = uncolour(line)
		}
		for shownWidth(line) > width {
			runes := []rune(line)
			at := width
			for blank := width; blank > width/2; blank-- {
				if runes[blank] == ' ' {
					at = blank
					break
				}
			}
			out = append(out, string(runes[:at]))
			line = "  " + strings.TrimLeft(string(runes[at:]), " ")
		}
		out = append(out, line)
	}
	return out
}

func uncolour(line string) string {
	for {
		before, after, ok := strings.Cut(line, "\x1b[")
		if !ok {
			return line
		}
		_, tail, _ := strings.Cut(after, "m")
		line = before + tail
	}
}
