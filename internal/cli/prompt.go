package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/fernpost/fernpost/internal/passphrase"
)

// askPassphrase asks for a passphrase that somebody has handed over. On a terminal that can draw a line again it helps to type
// words of the list from which passphrases are generated, and points at typing errors; a passphrase of somebody's own is taken
// as it is.
func (a *app) askPassphrase(ctx context.Context, question string) (string, error) {
	if a.getenv("TERM") == "dumb" {
		return a.askPlainly(ctx, question)
	}
	p := &prompt{question: question, show: a.showTyped, width: 80}
	return a.askRaw(ctx, func(f *os.File, out io.Writer) (string, error) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			p.width = w
		}
		err := p.read(f, out)
		return p.typed, err
	})
}

// askRaw has an answer read from a terminal in raw mode, where lines end with \r\n, and no echo. What of a wrong answer was not read
// is dropped: a shell would run it.
func (a *app) askRaw(ctx context.Context, read func(*os.File, io.Writer) (string, error)) (string, error) {
	f, ok := a.stdin.(*os.File)
	if !ok {
		return "", errNoSecret
	}
	ctx, stop := holdingTerminal(ctx)
	defer stop()
	a.status.take()
	defer a.status.give()
	fd := int(f.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("asking for a secret: %w", err)
	}
	// Not by a.stderr, which breaks lines with \n alone.
	out := a.status.beside(a.status.to)
	begin, end := "\x1b[?2004h", "\x1b[?2004l"
	if a.getenv("TERM") == "dumb" {
		begin, end = "", ""
	}
	// What is pasted stands between two marks then: its line ends do not end the answer.
	fmt.Fprint(out, begin)
	defer func() {
		fmt.Fprint(out, end+"\r\n")
		term.Restore(fd, before)
	}()
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := read(f, out)
		got <- answer{text, err}
	}()
	select {
	case <-ctx.Done(): // the reader goes on until the process ends
		return "", ctx.Err()
	case r := <-got:
		if r.err != nil {
			dropInput(f)
			return "", r.err
		}
		return r.text, nil
	}
}

// askPlainly asks without drawing anything, and points at typing errors afterwards.
func (a *app) askPlainly(ctx context.Context, question string) (string, error) {
	for {
		pass, err := a.askSecret(ctx, question)
		if err != nil {
			return "", err
		}
		wrong := passphrase.Mistakes(pass)
		if len(wrong) == 0 {
			return pass, nil
		}
		take, err := a.confirm(ctx, mistakesText(wrong)+" Take what was typed all the same?")
		if err != nil || take {
			return pass, err
		}
	}
}

// mistakesText says what was probably meant. A word that was only cut short is not shown.
func mistakesText(wrong []passphrase.Mistake) string {
	var all []string
	short := 0
	for _, m := range wrong {
		if m.Short {
			short++
		} else {
			all = append(all, fmt.Sprintf("%q is no word of the list: %s?", m.Typed, m.Meant))
		}
	}
	if short > 0 {
		all = append(all, fmt.Sprintf("%s %s cut short.", count(short, "word"), isOrAre(short)))
	}
	return strings.Join(all, " ")
}

const (
	// hiddenWord stands for a word, however long it is.
	hiddenWord = "••••"
	// mostTyped is how long a passphrase may be that is typed, in bytes.
	mostTyped = 1 << 12
	// mostOffered is how many words are shown of those that begin like the one that is typed.
	mostOffered = 12
)

// prompt is a passphrase that is being typed. Only the beginning of a word of the list is shown, until it is certain which word it
// is; from then on, and where it is none, a mark stands for it, which Backspace takes away as a whole. With show everything
// is shown.
type prompt struct {
	question string
	show     bool
	width    int

	typed  string
	hidden bool // nothing of the last word is shown any more
	asked  bool // the mistakes were told, and Enter takes what was typed
	note   string
	// pasting is between the marks of something pasted, and broken where a line of it has ended. In tooLong more than may be
	// was typed, which is told at the end: what was left of a paste would go to the shell.
	pasting, broken, tooLong bool
}

// errTooMuchTyped: that is no passphrase.
var errTooMuchTyped = usagef("that is too long for a passphrase")

