package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// enterFlags are what init and join have in common.
type enterFlags struct {
	relay          string
	channel        int64
	fields         []int
	pad            bool
	profile        string
	interval       time.Duration
	passphraseFile string
	writeKeyFile   string
	readKeyFile    string
	asJSON         bool
	flags          *pflag.FlagSet
}

func (f *enterFlags) add(cmd *cobra.Command) {
	defaults := config.Default()
	flags := cmd.Flags()
	f.flags = flags
	flags.StringVar(&f.relay, "relay", defaults.Get("relay"), "the relay's `URL`")
	flags.Var((*channelFlag)(&f.channel), "channel", "the channel's `ID` at the relay")
	flags.IntSliceVar(&f.fields, "fields", nil, "write to these `fields`, 1 to 8 (default: all that the channel shows)")
	flags.BoolVar(&f.pad, "pad", false, "fill up every entry, so that short and long messages look alike (signed rooms)")
	flags.StringVar(&f.profile, "profile", defaults.Get("profile"), "the `PROFILE` by which the passphrase becomes a key (see \"fernpost help profiles\")")
	flags.Var(duration.Flag(&f.interval, defaultDuration("interval")), "interval",
		"the time that the relay wants between two updates; on loopback it is left to the relay unless given or set")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "read the passphrase from `FILE`, - for standard input")
	flags.StringVar(&f.writeKeyFile, "write-key-file", "", "read the channel's write key from `FILE`")
	flags.StringVar(&f.readKeyFile, "read-key-file", "", "read the channel's read key from `FILE`")
	flags.BoolVar(&f.asJSON, "json", false, "print the result as one JSON object")
}

// channelNumber reads the number of a channel.
func channelNumber(s string) (n int64, ok bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil && n > 0
}

// channelFlag is the number of a channel. Zero, which is no channel, stands for a flag that was not given.
type channelFlag int64

func (c *channelFlag) Set(s string) error {
	n, ok := channelNumber(s)
	if !ok {
		return fmt.Errorf("%s is no channel: want a number from 1 on", s)
	}
	*c = channelFlag(n)
	return nil
}

func (c *channelFlag) String() string { return strconv.FormatInt(int64(*c), 10) }

func (c *channelFlag) Type() string { return "ID" }

// room returns the room that the flags and settings describe, without keys.
func (f *enterFlags) room(name string, settings config.Config) (model.Room, error) {
	if err := messenger.CheckName(name); err != nil && name != "" { // join takes the channel's
		return model.Room{}, explainName(usageError{err}, name)
	}
	if err := checkFields(f.fields); err != nil {
		return model.Room{}, err
	}
	f.relay = channel.WithScheme(f.relay)
	if f.interval < 0 {
		return model.Room{}, usagef("--interval %v: want 0s or more", f.interval)
	}
	given := f.flags.Changed("interval") || !settings.IsDefault("interval")
	if !given && channel.IsLoopback(f.relay) {
		f.interval = 0 // a relay of ours says by itself how long to wait, to the second
	}
	return model.Room{
		Name: name, Relay: f.relay, Channel: f.channel, Fields: f.fields, Pad: f.pad, Interval: f.interval.String(),
	}, nil
}

// explainName adds to an error about a room's name one like it that is possible.
func explainName(err error, name string) error {
	if like := messenger.NameLike(name); errors.Is(err, model.ErrRoomName) && like != "" {
		return hint(err, "%s would be possible", like)
	}
	return err
}

// channelKeys reads the channel's keys from files or the environment.
func (a *app) channelKeys(ctx context.Context, f *enterFlags, r *model.Room) error {
	for _, k := range []struct {
		what, flag, file, variable string
		to                         *model.Secret
	}{
		{"write key", "write-key-file", f.writeKeyFile, "FERNPOST_WRITE_KEY", &r.WriteKey},
		{"read key", "read-key-file", f.readKeyFile, "FERNPOST_READ_KEY", &r.ReadKey},
	} {
		s, err := a.secretFrom(ctx, k.flag, k.file, k.variable)
		if errors.Is(err, errNoSecret) {
			continue
		}
		if err == nil {
			s, err = apiKey(k.what, s)
		}
		if err != nil {
			return err
		}
		*k.to = model.Secret(s)
	}
	return nil
}

