package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/fernpost/fernpost/internal/invisible"
	"github.com/fernpost/fernpost/internal/passphrase"
)

const secretsHelp = `Passphrases and keys never stand on a command line, where every process listing shows them. An invitation may,
and "join" says so: asked for, read from standard input or from a picture, it is seen by nobody else.

A passphrase comes from, in this order:
  --passphrase-file FILE   the whole file in UTF-8, without the line end ("-" is standard input)
  FERNPOST_PASSPHRASE      the environment
  a prompt                 on a terminal

The prompt helps with words of the EFF list, of which generated passphrases are made. Of a word its beginning is shown until only
one word begins so; then a mark stands for it. Tab completes a word, Backspace takes a mark away as a whole. If words of a
generated passphrase are mistyped or cut short, the prompt says what was probably meant before anything is derived: Tab mends
that, a second Enter what was typed. A passphrase of your own is taken as it is, and not shown; --show shows everything. A new
passphrase is asked for without any of that; with TERM=dumb nothing is drawn, and mistakes are told all the same.

A file of "rooms export" or "identity export" has a passphrase of its own, from --passphrase-file or a prompt: what is in
the environment is that of a room, and none for files.

A channel's write and read keys come from:
  --write-key-file FILE    --read-key-file FILE
  FERNPOST_WRITE_KEY       FERNPOST_READ_KEY
  a prompt                 on a terminal, by "join" and "init --channel", for the write key once the passphrase has been
                           tried, and for either key of a channel that nobody sees without one; empty means: none
"rooms set" takes them from files only, and changes those of a room that is there.

A user key, with which "init" makes a channel at a relay that wants one, comes from --user-key-file or FERNPOST_USER_KEY.

The passphrase is not kept. What is derived from it stands, with the channel's keys, in a file of mode 0600
in ~/.local/share/fernpost/rooms ($XDG_DATA_HOME/fernpost/rooms), as does the identity. With "keyring: system" in the settings,
or FERNPOST_KEYRING=system, the next command seals these files with a key in the keyring of the desktop or system; "files"
opens them again. While that keyring is locked, does not answer within two seconds or is not there, sealed files stay
closed; files that were not sealed yet stay as they are, and each command says so. What lay there unsealed before may
still be found on the disk. "fernpost doctor" says where the keys lie.`

// maxSecretFile bounds what is read as a passphrase or key, in bytes.
const maxSecretFile = 64 << 10

// errNoSecret: none of the places that a secret may come from has one.
var errNoSecret = errors.New("not given")

// secretFrom reads a secret from the file that a flag names or a variable; errNoSecret when there is neither. Only the line
// end is cut off.
func (a *app) secretFrom(ctx context.Context, flag, file, variable string) (string, error) {
	if file != "" {
		return a.readSecretFile(ctx, flag, file)
	}
	if v := a.getenv(variable); v != "" {
		return v, nil
	}
	return "", errNoSecret
}

func (a *app) readSecretFile(ctx context.Context, flag, file string) (string, error) {
	r := a.input
	if file != "-" {
		f, err := openFile(ctx, file)
		if err != nil {
			return "", fmt.Errorf("--%s: %w", flag, err)
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("--%s: reading %s: %w", flag, file, err)
	}
	// Editors write a byte order mark that nobody has typed; in UTF-16 the bytes are others than those of the same words
	// on a keyboard.
	s := passphrase.TrimLineEnd(strings.TrimPrefix(string(b), "\ufeff"))
	switch {
	case strings.HasPrefix(s, "\xff\xfe"), strings.HasPrefix(s, "\xfe\xff"), strings.Contains(s, "\x00"):
		return "", hint(usagef("--%s: %s is UTF-16 text, or none", flag, file), "save it as UTF-8")
	case len(b) > maxSecretFile:
		return "", usagef("--%s: %s is too long for a passphrase or key", flag, file)
	case s == "":
		return "", usagef("--%s: %s is empty", flag, file)
	}
	return s, nil
}

// canAsk reports whether there is somebody to answer a question.
func (a *app) canAsk() bool { return a.stdinTerminal && a.stderrTerminal }

// holdingTerminal is the context of who has changed the terminal, or waits for an answer there: SIGQUIT ends it, as SIGTERM does.
// Otherwise the program would end at once, with what all its goroutines do on a terminal that shows nothing of what is typed.
func holdingTerminal(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGQUIT)
}

