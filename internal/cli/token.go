package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/token"
)

// maxTokenText is how long what one token holds may be, in bytes. A token is sealed and opened as a whole, in memory.
const maxTokenText = 64 << 20

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Fernet tokens by hand: encrypt, decrypt, look into, rotate, spoil",
		Long: `token works with Fernet tokens as Python's cryptography writes and reads them, without a room or a relay. It reads standard
input, as one text or token, or with --lines as one a line, and writes to standard output: what was encrypted is decrypted
to the byte.

` + keySourceHelp + `

A token that is refused has its reason in words, in --json and in the exit code: 8 for what is no token or damaged, 6 for a
wrong key or an altered token, which are the same thing, 9 by age. With --lines a refused line prints nothing, and its number and
reason go to standard error; the exit code is then 3, or the first one's if no line was taken.`,
		Example: "  fernpost key generate > key.txt\n  fernpost token encrypt --key-file key.txt < letter.txt > letter.tok\n" +
			"  fernpost token decrypt --key-file key.txt < letter.tok",
	}
	cmd.AddCommand(a.encryptCommand(), a.decryptCommand(), a.inspectCommand(), a.rotateTokenCommand(), a.tamperCommand())
	for _, c := range cmd.Commands() {
		c.Args = cobra.NoArgs
		c.Annotations = map[string]string{takesFile: "<"}
	}
	return cmd
}

// tokenTool is one call of a command that takes texts or tokens from standard input, one after the other.
type tokenTool struct {
	*app
	lines, asJSON bool
	most          int // bytes of one text or token
	first         error
	taken, all    int
}

func (t *tokenTool) add(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&t.lines, "lines", false, "one "+what+" a line")
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "one JSON object for each, also for those that are refused")
}

// refusedToken says why a text was refused: for people, and as a word for programs.
type refusedToken struct {
	error
	word fernet.Refusal
}

func (e refusedToken) Unwrap() error { return e.error }

// tooLongText is the word for a text or a line that is longer than a token is made or read.
const tooLongText fernet.Refusal = "too long"

// noSuchBit is the word for a token that is shorter than the bit to turn.
const noSuchBit fernet.Refusal = "no such bit"

