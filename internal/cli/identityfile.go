package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) hashCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "hash FILE...", Short: "The SHA-256 of a file, with six words to compare aloud",
		Long: `hash prints the SHA-256 of each file (- is standard input), of any length, and six words for it. Two who read out the same words
have the same file, if nobody has meant to deceive them: who makes both files can find two with the same words, though none
with the same SHA-256. "fernpost identity sign" says besides whose file it is.`,
		Example: "  fernpost hash report.pdf\n  fernpost hash *.pdf\n  fernpost hash - < report.pdf",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if err := a.printHash(cmd.Context(), name, len(args) > 1, asJSON); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a file")
	return cmd
}

// printHash prints the hash of a file, below its name if it is one of several.
func (a *app) printHash(ctx context.Context, file string, named, asJSON bool) error {
	hash, size, err := a.hashOf(ctx, file)
	if err != nil {
		return err
	}
	words := passphrase.SixWords(publickey.HashSafety(hash))
	if asJSON {
		return a.printJSON(hashJSON{file, size, hex.EncodeToString(hash[:]), words})
	}
	name := ""
	if named {
		name = "file    " + screen.Line(file) + "\n"
	}
	return a.printLines(fmt.Sprintf("%ssha256  %x\nwords   %s\n", name, hash, a.style.bold(words)))
}

// fileCommands are what an identity does for files.
func (a *app) fileCommands(roomName *string, asJSON *bool) []*cobra.Command {
	return []*cobra.Command{
		a.signCommand(roomName, asJSON), a.checkFileCommand(asJSON),
		withoutFlag(withoutFlag(a.sealCommand(), "json", "what it writes is the sealed file"), "room", "nobody's identity seals"),
		withoutFlag(a.openCommand(roomName), "json", "what it writes is the file itself"),
	}
}

// withoutFlag has a command refuse a flag that others beside it take, instead of passing over it.
func withoutFlag(cmd *cobra.Command, flag, why string) *cobra.Command {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed(flag) {
			return usagef("%s takes no --%s: %s", cmd.Name(), flag, why)
		}
		return run(cmd, args)
	}
	return cmd
}

func (a *app) hashOf(ctx context.Context, name string) (hash [sha256.Size]byte, size int64, err error) {
	in, done, err := a.openInput(ctx, name)
	if err != nil {
		return hash, 0, err
	}
	defer done()
	defer a.computing(func() string { return "reading the file" })()
	h := sha256.New()
	if size, err = io.Copy(h, in); err != nil {
		return hash, size, fmt.Errorf("reading %s: %w", name, err)
	}
	return [sha256.Size]byte(h.Sum(nil)), size, nil
}

func outFlag(cmd *cobra.Command, out *string, what string) {
	cmd.Flags().StringVarP(out, "out", "o", "", "write "+what+" into this new `FILE`, not to standard output")
}

// roomIdentity is who signs in a room, as find finds them; without a room, who signs on this device.
func (a *app) roomIdentity(
	roomName string, find func(model.Room) (record.Identity, string, error),
) (id record.Identity, nick string, err error) {
	var r model.Room
	if roomName != "" {
		if r, err = a.loadRoom(roomName); err != nil {
			return id, "", err
		}
	}
	return find(r)
}

func (a *app) signCommand(roomName *string, asJSON *bool) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "sign FILE", Short: "Sign a file: a signature beside it, that others check",
		Long: `sign prints a signature of a file (- is standard input) of any length: a short text that names your public key, the time by
your clock and the file's SHA-256, and that only your identity can make. Keep it beside the file as FILE.sig. It hides
nothing, and cannot be taken back.

Other programs check it with Ed25519 (RFC 8032). Signed are 104 bytes: the text "fernpost/v1 signed file", a zero byte, the 32 bytes
of the public key (64 hexadecimal digits behind "key"), the time as 8 bytes, the highest first (behind "time", seconds since 1970), and
the 32 bytes of the SHA-256 of the file. The signature stands behind "signature", in base64.`,
		Example: "  fernpost identity sign report.pdf > report.pdf.sig\n  fernpost identity sign report.pdf --out report.pdf.sig",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, _, err := a.roomIdentity(*roomName, a.engine().Signer)
			if err != nil {
				return err
			}
			hash, _, err := a.hashOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			s := publickey.Sign(id, hash, time.Now())
			if !*asJSON || out != "" {
				err = a.write(out, 0o644, func(w io.Writer) error {
					_, err := io.WriteString(w, s.String())
					return err
				})
			}
			if err == nil && *asJSON {
				err = a.printJSON(signedJSON{args[0], known(out), s.Author, passphrase.SixWords(s.Author.Safety()), jsonTime(s.At), s.String()})
			}
			if err == nil {
				a.say("signed with your key %s, whose words are: %s", id.Public().Tag().Name(), passphrase.SixWords(id.Public().Safety()))
			}
			return err
		},
	}
	outFlag(cmd, &out, "the signature")
	return cmd
}