// askSecret asks on the terminal without echo.
func (a *app) askSecret(ctx context.Context, question string) (string, error) {
	f, ok := a.stdin.(*os.File)
	if !ok {
		return "", errNoSecret
	}
	ctx, stop := holdingTerminal(ctx)
	defer stop()
	a.status.take()
	defer a.status.give()
	fmt.Fprintf(a.stderr, "%s: ", question)
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("asking for a secret: %w", err)
	}
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		got <- answer{b, err}
	}()
	select {
	case <-ctx.Done():
		// The reader goes on until the process ends; the terminal must get its echo back before that.
		term.Restore(fd, before)
		fmt.Fprintln(a.stderr)
		return "", ctx.Err()
	case r := <-got:
		fmt.Fprintln(a.stderr)
		if r.err != nil {
			return "", fmt.Errorf("asking for a secret: %w", r.err)
		}
		return string(r.text), nil
	}
}

// confirm asks a question that "y" or "yes" answers in the affirmative. Without a terminal the answer is no.
func (a *app) confirm(ctx context.Context, question string) (bool, error) {
	if !a.canAsk() {
		return false, nil
	}
	ctx, stop := holdingTerminal(ctx)
	defer stop()
	a.status.take()
	defer a.status.give()
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	got := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.stdin).ReadString('\n')
		got <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return false, ctx.Err()
	case line := <-got:
		line = strings.ToLower(strings.TrimSpace(line))
		return line == "y" || line == "yes", nil
	}
}

// apiKeySize is how many characters an API key has, each out of A-Z and 0-9: those of channels and of users (contract
// section 2).
const apiKeySize = 16

// apiKey checks the form of an API key before it is used or kept, and says what is wrong with it without repeating it.
func apiKey(what, s string) (string, error) {
	s = strings.TrimSpace(s)
	if kind := looksLike(s); kind != "" && !isAPIKey(s) {
		return "", noAPIKey(what, "it has "+count(utf8.RuneCountInString(s), "character")+" and looks like "+kind)
	}
	if problem := notTyped(s); problem != "" {
		return "", noAPIKey(what, problem)
	}
	if capitals := strings.ToUpper(s); isAPIKey(capitals) { // no key has small letters: they were typed for capitals
		return capitals, nil
	}
	problem := ""
	for _, r := range s {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r >= 'a' && r <= 'z':
			problem = "it has small letters"
		default:
			return "", noAPIKey(what, "there is something else in it")
		}
	}
	if n := len(s); n == 0 {
		problem = "there is nothing but blanks"
	} else if n != apiKeySize {
		problem = "it has " + count(n, "character")
	}
	return "", noAPIKey(what, problem)
}

// isAPIKey reports whether a text has the form of an API key.
func isAPIKey(s string) bool {
	return len(s) == apiKeySize && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// notTyped says what copying has brought into an address or a key that does not belong there; "" if nothing.
func notTyped(s string) string {
	switch {
	case strings.ContainsFunc(s, invisible.Rune):
		return "there is an invisible character in it, as pages and mails have them: type it, or copy it from elsewhere"
	case html.UnescapeString(s) != s:
		return "there are HTML entities in it, such as &amp;: copy it as the page shows it, not as its source has it"
	case strings.ContainsAny(s, "<>\"'“”„‘’«»"):
		return "there are quotes or brackets around it: leave them out"
	case strings.ContainsFunc(s, unicode.IsSpace):
		return "there are blanks in it: leave out what does not belong to it"
	}
	return ""
}

func noAPIKey(what, problem string) error {
	return hint(usagef("that is no %s: %s; such a key has %d characters out of A-Z and 0-9", what, problem, apiKeySize),
		"copy it as whoever made the channel sees it, there or at \"API Keys\" on ThingSpeak's website")
}
