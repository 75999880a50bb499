package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) joinCommand() *cobra.Command {
	var f enterFlags
	var by joinFlags
	cmd := &cobra.Command{
		Use:   "join [INVITATION | --from-channel ID | [ROOM] --channel ID]",
		Short: "Enter a room that somebody else has made",
		Long: `join enters a room, by an invitation or by a passphrase.

An INVITATION is what "fernpost invite" prints. Without one it is asked for; "-" reads it from standard input, and --qr from a
picture of the QR code. It may be broken into lines. A room that this device has already is mended by what the invitation
knows better, after asking (--yes: without): a key that this device lacks seals what you write only if the room, or the
invitation, shows that it is the newer one, or with --unchecked. The key of whoever made it counts as compared.

It may be a letter, too, that was sealed to your public key: handed over as a line, or posted in the room's channel, where
--from-channel finds it (a private channel needs --read-key-file). Anybody who has your public key can write you one: the six
words of whoever has signed it are shown, and it asks. Where nobody can be asked it takes --yes, and counts only if it is by
somebody whose words were compared before, or, with --yes --by KEY, by that key. Exit codes: 3 a stranger's letter, 6 it is
for somebody else, 7 its signature is false, or it is a copy of one to somebody else, or not by whom --by says, 8 no letter,
or altered or cut.

By a passphrase it needs the relay's address, the channel's number and the passphrase, and to write also the channel's write
key. ROOM is the name that the room gets on this device; without one it is called as the channel is. Words of a generated passphrase are completed while they are typed, see
"fernpost help secrets".

It finds out how the passphrase becomes a key by trying the profiles fernpost, pbkdf2 and tutorial on the check that "init"
has left, or else on the newest 100 rows; --profile skips that. A passphrase that opens nothing of them is refused (exit code
6), after it was asked for three times on a terminal, and so is a key that does not write the channel (4); nothing is written for it. Where there is nothing to try them on,
compare the check words with the others: the same words mean the same passphrase. Anybody who can write may have put a
check there, and a room that has just moved to a new passphrase may have none for it: if you are sure of yours,
--unchecked enters all the same. "rooms set" changes a room later.`,
		Example: `  fernpost join
  fernpost join - < invitation.txt
  fernpost join --qr photo.jpg --as lab
  fernpost join --from-channel 1234567 --relay http://192.168.1.20:3000
  fernpost join lab --channel 1234567
  fernpost join lesson --channel 1234567 --profile tutorial --passphrase-file pass.txt
  fernpost join cloud --relay https://api.thingspeak.com --channel 1234567 --write-key-file key.txt`,
		Args: joinsBy,
		RunE: func(cmd *cobra.Command, args []string) error {
			arg := append(args, "")[0]
			if by.fromChannel != 0 && (f.channel != 0 || arg != "" || by.qr != "") {
				return hint(usagef("--from-channel finds the invitation by itself"), "--as NAME says how the room is called here")
			}
			if by.qr != "" && arg != "" {
				return namedBesideQR(arg)
			}
			if f.channel == 0 && (arg == "" || by.qr != "" || isInvitation(arg)) {
				by.asJSON = f.asJSON
				return a.joinByInvitation(cmd.Context(), arg, &f, &by)
			}
			return a.joinRoom(cmd.Context(), arg, &f, by.unchecked)
		},
	}
	f.add(cmd)
	a.addShow(cmd.Flags())
	by.add(cmd.Flags())
	return cmd
}

// joinsBy refuses more than one argument.
func joinsBy(_ *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	err := usagef("join takes one argument: %d were given", len(args))
	if len(args) == 2 && isInvitation(args[1]) && !isInvitation(args[0]) {
		return hint(err, "did you mean \"fernpost join %s --as %s\"?", orInvitation(args[1]), shellWord(screen.Line(args[0])))
	}
	if _, isNumber := channelNumber(args[1]); isNumber && len(args) == 2 {
		return hint(err, "did you mean \"fernpost join %s --channel %s\"?", screen.Line(args[0]), args[1])
	}
	return hint(err, "see \"fernpost join --help\"")
}

func (f *joinFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.as, "as", "", "call the room of an invitation `NAME` on this device")
	flags.StringVar(&f.qr, "qr", "", "read the invitation from a picture of its QR code in `FILE` (PNG, JPEG, GIF)")
	flags.Var((*channelFlag)(&f.fromChannel), "from-channel", "find a letter for you in the channel of this `ID`, and join by it")
	flags.StringVar(&f.by, "by", "", "the letter has to be by `WHO`: a public key, or the name of somebody whose words were compared")
	flags.BoolVar(&f.yes, "yes", false, "take over what an invitation knows better, and join by a letter, without asking")
	flags.BoolVar(&f.unchecked, "unchecked", false, "enter also if the key opens nothing of what is there, and seal with it though nothing says that the room has moved to it")
}

