package cli

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/passphrase"
)

// TestEverySettingOfAProfileIsInHelp: what a custom profile may say, and what its errors ask for, is explained.
func TestEverySettingOfAProfileIsInHelp(t *testing.T) {
	for f := range reflect.TypeFor[passphrase.Profile]().Fields() {
		key := strings.ToLower(f.Name)
		if !regexp.MustCompile(`(?m)^  ` + key + ` +\S`).MatchString(profilesHelp) {
			t.Errorf("the help does not explain %s", key)
		}
		if _, err := passphrase.ParseProfile("custom:" + key + "=?"); err == nil || strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%s is no key of a profile: %v", key, err)
		}
	}
	// What an error names after "want" is a value, and values are in the help.
	word := regexp.MustCompile(`@?[a-z0-9]+`)
	for _, settings := range []string{
		"kdf=?", "kdf=pbkdf2,hash=?,salt=a", "kdf=pbkdf2,salt=%?", "kdf=argon2id", "kdf=cut", "kdf=key,spelling=?,wrapper=?,form=?",
	} {
		_, err := passphrase.ParseProfile("custom:" + settings)
		if err == nil {
			t.Errorf("%s is accepted", settings)
			continue
		}
		for problem := range strings.SplitSeq(err.Error(), "; ") {
			_, want, _ := strings.Cut(problem, "want ")
			for _, w := range word.FindAllString(want, -1) {
				if !strings.Contains(profilesHelp, w) && !strings.Contains("a whole from its with least other another", w) {
					t.Errorf("%q asks for %q, which the help does not tell", problem, w)
				}
			}
		}
	}
	examples := regexp.MustCompile(`custom:\w\S+`).FindAllString(profilesHelp, -1)
	if len(examples) < 9 {
		t.Errorf("%d examples", len(examples))
	}
	for _, e := range examples {
		if _, err := passphrase.ParseProfile(e); err != nil {
			t.Errorf("%s: %v", e, err)
		}
	}
}

// eachCommand visits all commands and help topics.
func eachCommand(t *testing.T, visit func(*cobra.Command)) {
	t.Helper()
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		visit(c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{status: &statusLine{}}).rootCommand())
}

// tooLong tells which lines are wider than so many columns; a word that is longer cannot be broken.
func tooLong(t *testing.T, what, text string, columns int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > columns && len(strings.Fields(line)) > 1 {
			t.Errorf("%s has a line of %d columns: %s", what, n, line)
		}
	}
}

// Help was laid out for 120 columns, and its tables and examples were left so; then for 80, also on a terminal of 40.
func TestHelpFitsTheTerminal(t *testing.T) {
	for a, width := range map[*app]int{
		{}: helpWidth, {stdoutTerminal: true, width: 200}: helpWidth, {stdoutTerminal: true, width: 40}: 40,
	} {
		a.status = &statusLine{}
		eachBelow(a.rootCommand(), func(c *cobra.Command) {
			var out strings.Builder
			c.SetOut(&out)
			if err := c.Help(); err != nil {
				t.Fatal(err)
			}
			tooLong(t, "the help of "+c.CommandPath(), out.String(), width)
		})
	}
}

// In a page of the manual, which man indents, lines of 100 columns were broken anywhere.
func TestManualPagesFit80Columns(t *testing.T) {
	unescape := strings.NewReplacer(`\-`, "-", `\e`, `\`, `\&`, "")
	eachCommand(t, func(c *cobra.Command) {
		for i, part := range strings.Split(manPage(c), "\n.nf\n") {
			if i > 0 {
				text, _, _ := strings.Cut(part, "\n.fi")
				tooLong(t, "the page of "+c.CommandPath(), unescape.Replace(text), manWidth)
			}
		}
	})
}

// Commands that only have others below them were explained without an example.
func TestEveryCommandHasAnExample(t *testing.T) {
	eachCommand(t, func(c *cobra.Command) {
		if c.Example == "" && !c.IsAdditionalHelpTopicCommand() {
			t.Errorf("%s has no example", c.CommandPath())
		}
	})
}

func TestFill(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two\nthree four", 80, "one two three four"},
		{"one two\nthree four\n\n  a table    stays\nfive:\n  six seven", 18, "one two three four\n\n  a table    stays\nfive:\n  six seven"},
		{"  - one two three\n    four\n  - five", 11, "  - one two\n    three\n    four\n  - five"},
		{"  a  " + strings.Repeat("one two ", 5) + "\n     three\nfour", 40, "  a  one two one two one two one two one\n     two three\nfour"},
		{"  a long label              one two three four", 32, "  a long label\n      one two three four"},
	} {
		if got := fill(c.text, c.width); got != c.want {
			t.Errorf("fill(%q, %d) =\n%s\nwant\n%s", c.text, c.width, got, c.want)
		}
	}
}

func TestBreakCommands(t *testing.T) {
	const text = "  short one\n  cat 'a b c d e f g' --flag one | wc"
	const want = "  short one\n  cat 'a b c d e f g' \\\n      --flag one | wc"
	if got := breakCommands(text, 28); got != want {
		t.Errorf("breakCommands =\n%s\nwant\n%s", got, want)
	}
}
