package cli

import (
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// breakLines breaks lines of ours that are wider than a terminal at their blanks: it would go on in the middle of a word. What is
// below stands under the last column of the line that leaves it room. A word that is too wide stays whole, as links and keys
// are copied, and a command is broken as a shell goes on with it. 0 columns break nothing.
func breakLines(text string, columns int) string {
	if columns == 0 {
		return text
	}
	var l lines
	for line := range strings.Lines(text) {
		body, ends := strings.CutSuffix(line, "\n")
		l.from, l.width, l.whole, l.broken = len(l.b), columns, true, ""
		if strings.HasPrefix(body, "  fernpost ") {
			l.broken = " \\"
			l.width -= len(l.broken)
		}
		l.next = strings.Repeat(" ", goesOnAt(body, columns))
		l.b = append(l.b, body...)
		if l.wrap(); ends {
			l.b = append(l.b, '\n')
		}
	}
	return string(l.b)
}

// goesOnAt returns below which column a line goes on: that of the last text behind two blanks, if there is room left, or
// else a little to the right of where the line begins.
func goesOnAt(line string, columns int) int {
	text := strings.TrimLeft(line, " ")
	to := len(line) - len(text) + 2
	widest := 0
	for word := range strings.FieldsSeq(text) {
		widest = max(widest, columnsIn([]byte(word)))
	}
	room := max(leastColumns, min(widest, columns-to)) // more for a word that fits further left alone
	for at := len(line) - len(text); ; {
		column, rest, more := strings.Cut(line[at:], "  ")
		if !more {
			return to
		}
		at += len(column) + len("  ") + len(rest) - len(strings.TrimLeft(rest, " "))
		if columnsIn([]byte(line[:at])) > columns-room {
			return to
		}
		to = columnsIn([]byte(line[:at]))
	}
}

// columnsOfStderr is the width of the terminal that stderr is; 0 if it is none, or that does not show.
func (a *app) columnsOfStderr(to io.Writer) int {
	if !a.stderrTerminal {
		return 0
	}
	f, ok := to.(*os.File)
	if !ok {
		return a.width
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// printLines writes lines of ours for people to standard output, which on a terminal are broken as [breakLines] does.
func (a *app) printLines(text string) error {
	columns := 0
	if a.stdoutTerminal {
		columns = a.columns()
	}
	_, err := io.WriteString(a.stdout, breakLines(text, columns))
	return err
}

// showTable writes rows of cells below a heading. On a terminal that is too narrow for it each row is a paragraph: its first
// cell, and below it one line for each of the others.
func (a *app) showTable(heading []string, rows [][]string) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		io.WriteString(table, strings.Join(row, "\t")+"\n")
	}
	table.Flush()
	widest := 0
	for line := range strings.Lines(b.String()) {
		widest = max(widest, columnsIn([]byte(line)))
	}
	if !a.stdoutTerminal || widest <= a.columns() {
		_, err := io.WriteString(a.stdout, b.String())
		return err
	}
	b.Reset()
	for _, row := range rows {
		b.WriteString(row[0] + "\n")
		for i, cell := range row[1:] {
			io.WriteString(table, "  "+strings.ToLower(heading[i+1])+"\t"+cell+"\n")
		}
		table.Flush()
	}
	return a.printLines(b.String())
}
