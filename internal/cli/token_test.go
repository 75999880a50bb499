package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/token"
)

// Whoever has the key decides what a token holds, and whoever looks into it with the key sees it on a terminal: nothing of it
// may act there.
func FuzzInspectShowsNoEscapes(f *testing.F) {
	filler := record.Filler()
	for _, seed := range [][]byte{
		nil, []byte("hello\n| not ours"), []byte("\x1b]0;owned\a\x1b[2J\r\u202e"), filler[:],
		{0xfe, 2},
		bytes.Repeat([]byte{0xff}, 5000),
		append([]byte{0xfe, 2}, make([]byte, 125)...), []byte(strings.Repeat("ü", 4000)),
	} {
		f.Add(seed, false)
	}
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, plain []byte, all bool) {
		text, err := ring.Seal(plain, time.Unix(1_700_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		tok, err := token.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		o, err := ring.OpenToken(tok)
		if err != nil {
			t.Fatal(err)
		}
		for _, view := range []tokenView{{token: tok}, {token: tok, keys: 1, opened: &o, words: checkWords(key.RevealBytes())}} {
			shown := view.text(style{}, all)
			if at := strings.IndexFunc(shown, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || r == '\u202e' }); at >= 0 {
				t.Fatalf("%q is shown as %q", plain, shown)
			}
			coloured := view.text(style{on: true}, all)
			for _, code := range append(partColours[:], styleDim, "0") {
				coloured = strings.ReplaceAll(coloured, "\x1b["+code+"m", "")
			}
			if coloured != shown {
				t.Fatalf("in colour other things are shown:\n%q\n%q", coloured, shown)
			}
		}
	})
}

// toolOn is a tool that reads this.
func toolOn(in string, lines bool, most int) (*tokenTool, *bytes.Buffer, *bytes.Buffer) {
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, input: strings.NewReader(in)}
	return &tokenTool{app: a, lines: lines, most: most}, &stdout, &stderr
}

// Line by line nothing is lost or joined, however long a line is.
func FuzzLinesOfTokens(f *testing.F) {
	f.Add("one\ntwo\n\nthree")
	f.Add("\n\n")
	f.Add("")
	f.Add("\r\n" + strings.Repeat("x", 70_000) + "\n\x00")
	f.Fuzz(func(t *testing.T, in string) {
		const most = 100
		tool, _, _ := toolOn(in, true, most)
		var again strings.Builder
		n := 0
		want := strings.SplitAfter(in, "\n")
		for text, err := range tool.texts(bufio.NewReaderSize(tool.input, 16)) {
			long := len(strings.TrimSuffix(want[n], "\n")) > most
			if long != (err != nil) || !long && text != want[n] {
				t.Fatalf("line %d of %q is %q, %v", n+1, in, text, err)
			}
			line, end := tool.lineEnd(want[n])
			again.WriteString(line + end)
			n++
		}
		if again.String() != in {
			t.Fatalf("%q comes out as %q", in, again.String())
		}
	})
}

// The reason of a refusal is the same in words, for programs and as the exit code.
func TestRefusalsHaveOneReason(t *testing.T) {
	k := fernet.GenerateKey()
	ring, err := fernet.NewRing(k)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	whole, err := ring.Seal([]byte("hello"), now)
	if err != nil {
		t.Fatal(err)
	}
	tok, _ := token.Parse(whole)
	otherVersion, _, _ := tok.Tamper(7)
	altered, _, _ := tok.Tamper(300)
	for _, c := range []struct {
		text  string
		after time.Duration
		why   fernet.Refusal
		code  int
	}{
		{whole, 0, "", exitDone},
		{"hello, world", 0, fernet.RefusedNotBase64, exitNoToken},
		{whole[:40] + "\n" + whole[40:], 0, fernet.RefusedNotCanonical, exitNoToken},
		{otherVersion, 0, fernet.RefusedVersion, exitNoToken},
		{whole[:40], 0, fernet.RefusedCut, exitNoToken},
		{altered, 0, fernet.RefusedNoKey, exitNoKey},
		{whole, time.Hour, fernet.RefusedExpired, exitAge},
		{whole, -time.Hour, fernet.RefusedFuture, exitAge},
	} {
		for _, lines := range []bool{false, true} {
			tool, stdout, stderr := toolOn(c.text, false, 1000)
			tool.asJSON, tool.lines = true, lines && !strings.Contains(c.text, "\n")
			err := tool.each(func(n int, text string, _ *bufio.Writer) error {
				o, err := ring.Open(text)
				if err == nil {
					err = o.CheckAge(time.Minute, now.Add(c.after))
				}
				if err != nil {
					return tool.no(text, text, err)
				}
				return nil
			}, func(n int, why *refusalJSON) object { return openedTokenJSON{Refused: why} })
			if got := exitCode(err); got != c.code {
				t.Errorf("%q: exit code %d, want %d (%v)", c.text, got, c.code, err)
			}
			said := fmt.Sprintf(`"why":"%s"`, c.why)
			if (c.why != "") != strings.Contains(stdout.String(), said) || c.why != "" && !strings.Contains(stdout.String(), fmt.Sprintf(`"code":%d`, c.code)) {
				t.Errorf("%q: --json says %s", c.text, stdout)
			}
			if (c.why != "" && tool.lines) != strings.Contains(stderr.String(), "line 1: ") {
				t.Errorf("%q: standard error says %q", c.text, stderr)
			}
		}
	}
}