// namedBesideQR refuses an argument beside a picture of an invitation, which is all that there is to say of a room but
// its name here.
func namedBesideQR(arg string) error {
	if isInvitation(arg) {
		return hint(usagef("--qr reads the invitation from a picture, and another one is given"), "leave out one of the two")
	}
	return hint(usagef("--qr takes the room from the picture, and no argument: %s", screen.Line(arg)),
		"did you mean \"fernpost join --qr FILE --as %s\"?", shellWord(screen.Line(arg)))
}

// orInvitation is an argument as a hint repeats it: a link has a key in it, and is not shown.
func orInvitation(arg string) string {
	if arg == "-" {
		return arg
	}
	return "INVITATION"
}

func (a *app) joinRoom(ctx context.Context, name string, f *enterFlags, unchecked bool) (err error) {
	defer func() { err = beforeRoom(err) }()
	if _, isNumber := channelNumber(name); f.channel == 0 && isNumber {
		return hint(usagef("join needs an invitation, or --channel ID"), "did you mean \"fernpost join ROOM --channel %s\"? ROOM is what it is called here", name)
	}
	if f.channel == 0 {
		return hint(usagef("join needs an invitation, or --channel ID"), "whoever made the room knows the channel's number; \"fernpost invite\" makes an invitation")
	}
	enter, err := f.entry(ctx, a, name, "trying the passphrase", passphrase.JoinOrder()...)
	if err != nil {
		return err
	}
	pass, err := a.passphraseFor(ctx, &enter, f.passphraseFile)
	if err != nil {
		return err
	}
	enter.Unchecked = unchecked
	a.awaitRelay(ctx, enter.Room.Relay)
	entered, err := a.engine().Enter(ctx, enter)
	if err != nil {
		return explainEntry(explainWrongKey(err, *pass))
	}
	entered.Room.WriteKey, entered.Room.ReadKey = "", "" // whoever joins has them already
	if err := a.showRoom(entered, "", record.PublicKey{}, f.asJSON); err != nil {
		return err
	}
	if name == "" {
		name = entered.Room.Name
		a.say("the room is called %s here, as its channel is: \"fernpost rooms rename %s NEW\" changes that", name, name)
	}
	a.say("%s", a.style.good("room "+name+" is ready"))
	a.adviseBeside(name)
	a.adviseName(entered.Profile)
	return nil
}

// passphraseFor has a room be entered by a passphrase that is kept somewhere or, where none is, asked for, again while it
// is wrong. It returns where the last one stands.
func (a *app) passphraseFor(ctx context.Context, enter *messenger.Entry, file string) (*string, error) {
	pass, err := a.secretFrom(ctx, "passphrase-file", file, "FERNPOST_PASSPHRASE")
	ask := errors.Is(err, errNoSecret)
	switch {
	case ask && !a.canAsk():
		return nil, hint(usagef("no passphrase given"), "add --passphrase-file FILE or set FERNPOST_PASSPHRASE")
	case !ask:
		enter.Passphrase = func(context.Context) (string, error) { return pass, nil }
		return &pass, err
	}
	enter.Passphrase = func(ctx context.Context) (_ string, err error) {
		pass, err = a.askPassphrase(ctx, "Passphrase of the room")
		if err == nil && pass == "" {
			err = usageError{passphrase.ErrEmpty}
		}
		return pass, err
	}
	left := mostTries - 1
	enter.Again = func(ctx context.Context, wrong error) (string, error) {
		if left == 0 {
			return "", wrong
		}
		left--
		a.report(explainEntry(explainWrongKey(wrong, pass)))
		return enter.Passphrase(ctx)
	}
	return &pass, nil
}

// tryPassphrase tries the passphrase that a file or the environment has, or one that is asked for, again where it opens
// nothing: what was typed before it would be lost with the error. none is the error where there is nobody to ask.
func (a *app) tryPassphrase(ctx context.Context, file, question string, none error, try func(pass string) error) error {
	pass, err := a.secretFrom(ctx, "passphrase-file", file, "FERNPOST_PASSPHRASE")
	switch {
	case err == nil:
		return try(pass)
	case !errors.Is(err, errNoSecret):
		return err
	case !a.canAsk():
		return none
	}
	for left := mostTries - 1; ; left-- {
		if pass, err = a.askPassphrase(ctx, question); err == nil && pass == "" {
			err = usageError{passphrase.ErrEmpty}
		}
		if err != nil {
			return err
		}
		if err = try(pass); left == 0 || !errors.Is(err, messenger.ErrNoKey) {
			return err
		}
		a.report(err)
	}
}

// explainWrongKey adds the next step to the error of a passphrase that opens nothing.
func explainWrongKey(err error, pass string) error {
	wrong, ok := errors.AsType[*messenger.WrongKeyError](err)
	if !ok {
		return err
	}
	next := looksMistyped(pass) + "ask for the passphrase again, and how the key is made (\"fernpost help profiles\"); "
	if wrong.Rows > 0 {
		next += "one that the room has just moved to opens what is written from then on"
	} else {
		next += "the room may have moved to it since, or somebody else who can write has put the check there"
	}
	return hint(err, "%s. If you are sure of it, --unchecked enters all the same", next)
}

// count is [screen.Count].
func count(n int, noun string) string { return screen.Count(n, noun) }
