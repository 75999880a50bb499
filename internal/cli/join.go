package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// trialRows is how many of the newest rows join looks at for a token that the passphrase opens.
const trialRows = 100

func (a *app) joinCommand() *cobra.Command {
	var f enterFlags
	unchecked := false
	cmd := &cobra.Command{
		Use:   "join ROOM --channel ID",
		Short: "Enter a room that somebody else has made",
		Long: `join enters a room. It needs the relay's address, the channel's number and the passphrase, and to write also the
channel's write key. ROOM is the name that the room gets on this device.

It finds out how the passphrase becomes a key by trying the profiles fernpost, pbkdf2 and tutorial on the check that "init"
has left, or else on the newest 100 rows; --profile skips that. A passphrase that opens nothing of them is refused (exit code
6), and so is a key that does not write the channel (4); nothing is written for it. Where there is nothing to try them on,
compare the check words with the others: the same words mean the same passphrase. Anybody who can write may have put a
check there, and a room that has just moved to a new passphrase may have none for it: if you are sure of yours,
--unchecked enters all the same. "rooms set" changes a room later.`,
		Example: `  fernpost join lab --channel 1234567
  fernpost join lesson --channel 1234567 --profile tutorial --passphrase-file pass.txt
  fernpost join cloud --relay https://api.thingspeak.com --channel 1234567 --write-key-file key.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.joinRoom(cmd.Context(), args[0], &f, unchecked)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&unchecked, "unchecked", false, "enter also if the passphrase opens nothing of what is there")
	return cmd
}

func (a *app) joinRoom(ctx context.Context, name string, f *enterFlags, unchecked bool) (err error) {
	defer func() { err = beforeRoom(err) }()
	if f.channel == 0 {
		return hint(usagef("join needs --channel ID"), "whoever made the room knows the channel's number")
	}
	r, err := f.room(name, a.config)
	if err != nil {
		return err
	}
	if err := a.nameIsFree(name); err != nil {
		return err
	}
	candidates := passphrase.JoinOrder()
	if f.profile != "" {
		p, err := passphrase.ParseProfile(f.profile)
		if err != nil {
			return hint(usageError{err}, `see "fernpost help profiles"`)
		}
		candidates = []passphrase.Profile{p}
	}
	if err := a.channelKeys(f, &r); err != nil {
		return err
	}
	pass, err := a.secretFrom("passphrase-file", f.passphraseFile, "FERNPOST_PASSPHRASE")
	ask := errors.Is(err, errNoSecret)
	switch {
	case ask && !a.canAsk():
		return hint(usagef("no passphrase given"), "add --passphrase-file FILE or set FERNPOST_PASSPHRASE")
	case err != nil && !ask:
		return err
	}
	channel, err := a.lookAt(ctx, &r)
	if err == nil && ask {
		pass, err = a.askSecret(ctx, "Passphrase of the room")
	}
	switch {
	case err != nil:
		return err
	case pass == "":
		return usageError{passphrase.ErrEmpty}
	}
	if err := a.askWriteKey(ctx, &r); err != nil {
		return err
	}
	if err := a.fits(ctx, &r, channel); err != nil {
		return err
	}
	profile, key, err := a.findProfile(ctx, pass, r, candidates, channel.Metadata)
	if unchecked && errors.Is(err, errNoKey) {
		a.say("%s", a.style.warn("the passphrase opens nothing of what is there: compare the check words with the others "+
			"before you write"))
		profile, err = candidates[0], nil
	}
	if err != nil {
		return err
	}
	if profile.Form == passphrase.FormText {
		r.Fields = r.Fields[:1]
	}
	r.Profile = profile.String()
	r.Keys = []model.Secret{model.Secret(fernet.NewKey(key).Reveal())}
	if err := a.keep(r); err != nil {
		return err
	}
	r.WriteKey, r.ReadKey = "", "" // whoever joins has them already
	if err := a.showRoom(r, profile, key, "", f.asJSON); err != nil {
		return err
	}
	a.say("%s", a.style.good("room "+name+" is ready"))
	return a.adviseName(r)
}

// newestRows reads the newest rows of a room's channel.
func (a *app) newestRows(ctx context.Context, r model.Room, n int) ([]thingspeak.Entry, error) {
	client, err := a.dial(r)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var rows []thingspeak.Entry
	_, err = client.Scan().Back(ctx, n, func(e *thingspeak.Entry) error {
		rows = append(rows, *e)
		return nil
	})
	return rows, err
}

// openRows opens rows of a room's channel with keys.
func openRows(r model.Room, keys []fernet.Key, rows []thingspeak.Entry) (messages []model.Message, f model.Findings, err error) {
	ring, err := fernet.NewRing(keys...)
	if err != nil {
		return nil, f, err
	}
	opener, err := room.New(ring, r.Fields[0], false)
	if err != nil {
		return nil, f, err
	}
	messages, f = opener.Open(rows)
	return messages, f, nil
}

// guess is a way in which a passphrase may become the room's key.
type guess struct {
	pass    string
	profile passphrase.Profile
	key     [passphrase.KeySize]byte
	derived bool
}

// derive returns the key of a guess, which takes a while the first time.
func (g *guess) derive(r model.Room) (fernet.Key, error) {
	if !g.derived {
		key, err := g.profile.Derive(g.pass, passphrase.RoomSalt(r.Channel), r.Name)
		if err != nil {
			return fernet.Key{}, usageError{err}
		}
		g.key, g.derived = key, true
	}
	return fernet.NewKey(g.key), nil
}

// findProfile tries a passphrase under each profile, and then as it was generated, if it was, until it opens the check in
// the channel's metadata, or else a message. What somebody else has put into the metadata, or was left there before the
// room moved to another key, keeps nobody out whose key opens a message. Where there is nothing to try it on, the first
// profile is taken, and said so.
func (a *app) findProfile(ctx context.Context, pass string, r model.Room, candidates []passphrase.Profile, metadata string) (
	passphrase.Profile, [passphrase.KeySize]byte, error,
) {
	defer a.computing(func() string { return "trying the passphrase" })()
	var guesses []guess
	for _, p := range candidates {
		guesses = append(guesses, guess{pass: pass, profile: p})
	}
	if phrase, ok := passphrase.AsGenerated(pass); ok && phrase != pass {
		for _, p := range candidates {
			guesses = append(guesses, guess{pass: phrase, profile: p})
		}
	}
	var none passphrase.Profile
	found := func(g *guess, what string) (passphrase.Profile, [passphrase.KeySize]byte, error) {
		a.say("the passphrase %s (profile %s)", what, g.profile.Name())
		if g.pass != pass {
			a.say("(written in small letters with single blanks, as it was generated)")
		}
		return g.profile, g.key, nil
	}
	check, checked := room.ParseCheck(metadata)
	for i := 0; checked && i < len(guesses); i++ {
		key, err := guesses[i].derive(r)
		if err != nil {
			return none, guesses[0].key, err
		}
		opens, behind := check.Opens(key)
		if opens && behind > 0 {
			a.say("%s", a.style.warn("somebody has put another check beside the channel since: "+
				"the room may have moved to a new passphrase"))
		}
		if opens {
			return found(&guesses[i], "opens the check that was left for those who join")
		}
	}
	rows, err := a.newestRows(ctx, r, trialRows)
	if err != nil {
		return none, guesses[0].key, err
	}
	tokens := 0
	for i := range guesses {
		key, err := guesses[i].derive(r)
		if err != nil {
			return none, guesses[0].key, err
		}
		messages, findings, err := openRows(r, []fernet.Key{key}, rows)
		if err != nil {
			return none, guesses[0].key, err
		}
		if len(messages) > 0 {
			return found(&guesses[i], "opens what is there")
		}
		if tokens = findings.NotOurs; tokens == 0 {
			break
		}
	}
	next := severalLines(pass) + "ask for the passphrase again, and how the key is made (\"fernpost help profiles\"); "
	switch {
	case tokens > 0:
		err = fmt.Errorf("wrong passphrase, or another profile: %w (looked at %s)", errNoKey, count(len(rows), "row"))
		next += "one that the room has just moved to opens what is written from then on"
	case checked:
		err = fmt.Errorf("wrong passphrase, or another profile: %w", errNoCheck)
		next += "the room may have moved to it since, or somebody else who can write has put the check there"
	default:
		a.say("no message is there yet, so the passphrase could not be checked: compare the check words")
		return candidates[0], guesses[0].key, nil
	}
	return none, guesses[0].key, hint(err, "%s. If you are sure of it, --unchecked enters all the same", next)
}

// severalLines is a hint about a passphrase that has more than one line, as a file with notes beside it has; empty for others.
func severalLines(pass string) string {
	if !strings.ContainsAny(pass, "\r\n") {
		return ""
	}
	return "the passphrase was taken from " + count(len(strings.Split(pass, "\n")), "line") +
		", all of which count: put it into a file of its own; "
}

// count is [screen.Count].
func count(n int, noun string) string { return screen.Count(n, noun) }