// askWriteKey asks for the write key of a channel that was there before, for the room of a name, if there is somebody to ask.
func (a *app) askWriteKey(name string) func(context.Context, error) (model.Secret, error) {
	ask := a.askChannelKey("write key", "Write key of the channel (empty: only read)")
	return func(ctx context.Context, wrong error) (key model.Secret, err error) {
		if a.canAsk() {
			key, err = ask(ctx, wrong)
		}
		if err != nil && !errors.Is(err, context.Canceled) && a.canAsk() { // what was typed before it would be lost
			a.report(explainEntry(err))
			if only, why := a.confirm(ctx, "Keep the room without a write key, only to read it?"); why != nil || only {
				key, err = "", why
			}
			if err == nil {
				a.say("%s adds the key later", setRoom(cmp.Or(name, "ROOM"), "--write-key-file FILE"))
			}
		}
		if err == nil && key == "" {
			a.say("without a write key this room can only be read")
		}
		return key, err
	}
}

// askAnyKey asks for a key of a channel that the relay shows to nobody without one, if there is somebody to ask.
func (a *app) askAnyKey(ctx context.Context, id int64) (model.Secret, error) {
	if !a.canAsk() {
		return "", nil
	}
	a.say("the relay shows channel %d to nobody without a key: it is private, or there is none of that number", id)
	return a.askChannelKey("key of a channel", "Write key or read key of the channel (empty: none)")(ctx, nil)
}

// mostTries is how often a passphrase or a key is asked for that is wrong.
const mostTries = 3

// askChannelKey returns what asks for a key of a channel, again where one has a wrong form, or was wrong: up to three
// times, as what was typed before it is lost with an error. An empty answer is none.
func (a *app) askChannelKey(what, question string) func(ctx context.Context, wrong error) (model.Secret, error) {
	left := mostTries
	return func(ctx context.Context, wrong error) (model.Secret, error) {
		for {
			if wrong != nil && left == 0 {
				return "", wrong
			}
			if wrong != nil {
				a.report(explainEntry(wrong))
			}
			left--
			text, err := a.askSecret(ctx, question)
			if err != nil || strings.TrimSpace(text) == "" {
				return "", err
			}
			if text, wrong = apiKey(what, text); wrong == nil {
				return model.Secret(text), nil
			}
		}
	}
}

// entry is how the flags have a room entered.
func (f *enterFlags) entry(ctx context.Context, a *app, name, deriving string, profiles ...passphrase.Profile) (o messenger.Entry, err error) {
	if o.Room, err = f.room(name, a.config); err != nil {
		return o, err
	}
	if o.Profiles = profiles; f.profile != "" {
		p, err := passphrase.ParseProfile(f.profile)
		if err != nil {
			return o, hint(usageError{err}, `see "fernpost help profiles"`)
		}
		o.Profiles = []passphrase.Profile{p}
	}
	o.WriteKey = a.askWriteKey(name)
	o.AnyKey = func(ctx context.Context) (model.Secret, error) { return a.askAnyKey(ctx, f.channel) }
	o.Tell = func(e messenger.Event) { a.tellEntry(&o.Room, e) }
	o.Deriving = func() func() { return a.computing(func() string { return deriving }) }
	return o, a.channelKeys(ctx, f, &o.Room)
}

// tellEntry tells what is found out while a room is made, joined or changed.
func (a *app) tellEntry(r *model.Room, e messenger.Event) {
	switch e := e.(type) {
	case messenger.ChannelFound:
		if name := screen.Line(e.Name); name != "" && name != anonymousName && name != r.Name {
			a.say("the channel's name is %q", name)
		}
	case messenger.WriteKeyUnproven:
		a.say("this relay does not tell what a write key is for: the first message shows it")
	case messenger.OnlyReads:
		a.say("that key reads the channel and does not write it: it is kept as its read key")
	case messenger.KeyTried:
		a.tellTried(r, e)
	}
	a.sayLines(messenger.Says(e))
}