func (a *app) checkFileCommand(asJSON *bool) *cobra.Command {
	var file, by string
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check a signature of a file, and say whose it is",
		Long: `check reads the signature beside a file, FILE.sig, and says who has signed the file: the key, its words, and what this device
knows of it from any of its rooms. It reads nothing from a relay.

That a signature holds says that the file is as it was when that key signed it. Whose key it is, a comparison of its six words
says ("fernpost identity verify"). So the exit code is 0 only for your own key, one whose words were compared, or the one that
--by names; 3 if the signature holds and the key was not compared; 7 if it is false, or of another file, or by somebody else than
--by says; 8 if it is no signature.`,
		Example: `  fernpost identity check report.pdf
  fernpost identity check report.pdf --signature ana.sig --by ana`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" && file == "" {
				return usagef("of standard input nobody knows which signature stands beside it: add --signature FILE")
			}
			return a.checkFile(cmd.Context(), args[0], cmp.Or(file, args[0]+".sig"), by, *asJSON)
		},
	}
	cmd.Flags().StringVar(&file, "signature", "", "the signature's `FILE` (default: FILE.sig)")
	cmd.Flags().StringVar(&by, "by", "", "it has to be by `WHO`: a public key, or the name of somebody whose words were compared")
	_ = cmd.MarkFlagFilename("signature")
	return cmd
}

