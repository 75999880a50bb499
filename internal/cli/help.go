package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

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

const wordsHelp = `Words stand for numbers that are too long to read out. They are compared aloud, or by another way than the channel, and only
with words of the same kind:

  check words    three, of a room's key. Everybody who has that key sees the same, with "join", "invite", "key add" and "key list":
                 other words mean another passphrase, profile or channel. They say nothing about who is who.
  words          six, of a person's key, the same in all rooms. "identity show" prints your own behind "words", "identity verify NAME"
                 those of somebody else: whoever reads out the same is who writes under that key. An invitation and a letter show
                 those of the inviter.
  sealing words  six, of the text that begins with fp1_: they stand behind "for sealing" in "identity show". Whoever seals a file, or a
                 letter with an invitation, to that text compares these with its owner before.
  digest         six, at the end of "verify": the same for two who are shown the same conversation up to the same entry.
  of a file      six, with "hash FILE": the same for the same file.

A passphrase that fernpost has generated is words, too: those are secret, and compared with nobody.`

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
		{Use: "words", Short: "Which words are compared with which", Long: wordsHelp},
	}
}

// helpWidth is how many columns the help takes, on a terminal that is as wide.
const helpWidth = 80

// helpColumns is how many columns the help takes here.
func (a *app) helpColumns() int {
	if !a.stdoutTerminal {
		return helpWidth
	}
	return max(leastColumns, min(helpWidth, a.columns()))
}

// explainItself makes help fit a terminal, and an error of asking for help about what does not exist.
func (a *app) explainItself(root *cobra.Command) {
	flagColumns := a.helpColumns()
	if flagColumns < helpWidth { // pflag leaves nothing for the text there: fill breaks these lines
		flagColumns = 0
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprint(".FlagUsagesWrapped ", flagColumns)))
	usual := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		// Cobra comes here before it looks at arguments, also for a command that does nothing by itself.
		if left := cmd.Flags().Args(); cmd.HasSubCommands() && len(left) > 0 {
			a.noHelp = unknownCommand(cmd, left[0])
			return
		}
		width := a.helpColumns()
		cmd.Example = breakCommands(cmd.Example, width)
		var text strings.Builder
		out := cmd.OutOrStdout()
		cmd.SetOut(&text)
		usual(cmd, args)
		cmd.SetOut(out)
		fmt.Fprintln(out, fill(text.String(), width))
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
	there := "there are " + strings.Join(all, ", ")
	if does := parent.Annotations[doesAlone]; does != "" {
		there = fmt.Sprintf("\"%s\" alone %s; %s", parent.CommandPath(), does, there)
	}
	var topics []string // cobra does not count them among the commands
	for _, c := range parent.Commands() {
		if c.IsAdditionalHelpTopicCommand() {
			topics = append(topics, c.Name())
		}
	}
	parent.SuggestionsMinimumDistance = 2
	like := parent.SuggestionsFor(name)
	for _, topic := range alike(name, topics) {
		like = append(like, "\"fernpost help "+topic+"\"")
	}
	if len(like) > 0 {
		there = "did you mean " + strings.Join(like, " or ") + "? " + there
	}
	return hint(usagef("unknown command %q for %q", screen.Line(name), parent.CommandPath()), "%s", there)
}

// alike returns those of some names that somebody may have meant who has typed another one.
func alike(name string, names []string) []string {
	// Of two letters each other two are two apart.
	all := &cobra.Command{SuggestionsMinimumDistance: min(2, len(name)/2)}
	for _, n := range names {
		all.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	return all.SuggestionsFor(name)
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
	if cmd.Flag("png") != nil && name == "qr" {
		return "a terminal shows the QR code without a flag, and --png FILE makes a picture of it; "
	}
	if f := cmd.Flag(name + "-file"); f != nil {
		return "it would stand in every list of processes: put it into a file, and say --" + f.Name + " FILE; "
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			flags = append(flags, f.Name)
		}
	})
	if like := alike(name, flags); len(name) > 1 && len(like) > 0 {
		return "did you mean --" + strings.Join(like, " or --") + "? "
	}
	if cmd.Annotations[takesText] != "" {
		return "a text that begins with a dash stands behind --, such as \"" + cmd.CommandPath() + " -- -1\"; "
	}
	return ""
}

