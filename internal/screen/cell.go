package screen

import (
	"strconv"
	"strings"
)

// Cell keeps a spreadsheet from running a stranger's text as a formula: one that begins as a formula does, and is no number, gets a ' in
// front, which spreadsheets take for "this is text". What begins with a blank begins behind it, for some of them.
func Cell(s string) string {
	begin := strings.TrimLeft(s, " \t\r\n\u00a0")
	if begin == "" || !strings.ContainsRune("=+-@＝＋－＠", []rune(begin)[0]) {
		return s
	}
	if _, err := strconv.ParseFloat(strings.Replace(begin, ",", ".", 1), 64); err == nil {
		return s
	}
	return "'" + s
}