// read reads keys until Enter, and draws what is to be seen. The error is [context.Canceled] after Ctrl-C, or Ctrl-D where nothing
// stands.
func (p *prompt) read(in io.Reader, out io.Writer) error {
	fmt.Fprint(out, p.line())
	typed := keys{in: in}
	for {
		key, err := typed.next()
		if err != nil {
			return err
		}
		done, err := p.press(key)
		if done || err != nil {
			p.note = ""
			if !p.show {
				p.hidden = true
			}
		}
		if !p.pasting {
			fmt.Fprint(out, "\r"+p.line())
		}
		if done || err != nil {
			return err
		}
	}
}

// keys are those that are typed, with the bytes of one that has not ended yet.
type keys struct {
	in    io.Reader
	begun []byte
}

// next reads what one key sends, or what of it came before another one. The error is [context.Canceled] where the input ends.
func (k *keys) next() (key string, err error) {
	for len(k.begun) == 0 || !wholeKey(k.begun) {
		// One byte at a time: what follows Enter is for the next question.
		var b [1]byte
		n, err := k.in.Read(b[:])
		switch {
		case n > 0 && len(k.begun) > 0 && cutsOff(k.begun, b[0]):
			key, k.begun = string(k.begun), b[:]
			return key, nil
		case n > 0:
			k.begun = append(k.begun, b[0])
		case errors.Is(err, io.EOF):
			return "", context.Canceled
		case err != nil:
			return "", fmt.Errorf("asking for a secret: %w", err)
		}
	}
	key, k.begun = string(k.begun), nil
	return key, nil
}

// cutsOff reports whether a byte is a key of its own though the bytes before it, key, are none yet: after the key Escape alone, or
// half a character.
func cutsOff(key []byte, b byte) bool {
	switch {
	case key[0] != '\x1b':
		return utf8.RuneStart(b)
	case b < ' ' || b == '\x7f':
		return true
	}
	return len(key) == 1 && b != '[' && b != 'O'
}

// wholeKey reports whether bytes are all that a key sends: a character, or a sequence that begins with Escape.
func wholeKey(key []byte) bool {
	const longest = 16
	switch {
	case key[0] != '\x1b':
		return utf8.FullRune(key)
	case len(key) < 2:
		return false
	case key[1] == '[':
		return len(key) > 2 && key[len(key)-1] >= '@' || len(key) == longest
	case key[1] == 'O':
		return len(key) > 2
	}
	return true
}

// press does what a key is for, and reports whether that was the last one.
func (p *prompt) press(key string) (done bool, err error) {
	if p.pasting {
		switch key {
		case "\x1b[201~":
			p.pasting, p.broken = false, false
			return p.end(false)
		case "\r", "\n":
			p.broken = true
		case "\x03":
			return false, context.Canceled
		default:
			if p.broken && p.word() != "" {
				p.add(" ")
			}
			p.broken = false
			p.add(key)
		}
		p.hidden = p.word() != ""
		return false, nil
	}
	p.note = ""
	switch key {
	case "\x1b[200~":
		p.pasting = true
	case "\r", "\n":
		return p.end(p.enter())
	case "\x03": // Ctrl-C
		return false, context.Canceled
	case "\x04": // Ctrl-D
		if p.typed == "" {
			return false, context.Canceled
		}
	case "\t":
		p.complete()
	case "\x7f", "\b":
		p.backspace()
	case "\x17": // Ctrl-W
		p.typed = strings.TrimRight(p.typed, " ")
		p.cut(len(p.word()))
	case "\x15": // Ctrl-U
		p.cut(len(p.typed))
	default:
		p.add(key)
	}
	return false, nil
}

// end ends what was typed or pasted, with an error if it was too long.
func (p *prompt) end(done bool) (bool, error) {
	if p.tooLong {
		return true, errTooMuchTyped
	}
	return done, nil
}

// add appends a character; keys that move or do something else have no meaning here.
func (p *prompt) add(key string) {
	if key[0] == '\x1b' || strings.ContainsFunc(key, unicode.IsControl) {
		return
	}
	if p.tooLong = p.tooLong || len(p.typed)+len(key) > mostTyped; p.tooLong {
		return
	}
	p.asked = false
	p.typed += key
	word := p.word()
	if word == "" {
		p.hidden = false
		return
	}
	p.hidden = p.hidden || !p.mayShow() || len(passphrase.Completions(word)) < 2
}

// word is the last word, which is being typed.
func (p *prompt) word() string {
	return p.typed[strings.LastIndexFunc(p.typed, unicode.IsSpace)+1:]
}

