package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) keyCommand() *cobra.Command {
	var roomName, file string
	var generate, weak bool
	cmd := &cobra.Command{
		Use:   "key",
		Short: "The keys of a room: move to a new one, add one that was handed over",
		Long: `A room has a list of keys: the newest seals, all open. Moving to a new key hides what is written afterwards from those
who do not get it; what was written before stays readable to everybody who had the old one. A key never travels through
the room: hand the new passphrase over outside.

The others are told of the move under the old key. Who lacks the new one can go on writing with the old: "send" warns, and
refuses if the move is by somebody whose words were compared (--old-key insists). Those who have the new key see "old key"
beside what is written like that.`,
	}
	cmd.PersistentFlags().StringVar(&roomName, "room", "", "the `ROOM` in question (default: the only one)")
	cmd.PersistentFlags().StringVar(&file, "passphrase-file", "", "read the new passphrase from `FILE`, - for standard input")
	rotate := &cobra.Command{
		Use: "rotate", Short: "Move the room to a new passphrase and tell the others", Args: cobra.NoArgs,
		Example: "  fernpost key rotate\n  fernpost key rotate --room lab --generate",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.rotateKey(cmd.Context(), roomName, file, initOptions{generate: generate, weak: weak})
		},
	}
	rotate.Flags().BoolVar(&generate, "generate", false, "generate the passphrase, do not ask")
	rotate.Flags().BoolVar(&weak, "weak", false, "take a weak passphrase without asking")
	cmd.AddCommand(rotate, &cobra.Command{
		Use: "add", Short: "Add the key of a passphrase that somebody handed over", Args: cobra.NoArgs,
		Long: `add makes the key of a passphrase the newest of the room, also one that the room had before. A key
that is new here is tried: one that nobody has moved to, and that opens none of the newest 100 rows and no check beside the
channel, is not kept (exit code 6) if no key here opens some of them, or somebody whose words were compared has moved to
another key. With nothing to try it on it is kept: compare the check words then.`,
		Example: "  fernpost key add\n  fernpost key add --room lab --passphrase-file pass.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.addKey(cmd.Context(), roomName, file)
		},
	})
	return cmd
}

// deriveKey makes a key of a room out of a passphrase.
func (a *app) deriveKey(r model.Room, p passphrase.Profile, pass string) (fernet.Key, string, error) {
	done := a.computing(derivingKey)
	key, err := p.Derive(pass, passphrase.RoomSalt(r.Channel), r.Name)
	done()
	if err != nil {
		return fernet.Key{}, "", usageError{err}
	}
	words := passphrase.CheckWords(key)
	return fernet.NewKey(key), strings.Join(words[:], " "), nil
}

// rotateKey shows the new key's passphrase, keeps the key, and then tells the others, under the old one. Killed between
// any two of these, it leaves no key that nobody has, and the next command that writes tells what is untold.
func (a *app) rotateKey(ctx context.Context, roomName, file string, o initOptions) error {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	profile, err := passphrase.ParseProfile(r.Profile)
	if err != nil {
		return fmt.Errorf("room %s: %w", r.Name, err)
	}
	pass, generated, err := a.newPassphrase(ctx, profile, file, o)
	if err != nil {
		return err
	}
	key, words, err := a.deriveKey(r, profile, pass)
	if err != nil {
		return err
	}
	shown := fmt.Sprintf("check words  %s\n", words)
	if generated {
		shown = fmt.Sprintf("passphrase   %s\n", a.style.bold(pass)) + shown
	}
	if _, err := io.WriteString(a.stdout, shown); err != nil {
		return err // a passphrase that nobody has seen is not to be used
	}
	canTell := profile.Form == passphrase.FormRecords && r.WriteKey != ""
	text := model.Secret(key.Reveal())
	moved := len(r.Keys) > 1 && r.Keys[0] == text // a rotation that could not leave its check may be run again
	untold := slices.Contains(r.Untold, text)     // or was interrupted, and goes on
	if !untold && !moved {
		if r, err = a.engine().KeepKey(r.Name, key, canTell); err != nil {
			return err
		}
	}
	left, err := a.renewCheck(ctx, r, key)
	switch {
	case err != nil:
		return err
	case moved && !untold && !left:
		return &messenger.HasKeyError{Room: r.Name}
	}
	a.say("hand the new passphrase over outside of the channel, to those who stay; they run \"fernpost key add\"")
	if !canTell {
		return nil
	}
	return a.postKeyMoved(ctx, r)
}

// renewCheck leaves a check for a room's new key, and says where none is left.
func (a *app) renewCheck(ctx context.Context, r model.Room, key fernet.Key) (left bool, err error) {
	left, there, err := a.engine().RenewCheck(ctx, r, key)
	if err == nil && !there {
		a.say("no check is left for it beside the channel: who joins with it may be refused until somebody has written under it; " +
			"\"fernpost key rotate\" with this passphrase again tries to leave it")
	}
	return left, err
}

// postKeyMoved tells the others of the keys that they were not told of.
func (a *app) postKeyMoved(ctx context.Context, r model.Room) (err error) {
	c, err := a.openConversation(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return explainSending(c.TellOfKeys(ctx))
}

func (a *app) addKey(ctx context.Context, roomName, file string) error {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	pass, err := a.secretFrom("passphrase-file", file, "FERNPOST_PASSPHRASE")
	if errors.Is(err, errNoSecret) && a.canAsk() {
		pass, err = a.askSecret(ctx, "New passphrase of the room")
	}
	switch {
	case errors.Is(err, errNoSecret):
		return hint(usagef("no passphrase given"), "add --passphrase-file FILE or set FERNPOST_PASSPHRASE")
	case err != nil:
		return err
	}
	profile, err := passphrase.ParseProfile(r.Profile)
	if err != nil {
		return fmt.Errorf("room %s: %w", r.Name, err)
	}
	key, words, err := a.deriveKey(r, profile, pass)
	if err != nil {
		return err
	}
	doubt := ""
	again := slices.Contains(r.Keys, model.Secret(key.Reveal()))
	if !again {
		if doubt, err = a.checkKey(ctx, r, key); err != nil {
			if lines := severalLines(pass); lines != "" && errors.Is(err, messenger.ErrNoKey) {
				err = hint(err, "%s", lines+"nothing was kept")
			}
			return err
		}
	}
	if r, err = a.engine().KeepKey(r.Name, key, false); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "check words  %s\n", words); err != nil {
		return err
	}
	if doubt != "" {
		a.say("%s", a.style.warn(doubt+": compare the check words with the others before you write"))
	}
	if again {
		a.say("room %s had this key already: it is the newest again, and what you write is sealed with it", r.Name)
		return nil
	}
	a.say("room %s has %s now; what you write is sealed with the new one", r.Name, count(len(r.Keys), "key"))
	return nil
}

// checkKey finds out whether a key is one of the room's, and says what speaks against being sure, "" if nothing does.
func (a *app) checkKey(ctx context.Context, r model.Room, key fernet.Key) (doubt string, err error) {
	d, err := a.engine().CheckKey(ctx, r, key, (&conversation{app: a}).face())
	switch {
	case errors.Is(err, messenger.ErrNoKey):
		return "", hint(err, "nothing was kept; ask for the passphrase again")
	case err != nil || !d.Any:
		return "", err
	case d.MovedBy != "":
		return fmt.Sprintf("%s, whose key you have not compared, names another key than this one, and nothing else is there to check "+
			"the passphrase on", screen.Line(d.MovedBy)), nil
	}
	return "nothing is there to check the passphrase on", nil
}