func (a *app) tellTried(r *model.Room, e messenger.KeyTried) {
	what := "opens what is there"
	switch {
	case e.Made:
		a.say("the passphrase opens what is there: this is the room that others have made, as with %q", joinThere(r))
		return
	case e.Err != nil:
		a.say("%s", a.style.warn("the passphrase opens nothing of what is there: compare the check words with the others "+
			"before you write"))
		return
	case e.Check:
		what = "opens the check that was left for those who join"
	case !e.Message:
		a.say("no message is there yet, so the passphrase could not be checked: compare the check words with those of the others")
		return
	}
	if e.Behind > 0 {
		a.say("%s", a.style.warn("somebody has put another check beside the channel since: "+
			"the room may have moved to a new passphrase"))
	}
	a.say("the passphrase %s (profile %s)", what, e.Profile.Name())
	if e.AsGenerated {
		a.say("(written in small letters with single blanks, as it was generated)")
	}
}

// joinThere is the command that enters the room of a channel.
func joinThere(r *model.Room) string {
	command := fmt.Sprintf("fernpost join %s --relay %s --channel %d", r.Name, screen.Line(r.Relay), r.Channel)
	if r.ReadKey != "" {
		command += " --read-key-file FILE"
	}
	return command
}

// adviseInviting says how others join a new room.
func (a *app) adviseInviting(r *model.Room, p passphrase.Profile) {
	write, what := "", "the passphrase"
	if r.WriteKey != "" {
		write, what = " --write", "the passphrase and, to write, the write key"
	}
	a.say("")
	a.say("others join by a link, which this makes:")
	a.say("  fernpost invite %s%s", r.Name, write)
	a.say("or by hand, with %s:", what)
	a.say("  %s%s", joinThere(r), joinProfile(p))
	a.say("and get the same check words. Hand that over outside of the channel.")
	a.say("Write with: fernpost send --room %s 'hello'", r.Name)
}

// entrySteps are what to do about what keeps somebody from entering or changing a room.
var entrySteps = map[messenger.Obstacle]string{
	messenger.NoField:     "give field 1 a name in the channel's settings",
	messenger.FieldHidden: "give the field a name in the channel's settings, or choose others with --fields",
	messenger.Unreadable:  "is that the channel's number? If it is private, add --read-key-file FILE",
	messenger.WrongKey:    "ask whoever made the room for the channel's number and its key",
	messenger.WrongWriteKey: "that is not the write key of channel %d; it may be its read key, or one of another channel. " +
		"Whoever made the room knows the right one; without any, the room can be read",
	messenger.NoAccount: "this relay makes channels for its account holders only: add --user-key-file FILE (at a relay of your own " +
		"\"fernpost relay user show local --key\" prints the key), or make the channel on its website and name it with " +
		"--channel ID --write-key-file FILE",
	messenger.OtherRoom: "nothing was changed; a room keeps its channel's number when it moves to another relay",
}

// explainEntry adds the next step to an error of entering or changing a room.
func explainEntry(err error) error {
	if e, ok := errors.AsType[*messenger.EntryError](err); ok {
		if e.Why == messenger.NoField || e.Why == messenger.FieldHidden {
			err = usageError{err}
		}
		return hintError{err, strings.ReplaceAll(entrySteps[e.Why], "%d", strconv.FormatInt(e.Channel, 10))}
	}
	if errors.Is(err, model.ErrRoomExists) {
		return hint(err, "choose another name; it is local to this device")
	}
	return err
}

func explainReading(err error, id int64, withKey bool) error {
	return explainEntry(messenger.ExplainReading(err, id, withKey))
}