// takesText is the annotation of a command that takes a text of the user's.
const takesText = "takes text"

// fill lays a text out anew in so many columns. Of what stands indented, such as tables, only items with a line that is too long
// change: they go on below their text.
func fill(text string, width int) string {
	f := filler{width: width}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		switch line := lines[i]; {
		case line == "":
			f.end()
			f.WriteByte('\n')
		case line[0] != ' ':
			f.words(line, 0)
		default:
			hang, end := textColumn(line), i+1
			for end < len(lines) && indentOf(lines[end]) == hang && hang > indentOf(line) {
				end++
			}
			f.item(lines[i:end], hang)
			i = end - 1
		}
	}
	return strings.TrimRight(f.String(), "\n")
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// textColumn is where the text of an indented line begins: behind a bullet or, in a table, behind the last gap of two blanks.
func textColumn(line string) int {
	body := strings.TrimLeft(line, " ")
	label := ""
	if at := strings.LastIndex(body, "  "); at >= 0 {
		label = body[:at+2]
	} else if strings.HasPrefix(body, "- ") {
		label = "- "
	}
	return indentOf(line) + utf8.RuneCountInString(label)
}

// filler writes words into lines.
type filler struct {
	strings.Builder

	width, column int
	// begun tells that the line has a word.
	begun bool
}

// words writes the words of a line, and goes on in column hang where they do not fit.
func (f *filler) words(line string, hang int) {
	for word := range strings.FieldsSeq(line) {
		n := utf8.RuneCountInString(word)
		if f.begun && f.column+1+n > f.width {
			f.goOn(hang)
		}
		if f.begun {
			f.WriteByte(' ')
			f.column++
		}
		f.WriteString(word)
		f.column, f.begun = f.column+n, true
	}
}

// goOn begins a line in a column.
func (f *filler) goOn(column int) {
	f.WriteString("\n" + strings.Repeat(" ", column))
	f.column, f.begun = column, false
}

// end ends the line, if one is begun.
func (f *filler) end() {
	if f.begun {
		f.WriteByte('\n')
	}
	f.column, f.begun = 0, false
}

// item writes the lines of an item whose text begins in column hang.
func (f *filler) item(lines []string, hang int) {
	f.end()
	if !slices.ContainsFunc(lines, func(line string) bool { return utf8.RuneCountInString(line) > f.width }) {
		f.WriteString(strings.Join(lines, "\n") + "\n")
		return
	}
	first := []rune(lines[0])
	label, text := string(first[:hang]), hang
	least := min(24, f.width/2) // columns of text beside a label
	if hang > f.width-least {
		text = indentOf(lines[0]) + 4
		f.WriteString(strings.TrimRight(label, " "))
		f.goOn(text)
	} else {
		f.WriteString(label)
		f.column = hang
	}
	f.words(string(first[hang:]), text)
	for _, line := range lines[1:] {
		f.words(line, text)
	}
	f.end()
}

// breakCommands breaks the lines of examples that are longer than width, as a shell takes them: behind a backslash. What is explained
// behind two blanks is left to fill.
func breakCommands(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		rest, done := []rune(line), ""
		for len(rest) > width && !strings.Contains(strings.TrimLeft(line, " "), "  ") {
			at := lastBlank(rest[:width-1])
			if at <= indentOf(string(rest)) {
				break
			}
			indent := strings.Repeat(" ", indentOf(line)+4)
			done += string(rest[:at]) + " \\\n"
			rest = append([]rune(indent), rest[at+1:]...)
		}
		lines[i] = done + string(rest)
	}
	return strings.Join(lines, "\n")
}

// lastBlank returns the index of the last blank that stands in no quotes, -1 if there is none.
func lastBlank(line []rune) int {
	at, quote := -1, rune(0)
	for i, c := range line {
		switch {
		case c == quote:
			quote = 0
		case quote != 0:
		case c == '\'' || c == '"':
			quote = c
		case c == ' ':
			at = i
		}
	}
	return at
}
