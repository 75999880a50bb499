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

// Help was laid out for 120 columns. What stands indented, such as tables, is left as it is.
func TestHelpFits80Columns(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.IsAdditionalHelpTopicCommand() {
			var out strings.Builder
			c.SetOut(&out)
			if err := c.Help(); err != nil {
				t.Fatal(err)
			}
			text, examples, _ := strings.Cut(out.String(), "\nExamples:\n")
			_, flags, _ := strings.Cut(examples, "\nFlags:\n")
			for line := range strings.Lines(text) {
				if len([]rune(line)) > helpWidth+1 && line[0] != ' ' && !strings.HasPrefix(line, "Use \"") {
					t.Errorf("%s: %q", c.CommandPath(), line)
				}
			}
			for line := range strings.Lines(flags) {
				if len([]rune(line)) > helpWidth+1 && !strings.HasPrefix(line, "Use \"") {
					t.Errorf("%s: %q", c.CommandPath(), line)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{status: &statusLine{}}).rootCommand())
}

func TestFillKeepsWhatIsIndented(t *testing.T) {
	const text = "one two\nthree four\n\n  a table    stays\nfive:\n  six seven eight nine"
	const want = "one two\nthree four\n\n  a table    stays\nfive:\n  six seven eight nine"
	if got := fill(text, 11); got != want {
		t.Errorf("fill = %q", got)
	}
	if got := fill("one two\nthree four", 80); got != "one two three four" {
		t.Errorf("fill = %q", got)
	}
}