func (a *app) initCommand() *cobra.Command {
	var f enterFlags
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init NEW-ROOM",
		Short: "Make a room: a channel on the relay and a key from a passphrase",
		Long: `init makes a room. Without --channel it asks the relay for a new channel; with it, the room is made on a channel that
exists, for example one of your account at ThingSpeak: if that holds a room which the passphrase does not open, init says so
and asks, as "join" is what enters it. A new channel is called like the room, for everybody to see; with
--anonymous all are called alike.

The passphrase is asked for; an empty answer generates one of six words, and so does a run without a terminal and
without --passphrase-file or FERNPOST_PASSPHRASE. Whoever is to join needs the relay's address, the channel's number,
the passphrase and, to write, the write key.

In the metadata of a channel that it makes, init leaves a check: a token without content that the room's key opens, by which
"join" knows a wrong passphrase at once. A write key is proven where the relay tells what a key is for.

A relay on this machine that does not listen yet is waited for, up to five seconds: it may just be starting.`,
		Example: `  fernpost init lab
  fernpost init lab --words 8
  fernpost init cloud --relay https://api.thingspeak.com --channel 1234567 --write-key-file key.txt
  fernpost init lesson --profile tutorial`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.initRoom(cmd.Context(), args[0], &f, o)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&o.anonymous, "anonymous", false, "do not call the new channel like the room")
	cmd.Flags().BoolVar(&o.private, "private", false, "the new channel can be read with a key only")
	o.addPassphrase(cmd.Flags())
	cmd.Flags().StringVar(&o.userKeyFile, "user-key-file", "", "read the user key that creates channels from `FILE`")
	return cmd
}

type initOptions struct {
	anonymous, generate, private, weak bool
	words                              int // of a passphrase to generate; 0 if nothing was said
	userKeyFile                        string
}

// addPassphrase adds what is said about a new passphrase.
func (o *initOptions) addPassphrase(flags *pflag.FlagSet) {
	flags.BoolVar(&o.generate, "generate", false, "generate the passphrase, do not ask")
	flags.IntVar(&o.words, "words", 0, fmt.Sprintf("generate one of `N` words, %d to %d (default %d), each worth 12.9 bits",
		passphrase.LeastWords, passphrase.MostWords, passphrase.DefaultWords))
	flags.BoolVar(&o.weak, "weak", false, "take a weak passphrase without asking")
}

func (a *app) initRoom(ctx context.Context, name string, f *enterFlags, o initOptions) error {
	enter, err := f.entry(ctx, a, name, derivingKey(), passphrase.Fernpost())
	if err != nil {
		return beforeRoom(err)
	}
	profile, generated := enter.Profiles[0], ""
	enter.Passphrase = func(ctx context.Context) (string, error) {
		pass, isNew, err := a.newPassphrase(ctx, profile, f.passphraseFile, newRoom, o)
		if isNew {
			generated = pass
		}
		return pass, err
	}
	enter.Public, enter.ChannelName = !o.private, name // by which those who look at a relay's page tell their rooms apart
	if o.anonymous {
		enter.ChannelName = anonymousName
	}
	if f.channel == 0 {
		if enter.UserKey, err = a.userKey(ctx, o.userKeyFile); err != nil {
			return beforeRoom(err)
		}
	}
	var r model.Room
	enter.Beside = func(ctx context.Context) error { return a.askBeside(ctx, &enter.Room) }
	enter.Show = func(made messenger.Entered) error {
		r = made.Room
		return a.showRoom(made, generated, record.PublicKey{}, f.asJSON)
	}
	a.awaitRelay(ctx, enter.Room.Relay)
	if err := a.engine().Make(ctx, enter); err != nil {
		return beforeRoom(explainEntry(err))
	}
	a.say("%s", a.style.good("room "+name+" is ready"))
	a.adviseInviting(&r, profile)
	a.adviseBeside(name)
	a.adviseName(profile)
	return nil
}

// adviseBeside says what a command that names no room means, where the room of a name is not the only one: before there was another one
// it meant that.
func (a *app) adviseBeside(name string) {
	names, chosen, err := a.engine().Rooms()
	chosen = cmp.Or(a.config.Get("room"), chosen)
	switch {
	case err != nil || len(names) < 2 || chosen == name:
	case chosen != "":
		a.say("without --room commands mean room %s still; \"fernpost rooms default %s\" changes that", screen.Line(chosen), name)
	default:
		a.say("this device has %s now, so commands want --room NAME; \"fernpost rooms default %s\" has them mean this one without it",
			count(len(names), "room"), name)
	}
}