func (a *app) checkFile(ctx context.Context, name, file, by string, asJSON bool) error {
	var wanted record.PublicKey
	if by != "" {
		var err error
		if wanted, err = a.named(by); err != nil {
			return err
		}
	}
	in, done, err := a.openInput(ctx, file)
	if err != nil {
		return hint(err, "--signature FILE says where the signature is")
	}
	text, err := io.ReadAll(io.LimitReader(in, publickey.MaxSignatureSize+1))
	done()
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	s, err := publickey.ParseSignature(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	hash, _, err := a.hashOf(ctx, name)
	if err != nil {
		return err
	}
	standing, credit, missed, verdict := a.engine().CheckSignature(s, hash, wanted)
	a.sayMissed(missed)
	who := a.signer(s.Author, standing)
	if errors.Is(verdict, messenger.ErrOtherSigner) {
		verdict = fmt.Errorf("%w: it is by %s, not by %s", verdict, who, screen.Line(by))
	}
	if asJSON {
		o := signatureJSON{File: name, Holds: verdict == nil, Key: s.Author, Words: passphrase.SixWords(s.Author.Safety()), Standing: string(credit), Lost: standing.Lost, Time: jsonTime(s.At)}
		if verdict != nil {
			o.Why = known(verdict.Error())
		}
		if err := a.printJSON(o); err != nil {
			return err
		}
	}
	if verdict != nil {
		return fmt.Errorf("%s: %w", name, verdict)
	}
	if !asJSON {
		err := a.printLines(fmt.Sprintf("%s is as it was signed\nby     %s\nkey    %s\nwords  %s\nwhen   %s, by the author's clock\n",
			screen.Line(name), who, s.Author, a.style.bold(passphrase.SixWords(s.Author.Safety())), clockOf(s.At)))
		if err != nil {
			return err
		}
	}
	if standing.Lost {
		return hint(partlyError{errors.New("that key was withdrawn as the one of a lost device: whoever has the device signs with it")},
			"ask the author for a signature by another key; if you have the device again, \"fernpost identity verify\" takes that back")
	}
	if !credit.Counts() {
		return hint(partlyError{errors.New("whose key that is was not compared: anybody can make a key, and a name proves nothing")},
			"compare the six words with the author aloud; then \"fernpost identity verify\" notes it, or --by KEY says which key it has to be")
	}
	return nil
}

// clockOf is a time by somebody's clock, for people.
func clockOf(t time.Time) string {
	if t.Year() > 9999 {
		return "after the year 9999"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// sayMissed says that not all rooms could be asked who somebody is.
func (a *app) sayMissed(missed error) {
	if missed != nil {
		a.say("%s", a.style.warn("not all that this device knows could be looked up: "+screen.Text(missed.Error())))
	}
}

// signer says in words whose key it is.
func (a *app) signer(key record.PublicKey, s messenger.Standing) string {
	in, compared, known := s.Compared()
	switch {
	case s.Own:
		return "you: this device signs with that key"
	case s.Lost && known:
		return fmt.Sprintf("%s of room %s, a device that was withdrawn as lost", tagged(in.Person), in.Room)
	case s.Lost:
		return key.Tag().Name() + ", a device that was withdrawn as lost"
	case compared:
		return fmt.Sprintf("%s, whose words were compared (room %s)", tagged(in.Person), in.Room)
	case known:
		return fmt.Sprintf("%s of room %s, whose words were not compared", tagged(in.Person), in.Room)
	}
	return "somebody whom this device does not know (" + key.Tag().Name() + ")"
}

// named returns the key that --by names.
func (a *app) named(by string) (record.PublicKey, error) {
	key, err := a.who("", by, messenger.ComparedAuthors)
	if err == nil {
		return key, nil
	}
	if _, ok := errors.AsType[*messenger.NotComparedError](err); ok {
		return key, hint(usagef("--by: %w", err), "compare the six words (\"fernpost identity verify\" notes it), or name the public key")
	}
	next := cmp.Or(nextStep(err), "it takes a public key, or the name of somebody whose words were compared")
	if e, ok := errors.AsType[*model.WhoError](err); ok && e.Called == 0 {
		err = fmt.Errorf("nobody whose words were compared is shown as %s in a room of this device", screen.Line(by))
	}
	return key, hint(usagef("--by: %w", err), "%s", next)
}

func (a *app) sealCommand() *cobra.Command {
	var to, out string
	cmd := &cobra.Command{
		Use: "seal --to KEY FILE", Short: "Encrypt a file to somebody's public key",
		Long: `seal encrypts a file (- is standard input) of any length so that only the owner of a public key opens it: the text that begins
with fp1_, which "fernpost identity show" prints there. Nobody needs a common passphrase for that, but the right key: compare its
six words, as whoever hands you a text of his own can read what you seal.

Who has sealed a file, it does not say: anybody can. Sign it first where that matters. You do not open it yourself either, unless
you seal it to yourself.`,
		Example: `  fernpost identity seal --to fp1_zswV… report.pdf > report.sealed
  fernpost identity sign report.pdf --out report.pdf.sig && tar c report.pdf* | fernpost identity seal --to fp1_zswV… - > both.sealed`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return hint(usagef("to whom?"), "--to KEY names the public key; \"fernpost identity show\" prints it on the other device")
			}
			keys, err := publickey.Parse(to)
			switch {
			case errors.Is(err, publickey.ErrSigningOnly):
				return hint(usagef("--to: %w", err), "ask for the text that begins with fp1_: \"fernpost identity show\" prints it on the other device")
			case err != nil:
				return usagef("--to: %w", err)
			}
			if a.stdoutTerminal && (out == "" || out == "-") {
				return hint(usagef("a sealed file is nothing for a terminal"), "add --out FILE, or > FILE")
			}
			in, done, err := a.openInput(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer done()
			if err := a.write(out, 0o644, func(w io.Writer) error { return publickey.Seal(w, in, keys) }); err != nil {
				return fmt.Errorf("sealing %s: %w", args[0], err)
			}
			a.say("sealed to the public key whose sealing words are: %s (behind \"for sealing\" of its owner's \"identity show\")",
				passphrase.SixWords(keys.Safety()))
			a.say("its owner reads the same at \"fernpost identity show\", behind \"for sealing\"; if they differ, somebody else can open it")
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the public `KEY` of who is to open it")
	outFlag(cmd, &out, "the sealed file")
	return cmd
}

// mostShown is how many bytes of an opened file go to a terminal.
const mostShown = 1 << 20

func (a *app) openCommand(roomName *string) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "open FILE", Short: "Open a file that was sealed to your public key",
		Long: `open decrypts what "fernpost identity seal" has sealed to your public key (- is standard input), of any length. What goes to
standard output is proven piece by piece: if the end is missing or altered, what stands there is only the beginning, and the
exit code is 8. With --out there is the whole file, or none.

Exit code 6 says that it was sealed to another key, or altered: nobody can tell which. Who has sealed it, it does not say.`,
		Example: "  fernpost identity open report.sealed --out report.pdf\n  fernpost identity open letter.sealed",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, _, err := a.roomIdentity(*roomName, a.engine().Identity)
			if err != nil {
				return err
			}
			in, done, err := a.openInput(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer done()
			if a.stdoutTerminal && (out == "" || out == "-") {
				err = a.openOnTerminal(in, id)
			} else {
				err = a.write(out, 0o600, func(w io.Writer) error { return publickey.Open(w, in, id) })
			}
			if errors.Is(err, publickey.ErrNotOurs) {
				err = hint(err, "your public key is what \"fernpost identity show\" prints; in a room with an identity of its own, add --room ROOM")
			}
			if err != nil {
				return fmt.Errorf("opening %s: %w", args[0], err)
			}
			a.say("opened; who has sealed it nobody knows: anybody can who has your public key")
			return nil
		},
	}
	outFlag(cmd, &out, "the file")
	return cmd
}

// openOnTerminal shows what was sealed, without what would change the terminal.
func (a *app) openOnTerminal(in io.Reader, id record.Identity) error {
	var plain bytes.Buffer
	if err := publickey.Open(&limitedBuffer{&plain, mostShown}, in, id); err != nil {
		return err
	}
	text := screen.Text(plain.String())
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return err
	}
	if strings.TrimSuffix(text, "\n") != strings.TrimSuffix(plain.String(), "\n") {
		a.say("%s", a.style.warn("this is not all of it: what would change the terminal was left out; --out FILE gets every byte"))
	}
	return nil
}

// limitedBuffer takes so many bytes and no more.
type limitedBuffer struct {
	*bytes.Buffer
	left int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, hint(usagef("longer than %d bytes, the most that is shown on a terminal", mostShown), "add --out FILE")
	}
	return b.Buffer.Write(p)
}
