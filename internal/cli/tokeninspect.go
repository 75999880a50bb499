package cli

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/token"
)

// mostBlocks is how many blocks of a ciphertext are shown to people, besides the last, and mostInside how many bytes of
// what is in it.
const (
	mostBlocks = 16
	mostInside = 4096
)

func (a *app) inspectCommand() *cobra.Command {
	t, keys := tokenTool{app: a, most: maxTokenBytes()}, keySource{}
	var all bool
	cmd := &cobra.Command{
		Use: "inspect", Short: "Show a token byte by byte, without a key or with one",
		Long: `inspect shows what everybody sees of a token: its version, the clock of whoever sealed it, the IV, the blocks of the
ciphertext, the MAC, and between which lengths the text must be. Nothing of that is proven: anybody can write such bytes.

With a key (one of the flags below) it says whether the MAC fits, which proves them all, and shows what is inside: a text,
a cell of a signed message, or other bytes.

` + keySourceHelp,
		Example: `  fernpost token inspect < letter.token
  fernpost token inspect --key-file key.txt < letter.token`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var newestFirst []fernet.Key
			if len(keys.chosen()) > 0 {
				var err error
				if newestFirst, err = a.keysFrom(cmd.Context(), &keys, true); err != nil {
					return err
				}
			}
			return t.each(func(n int, text string, out *bufio.Writer) error {
				text, _ = t.lineEnd(text)
				bare := t.bare(n, text)
				tok, err := token.Parse(bare)
				if err != nil {
					return t.no(text, bare, err)
				}
				s := tokenView{token: tok}
				if newestFirst != nil {
					ring, err := fernet.NewRing(newestFirst...)
					if err != nil {
						return err
					}
					o, err := ring.OpenToken(tok)
					if err != nil {
						s.no = err
					} else {
						s.opened, s.words = &o, checkWords(newestFirst[o.KeyIndex].RevealBytes())
					}
					s.keys = len(newestFirst)
				}
				switch {
				case t.asJSON && s.no == nil:
					return writeJSON(out, s.json(t.line(n)))
				case !t.asJSON:
					if n > 1 {
						out.WriteByte('\n')
					}
					if _, err := out.WriteString(s.text(a.style, all)); err != nil {
						return err
					}
				}
				if s.no != nil {
					return t.no(text, bare, s.no)
				}
				return nil
			}, func(n int, why *refusalJSON) object { return anatomyJSON{Line: t.line(n), Refused: why} })
		},
	}
	t.add(cmd, "token")
	a.addKeySource(cmd, &keys)
	cmd.Flags().BoolVar(&all, "all", false, "show each block and all of the text, however many they are")
	return cmd
}

// tokenView is what is seen of a token, without a key or with one.
type tokenView struct {
	token  token.Token
	keys   int            // how many were tried
	opened *fernet.Opened // if one of them has opened it
	words  string         // of the one that did
	no     error
}

// partColours tell the parts of a token apart.
var partColours = [...]string{
	token.PartVersion: styleWarn, token.PartTime: styleGood, token.PartIV: styleName, token.PartCiphertext: styleBold, token.PartMAC: styleBad,
}

