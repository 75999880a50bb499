package cli

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/letter"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/qr"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

type inviteFlags struct {
	messenger.InviteOptions
	address, png, svg string
	asJSON            bool

	// to and recipients are whom letters are for; they are posted, or written into a file.
	to         []string
	recipients string
	post, yes  bool
	out        string
}

func (f *inviteFlags) byLetter() bool { return len(f.to) > 0 || f.recipients != "" }

func (a *app) inviteCommand() *cobra.Command {
	var f inviteFlags
	cmd := &cobra.Command{
		Use:   "invite [ROOM]",
		Short: "Make an invitation: a link and a QR code that have all one needs to join",
		Long: `invite prints a link that has what joining a room takes: the relay's address, the channel, and the room's newest key. On a
terminal it is shown as a QR code as well, and put into the clipboard where the terminal lets it. Whoever has the link can
read what is written under that key, so hand it over by a way that you trust. With --write it has the channel's write
key, too; --no-key leaves the room's key out, and the passphrase is asked for.

The link leads to a page of the relay that says how to go on. What stands behind its # is sent to nobody by a browser; but
whoever serves that page could serve one that reads it. At a relay that has no such page the link begins with
fernpost:join# and only fernpost opens it.

An invitation cannot be withdrawn: "fernpost key rotate" moves the room to a key that it does not have.

With --to KEY (once for each) or -R FILE (one key a line, # begins a comment) it makes letters instead: lines that only the
owner of that public key opens, the text that begins with fp1_ in "fernpost identity show". A letter may go by any way; --post
puts it into the room's own channel, where the others see that somebody is invited and no more, and "fernpost join
--from-channel" finds it. It is signed by you, and bound to that key and this channel. Compare the six words of the key: whoever
hands you a text of his own making opens what you seal to it. So --post shows them and asks before anything is posted; where nobody
can be asked it takes --yes. Letters are sealed by HPKE with X25519, not against somebody who
keeps them until a quantum computer breaks that.`,
		Example: `  fernpost invite lab
  fernpost invite lab --write --png lab.png
  fernpost invite lab --address http://192.168.1.20:3000
  fernpost invite lab | ssh friend fernpost join -
  fernpost invite lab --to fp1_zswV… --write
  fernpost invite lab -R class.txt --write --post
  fernpost invite lab --to fp1_zswV… --post --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.invite(cmd.Context(), append(args, "")[0], &f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.Write, "write", false, "hand on the channel's write key as well")
	flags.BoolVar(&f.NoKey, "no-key", false, "leave the room's key out: the passphrase is asked for")
	flags.BoolVar(&f.History, "history", false, "hand on the room's older keys as well")
	f.addPictures(flags)
	flags.BoolVar(&f.asJSON, "json", false, "print the result as one JSON object; of letters one for each")
	flags.StringArrayVar(&f.to, "to", nil, "make a letter for the owner of this public `KEY` (fp1_…)")
	flags.StringVarP(&f.recipients, "recipients", "R", "", "make letters for the public keys in `FILE`, one a line")
	flags.BoolVar(&f.post, "post", false, "post the letters into the room's channel")
	flags.BoolVar(&f.yes, "yes", false, "with --post: the words of the keys were compared, do not ask")
	outFlag(cmd, &f.out, "the letters")
	return cmd
}

// addPictures adds the flags of every command that invites by a link.
func (f *inviteFlags) addPictures(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "address", "", "the `URL` by which the others reach the relay (default: the room's)")
	flags.StringVar(&f.png, "png", "", "write the QR code to `FILE` as PNG")
	flags.StringVar(&f.svg, "svg", "", "write the QR code to `FILE` as SVG")
}

// checkPictures refuses files that are there already.
func (f *inviteFlags) checkPictures() error {
	for flag, file := range map[string]string{"png": f.png, "svg": f.svg} {
		if _, err := os.Lstat(file); err == nil {
			return isThere(flag, file)
		}
	}
	return nil
}

// checkLetterFlags refuses flags that do not go together.
func (f *inviteFlags) checkLetterFlags() error {
	switch {
	case f.byLetter() && f.png+f.svg != "":
		return usagef("a letter is a line of text, which has no picture")
	case !f.byLetter() && (f.post || f.out != ""):
		return hint(usagef("--post and --out are for letters"), "--to KEY says whom the letter is for")
	case f.asJSON && f.out != "":
		return usagef("--json and --out exclude each other")
	case f.yes && !f.post:
		return usagef("--yes goes with --post: nothing else is asked")
	}
	return nil
}

func (a *app) invite(ctx context.Context, name string, f *inviteFlags) error {
	r, err := a.loadRoom(cmp.Or(name, a.config.Get("room")))
	if err != nil {
		return err
	}
	if f.Write && r.WriteKey == "" {
		return usagef("room %s has no write key to hand on", r.Name)
	}
	if f.NoKey && f.History {
		return usagef("--no-key and --history exclude each other")
	}
	if err := f.checkLetterFlags(); err != nil {
		return err
	}
	to, err := a.recipients(ctx, f)
	if err != nil {
		return err
	}
	if f.post {
		if err := messenger.Writable(r); err != nil {
			return err
		}
		if err := a.agreeToPost(ctx, to, f.yes); err != nil {
			return err
		}
	}
	return a.makeInvitation(ctx, r, to, f)
}

// makeInvitation makes an invitation, for anybody or for those named, and hands it over.
func (a *app) makeInvitation(ctx context.Context, r model.Room, to []publickey.Keys, f *inviteFlags) error {
	r.Relay = channel.WithScheme(cmp.Or(f.address, r.Relay))
	i, err := a.engine().Invite(ctx, r, f.InviteOptions)
	if err != nil {
		return explainSending(err, r.Name, "")
	}
	if len(to) > 0 {
		return a.inviteByLetter(ctx, r, &i, to, f)
	}
	link, err := i.Link()
	if err != nil {
		return usageError{err}
	}
	code, err := qr.Encode(link)
	if err != nil {
		return err
	}
	if err := a.writePictures(code, f); err != nil {
		return err
	}
	if err := a.showInvitation(r, &i, link, f.asJSON); err != nil {
		return err
	}
	a.adviseInviter(ctx, &i)
	if f.asJSON || !a.stdoutTerminal {
		return nil
	}
	return a.showCode(code, "write the code with --png FILE", 0)
}

// writePictures writes the code into the files that are named.
func (a *app) writePictures(code qr.Code, f *inviteFlags) error {
	for _, picture := range []struct {
		flag, file string
		draw       func() []byte
	}{{"png", f.png, code.PNG}, {"svg", f.svg, code.SVG}} {
		if picture.file == "" {
			continue
		}
		// The picture has the key: it is for its owner alone.
		err := writeNew(picture.flag, picture.file, 0o600, func(w io.Writer) error {
			_, err := w.Write(picture.draw())
			return err
		})
		if err != nil {
			return err
		}
		a.say("the QR code, which is as secret as the link, is in %s", picture.file)
	}
	return nil
}

// showInvitation shows a link, and the words by which people compare what it leads to.
func (a *app) showInvitation(r model.Room, i *messenger.Invited, link string, asJSON bool) error {
	keys, err := messenger.Keys(r)
	if err != nil {
		return err
	}
	check := checkWords(keys[0].RevealBytes())
	if asJSON {
		err = a.printJSON(invitationJSON{
			r.Name, link, r.Relay, r.Channel, check, known(inviterWords(i.Inviter)), len(i.Keys), new(i.WriteKey != ""),
		})
	} else {
		err = a.showLink(link)
	}
	if err != nil {
		return err
	}
	a.say("check words  %s", check)
	if words := inviterWords(i.Inviter); words != "" {
		a.say("your words   %s", words)
	}
	a.say("the check words are of the room's key: whoever joins is shown the same. Yours are of your own key, and shown there as the " +
		"inviter's (\"fernpost help words\")")
	return nil
}

// inviteStaying makes the invitation for those who stay in a room that has moved to a new key.
func (a *app) inviteStaying(ctx context.Context, name string, f *inviteFlags) error {
	r, err := a.loadRoom(name)
	if err != nil {
		return err
	}
	f.Write = r.WriteKey != ""
	a.say("this link is for those who stay: hand it over outside of the channel. \"fernpost join\" takes it in a room that they have already, too")
	return a.invite(ctx, r.Name, f)
}

// showLink prints a link, and puts it into the terminal's clipboard.
func (a *app) showLink(link string) error {
	if a.stdoutTerminal && a.getenv("TERM") != "dumb" {
		a.say("the link is in the clipboard now, if this terminal lets programs put something there")
		// OSC 52, which terminals answer by what their owner has allowed.
		if _, err := fmt.Fprintf(a.stdout, "\x1b]52;c;%s\a", base64.StdEncoding.EncodeToString([]byte(link))); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(a.stdout, link)
	return err
}

// showCode draws the QR code of an invitation if the window has room for it and so many lines below: what else came
// behind it would push its first lines out of the window.
func (a *app) showCode(code qr.Code, otherwise string, below int) error {
	const prompt = 2 // lines of a shell
	columns, lines := code.Cells()
	if lines += prompt + below; a.width < columns || a.height > 0 && a.height < lines {
		a.say("this window of %d columns and %d lines is too small for the QR code, which takes %d and %d: make it larger, or "+
			otherwise, a.width, a.height, columns, lines)
		return nil
	}
	return code.Terminal(a.stdout, a.style.on)
}

// adviseInviter says what somebody should know who hands on an invitation.
func (a *app) adviseInviter(ctx context.Context, i *messenger.Invited) {
	a.sayMoved(i.Name, i.Moved)
	if len(i.Keys) == 0 {
		a.say("the link has no key: hand the passphrase over by another way")
	} else {
		a.say("whoever has the link reads the room. It cannot be withdrawn: \"fernpost key rotate\" moves the room to a new key")
	}
	if i.WriteKey == "" {
		a.say("it is for reading only: --write hands on the channel's write key as well")
	} else {
		a.say("whoever has the link can post in the channel, until it has another write key")
	}
	if i.Behind > 0 {
		a.say("%s", a.style.warn(count(i.Behind, "older key")+" found no place in the link: what was sealed with them stays unread"))
	}
	if i.NotReached != nil {
		a.say("%s", a.style.warn(fmt.Sprintf("the relay could not be asked whether it has a page for invitations (%v), so this link is for "+
			"fernpost itself", i.NotReached)))
	}
	a.adviseAddress(ctx, i)
}

// adviseAddress says by which addresses others reach a relay on this machine.
func (a *app) adviseAddress(ctx context.Context, i *messenger.Invited) {
	if channel.IsLoopback(i.Relay) {
		a.say("%s", a.style.warn("this relay's address leads to this machine only: nobody else gets there by it"))
		others := a.access().OtherAddresses(ctx, i.Relay)
		for _, address := range others {
			a.say("  others get there by %s: add --address %s", address, address)
		}
		if len(others) == 0 {
			a.say("  start the relay again with --listen 0.0.0.0:3000 to have it reached from elsewhere: add --address with the URL that it prints then")
		}
	}
}

// inviterWords are the safety words of who made an invitation; empty if nobody signs.
func inviterWords(key [32]byte) string {
	if key == [32]byte{} {
		return ""
	}
	return passphrase.SixWords(record.PublicKey(key).Safety())
}

// joinFlags are those of join by an invitation.
type joinFlags struct {
	as, qr         string
	unchecked, yes bool
	asJSON         bool

	// fromChannel is where a letter stands, and by whom it has to be; letter is the one that the invitation came in.
	fromChannel int64
	by          string
	inviter     record.PublicKey // whom by names, once that was looked up
	letter      *letter.Letter
}

// isInvitation tells an argument of join that is an invitation from the name of a room.
func isInvitation(arg string) bool {
	return arg == "-" || strings.ContainsAny(arg, ":/#") || letter.IsLine(arg)
}

// invitationFrom gets the invitation that join was given: as an argument, from standard input, from a picture, or by
// asking.
func (a *app) invitationFrom(ctx context.Context, arg string, f *joinFlags) (i invite.Invitation, err error) {
	var texts []string
	switch {
	case f.qr != "":
		if texts, err = a.readQR(ctx, f.qr); err != nil {
			return i, err
		}
	case arg == "-":
		b, err := io.ReadAll(io.LimitReader(a.input, maxSecretFile))
		if err != nil {
			return i, fmt.Errorf("reading the invitation: %w", err)
		}
		texts = []string{string(b)}
	case arg == "" && !a.canAsk():
		return i, hint(usagef("no invitation given"), `"fernpost join -" reads one from standard input, "fernpost join NAME --channel ID" takes the passphrase`)
	case arg == "":
		text, err := a.askInvitation(ctx)
		if err != nil {
			return i, err
		}
		texts = []string{text}
	default:
		texts = []string{arg}
	}
	slices.Sort(texts)
	var found []invite.Invitation
	for _, text := range slices.Compact(texts) {
		if letter.IsLine(text) {
			l, err := a.openLetters(text)
			if err == nil {
				err = a.agreeToLetter(ctx, &l, f)
			}
			return l.Invitation, err
		}
		one, wrong := invite.Parse(text)
		if err = wrong; err == nil {
			found = append(found, one)
		}
	}
	switch len(found) {
	case 0:
		if relay, id, ok := channelPage(arg); ok {
			return i, hint(usagef("that is the address of a channel, and no invitation"),
				"did you mean \"fernpost join ROOM --relay %s --channel %s\"? ROOM is what it is called here", screen.Line(relay), id)
		}
		return i, explainInvitation(err)
	case 1:
		if f.qr == "" && arg != "-" && arg != "" && len(found[0].Keys) > 0 {
			a.say("the link, which has the room's key, is in your shell's history now; \"fernpost join\" asks for it instead")
		}
		return found[0], nil
	}
	return i, hint(usagef("there are %d invitations in %s", len(found), f.qr), "cut the picture to the one that you mean")
}

// askInvitation asks for an invitation or a letter, of which nothing is shown.
func (a *app) askInvitation(ctx context.Context) (string, error) {
	return a.askRaw(ctx, func(f *os.File, out io.Writer) (string, error) {
		defer dropInput(f) // whatever was pasted behind it answers no question, and is no command
		return readInvitation(f, out)
	})
}

// readInvitation reads lines until an invitation is whole, or an empty one ends it.
func readInvitation(in io.Reader, out io.Writer) (string, error) {
	fmt.Fprint(out, "Invitation (the whole link): ")
	var text, before string
	typed, begins, pasting := keys{in: in}, 0, false // begins is where the line does
	for {
		key, err := typed.next()
		if err != nil {
			return "", err
		}
		switch {
		case key == "\x1b[200~", key == "\x1b[201~":
			if pasting = key == "\x1b[200~"; !pasting { // it has the room's key in it, so it is not shown
				fmt.Fprintf(out, "(%s; Enter takes it) ", count(utf8.RuneCountInString(strings.TrimSpace(text)), "character"))
			}
		case key == "\x03", key == "\x04" && text == "":
			return "", context.Canceled
		case key == "\x15": // Ctrl-U
			text, begins = "", 0
		case key == "\x7f", key == "\b":
			_, size := utf8.DecodeLastRuneInString(text)
			text = text[:len(text)-size]
			begins = min(begins, len(text))
		case key == "\n" && before == "\r": // one line end
		case !pasting && (key == "\r" || key == "\n"):
			if strings.TrimSpace(text[begins:]) == "" || !goesOn(text) {
				return text, nil
			}
			fmt.Fprint(out, "\r\nIt goes on (an empty line ends it): ")
			begins = len(text)
		case key[0] != '\x1b':
			text += key
		}
		if before = key; len(text) > maxSecretFile {
			return "", usagef("that is too long for an invitation")
		}
	}
}

// goesOn reports whether a text is the beginning of an invitation or a letter.
func goesOn(text string) bool {
	if letter.IsLine(text) {
		_, err := letter.Parse(text)
		return errors.Is(err, letter.ErrMalformed)
	}
	return invite.GoesOn(text)
}

// channelPage takes the address of a channel's page or feed apart.
func channelPage(address string) (relay, id string, ok bool) {
	relay, rest, ok := strings.Cut(address, "/channels/")
	id, _, _ = strings.Cut(rest, "/")
	_, isNumber := channelNumber(id)
	return relay, id, ok && isNumber
}

func (a *app) readQR(ctx context.Context, file string) ([]string, error) {
	in, done, err := a.openInput(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("--qr: %w", err)
	}
	defer done()
	texts, err := qr.Read(in)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		err = usagef("--qr: %s: %w", file, err)
	}
	if errors.Is(err, qr.ErrNoCode) {
		err = hint(err, "take the picture again: straight, sharp, with a light border around the code")
	}
	return texts, err
}

// explainInvitation says what to do about an invitation that cannot be used.
func explainInvitation(err error) error {
	next := "ask for it again, best as a picture of the QR code"
	switch {
	case errors.Is(err, invite.ErrForeign):
		next = "it is the whole of what \"fernpost invite\" prints, from its first letter to its last"
	case errors.Is(err, invite.ErrSeveral):
		next = "copy the one that you mean"
	case errors.Is(err, invite.ErrAltered):
		next = "do not use it: ask whoever sent it for a new one, by another way"
	}
	if _, ok := errors.AsType[*invite.NewerError](err); ok {
		next = "get the newest fernpost"
	}
	return hint(usageError{err}, "%s", next)
}

// joinByInvitation joins a room by an invitation, or mends the room that this device has already.
func (a *app) joinByInvitation(ctx context.Context, arg string, e *enterFlags, f *joinFlags) (err error) {
	defer func() { err = beforeRoom(err) }()
	i, j, err := a.joiningBy(ctx, arg, e, f)
	if err != nil {
		return err
	}
	beside := ""
	if j.Apart {
		beside = "--as NAME joins another room beside it"
	}
	o := a.acceptance(ctx, "the invitation", beside, f.yes, f.unchecked)
	var locked error
	o.Unlock = func(j *messenger.Joining) error {
		locked = a.askForKey(ctx, j, f.unchecked)
		return locked
	}
	a.awaitRelay(ctx, j.Room.Relay)
	changed, tried, err := a.engine().Accept(ctx, &j, o)
	if locked != nil || err == nil && !changed {
		return locked
	}
	if errors.Is(err, messenger.ErrNoKey) {
		return hint(err, "the room may have moved to a new key: ask for a new invitation. If you are sure of it, --unchecked enters all the same")
	}
	if err != nil {
		return explainEntry(err)
	}
	return a.showJoined(&j, i.Profile, tried, f)
}

// joiningBy gets an invitation, and what it makes of this device's rooms.
func (a *app) joiningBy(
	ctx context.Context, arg string, e *enterFlags, f *joinFlags,
) (i invite.Invitation, j messenger.Joining, err error) {
	if f.fromChannel != 0 {
		i, err = a.letterFrom(ctx, e, f)
	} else if i, err = a.invitationFrom(ctx, arg, f); err == nil && f.letter == nil && f.by != "" {
		err = usagef("--by is for letters: a link is signed by nobody")
	}
	if err != nil {
		return i, j, err
	}
	origin := model.ByInvitation
	if f.letter != nil {
		origin = model.ByLetter
	}
	j, err = a.engine().Invitation(i, origin, f.as)
	if errors.Is(err, model.ErrRoomName) || errors.Is(err, model.ErrRoomExists) {
		err = hint(usageError{err}, "--as NAME calls it otherwise on this device; the inviter calls it %s", screen.Line(i.Name))
	}
	return i, j, err
}

// askForKey asks for the passphrase of an invitation without a key.
func (a *app) askForKey(ctx context.Context, j *messenger.Joining, unchecked bool) error {
	none := hint(usagef("this invitation has no key, and no passphrase is given"), "set FERNPOST_PASSPHRASE")
	return a.tryPassphrase(ctx, "", "Passphrase of the room", none, func(pass string) error {
		done := a.computing(func() string { return "trying the passphrase" })
		tried, err := a.engine().Unlock(ctx, j, pass, unchecked)
		done()
		if err == nil && tried.Err == nil {
			a.tellTried(&j.Room, tried)
		}
		return explainEntry(explainWrongKey(err, pass))
	})
}

// acceptance is how what an invitation or a file has of a room is taken. beside says how it becomes another room, if it
// may be one.
func (a *app) acceptance(ctx context.Context, what, beside string, yes, unchecked bool) messenger.Acceptance {
	return messenger.Acceptance{
		What: what, Insist: "--unchecked", Unchecked: unchecked, Say: a.sayLines, Face: (&conversation{app: a}).face(),
		Agree: func(*messenger.Joining) error {
			next := "--yes takes it over without asking"
			if beside != "" {
				next += "; " + beside
			}
			return a.agree(ctx, yes, "Take that over?", "nothing was changed", next)
		},
	}
}

// showJoined prints the room that was joined.
func (a *app) showJoined(j *messenger.Joining, p passphrase.Profile, tried messenger.KeyTrial, f *joinFlags) error {
	keys, err := messenger.Keys(j.Room)
	if err != nil {
		return err
	}
	r := j.Room
	r.WriteKey, r.ReadKey = "", "" // whoever joins need not hand them on
	if err := a.showRoom(messenger.Entered{Room: r, Profile: p, Key: keys[0].RevealBytes()}, "", j.Inviter(), f.asJSON); err != nil {
		return err
	}
	a.sayLines(j.SayJoined(tried, f.letter != nil))
	a.say("%s", a.style.good("room "+r.Name+" is ready"))
	a.adviseBeside(r.Name)
	a.adviseName(p)
	return nil
}
