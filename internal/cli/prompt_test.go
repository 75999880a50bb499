package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/passphrase"
)

const (
	enter = "\r"
	back  = "\x7f"
)

// typing has somebody type, and returns the passphrase, what stands on the screen at the end, and all that was written to it.
func typing(t *testing.T, keys string, show bool) (answer, seen, all string, err error) {
	t.Helper()
	var out strings.Builder
	p := &prompt{question: "Passphrase", show: show, width: 80}
	rest := strings.NewReader(keys)
	err = p.read(rest, &out)
	if left, _ := io.ReadAll(rest); len(left) > 0 {
		t.Errorf("%q is left of %q", left, keys)
	}
	all = out.String()
	return p.typed, all[strings.LastIndex(all, "Passphrase: "):], all, err
}

func TestPassphrasesAreTypedWithHelp(t *testing.T) {
	const six = "zookeeper umbrella zodiac abdomen zoom acorn"
	for name, tt := range map[string]struct{ keys, want string }{
		"in full":               {six + enter, six},
		"beginnings":            {"zook umbr zod abdomen\bumbr zoom\b\b\babdomen zoom acor" + enter + "\t" + enter, six},
		"tab":                   {"zook\tumbr\tzod\tabdome\tzoom\tacor\t" + enter, six},
		"tab in capitals":       {"ZOOK\tUMBR\tZOD\tABDOME\tZOOM\tACOR\t" + enter, six},
		"pasted":                {"\x1b[200~zookeeper umbrella\r\nzodiac abdomen zoom acorn\n\x1b[201~" + enter, six},
		"capitals, engine":      {"Zookeeper Umbrella Zodiac Abdomen Zoom" + enter, "Zookeeper Umbrella Zodiac Abdomen Zoom"},
		"beginnings, as typed":  {"zook umbrella zodiac abdomen zoom" + enter + enter, "zook umbrella zodiac abdomen zoom"},
		"mistake, tab":          {"zookeeper umbrela zodiac abdomen zoom acorn" + enter + "\t" + enter, six},
		"mistakes, tab":         {"zookeeper umbrela zodaic abdomen zoom acorn" + enter + "\t" + enter, six},
		"mistake, as typed":     {"zookeeper umbrela zodiac abdomen zoom acorn" + enter + enter, "zookeeper umbrela zodiac abdomen zoom acorn"},
		"mistake, mended":       {"zookeeper umbrella zodiac abdomen zoom acorm" + enter + back + "acorn" + enter, six},
		"own":                   {"correct horse battery staple" + enter, "correct horse battery staple"},
		"own, with blanks":      {" tr0ub4dor  &3 " + enter, " tr0ub4dor  &3 "},
		"own, one word":         {"umbr" + enter, "umbr"},
		"own, other letters":    {"grüße aus köln" + enter, "grüße aus köln"},
		"back over a word":      {"zookeeper" + back + "zoom" + enter, "zoom"},
		"back over a blank":     {"zookeeper " + back + back + enter, ""},
		"back over a letter":    {"zox" + back + "zo" + back + "n" + enter, "zn"},
		"word and line":         {"zoom acorn \x17zodiac" + enter, "zoom zodiac"},
		"all away":              {"zoom acorn\x15zodiac" + enter, "zodiac"},
		"arrows mean nothing":   {"zo\x1b[A\x1b[1;5C\x1bOPom\x00" + enter, "zoom"},
		"the end, not at once":  {"zoom\x04" + enter, "zoom"},
		"back where nothing is": {back + "\x17\t" + enter, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, seen, all, err := typing(t, tt.keys, false)
			if got = strings.TrimSuffix(got, "  "); err != nil || strings.TrimRight(got, " ") != strings.TrimRight(tt.want, " ") {
				t.Errorf("%q is read as %q, %v; want %q", tt.keys, got, err, tt.want)
			}
			// At the end marks stand there, and nothing in between has told a word.
			if strings.Trim(strings.TrimPrefix(strings.TrimSuffix(seen, "\x1b[J"), "Passphrase:"), " •") != "" {
				t.Errorf("the screen shows %q", seen)
			}
			for word := range strings.FieldsSeq(tt.want) {
				if len(word) > 4 && strings.Contains(all, word) && !strings.Contains(name, "mistake") && !strings.Contains(name, "own") {
					t.Errorf("the screen has shown %q:\n%q", word, all)
				}
			}
		})
	}
}

// A passphrase of somebody's own is shown only as far as it might be words of the list.
func TestAnOwnPassphraseIsNotShown(t *testing.T) {
	_, _, all, err := typing(t, "tr0ub4dor zo"+enter, false)
	if err != nil || strings.Contains(all, "tr0") || strings.Contains(all, "z") {
		t.Errorf("the screen has shown %q (%v)", all, err)
	}
	_, _, all, err = typing(t, "\x1b[200~zo\x1b[201~"+enter, false)
	if err != nil || strings.Contains(all, "z") {
		t.Errorf("of what was pasted the screen has shown %q (%v)", all, err)
	}
	_, seen, _, err := typing(t, "tr0ub4dor zo"+enter, true)
	if err != nil || seen != "Passphrase: tr0ub4dor zo\x1b[J" {
		t.Errorf("--show shows %q (%v)", seen, err)
	}
}