// mayShow reports whether all words but the last are of the list: nothing is shown of a passphrase of somebody's own once it is
// known to be one.
func (p *prompt) mayShow() bool {
	words := strings.Fields(p.typed)
	for _, word := range words[:max(0, len(words)-1)] {
		if len(passphrase.Completions(word)) != 1 {
			return false
		}
	}
	return true
}

// cut takes away so many bytes at the end.
func (p *prompt) cut(n int) {
	p.typed = p.typed[:len(p.typed)-n]
	p.asked, p.hidden = false, p.word() != ""
}

// backspace takes away what is seen as one: a character that is shown, or the mark of a word.
func (p *prompt) backspace() {
	word := p.word()
	if word != "" && p.hidden && !p.show {
		p.cut(len(word))
		return
	}
	_, size := utf8.DecodeLastRuneInString(p.typed)
	shown := word != "" && !p.hidden
	p.cut(size)
	p.hidden = p.hidden && !shown
}

// complete takes the words that were meant in place of those that were told as mistakes; else it completes the last word, or
// shows which words begin so.
func (p *prompt) complete() {
	if p.asked {
		wrong := passphrase.Mistakes(p.typed)
		for i := len(wrong) - 1; i >= 0; i-- {
			m := wrong[i]
			p.typed = p.typed[:m.At] + m.Meant + p.typed[m.At+len(m.Typed):]
		}
		p.asked, p.hidden = false, true
		return
	}
	word := p.word()
	if word == "" {
		return
	}
	all := passphrase.Completions(word)
	switch {
	case len(all) == 1:
		p.typed, p.hidden = strings.TrimSuffix(p.typed, word)+all[0]+" ", false
	case len(all) == 0:
		p.note = "no word of the list begins so"
	case p.hidden && !p.show: // it may be part of somebody's own passphrase
	case len(all) > mostOffered:
		p.note = fmt.Sprintf("%d words begin so", len(all))
	default:
		p.note = strings.Join(all, " ")
	}
}

// enter reports whether the passphrase is taken. Of one with typing errors they are told first.
func (p *prompt) enter() bool {
	if p.asked {
		return true
	}
	wrong := passphrase.Mistakes(p.typed)
	if len(wrong) == 0 {
		return true
	}
	p.asked = true
	p.note = mistakesText(wrong) + " Tab mends that, Enter takes what was typed"
	return false
}

// line is what is drawn: the question, what may be seen of the answer, and below it the note, if there is one.
func (p *prompt) line() string {
	words := strings.Fields(p.typed)
	if !p.show {
		last := len(words)
		if p.word() != "" && !p.hidden {
			last-- // it is being typed
		}
		for i := range words[:last] {
			words[i] = hiddenWord
		}
	}
	text := strings.Join(words, " ")
	if p.typed != "" && p.word() == "" {
		text += " "
	}
	// One line is drawn again and again, so what does not fit into it is left out at its beginning, and of the question its end.
	question := p.question
	if runes := []rune(question); len(runes) > p.width-8 {
		question = string(runes[:max(1, p.width-8)]) + "…"
	}
	room := max(1, p.width-columnsIn([]byte(question))-4)
	if wide := columnsIn([]byte(text)); wide > room {
		for wide > room {
			r, size := utf8.DecodeRuneInString(text)
			wide, text = wide-columnsOf(r), text[size:]
		}
		text = "…" + text
	}
	line := question + ": " + text
	// What stood behind it and below goes only now: tmux keeps a screen that is erased from its first place on, for everybody to
	// scroll back to, with the letters that were shown.
	if p.note == "" {
		return line + "\x1b[J"
	}
	note := strings.ReplaceAll(breakLines(p.note, p.width), "\n", "\r\n")
	rows := 0
	for row := range strings.SplitSeq(note, "\r\n") {
		rows += 1 + max(0, columnsIn([]byte(row))-1)/max(1, p.width) // a word may be wider than the terminal
	}
	return fmt.Sprintf("%s\x1b[J\r\n%s\x1b[%dA\r\x1b[%dC", line, note, rows, columnsIn([]byte(line)))
}

// addShow adds the flag that shows what is typed to a command that asks for a passphrase.
func (a *app) addShow(flags *pflag.FlagSet) {
	flags.BoolVar(&a.showTyped, "show", false, "show the passphrase while it is typed")
}