// adviseName says to whoever has come into a room whose members sign, and has no nickname yet, how to take one.
func (a *app) adviseName(p passphrase.Profile) {
	if p.Form != passphrase.FormRecords {
		return
	}
	if nick, err := a.engine().Nickname(); err == nil && nick == "" {
		a.say("you have no nickname, so the others see the tag of your key: \"fernpost identity name NICKNAME\" takes one")
	}
}

// askBeside asks whether a room is to be made beside one that the passphrase does not open, or where there is nobody to
// ask says so.
func (a *app) askBeside(ctx context.Context, r *model.Room) error {
	a.say("%s", a.style.warn(fmt.Sprintf("channel %d holds a room already, and this passphrase opens nothing of it: who is in that room "+
		"does not read what you write here, nor you what they write", r.Channel)))
	if !a.canAsk() {
		a.say("to enter the room that is there: %s", joinThere(r))
		return nil
	}
	return a.agree(ctx, false, "Make another room beside it?", "no room was made", "to enter the room that is there: "+joinThere(r))
}

// joinProfile is what join has to be told about a profile: nothing of the one that it takes where there is no message
// yet to find out by.
func joinProfile(p passphrase.Profile) string {
	switch p.Name() {
	case passphrase.Fernpost().Name():
		return ""
	case "custom":
		return " --profile '" + p.String() + "'"
	}
	return " --profile " + p.Name()
}

// passphraseFor is what a passphrase is chosen for: how it is asked for, and what was not done where it is refused.
// Where nobody can be asked, one is generated, unless it has to be asked for.
type passphraseFor struct {
	ask, not string
	asked    bool
}

var newRoom = passphraseFor{ask: "Passphrase of the new room", not: "no room was made"}

// newPassphrase gets or generates a passphrase and says how strong it is.
func (a *app) newPassphrase(
	ctx context.Context, p passphrase.Profile, file string, use passphraseFor, o initOptions,
) (pass string, generated bool, err error) {
	switch {
	case o.words == 0:
		o.words = passphrase.DefaultWords
	case o.words < passphrase.LeastWords || o.words > passphrase.MostWords:
		return "", false, hint(usagef("--words %d: want %d to %d", o.words, passphrase.LeastWords, passphrase.MostWords),
			"each word is worth 12.9 bits: %d words, which are usual, are worth 77.5", passphrase.DefaultWords)
	case file != "":
		return "", false, usagef("--words and --passphrase-file exclude each other")
	case p.KDF == passphrase.KDFKey:
		return "", false, usagef("--words is for passphrases: this profile takes a key")
	default:
		o.generate = true
	}
	if !o.generate {
		pass, err = a.secretFrom(ctx, "passphrase-file", file, "FERNPOST_PASSPHRASE")
		if errors.Is(err, errNoSecret) && a.canAsk() {
			pass, err = a.askTwice(ctx, use.ask)
		}
		// What was made is shown once, to nobody perhaps: a room that others are in does not move to it unasked.
		if errors.Is(err, errNoSecret) && use.asked {
			return "", false, hint(usagef("%s: no passphrase was given, and nobody could be asked", use.not),
				"--generate makes one and prints it, --passphrase-file FILE takes one")
		}
		if err != nil && !errors.Is(err, errNoSecret) {
			return "", false, err
		}
	}
	if p.KDF == passphrase.KDFKey {
		if pass == "" {
			return fernet.GenerateKey().Reveal(), true, nil
		}
		return pass, false, nil
	}
	if pass == "" {
		pass, bits, err := passphrase.Generate(o.words)
		if err == nil {
			a.say("generated a passphrase of %d words, worth %.0f bits: one gaming GPU needs %s to guess it", o.words, bits, p.TimeToGuess(bits))
		}
		return pass, true, err
	}
	if what := looksLike(pass); what != "" && what != lookingLikePassphrase {
		a.say("%s", a.style.warn("this passphrase looks like "+what+": is it what you meant?"))
	}
	return pass, false, a.mindStrength(ctx, pass, p, o.weak, "Everybody can copy the feed and guess at leisure.", use.not)
}

