package screen

import "testing"

// Excel and LibreOffice run what begins with =, +, - or @ in a table that is opened; numbers stay numbers.
func TestCellsAreNoFormulas(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "hello": "hello", "21.5": "21.5", "-21.5": "-21.5", "+3": "+3", "-5,25": "-5,25", "-1e3": "-1e3", "a=1": "a=1", " ": " ",
		"=1+1": "'=1+1", "+cmd|'/c calc'!A0": "'+cmd|'/c calc'!A0", "-2+3+cmd": "'-2+3+cmd", "@SUM(1)": "'@SUM(1)", "-": "'-", "-1-1": "'-1-1",
		" =1": "' =1", "\t=1": "'\t=1", "\r\n@x": "'\r\n@x", "＝1": "'＝1", "=": "'=", "\u00a0+a": "'\u00a0+a", "\xff=": "\xff=",
	} {
		if got := Cell(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