// each gives each text of standard input to work, which prints its answer, and goes on behind one that is refused.
// refused is the object that --json prints then.
func (t *tokenTool) each(work func(n int, text string, out *bufio.Writer) error, refused func(n int, why *refusalJSON) object) error {
	if t.stdinTerminal && !t.quiet {
		t.say("reading what is typed; Ctrl-D ends it")
	}
	in := bufio.NewReaderSize(t.input, 64<<10)
	out := bufio.NewWriterSize(t.stdout, 64<<10)
	for text, err := range t.texts(in) {
		t.all++
		if err == nil {
			err = work(t.all, text, out)
		}
		if err == nil {
			t.taken++
		} else if err = t.refuse(err, out, refused); err != nil {
			return errors.Join(err, out.Flush())
		}
		if in.Buffered() == 0 { // whoever feeds a pipe line by line gets each answer at once
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	switch refused := t.all - t.taken; {
	case refused == 0:
		return nil
	case t.taken == 0 && refused > 1:
		return fmt.Errorf("all %d lines were refused, the first because: %w", refused, t.first)
	case t.taken == 0:
		return t.first
	default:
		return partlyError{fmt.Errorf("%d of %d lines were refused, told above", refused, t.all)}
	}
}

// refuse tells of a refusal, and returns an error if there is nothing to go on with.
func (t *tokenTool) refuse(err error, out *bufio.Writer, refused func(int, *refusalJSON) object) error {
	no, ok := errors.AsType[refusedToken](err)
	if !ok {
		return err
	}
	t.first = cmp.Or(t.first, err)
	if t.asJSON {
		why := &refusalJSON{string(no.word), no.error.Error(), exitCode(err)}
		if err := writeJSON(out, refused(t.all, why)); err != nil {
			return err
		}
	}
	if t.lines {
		fmt.Fprintf(t.stderr, "line %d: %s\n", t.all, screen.Line(no.error.Error()))
	}
	return nil
}

// texts yields what standard input holds: one text, or its lines without their ends. One that is too long is passed
// over.
func (t *tokenTool) texts(in *bufio.Reader) iter.Seq2[string, error] {
	tooLong := refusedToken{usagef("longer than %d bytes, the most that is taken at once", t.most), tooLongText}
	return func(yield func(string, error) bool) {
		if !t.lines {
			all, err := io.ReadAll(io.LimitReader(in, int64(t.most)+1))
			if err == nil && len(all) > t.most {
				err = tooLong
			}
			yield(string(all), err)
			return
		}
		var line []byte
		for {
			part, err := in.ReadSlice('\n')
			if len(line) <= t.most {
				line = append(line, part...)
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield("", err)
				return
			}
			if len(line) == 0 {
				return
			}
			text, err2 := string(line), error(nil)
			if len(bytes.TrimSuffix(line, []byte("\n"))) > t.most {
				text, err2 = "", tooLong
			}
			line = line[:0]
			if !yield(text, err2) || err != nil {
				return
			}
		}
	}
}

// lineEnd takes the end off a line. The last one may have none: it comes back as it is then.
func (t *tokenTool) lineEnd(text string) (line, end string) {
	if !t.lines {
		return text, ""
	}
	line, found := strings.CutSuffix(text, "\n")
	if found {
		end = "\n"
	}
	return line, end
}

// line is the number that --json has: null where standard input is one text.
func (t *tokenTool) line(n int) *int {
	if !t.lines {
		return nil
	}
	return &n
}

// note says something about a token that is taken all the same.
func (t *tokenTool) note(n int, format string, args ...any) {
	if t.lines {
		format = fmt.Sprintf("line %d: ", n) + format
	}
	t.say(format, args...)
}

// bare takes off what carriers add around a token, and says what that was. Of what is no token all the same nothing is
// said: a text of some other kind has no "=" that it lacks.
func (t *tokenTool) bare(n int, text string) string {
	bare, carried := token.Unwrap(text)
	if carried &^= token.Space; carried != 0 && !t.asJSON {
		if _, err := token.Parse(bare); err == nil {
			t.note(n, "taken off or mended: %s", carried)
		}
	}
	return bare
}

// unixTime is a flag that takes the place of the clock, in seconds since 1970.
type unixTime struct {
	seconds int64
	given   bool
}

func (u *unixTime) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%s is no time: want the seconds since 1970, as \"date +%%s\" prints them", s)
	}
	u.seconds, u.given = n, true
	return nil
}

func (u *unixTime) String() string { return "" }

func (u *unixTime) Type() string { return "N" }

// clock is the clock, or shows the time that the flag gives. Whoever gives one is warned.
func (u *unixTime) clock(a *app) func() time.Time {
	if !u.given {
		return time.Now
	}
	a.say("%s", a.style.warn(fmt.Sprintf("--at-time %d takes the place of the clock: for tests of ages only. With a time that is not "+
		"now, tokens get a false age, or old ones pass for fresh", u.seconds)))
	return func() time.Time { return time.Unix(u.seconds, 0) }
}

func (u *unixTime) add(cmd *cobra.Command) {
	cmd.Flags().Var(u, "at-time", "take `N`, in seconds since 1970, for the time that it is now: for tests only")
}

const atTimeHelp = `

--at-time N is what Python calls encrypt_at_time and decrypt_at_time: it is there to test how tokens age. Where it is used for
anything else, it has to be the time that it is, or the age of a token means nothing.`

func (a *app) encryptCommand() *cobra.Command {
	t, keys, at := tokenTool{app: a, most: maxTokenText}, keySource{}, unixTime{}
	cmd := &cobra.Command{
		Use: "encrypt", Short: "Encrypt standard input into a token",
		Long: `encrypt seals standard input, byte for byte, with the newest key, into one token, or with --lines each line into one. A
token is made in memory, of 64 MiB at most.` + atTimeHelp + "\n\n" + keySourceHelp,
		Example: `  fernpost token encrypt --key-file key.txt < letter.txt > letter.token
  fernpost token encrypt --profile tutorial --lines < lines.txt
  echo 'an old text' | fernpost token encrypt --key-file key.txt --at-time 1700000000`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ring, err := a.ring(cmd.Context(), &keys)
			if err != nil {
				return err
			}
			now := at.clock(a)
			return t.each(func(n int, text string, out *bufio.Writer) error {
				text, end := t.lineEnd(text)
				sealed := now()
				tok, err := ring.Seal([]byte(text), sealed)
				if err != nil {
					return err
				}
				return t.answer(out, tok, end, func() object {
					at := time.Unix(sealed.Unix(), 0).UTC()
					clock := uint64(sealed.Unix())
					return sealedTokenJSON{Line: t.line(n), Token: &tok, Sealed: jsonTime(at), Clock: &clock}
				})
			}, func(n int, why *refusalJSON) object { return sealedTokenJSON{Line: t.line(n), Refused: why} })
		},
	}
	t.add(cmd, "text")
	a.addKeySource(cmd, &keys)
	at.add(cmd)
	return cmd
}