func TestPromptsTellBeforeAnythingIsDerived(t *testing.T) {
	_, _, all, err := typing(t, "zookeeper umbrela zodiac abdomen zoom"+enter+enter, false)
	if want := `"umbrela" is no word of the list: umbrella? Tab mends that, Enter takes what was typed`; err != nil || !strings.Contains(strings.ReplaceAll(all, "\r\n  ", " "), want) {
		t.Errorf("%q is not told:\n%q (%v)", want, all, err)
	}
	for keys, want := range map[string]string{
		"zo\t": "zodiac zombie zone zoning zookeeper zoologist zoology zoom", "s\t": "words begin so", "zoxx\t": "no word of the list begins so",
	} {
		if _, _, all, _ := typing(t, keys+enter, false); !strings.Contains(all, want) {
			t.Errorf("%q: %q is not told:\n%q", keys, want, all)
		}
	}
}

func TestPromptsAreGivenUp(t *testing.T) {
	for _, keys := range []string{"\x03", "zoo\x03", "\x04", "", "zook\t\x03", "\x1b[200~zoo\x03"} {
		_, seen, _, err := typing(t, keys, false)
		if !errors.Is(err, context.Canceled) || strings.Contains(seen, "z") {
			t.Errorf("%q ends in %v, and %q is seen", keys, err, seen)
		}
	}
}

// What was too long ended the question in its middle: the rest of a secret that was pasted went to the shell, which ran its lines.
func TestNothingOfWhatIsTooLongIsLeftForTheShell(t *testing.T) {
	long := strings.Repeat("secret ", mostTyped)
	for name, keys := range map[string]string{
		"pasted":             "\x1b[200~" + long + "\r\nrm -r x\n\x1b[201~",
		"pasted in two":      "\x1b[200~" + long[:mostTyped] + "\x1b[201~\x1b[200~" + long + "\x1b[201~",
		"in one word":        "\x1b[200~" + strings.Repeat("x", 10*mostTyped) + "\x1b[201~",
		"typed":              long + enter,
		"by one":             strings.Repeat("x", mostTyped+1) + enter,
		"shortened too late": strings.Repeat("é", mostTyped) + back + enter,
	} {
		if _, _, _, err := typing(t, keys, false); !errors.Is(err, errTooMuchTyped) {
			t.Errorf("%s, it ends in %v", name, err)
		}
	}
	if got, _, _, err := typing(t, strings.Repeat("x", mostTyped)+enter, false); err != nil || len(got) != mostTyped {
		t.Errorf("the longest is read as %d bytes, %v", len(got), err)
	}
}

// The key Escape took the next one with it, Enter as well; so did half a character or sequence.
func TestEscapeTakesNoOtherKeyWithIt(t *testing.T) {
	for keys, want := range map[string]string{
		"zoom\x1b" + enter:              "zoom",
		"zoom\x1b\x1b\x1b" + enter:      "zoom",
		"\x1bown":                       "own",
		"\x1b\x1b[A\x1bown":             "own",
		"own\x1b" + back + "l":          "l",
		"own\x1b[" + enter:              "own",
		"own\x1b[1;" + back + "l":       "l",
		"own\x1bO" + enter:              "own",
		"own\x1b\xc3\xa9":               "owné",
		"own\xc3\xc3\xa9":               "own\xc3é",
		"own\xc3" + enter:               "own\xc3",
		"\x1b\x1b[200~own\x1b[201~\x1b": "own",
	} {
		got, _, _, err := typing(t, strings.TrimSuffix(keys, enter)+enter, false)
		if err != nil || got != want {
			t.Errorf("%q is read as %q, %v; want %q", keys, got, err, want)
		}
	}
	for _, keys := range []string{"own\x1b\x03", "own\x1b[\x03", "own\xc3\x03"} {
		if _, _, _, err := typing(t, keys, false); !errors.Is(err, context.Canceled) {
			t.Errorf("%q ends in %v", keys, err)
		}
	}
}

// On a narrow terminal in raw mode notes went down like stairs, and the question was drawn again in another row.
func TestNotesAreBrokenWhereTheTerminalEnds(t *testing.T) {
	const long = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	for _, width := range []int{10, 20, 40, 60, 100} {
		for _, note := range []string{mistakesText([]passphrase.Mistake{{Typed: "umbrela", Meant: "umbrella"}}) + " Tab mends that, Enter takes what was typed", long} {
			p := &prompt{question: "Passphrase of the room", width: width, typed: "zoom umbrela zodiac abdomen zoom acorn ", note: note}
			drawn := strings.ReplaceAll(p.line(), "\x1b[J", "")
			below, up, _ := strings.Cut(drawn[strings.Index(drawn, "\r\n"):], "\x1b[")
			if strings.Contains(strings.ReplaceAll(drawn, "\r\n", ""), "\n") {
				t.Errorf("%d columns: a line goes on where the one above ends: %q", width, drawn)
			}
			rows := 0
			for _, row := range strings.Split(below, "\r\n")[1:] {
				rows += 1 + (utf8.RuneCountInString(row)-1)/width
				if note != long && width >= 20 && utf8.RuneCountInString(row) > width {
					t.Errorf("%d columns: %q is too wide", width, row)
				}
			}
			if !strings.HasPrefix(up, fmt.Sprintf("%dA", rows)) {
				t.Errorf("%d columns: %d rows are below the question, and it goes up by %q", width, rows, up)
			}
			if first, _, _ := strings.Cut(drawn, "\r\n"); utf8.RuneCountInString(first) >= width {
				t.Errorf("%d columns: the question is too wide: %q", width, first)
			}
		}
	}
}