// text is the view for people. All that comes out of the token is written in digits, or cleaned.
func (s *tokenView) text(c style, all bool) string {
	var b strings.Builder
	tok := s.token
	blocks := tok.Blocks()
	fmt.Fprintf(&b, "%d characters, %d bytes\n", len(tok.String()), tok.Bits()/8)
	left := 0
	for part := range tok.Parts() {
		if part.Block > mostBlocks && part.Block < blocks && !all {
			left++
			continue
		}
		if left > 0 {
			fmt.Fprintf(&b, "%6s  %s\n", "", c.dim(count(left, "block")+" more (--all shows them)"))
			left = 0
		}
		for i := 0; i < len(part.Bytes); i += 16 {
			line := hexBytes(part.Bytes[i:min(i+16, len(part.Bytes))])
			name := ""
			if i == 0 {
				name = "  " + partName(part, blocks)
				switch part.Kind {
				case token.PartTime:
					name += fmt.Sprintf(": %d = %s", tok.Time(), clockText(tok))
				case token.PartMAC:
					name += ": HMAC-SHA256 of all that stands before it"
				}
			}
			fmt.Fprintf(&b, "%6d  %s%s%s\n", part.At+i, c.paint(partColours[part.Kind], line), strings.Repeat(" ", max(0, 48-len(line))), name)
		}
	}
	fmt.Fprintf(&b, "the text has %d to %d bytes\n", tok.MinPlaintext(), tok.MaxPlaintext())
	switch {
	case s.no != nil:
		b.WriteString(c.bad("no key of "+count(s.keys, "key")+" opens it") + "\n")
	case s.opened == nil:
		b.WriteString(c.dim("nothing of this is proven: without the key nobody can tell who wrote it, or whether it was altered") + "\n")
	default:
		fmt.Fprintf(&b, "%s (check words %s): not altered, %s\n",
			c.good(fmt.Sprintf("key %d opens it (of %d; 0 is the newest)", s.opened.KeyIndex, s.keys)), s.words, count(len(s.opened.Plaintext), "byte"))
		kind, text := inside(s.opened.Plaintext, all)
		b.WriteString(kind + "\n")
		for line := range strings.Lines(text) {
			b.WriteString(textGutter + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return b.String()
}

// clockText is a token's clock for people.
func clockText(tok token.Token) string {
	if uint64(tok.SealedAt().Unix()) != tok.Time() {
		return "after the year 9999"
	}
	return tok.SealedAt().Format("2006-01-02 15:04:05 UTC")
}

// inside says what the plaintext of a token is, and shows it cleaned.
func inside(plain []byte, all bool) (kind, text string) {
	if record.IsCell(plain) {
		cell := record.Cell{Plain: [record.CellSize]byte(plain)}
		group, err := cell.Group()
		switch {
		case cell.Plain == record.Filler():
			return "a cell that says nothing: it fills up an entry, or is a room's check", ""
		case errors.Is(err, record.ErrNewer):
			return "a cell of a signed message, of a version that needs a newer fernpost", ""
		case err == nil:
			return fmt.Sprintf("a cell of a signed message: number %d by %s, one of %s", group.Number, group.Tag.Name(),
				count(int(group.Parts), "cell")), ""
		}
	}
	shown := plain
	if len(plain) > mostInside && !all {
		shown = plain[:mostInside]
		for !utf8.Valid(shown) && len(shown) > mostInside-utf8.UTFMax {
			shown = shown[:len(shown)-1]
		}
	}
	switch {
	case len(plain) == 0:
		return "an empty text", ""
	case utf8.Valid(plain):
		kind, text = "a text:", screen.Text(string(shown))
	default:
		var b strings.Builder
		for i := 0; i < len(shown); i += 16 {
			b.WriteString(hexBytes(shown[i:min(i+16, len(shown))]) + "\n")
		}
		kind, text = "bytes that are no text:", b.String()
	}
	if len(shown) < len(plain) {
		kind = fmt.Sprintf("%s (its first %d bytes; --all shows the rest)", kind, len(shown))
	}
	return kind, text
}

// json is the view for programs.
func (s *tokenView) json(line *int) anatomyJSON {
	tok := s.token
	clock, blocks, least, most := tok.Time(), tok.Blocks(), tok.MinPlaintext(), tok.MaxPlaintext()
	o := anatomyJSON{
		Line: line, Clock: &clock, Blocks: &blocks, MinPlaintext: &least, MaxPlaintext: &most,
		Bytes: known(tok.Bits() / 8),
	}
	if uint64(tok.SealedAt().Unix()) == tok.Time() {
		o.Sealed = jsonTime(tok.SealedAt())
	}
	var ciphertext []byte
	for part := range tok.Parts() {
		digits := hex.EncodeToString(part.Bytes)
		switch part.Kind {
		case token.PartVersion:
			o.Version = &digits
		case token.PartIV:
			o.IV = &digits
		case token.PartCiphertext:
			ciphertext = append(ciphertext, part.Bytes...)
		case token.PartMAC:
			o.MAC = &digits
		}
	}
	o.Ciphertext = known(hex.EncodeToString(ciphertext))
	if s.opened != nil {
		o.Key, o.CheckWords = &s.opened.KeyIndex, &s.words
		o.Text, o.Base64 = textOrBase64(s.opened.Plaintext)
		kind, _ := inside(s.opened.Plaintext, true)
		kind = strings.TrimSuffix(kind, ":")
		o.Inside = &kind
	}
	return o
}
