package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/screen"
)

const profilesHelp = `A profile says how a passphrase becomes a Fernet key and how tokens are written.

  fernpost   Argon2id, 64 MiB, 3 passes; the salt is made from the channel's id. The default.
  pbkdf2     PBKDF2-HMAC-SHA256, 1,200,000 iterations, the same salt: for peers without Argon2.
  tutorial   PBKDF2-HMAC-SHA256, 100,000 iterations, salt "salt_", tokens written b'gAAA…':
             what published Python scripts do. One table of guesses serves every channel of the world:
             weak against a guesser, there to talk to such scripts.
  custom:…   anything else of that kind: settings as key=value, with commas between, in any order

  kdf         how the key is made; must be given:
                argon2id  Argon2id, 64 MiB, 3 passes, 4 lanes
                pbkdf2    PBKDF2 with HMAC
                sha256    the SHA-256 of the passphrase
                cut       the first 32 bytes of the passphrase, filled up with fill
                key       the passphrase is a Fernet key itself
  hash        with pbkdf2: sha256 (default) or sha512
  salt        with pbkdf2 and argon2id, must be given: its text, which may be empty with pbkdf2 and has at least
              8 bytes with argon2id; @room for the salt that is made from the channel's id; @name for the
              SHA-256 of the room's name, which must then be the same for everybody
  iterations  with pbkdf2, must be given: 1 to 100000000
  fill        with cut, must be given: one character
  spelling    typed (default): the passphrase's bytes as they are; nfc: Unicode's normalisation form C,
              white space taken off both ends, and every run of it inside made one space, as the presets
              fernpost and pbkdf2 have it
  wrapper     bare (default), or python: tokens are written b'gAAA…'
  form        text (default): anybody with the key can write as anybody; records: signed messages

In salt and fill, %XX is the byte of that hexadecimal number; a comma, a percent sign and an @ at the beginning
must be written so. What published scripts do, to which wrapper=python is added if they post str(token):

  custom:kdf=pbkdf2,hash=sha512,salt=salt_,iterations=100000
  custom:kdf=pbkdf2,salt=static_salt_value,iterations=100000
  custom:kdf=pbkdf2,salt=%00%01%02%03%04%05%06%07,iterations=100000   a salt that is no text
  custom:kdf=pbkdf2,salt=,iterations=480000                           no salt
  custom:kdf=pbkdf2,salt=@name,iterations=480000                      salt = SHA-256(room's name)
  custom:kdf=sha256                                                   key = base64(SHA-256(passphrase))
  custom:kdf=cut,fill=0                                               key = base64(passphrase filled with 0)
  custom:kdf=cut,fill=%00                                             the same with NUL bytes
  custom:kdf=key                                                      the passphrase is a Fernet key

"join" tries fernpost, pbkdf2 and tutorial by itself and says which one opened a message.`

// helpTopics are pages of "fernpost help" that belong to no single command.
func helpTopics() []*cobra.Command {
	ofJSON := &cobra.Command{Use: "json", Short: "What --json prints"}
	// No other command pays for putting that page together.
	ofJSON.SetHelpFunc(func(c *cobra.Command, args []string) {
		c.Long = jsonHelp()
		c.Root().HelpFunc()(c, args)
	})
	return []*cobra.Command{
		ofJSON,
		{Use: "exit-codes", Short: "The exit codes that scripts may rely on", Long: exitCodesHelp},
		{Use: "secrets", Short: "Where passphrases and keys come from and are kept", Long: secretsHelp},
		{Use: "profiles", Short: "How a passphrase becomes a key", Long: profilesHelp},
	}
}

// helpWidth is how many columns the help takes; what stands indented is left as it is.
const helpWidth = 80

// explainItself makes help fit a terminal, and an error of asking for help about what does not exist.
func (a *app) explainItself(root *cobra.Command) {
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	usual := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		// Cobra comes here before it looks at arguments, also for a command that does nothing by itself.
		if left := cmd.Flags().Args(); cmd.HasSubCommands() && len(left) > 0 {
			a.noHelp = unknownCommand(cmd, left[0])
			return
		}
		cmd.Long = fill(cmd.Long, helpWidth)
		usual(cmd, args)
	})
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Example = "  fernpost help init\n  fernpost help exit-codes"
			c.Run, c.RunE = nil, func(_ *cobra.Command, args []string) error {
				about, left, err := root.Find(args)
				if err != nil || about.HasSubCommands() && len(left) > 0 {
					return unknownCommand(about, left[0])
				}
				about.InitDefaultHelpFlag()
				return about.Help()
			}
		}
	}
}

// doesAlone is the annotation of a command with others below it that says what it does by itself.
const doesAlone = "does alone"

// unknownCommand says what there is in place of a command that is not.
func unknownCommand(parent *cobra.Command, name string) error {
	var all []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c.Name())
		}
	}
	parent.SuggestionsMinimumDistance = 2
	there := "there are " + strings.Join(all, ", ")
	if does := parent.Annotations[doesAlone]; does != "" {
		there = fmt.Sprintf("\"%s\" alone %s; %s", parent.CommandPath(), does, there)
	}
	if like := parent.SuggestionsFor(name); len(like) > 0 {
		there = "did you mean " + strings.Join(like, " or ") + "? " + there
	}
	return hint(usagef("unknown command %q for %q", screen.Line(name), parent.CommandPath()), "%s", there)
}

// meantFlag is a hint about a flag that a command does not have: a secret's, which comes from a file, or one that it has.
func meantFlag(cmd *cobra.Command, err error) string {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return ""
	}
	// Of -room the name is r, one of the letters room.
	name := cmp.Or(strings.TrimLeft(unknown.GetSpecifiedShortnames(), "-"), unknown.GetSpecifiedName())
	if f := cmd.Flag(name); f != nil {
		return "did you mean --" + f.Name + "? "
	}
	if f := cmd.Flag(name + "-file"); f != nil {
		return "it would stand in every list of processes: put it into a file, and say --" + f.Name + " FILE; "
	}
	// Flags are compared as commands are.
	all := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		all.AddCommand(&cobra.Command{Use: f.Name, Hidden: f.Hidden, Run: func(*cobra.Command, []string) {}})
	})
	if like := all.SuggestionsFor(name); len(name) > 1 && len(like) > 0 {
		return "did you mean --" + strings.Join(like, " or --") + "? "
	}
	return ""
}

// fill lays the lines of each paragraph out anew in so many columns, apart from those that begin with a blank.
func fill(text string, width int) string {
	var b strings.Builder
	column := 0 // 0 at the beginning of a line
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == ' ' {
			if column > 0 {
				b.WriteByte('\n')
			}
			column = 0
			b.WriteString(line + "\n")
			continue
		}
		for word := range strings.FieldsSeq(line) {
			n := len([]rune(word))
			switch {
			case column > 0 && column+1+n > width:
				b.WriteByte('\n')
				column = 0
			case column > 0:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