// answer prints a token, on a line of its own.
func (t *tokenTool) answer(out *bufio.Writer, tok, end string, asJSON func() object) error {
	if t.asJSON {
		return writeJSON(out, asJSON())
	}
	if !t.lines {
		end = "\n"
	}
	_, err := out.WriteString(tok + end)
	return err
}

func (a *app) ring(ctx context.Context, keys *keySource) (fernet.Ring, error) {
	newestFirst, err := a.keysFrom(ctx, keys, true)
	if err != nil {
		return fernet.Ring{}, err
	}
	return fernet.NewRing(newestFirst...)
}

func (a *app) decryptCommand() *cobra.Command {
	t, keys, at := tokenTool{app: a, most: maxTokenBytes()}, keySource{}, unixTime{}
	var ttl time.Duration
	cmd := &cobra.Command{
		Use: "decrypt", Short: "Decrypt a token from standard input",
		Long: `decrypt writes what a token holds, byte for byte; on a terminal without what would take it over. White space around the
token, b'…' and missing "=" are taken off or mended, as carriers leave them.

` + lenientHelp + `

With --ttl it refuses, as Python does, what was sealed longer ago than that, or more than 60 seconds in the future by the clock
here; without, no age is judged.` + atTimeHelp + "\n\n" + keySourceHelp,
		Example: `  fernpost token decrypt --key-file key.txt < letter.token > letter.txt
  fernpost token decrypt --key-file key.txt --ttl 60s < letter.token
  fernpost token decrypt --room lab --lines --json < tokens.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			judged := cmd.Flags().Changed("ttl")
			switch {
			case ttl < 0:
				return usagef("--ttl %v: want 0s or more", ttl)
			case at.given && !judged:
				return hint(usagef("--at-time has no meaning where no age is judged"), "add --ttl 60s, or another time to live")
			}
			ring, err := a.ring(cmd.Context(), &keys)
			if err != nil {
				return err
			}
			now := at.clock(a)
			return t.each(func(n int, text string, out *bufio.Writer) error {
				text, end := t.lineEnd(text)
				bare := t.bare(n, text)
				o, err := ring.Open(bare)
				if err == nil && judged {
					err = o.CheckAge(ttl, now())
				}
				if err != nil {
					return t.no(text, bare, err)
				}
				if t.asJSON {
					opened := openedTokenJSON{Line: t.line(n), Size: len(o.Plaintext)}
					opened.Text, opened.Base64 = textOrBase64(o.Plaintext)
					clock := o.Time()
					opened.Sealed, opened.Clock, opened.Key = jsonTime(o.SealedAt), &clock, &o.KeyIndex
					return writeJSON(out, opened)
				}
				return t.show(n, o.Plaintext, end, out)
			}, func(n int, why *refusalJSON) object { return openedTokenJSON{Line: t.line(n), Refused: why} })
		},
	}
	t.add(cmd, "token")
	a.addKeySource(cmd, &keys)
	at.add(cmd)
	cmd.Flags().Var(duration.Flag(&ttl, 0), "ttl", "refuse what was sealed longer ago than this, such as 60s, or in the future")
	return cmd
}

// maxTokenBytes is the longest token, with room for what carriers add.
func maxTokenBytes() int { return token.EncodedLen(maxTokenText) + 1<<10 }

// show prints what a token holds: as it is, but for a terminal.
func (t *tokenTool) show(n int, plain []byte, end string, out *bufio.Writer) error {
	if t.stdoutTerminal {
		text := screen.Text(string(plain))
		if text != string(plain) {
			t.note(n, "%s", t.style.warn("this is not all of it: what would change the terminal was left out; a file gets every byte"))
		}
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		_, err := out.WriteString(text)
		return err
	}
	if t.lines && bytes.IndexByte(plain, '\n') >= 0 {
		t.note(n, "the text has several lines, printed as they are; --json keeps it apart from others")
	}
	if _, err := out.Write(plain); err != nil {
		return err
	}
	_, err := out.WriteString(end)
	return err
}

// textOrBase64 is what --json has of bytes: the text, if it is one, and always the bytes.
func textOrBase64(plain []byte) (text, encoded *string) {
	if utf8.Valid(plain) {
		s := string(plain)
		text = &s
	}
	b := base64.StdEncoding.EncodeToString(plain)
	return text, &b
}

// jsonTime is a time that --json can print.
func jsonTime(t time.Time) *time.Time {
	if t.Year() > 9999 {
		return nil
	}
	return &t
}

func (a *app) rotateTokenCommand() *cobra.Command {
	t, keys := tokenTool{app: a, most: maxTokenBytes()}, keySource{}
	cmd := &cobra.Command{
		Use: "rotate", Short: "Seal a token anew with the newest key",
		Long: `rotate opens a token with any of the keys and seals what it holds with the newest one, as the rotate of Python's
MultiFernet does. The clock in it stays: nothing becomes younger by it.` + "\n\n" + keySourceHelp,
		Example: `  fernpost token rotate --key-file keys.txt < old.token > new.token
  fernpost token rotate --key-file keys.txt --lines < tokens.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ring, err := a.ring(cmd.Context(), &keys)
			if err != nil {
				return err
			}
			return t.each(func(n int, text string, out *bufio.Writer) error {
				text, end := t.lineEnd(text)
				bare := t.bare(n, text)
				rotated, was, err := ring.Rotate(bare)
				if err != nil {
					return t.no(text, bare, err)
				}
				return t.answer(out, rotated, end, func() object {
					clock := was.Time()
					return sealedTokenJSON{
						Line: t.line(n), Token: &rotated, Sealed: jsonTime(was.SealedAt), Clock: &clock, Key: &was.KeyIndex,
					}
				})
			}, func(n int, why *refusalJSON) object { return sealedTokenJSON{Line: t.line(n), Refused: why} })
		},
	}
	t.add(cmd, "token")
	a.addKeySource(cmd, &keys)
	return cmd
}