// "taken off or mended: missing =" was said of a token in quotes, which lacked none; and nothing said that Python opens it.
func TestAFormThatOnlyPythonOpensIsNamedWithWhatMendsIt(t *testing.T) {
	ring, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	whole := ""
	for !strings.ContainsAny(whole, "-_") {
		if whole, err = ring.Seal([]byte("hello, hello, hello"), time.Unix(1_700_000_000, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		whole[:40] + "\n" + whole[40:] + "\n": "line breaks or blanks in it",
		`"` + whole + `"`:                     "characters around or in it",
		whole + "!!":                          "characters around or in it",
		strings.NewReplacer("-", "+", "_", "/").Replace(whole): "in standard base64",
	} {
		tool, _, stderr := toolOn(text, false, 1000)
		err := tool.each(func(n int, text string, _ *bufio.Writer) error {
			bare := tool.bare(n, text)
			_, err := ring.Open(bare)
			return tool.no(text, bare, err)
		}, nil)
		if next := nextStep(err); !strings.Contains(next, want) || !strings.Contains(next, "Python lets pass: tr ") {
			t.Errorf("%q: the hint is %q, want %q and what mends it", text, next, want)
		}
		if stderr.Len() > 0 {
			t.Errorf("%q: standard error says %q", text, stderr)
		}
	}
}

// Of lines some of which are refused the exit code is 3; of none but refused ones it is the first one's.
func TestExitCodeOfSeveralLines(t *testing.T) {
	for in, want := range map[string]int{
		"": exitDone, "ok\nok\n": exitDone, "ok\nold\n": exitPartly, "bad\nok\nold": exitPartly, "bad\nold\n": exitNoToken,
		"old\nbad\n": exitAge, strings.Repeat("x", 2000): exitUsage,
	} {
		tool, stdout, _ := toolOn(in, true, 1000)
		err := tool.each(func(_ int, text string, out *bufio.Writer) error {
			switch strings.TrimSpace(text) {
			case "bad":
				return tool.no(text, text, token.NotBase64)
			case "old":
				return tool.no(text, text, &fernet.ExpiredError{})
			}
			_, err := io.WriteString(out, text)
			return err
		}, func(int, *refusalJSON) object { return openedTokenJSON{} })
		if got := exitCode(err); got != want {
			t.Errorf("%q: exit code %d, want %d (%v)", in, got, want, err)
		}
		if kept := strings.Count(in, "ok\n"); strings.Count(stdout.String(), "ok\n") != kept || strings.Contains(stdout.String(), "x") {
			t.Errorf("%q: printed was %q", in, stdout)
		}
	}
}

// What cannot be written ends the command, however many lines are left.
func TestTokensIntoABrokenPipe(t *testing.T) {
	tool, _, _ := toolOn(strings.Repeat("x\n", 1000), true, 1000)
	broken := errors.New("broken pipe")
	tool.stdout = writerFunc(func([]byte) (int, error) { return 0, broken })
	err := tool.each(func(_ int, text string, out *bufio.Writer) error {
		_, err := out.WriteString(strings.Repeat(text, 10_000))
		return err
	}, func(int, *refusalJSON) object { return openedTokenJSON{} })
	if !errors.Is(err, broken) || tool.all > 10 {
		t.Errorf("after %d lines: %v", tool.all, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
