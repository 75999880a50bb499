package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) keyCommand() *cobra.Command {
	var roomName, file string
	var o initOptions
	var invite, yes bool
	var f inviteFlags
	cmd := &cobra.Command{
		Use:   "key",
		Short: "The keys of a room: list them, move to a new one, add or remove one; make, derive and check keys",
		Long: `A room has a list of keys: the newest seals, all open. Moving to a new key hides what is written afterwards from those
who do not get it; what was written before stays readable to everybody who had the old one. A key never travels through
the room: hand the new passphrase over outside.

The others are told of the move under the old key. Who lacks the new one can go on writing with the old: "send" warns, and
refuses if the move is by somebody whose words were compared (--old-key insists). Those who have the new key see "old key"
beside what is written like that.

generate, derive and check are for keys in files, and need no room.`,
		Example: "  fernpost key list\n  fernpost key rotate --generate --invite\n  fernpost key add",
	}
	cmd.PersistentFlags().StringVar(&roomName, "room", "", "the `ROOM` in question (default: the only one)")
	cmd.PersistentFlags().StringVar(&file, "passphrase-file", "", "read the new passphrase from `FILE`, - for standard input")
	rotate := &cobra.Command{
		Use: "rotate", Short: "Move the room to a new passphrase and tell the others", Args: cobra.NoArgs,
		Long: `rotate moves the room to a new passphrase, which is asked for; an empty answer generates one of six words. Where nobody can be
asked, it takes --generate, --passphrase-file FILE or FERNPOST_PASSPHRASE, and does nothing without.

Those who stay are told that the room has moved, not where to: hand the passphrase over outside of the channel, and they run
"fernpost key add". With --invite they get a link instead: "fernpost join" takes it from whoever is in the room already, too.`,
		Example: "  fernpost key rotate\n  fernpost key rotate --room lab --generate --invite",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !invite && f.png+f.svg+f.address != "" {
				return usagef("--png, --svg and --address are for the invitation of --invite")
			}
			if err := f.checkPictures(); err != nil { // or the room would have moved, and nobody were invited
				return err
			}
			err := a.rotateKey(cmd.Context(), roomName, file, o, invite)
			if err == nil && invite {
				err = a.inviteStaying(cmd.Context(), roomName, &f)
			}
			return err
		},
	}
	o.addPassphrase(rotate.Flags())
	rotate.Flags().BoolVar(&invite, "invite", false, "make an invitation for those who stay, with the write key if there is one")
	f.addPictures(rotate.Flags())
	add := &cobra.Command{
		Use: "add", Short: "Add the key of a passphrase that somebody handed over", Args: cobra.NoArgs,
		Long: `add makes the key of a passphrase the newest of the room, also one that the room had before. A key
that is new here is tried: one that nobody has moved to, and that opens none of the newest 100 rows and no check beside the
channel, is not kept (exit code 6) if no key here opens some of them, or somebody whose words were compared has moved to
another key. One that opens nothing, where
the keys that are here open everything, is kept only after asking (--yes): nobody says that the room has moved. With nothing to try
it on it is kept: compare the check words then.`,
		Example: "  fernpost key add\n  fernpost key add --room lab --passphrase-file pass.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.addKey(cmd.Context(), roomName, file, yes)
		},
	}
	a.addShow(add.Flags())
	add.Flags().BoolVar(&yes, "yes", false, "keep it without asking, also if nothing is there that it opens")
	cmd.AddCommand(rotate, a.keyListCommand(&roomName), a.keyRemoveCommand(&roomName), add)
	cmd.AddCommand(a.keyTools()...)
	return cmd
}

func (a *app) rotateKey(ctx context.Context, roomName, file string, o initOptions, invite bool) error {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	generated := false
	err = a.engine().RotatePassphrase(ctx, r, messenger.Rotation{
		Passphrase: func(p passphrase.Profile) (pass string, err error) {
			use := passphraseFor{"New passphrase of room " + r.Name, "room " + r.Name + " keeps its key", true}
			pass, generated, err = a.newPassphrase(ctx, p, file, use, o)
			return pass, err
		},
		Deriving: func() func() { return a.computing(derivingKey) },
		Show: func(pass string, key [passphrase.KeySize]byte) error {
			shown := fmt.Sprintf("check words  %s\n", checkWords(key))
			if generated {
				shown = fmt.Sprintf("passphrase   %s\n", a.style.bold(pass)) + shown
			}
			return a.printLines(shown)
		},
	}, (&conversation{app: a, inviting: invite}).face())
	return explainSending(err, r.Name, "")
}

func (a *app) addKey(ctx context.Context, roomName, file string, yes bool) error {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	var added messenger.KeyAdded
	none := hint(usagef("no passphrase given"), "add --passphrase-file FILE or set FERNPOST_PASSPHRASE")
	err = a.tryPassphrase(ctx, file, "New passphrase of the room", none, func(pass string) error {
		added, err = a.addKeyOf(ctx, r, pass, yes)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.printLines("check words  " + checkWords(added.Key) + "\n"); err != nil {
		return err
	}
	if added.Any {
		a.say("%s", a.style.warn(doubtText(added.Doubt)+": compare the check words with the others before you write"))
	}
	if added.Again {
		a.say("room %s had this key already: it is the newest again, and what you write is sealed with it", r.Name)
		return nil
	}
	a.say("room %s has %s now; what you write is sealed with the new one, the old ones only open (\"fernpost key list\")", r.Name,
		count(len(added.Room.Keys), "key"))
	return nil
}

// addKeyOf makes the key of a passphrase the newest of a room, if need be after asking.
func (a *app) addKeyOf(ctx context.Context, r model.Room, pass string, yes bool) (messenger.KeyAdded, error) {
	agree := func(k messenger.KeyAdded) error {
		if yes {
			return nil
		}
		a.say("%s", a.style.warn(doubtText(k.Doubt)+" (check words "+checkWords(k.Key)+")"))
		return a.agree(ctx, false, "Seal with it all the same what you write from now on?", "nothing was kept",
			looksMistyped(pass)+"ask for the passphrase again, and whether the room has moved; --yes keeps it without asking")
	}
	added, err := a.engine().AddKey(ctx, r, pass, func() func() { return a.computing(derivingKey) }, agree, (&conversation{app: a}).face())
	if errors.Is(err, messenger.ErrNoKey) {
		err = hint(err, "%snothing was kept; ask for the passphrase again", looksMistyped(pass))
	}
	return added, err
}

// doubtText says why nobody can tell that a key is a room's.
func doubtText(d messenger.Doubt) string {
	switch {
	case d.MovedBy != "":
		return screen.Line(d.MovedBy) + ", whose key you have not compared, names another key than this one, and nothing else is there to " +
			"check the passphrase on"
	case d.OthersOpen:
		return "the keys that are here open all that is there, and this one opens nothing of it: nobody says that the room has moved"
	}
	return "nothing is there to check the passphrase on"
}