func (a *app) tamperCommand() *cobra.Command {
	t := tokenTool{app: a, most: maxTokenBytes()}
	var bit int
	cmd := &cobra.Command{
		Use: "tamper", Short: "Turn one bit of a token, to see what happens",
		Long: `tamper turns one bit of a token, the 0th being the highest of its first byte, and says which part that bit stands in. It
needs no key, as whoever alters a token on its way has none: and then no key opens it.`,
		Example: `  fernpost token encrypt --key-file key.txt < letter.txt | fernpost token tamper --bit 200 |
    fernpost token decrypt --key-file key.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("bit") {
				return hint(usagef("which bit?"), "--bit 0 is the highest of the first byte; bit 200 begins the ciphertext")
			}
			return t.each(func(n int, text string, out *bufio.Writer) error {
				text, end := t.lineEnd(text)
				bare := t.bare(n, text)
				tok, err := token.Parse(bare)
				if err != nil {
					return t.no(text, bare, err)
				}
				spoilt, hit, err := tok.Tamper(bit)
				if err != nil {
					return refusedToken{usageError{err}, noSuchBit}
				}
				if !t.asJSON {
					t.note(n, "bit %d turned: byte %d, in the %s", bit, bit/8, partName(hit, tok.Blocks()))
				}
				return t.answer(out, spoilt, end, func() object {
					return tamperedJSON{Line: t.line(n), Token: &spoilt, Bit: &bit, Part: known(hit.Kind.String())}
				})
			}, func(n int, why *refusalJSON) object { return tamperedJSON{Line: t.line(n), Refused: why} })
		},
	}
	t.add(cmd, "token")
	cmd.Flags().IntVar(&bit, "bit", 0, "the number of the bit, from 0 on")
	return cmd
}

func partName(p token.Part, blocks int) string {
	if p.Block > 0 {
		return fmt.Sprintf("%s, block %d of %d", p.Kind, p.Block, blocks)
	}
	return p.Kind.String()
}

// hexBytes writes bytes in pairs of digits.
func hexBytes(b []byte) string {
	var s strings.Builder
	for i := range b {
		if i > 0 {
			s.WriteByte(' ')
		}
		if i == 8 {
			s.WriteByte(' ')
		}
		s.WriteString(hex.EncodeToString(b[i : i+1]))
	}
	return s.String()
}