// mindStrength says how strong a passphrase is that somebody has chosen, and asks whether a weak one is to be used all
// the same. why is what speaks against that, and not what was not done then.
func (a *app) mindStrength(ctx context.Context, pass string, p passphrase.Profile, weak bool, why, not string) error {
	strength := passphrase.Estimate(pass)
	a.say("this passphrase is worth about %.0f bits: one gaming GPU needs %s to guess it", strength.Bits, p.TimeToGuess(strength.Bits))
	if strength.Bits >= passphrase.MinBits {
		return nil
	}
	if len(strength.Why) > 0 {
		a.say("what makes it weak: %s", screen.Line(strings.Join(strength.Why, "; ")))
	}
	return a.agree(ctx, weak, why+" Use it all the same?",
		fmt.Sprintf("%s: the passphrase is too weak (about %.0f bits, want %d)", not, strength.Bits, passphrase.MinBits),
		"let fernpost generate one (--generate), or say --weak")
}

func (a *app) askNewPassphrase(ctx context.Context, of string) (string, error) {
	return a.askTwice(ctx, "Passphrase of "+of)
}

// askTwice asks for a new passphrase; empty, one is to be generated.
func (a *app) askTwice(ctx context.Context, what string) (string, error) {
	for left := mostTries - 1; ; left-- {
		first, err := a.askSecret(ctx, what+" (empty: generate one)")
		if err != nil || first == "" {
			return "", err
		}
		again, err := a.askSecret(ctx, "The same once more")
		if err != nil || first == again {
			return first, err
		}
		if err = usagef("the two passphrases differ"); left == 0 {
			return "", err
		}
		a.report(err)
	}
}

// anonymousName is what a channel is called that says nothing about its room.
const anonymousName = "fernpost"

// userKey reads the key of an account at a relay, empty where there is none.
func (a *app) userKey(ctx context.Context, file string) (model.Secret, error) {
	text, err := a.secretFrom(ctx, "user-key-file", file, "FERNPOST_USER_KEY")
	if errors.Is(err, errNoSecret) {
		return "", nil
	}
	if err == nil {
		text, err = apiKey("user key", text)
	}
	return model.Secret(text), err
}

// showRoom prints what was made and what others need to join.
func (a *app) showRoom(e messenger.Entered, generated string, inviter record.PublicKey, asJSON bool) error {
	r, profile, check := e.Room, e.Profile.String(), checkWords(e.Key)
	if asJSON {
		return a.printJSON(roomJSON{
			r.Name, r.Relay, r.Channel, profile, check,
			known(generated), known(r.WriteKey.Reveal()), known(r.ReadKey.Reveal()),
			known(inviter), known(inviterWords(inviter)),
		})
	}
	s := a.style
	var b strings.Builder
	line := func(label, value string) { fmt.Fprintf(&b, "  %-12s %s\n", label, value) }
	fmt.Fprintf(&b, "room %s\n", s.bold(r.Name))
	line("relay", screen.Line(r.Relay))
	line("channel", strconv.FormatInt(r.Channel, 10))
	line("profile", profile)
	if generated != "" {
		line("passphrase", s.bold(generated))
	}
	line("check words", check)
	if r.WriteKey != "" {
		line("write key", screen.Line(r.WriteKey.Reveal()))
	}
	if r.ReadKey != "" {
		line("read key", screen.Line(r.ReadKey.Reveal()))
	}
	return a.printLines(b.String())
}

// checkWords are the words by which people compare their keys.
func checkWords(key [passphrase.KeySize]byte) string {
	words := passphrase.CheckWords(key)
	return strings.Join(words[:], " ")
}