// Only the first line of a pasted link was read; a shell ran the others.
func TestInvitationsArePastedInLines(t *testing.T) {
	i := invite.Invitation{
		Relay: "http://127.0.0.1:3000", Channel: 7, Fields: []int{1}, Profile: passphrase.Fernpost(), Name: "lab",
		Keys: []fernet.Key{fernet.GenerateKey()}, WriteKey: "ABCDEFGHIJKLMNOP",
	}
	link, err := i.Link()
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := link[:25], link[25:60], link[60:]
	for name, tt := range map[string]struct{ keys, want string }{
		"one line":              {link + "\r", link},
		"lines":                 {a + "\r" + b + "\r" + c + "\r", link},
		"lines of Windows":      {a + "\r\n" + b + "\r\n" + c + "\r", link},
		"pasted with marks":     {"\x1b[200~" + a + "\r" + b + "\n\n" + c + "\r\x1b[201~\r", link},
		"pasted in parts":       {"\x1b[200~" + a + "\r" + b + "\x1b[201~\r\x1b[200~" + c + "\x1b[201~\r", link},
		"an empty line ends it": {a + "\r" + b + "\r\r", a + b},
		"no invitation":         {"hello\r", "hello"},
		"nothing":               {"\r", ""},
		"mended":                {"hello\x15" + link + "x\x7f\r", link},
	} {
		var out strings.Builder
		rest := strings.NewReader(tt.keys)
		got, err := readInvitation(rest, &out)
		if got = strings.NewReplacer("\r", "", "\n", "").Replace(got); got != tt.want || err != nil || rest.Len() > 0 {
			t.Errorf("%s: %q, %v with %d bytes left; want %q", name, got, err, rest.Len(), tt.want)
		}
		if strings.Contains(out.String(), a) {
			t.Errorf("%s: the screen shows %q", name, out.String())
		}
		if pasted := strings.Contains(tt.keys, "\x1b[201~"); pasted != strings.Contains(out.String(), "characters; Enter takes it") {
			t.Errorf("%s: whether something has come is to be seen in %q", name, out.String())
		}
	}
	for _, keys := range []string{"\x03", a + "\r\x03", "\x04", "", "\x1b[200~x\x03"} {
		if _, err := readInvitation(strings.NewReader(keys), io.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("%q ends in %v", keys, err)
		}
	}
}

// Letters of a passphrase stayed in what tmux scrolls back to: a screen that is erased from its first place on is kept there. So it
// is erased behind what is drawn.
func TestTypedLettersAreNotKeptByTheTerminal(t *testing.T) {
	var out strings.Builder
	p := &prompt{question: "Passphrase", width: 60}
	if err := p.read(strings.NewReader("zoo\x7f\x7fumbrela"+enter+enter), &out); err != nil {
		t.Fatal(err)
	}
	for drawn := range strings.SplitSeq(out.String(), "\r") {
		if strings.HasPrefix(drawn, "\x1b[J") || strings.HasPrefix(drawn, "Passphrase") && !strings.Contains(drawn, "\x1b[J") {
			t.Errorf("%q is drawn", drawn)
		}
	}
}

// FuzzPrompt: whatever is typed, nothing fails, and no control character of it is drawn.
func FuzzPrompt(f *testing.F) {
	f.Add("zook\tumbrela zod abdomen zoom" + enter + "\t" + enter)
	f.Add("\x1b[200~zo\x1b[201~\x17\x15\x04\xc3")
	f.Add("zo\x1b" + enter + "\xc3\x1b[\x1b" + enter)
	f.Fuzz(func(t *testing.T, keys string) {
		var out strings.Builder
		p := &prompt{question: "Passphrase", show: true, width: 20}
		_ = p.read(strings.NewReader(keys), &out)
		_, _ = readInvitation(strings.NewReader(keys), io.Discard)
		drawn := strings.NewReplacer("\x1b[J", "", "\r", "", "\n", "").Replace(out.String())
		for _, part := range strings.Split(drawn, "\x1b[")[1:] {
			if end := strings.TrimLeft(part, "0123456789"); end == "" || end[0] != 'A' && end[0] != 'C' {
				t.Errorf("%q is drawn for %q", part, keys)
			}
		}
	})
}
