package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
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
	flags.StringVar(&f.profile, "profile", defaults.Get("profile"), "how the passphrase becomes a key (see \"fernpost help profiles\")")
	flags.DurationVar(&f.interval, "interval", defaultDuration("interval"),
		"the time that the relay wants between two updates; on loopback it is left to the relay unless given or set")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "read the passphrase from `FILE`, - for standard input")
	flags.StringVar(&f.writeKeyFile, "write-key-file", "", "read the channel's write key from `FILE`")
	flags.StringVar(&f.readKeyFile, "read-key-file", "", "read the channel's read key from `FILE`")
	flags.BoolVar(&f.asJSON, "json", false, "print the result as one JSON object")
}

// channelFlag is the number of a channel. Zero, which is no channel, stands for a flag that was not given.
type channelFlag int64

func (c *channelFlag) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return fmt.Errorf("%s is no channel: want a number from 1 on", s)
	}
	*c = channelFlag(n)
	return nil
}

func (c *channelFlag) String() string { return strconv.FormatInt(int64(*c), 10) }

func (c *channelFlag) Type() string { return "ID" }

// room returns the room that the flags and settings describe, without keys.
func (f *enterFlags) room(name string, settings config.Config) (model.Room, error) {
	if err := messenger.CheckName(name); err != nil {
		return model.Room{}, usageError{err}
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

// channelKeys reads the channel's keys from files or the environment.
func (a *app) channelKeys(f *enterFlags, r *model.Room) error {
	for _, k := range []struct {
		what, flag, file, variable string
		to                         *model.Secret
	}{
		{"write key", "write-key-file", f.writeKeyFile, "FERNPOST_WRITE_KEY", &r.WriteKey},
		{"read key", "read-key-file", f.readKeyFile, "FERNPOST_READ_KEY", &r.ReadKey},
	} {
		s, err := a.secretFrom(k.flag, k.file, k.variable)
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

// askWriteKey asks for the write key of a channel that was there before, if there is somebody to ask.
func (a *app) askWriteKey(ctx context.Context, r *model.Room) error {
	if r.WriteKey == "" && a.canAsk() {
		s, err := a.askSecret(ctx, "Write key of the channel (empty: only read)")
		if err == nil && strings.TrimSpace(s) != "" {
			s, err = apiKey("write key", s)
		}
		if err != nil {
			return err
		}
		r.WriteKey = model.Secret(strings.TrimSpace(s))
	}
	if r.WriteKey == "" {
		a.say("without a write key this room can only be read")
	}
	return nil
}

// nameIsFree finds out before any work whether the room could be kept.
func (a *app) nameIsFree(name string) error {
	err := a.engine().NameIsFree(name)
	if errors.Is(err, model.ErrRoomExists) {
		err = hint(usagef("there is a room %s on this device already", name), "choose another name; it is local to this device")
	}
	return err
}

func (a *app) initCommand() *cobra.Command {
	var f enterFlags
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init ROOM",
		Short: "Make a room: a channel on the relay and a key from a passphrase",
		Long: `init makes a room. Without --channel it asks the relay for a new channel; with it, the room is made on a channel that
exists, for example one of your account at ThingSpeak: if that holds a room which the passphrase does not open, init says so
and asks, as "join" is what enters it. A new channel is called like the room, for everybody to see; with
--anonymous all are called alike.

The passphrase is asked for; an empty answer generates one of six words, and so does a run without a terminal and
without --passphrase-file or FERNPOST_PASSPHRASE. Whoever is to join needs the relay's address, the channel's number,
the passphrase and, to write, the write key.

In the metadata of a channel that it makes, init leaves a check: a token without content that the room's key opens, by which
"join" knows a wrong passphrase at once. A write key is proven where the relay tells what a key is for.`,
		Example: `  fernpost init lab
  fernpost init lab --generate
  fernpost init cloud --relay https://api.thingspeak.com --channel 1234567 --write-key-file key.txt
  fernpost init lesson --profile tutorial`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.initRoom(cmd.Context(), args[0], &f, o)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&o.anonymous, "anonymous", false, "do not call the new channel like the room")
	cmd.Flags().BoolVar(&o.generate, "generate", false, "generate the passphrase, do not ask")
	cmd.Flags().BoolVar(&o.private, "private", false, "the new channel can be read with a key only")
	cmd.Flags().BoolVar(&o.weak, "weak", false, "take a weak passphrase without asking")
	cmd.Flags().StringVar(&o.userKeyFile, "user-key-file", "", "read the user key that makes channels from `FILE`")
	return cmd
}

type initOptions struct {
	anonymous, generate, private, weak bool
	userKeyFile                        string
}

func (a *app) initRoom(ctx context.Context, name string, f *enterFlags, o initOptions) (err error) {
	defer func() { err = beforeRoom(err) }()
	r, err := f.room(name, a.config)
	if err != nil {
		return err
	}
	if err := a.nameIsFree(name); err != nil {
		return err
	}
	profile := passphrase.Fernpost()
	if f.profile != "" {
		if profile, err = passphrase.ParseProfile(f.profile); err != nil {
			return hint(usageError{err}, `see "fernpost help profiles"`)
		}
	}
	if err := a.channelKeys(f, &r); err != nil {
		return err
	}
	var settings thingspeak.Channel
	if f.channel != 0 {
		if settings, err = a.lookAt(ctx, &r); err != nil {
			return err
		}
	}
	pass, isNew, err := a.newPassphrase(ctx, profile, f.passphraseFile, o)
	if err != nil {
		return err
	}
	generated := ""
	if isNew {
		generated = pass
	}
	var userKey model.Secret
	if f.channel == 0 {
		if len(r.Fields) == 0 {
			r.Fields = defaultFields(profile)
		}
		if userKey, err = a.makeChannel(ctx, &r, o); err != nil {
			return err
		}
	} else {
		if err := a.askWriteKey(ctx, &r); err != nil {
			return err
		}
		if err := a.fits(ctx, &r, settings); err != nil {
			return err
		}
	}
	if profile.Form == passphrase.FormText {
		r.Fields = r.Fields[:1] // a text is one token in one field
	}
	done := a.computing(derivingKey)
	key, err := profile.Derive(pass, passphrase.RoomSalt(r.Channel), name)
	done()
	if err != nil {
		return usageError{err}
	}
	if f.channel != 0 {
		if err := a.besideRoom(ctx, r, fernet.NewKey(key), settings.Metadata); err != nil {
			return err
		}
	}
	r.Profile = profile.String()
	r.Keys = []model.Secret{model.Secret(fernet.NewKey(key).Reveal())}
	// Shown before the room is kept: else a command that is killed in between leaves a room whose passphrase nobody knows.
	if err := a.showRoom(r, profile, key, generated, f.asJSON); err != nil {
		return err
	}
	if err := a.engine().Add(r); err != nil {
		return err
	}
	if f.channel == 0 {
		if err := a.leaveCheck(ctx, r, fernet.NewKey(key), userKey); err != nil {
			return err
		}
	}
	a.say("%s", a.style.good("room "+name+" is ready"))
	a.say("")
	a.say("hand these over outside of the channel, the passphrase above all. The other side runs")
	a.say("  fernpost join %s --relay %s --channel %d%s", name, screen.Line(r.Relay), r.Channel, joinProfile(profile))
	a.say("and gets the same check words. Write with: fernpost send --room %s 'hello'", name)
	a.adviseName(profile)
	return nil
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

// besideRoom finds out whether a channel holds a room already. Whoever types init for join would write what nobody of that
// room reads, and read nothing of theirs, so it asks, or where there is nobody to ask says so.
func (a *app) besideRoom(ctx context.Context, r model.Room, key fernet.Key, metadata string) error {
	trial := a.engine().Try(r, metadata)
	opens, held := trial.OpensCheck(key), trial.HasCheck()
	if !opens {
		var unopened int
		var err error
		if opens, unopened, err = trial.OpensRows(ctx, key); err != nil {
			return err
		}
		held = held || unopened > 0
	}
	join := fmt.Sprintf("fernpost join %s --relay %s --channel %d", r.Name, screen.Line(r.Relay), r.Channel)
	switch {
	case opens:
		a.say("the passphrase opens what is there: this is the room that others have made, as with %q", join)
		return nil
	case !held:
		return nil
	}
	a.say("%s", a.style.warn(fmt.Sprintf("channel %d holds a room already, and this passphrase opens nothing of it: who is in that room "+
		"does not read what you write here, nor you what they write", r.Channel)))
	if !a.canAsk() {
		a.say("to enter the room that is there: %s", join)
		return nil
	}
	yes, err := a.confirm(ctx, "Make another room beside it?")
	if err == nil && !yes {
		err = hint(a.declined(errors.New("no room was made")), "to enter the room that is there: %s", join)
	}
	return err
}

// joinProfile is what join has to be told about a profile: nothing of the one that it takes where there is no message yet to
// find out by.
func joinProfile(p passphrase.Profile) string {
	switch p.Name() {
	case passphrase.Fernpost().Name():
		return ""
	case "custom":
		return " --profile '" + p.String() + "'"
	}
	return " --profile " + p.Name()
}

// newPassphrase gets or generates the passphrase of a new room and says how strong it is.
func (a *app) newPassphrase(ctx context.Context, p passphrase.Profile, file string, o initOptions) (pass string, generated bool, err error) {
	if !o.generate {
		pass, err = a.secretFrom("passphrase-file", file, "FERNPOST_PASSPHRASE")
		if errors.Is(err, errNoSecret) && a.canAsk() {
			pass, err = a.askNewPassphrase(ctx)
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
		pass, bits, err := passphrase.Generate(passphrase.DefaultWords)
		if err == nil {
			a.say("generated a passphrase of %.0f bits: one gaming GPU needs %s to guess it", bits, p.TimeToGuess(bits))
		}
		return pass, true, err
	}
	strength := passphrase.Estimate(pass)
	a.say("this passphrase is worth about %.0f bits: one gaming GPU needs %s to guess it", strength.Bits, p.TimeToGuess(strength.Bits))
	if strength.Bits >= passphrase.MinBits {
		return pass, false, nil
	}
	if len(strength.Why) > 0 {
		a.say("what makes it weak: %s", screen.Line(strings.Join(strength.Why, "; ")))
	}
	if o.weak {
		return pass, false, nil
	}
	yes, err := a.confirm(ctx, "Everybody can copy the feed and guess at leisure. Use it all the same?")
	if err == nil && !yes {
		err = fmt.Errorf("no room was made: the passphrase is too weak (about %.0f bits, want %d)", strength.Bits, passphrase.MinBits)
		err = hint(a.declined(err), "let fernpost generate one (--generate), or say --weak")
	}
	return pass, false, err
}

func (a *app) askNewPassphrase(ctx context.Context) (string, error) {
	first, err := a.askSecret(ctx, "Passphrase of the new room (empty: generate one)")
	if err != nil || first == "" {
		return "", err
	}
	again, err := a.askSecret(ctx, "The same once more")
	if err == nil && first != again {
		err = usagef("the two passphrases differ")
	}
	return first, err
}

// anonymousName is what a channel is called that says nothing about its room.
const anonymousName = "fernpost"

// makeChannel makes the channel of a room and returns the user key that it was made with, empty without one.
func (a *app) makeChannel(ctx context.Context, r *model.Room, o initOptions) (userKey model.Secret, err error) {
	text, err := a.secretFrom("user-key-file", o.userKeyFile, "FERNPOST_USER_KEY")
	switch {
	case errors.Is(err, errNoSecret):
	case err != nil:
		return "", err
	default:
		if text, err = apiKey("user key", text); err != nil {
			return "", err
		}
		userKey = model.Secret(text)
	}
	name := r.Name // by which those who look at a relay's page tell their rooms apart
	if o.anonymous {
		name = anonymousName
	}
	err = a.engine().MakeChannel(ctx, r, name, !o.private, userKey)
	if trouble, _ := channel.TroubleOf(err); trouble == channel.KeyRefused || trouble == channel.NotAllowed {
		err = hint(err, "this relay makes channels for its account holders only: add --user-key-file FILE, or make the channel "+
			"on its website and name it with --channel ID --write-key-file FILE")
	}
	return userKey, err
}

// leaveCheck leaves a check for those who join. A room is one without it as well, so nothing but an interruption is an error.
func (a *app) leaveCheck(ctx context.Context, r model.Room, key fernet.Key, userKey model.Secret) error {
	err := a.engine().LeaveCheck(ctx, r, key, userKey)
	if err != nil && ctx.Err() == nil {
		a.say("no check is left for those who join, so they have to compare the check words: %s", screen.Line(err.Error()))
		err = nil
	}
	return err
}

// defaultFields are the fields of a new channel: a message of a signed room fits into one entry if it may use all.
func defaultFields(p passphrase.Profile) []int {
	if p.Form == passphrase.FormText {
		return []int{1}
	}
	return slices.Collect(thingspeak.AllFields.All())
}

// lookAt makes sure that a channel exists, before its keys are asked for: whoever has mistyped the address or the number is
// told so at once. A relay shows a private channel to nobody without a key, and then the write key is asked for here.
func (a *app) lookAt(ctx context.Context, r *model.Room) (thingspeak.Channel, error) {
	settings, err := a.readSettings(ctx, *r)
	if trouble, _ := channel.TroubleOf(err); trouble != channel.KeyRefused || r.WriteKey != "" || r.ReadKey != "" || !a.canAsk() {
		return settings, err
	}
	a.say("the relay shows channel %d to nobody without a key: it is private, or there is none of that number", r.Channel)
	if err := a.askWriteKey(ctx, r); err != nil {
		return settings, err
	}
	if r.WriteKey == "" {
		return settings, err
	}
	return a.readSettings(ctx, *r)
}

// readSettings reads the settings of a room's channel.
func (a *app) readSettings(ctx context.Context, r model.Room) (thingspeak.Channel, error) {
	settings, err := a.engine().Channel(ctx, r)
	return settings, explainRead(err, r.Channel, r.WriteKey != "" || r.ReadKey != "")
}

// checkChannel is lookAt and fits for a room whose keys are known.
func (a *app) checkChannel(ctx context.Context, r *model.Room) (thingspeak.Channel, error) {
	settings, err := a.readSettings(ctx, *r)
	if err == nil {
		err = a.fits(ctx, r, settings)
	}
	return settings, err
}

// fits makes sure that a channel has the room's fields enabled, and that the write key, if there is one, may write; of a relay
// that does not tell, that stays unproven.
func (a *app) fits(ctx context.Context, r *model.Room, settings thingspeak.Channel) error {
	err := messenger.ChooseFields(r, &settings)
	if e, ok := errors.AsType[*messenger.FieldError](err); ok && e.Field == 0 {
		return hint(usageError{err}, "give field 1 a name in the channel's settings")
	}
	if err != nil {
		return hint(usageError{err}, "give the field a name in the channel's settings, or choose others with --fields")
	}
	if name := screen.Line(settings.Name); name != "" && name != anonymousName && name != r.Name {
		a.say("the channel's name is %q", name)
	}
	if r.WriteKey == "" {
		return nil
	}
	err = a.engine().ProveWriteKey(ctx, r)
	switch trouble, _ := channel.TroubleOf(err); {
	case trouble == channel.Refused, trouble == channel.KeyRefused, trouble == channel.NotAllowed:
		err = hint(err, "that is not the write key of channel %d; it may be its read key, or one of another channel. "+
			"Whoever made the room knows the right one; without any, the room can be read", r.Channel)
	case r.Unproven:
		a.say("this relay does not tell what a write key is for: the first message shows it")
	}
	return err
}

// explainRead says what may be wrong when a channel cannot be read, with a key or without: a relay does not tell a private
// one from none.
func explainRead(err error, id int64, withKey bool) error {
	trouble, _ := channel.TroubleOf(err)
	switch {
	case trouble != channel.KeyRefused:
		return err
	case withKey:
		return hint(fmt.Errorf("the relay has no channel %d, or this is not its key: %w", id, err),
			"ask whoever made the room for the channel's number and its key")
	}
	return hint(fmt.Errorf("the relay has no channel %d, or keeps it private: %w", id, err),
		"is that the channel's number? If it is private, add --read-key-file FILE")
}

// showRoom prints what was made and what others need to join.
func (a *app) showRoom(r model.Room, p passphrase.Profile, key [passphrase.KeySize]byte, generated string, asJSON bool) error {
	words := passphrase.CheckWords(key)
	check := strings.Join(words[:], " ")
	if asJSON {
		return a.printJSON(roomJSON{
			r.Name, r.Relay, r.Channel, p.String(), check,
			known(generated), known(r.WriteKey.Reveal()), known(r.ReadKey.Reveal()),
		})
	}
	s := a.style
	var b strings.Builder
	line := func(label, value string) { fmt.Fprintf(&b, "  %-12s %s\n", label, value) }
	fmt.Fprintf(&b, "room %s\n", s.bold(r.Name))
	line("relay", screen.Line(r.Relay))
	line("channel", strconv.FormatInt(r.Channel, 10))
	line("profile", p.String())
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
	_, err := a.stdout.Write([]byte(b.String()))
	return err
}
