package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// moveCommands move the identity of a device.
func (a *app) moveCommands(asJSON *bool) []*cobra.Command {
	return []*cobra.Command{a.identityExportCommand(asJSON), a.identityImportCommand(asJSON), a.identityNewCommand(asJSON)}
}

func (a *app) identityExportCommand(asJSON *bool) *cobra.Command {
	var f exportFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "export --out FILE",
		Short: "Move your identity to another device, with all rooms",
		Long: `export writes your identity into a new file under a passphrase, with all rooms and up to which number you have written in
each, and tells this device to stop: it goes on reading, and signs nothing any more. "identity import" on the other device
makes it yours there: the others notice nothing. Import it on one device only: two that sign with one key are told to
everybody as a fork ("two different ana 7").

For a second device beside this one, with a key of its own, there is "fernpost rooms export".

Nothing may wait in an outbox: only this device could post it. Killed at any moment, either this device still signs, or the
file is there and whole. If the file is lost, export writes another one, and "identity import" brings the identity back here.`,
		Example: `  fernpost identity export -o me.age
  fernpost identity export --generate --yes -o me.age`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.asJSON = *asJSON
			return a.exportIdentity(cmd.Context(), &f, yes)
		},
	}
	f.addTo(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask whether this device is to stop")
	return cmd
}

func (a *app) exportIdentity(ctx context.Context, f *exportFlags, yes bool) error {
	written := false
	err := a.engine().MoveAway(func(c *handover.Content) (string, error) {
		if err := a.agreeToMove(ctx, yes); err != nil {
			return "", err
		}
		err := a.writeExport(ctx, c, f)
		written = err == nil
		return fileOr(f.out, ""), err
	})
	waits, isWaiting := errors.AsType[*messenger.WaitsHereError](err)
	switch {
	case errors.Is(err, messenger.ErrWroteMeanwhile):
		if f.out != "" && f.out != "-" {
			err = errors.Join(err, os.Remove(f.out))
		}
		return hint(fmt.Errorf("the file is not to be used, and this device goes on signing: %w", err), "run it again once nothing else writes here")
	case isWaiting:
		return hint(err, "\"fernpost outbox --retry --room %s\" posts it. If that relay is gone for good, \"fernpost rooms remove %s\" gives it up",
			waits.Room, waits.Room)
	case err != nil && written:
		return hint(fmt.Errorf("the file is written, and this device was not told to stop: %w", err),
			"run it again with another file before you import one")
	case errors.Is(err, record.ErrNickname): // chosen when that was no rule yet
		return hint(err, "\"fernpost identity name NICKNAME\" chooses another one")
	case err != nil:
		return err
	}
	a.say("this device signs nothing any more. On the other one, and on one only: fernpost identity import %s", shellWord(fileOr(f.out, "FILE")))
	return nil
}

// agreeToMove asks whether this device is to stop.
func (a *app) agreeToMove(ctx context.Context, yes bool) error {
	gone, err := a.engine().Gone()
	if err != nil {
		return err
	}
	question := "This device signs nothing any more then. Move the identity away?"
	if !gone.IsZero() {
		a.say("%s", a.style.warn("this identity has moved already ("+gone.Format(time.DateOnly)+"): another file is for the case that the first is lost"))
		question = "Write another file?"
	}
	return a.agree(ctx, yes, question, "the identity stays, and nothing was written", "--yes moves it without asking")
}

func (a *app) identityImportCommand(asJSON *bool) *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make an identity that another device has moved away yours here",
		Long: `import takes over the identity and the rooms of a file of "identity export" (- is standard input). From then on this
device signs with that key, in each room behind what was signed there, and what is read here is shown as your own. An
identity that this device has, and has signed with, is given up only after asking (--yes). Rooms that are here already are
mended as "rooms import" does.

Import a file on one device only, and remove it then. On the device that has written it, import takes the move back.

Exit code 6 is a wrong passphrase, 8 a file that is damaged, cut, or no such file, 3 says that some rooms were left out.`,
		Example: `  fernpost identity import me.age
  fernpost identity import - --passphrase-file pass.txt < me.age`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.asJSON, f.file = *asJSON, args[0]
			return a.importIdentity(cmd.Context(), args[0], &f)
		},
	}
	f.addTo(a, cmd)
	return cmd
}

func (a *app) importIdentity(ctx context.Context, file string, f *importFlags) error {
	c, err := a.openExport(ctx, file, f.passphraseFile)
	if err != nil {
		return beforeRoom(err)
	}
	if c.Identity.IsZero() {
		return hint(usagef("there is no identity in %s, only rooms", file), "\"fernpost rooms import %s\" enters them", file)
	}
	key := c.Identity.Public()
	replaced, err := a.engine().Replaces(ctx, c)
	if err != nil {
		return err
	}
	// Whoever has a lost device has its identity, and nothing says that this file is not theirs.
	if standing, _ := a.engine().StandingOf(key); standing.Lost {
		a.say("%s", a.style.warn(key.Tag().Name()+" was withdrawn here as the key of a lost device: imported, it is trusted again, "+
			"and whoever has that device signs with it, too"))
		err := a.agree(ctx, f.yes, "Sign with it all the same?", "nothing was changed",
			"\"fernpost identity new\" makes one that nobody else has; --yes takes this one")
		if err != nil {
			return err
		}
	}
	a.sayWaiting(&replaced, orTag(c.Nickname, key.Tag().Name()))
	if err := a.agreeToName(ctx, replaced.Taken, f.yes); err != nil {
		return err
	}
	if err := a.agreeToGoBack(ctx, replaced.Ahead, f.yes); err != nil {
		return err
	}
	if !replaced.Key.IsZero() {
		who := replaced.Key.Tag().Name()
		if replaced.Nick != "" {
			who = screen.Line(replaced.Nick) + " (" + who + ")"
		}
		lost := "this device has an identity, " + who + ": that is lost then, and what was sealed to its key opens no more"
		if len(replaced.Rooms) > 0 {
			lost = fmt.Sprintf("this device has signed as %s in %s: that identity is lost then, what was sealed to its key opens no more, "+
				"and what you write there is shown as another person's", who, strings.Join(replaced.Rooms, ", "))
		}
		a.say("%s", a.style.warn(lost))
		err := a.agree(ctx, f.yes, "Give it up?", "nothing was changed",
			"--yes gives it up without asking; \"fernpost identity export\" moves it away before")
		if err != nil {
			return err
		}
	}
	// Before the rooms: in one that came first, somebody might write under another identity.
	if err := a.engine().ImportIdentity(ctx, c); err != nil {
		return err
	}
	a.say("this device signs as %s from now on, whose words are: %s", orTag(c.Nickname, key.Tag().Name()), a.style.bold(passphrase.SixWords(key.Safety())))
	if len(c.Rooms) > 0 {
		_, err = a.importRooms(ctx, c.Rooms, f)
	}
	when := "now"
	if err != nil {
		when = "once its rooms are here"
	}
	a.say("remove the file %s: two devices that sign with one key are told to everybody as a fork", when)
	return err
}

// sayWaiting says what becomes of what waits in the outboxes of a device whose identity is replaced.
func (a *app) sayWaiting(replaced *messenger.Replaced, now string) {
	for _, w := range replaced.Waiting {
		becomes := "it is posted as it was signed"
		if w.Anew {
			becomes = "the next \"fernpost send\" or \"outbox --retry\" signs it anew as " + now + ", but for what may have been posted already, " +
				"which is completed as it was signed"
		}
		a.say("%s", a.style.warn(fmt.Sprintf("in the outbox of room %s %s: %s", w.Room, waitsOrWait(w.Entries), becomes)))
	}
}

func waitsOrWait(entries int) string {
	if entries == 1 {
		return "1 entry waits"
	}
	return count(entries, "entry") + " wait"
}

// agreeToName asks whether an identity is to come with a nickname that somebody else has.
func (a *app) agreeToName(ctx context.Context, taken *model.NameTakenError, yes bool) error {
	if taken == nil {
		return nil
	}
	a.say("%s", a.style.warn("the identity comes with a nickname that is taken: "+screen.Line(taken.Error())+"; the others there are warned of it "+
		"as of another one, and see its tag"))
	return a.agree(ctx, yes, "Take it with that name all the same?", "nothing was changed",
		"--yes takes it; \"fernpost identity name NICKNAME\" changes the name afterwards")
}

// agreeToGoBack asks whether an identity is to sign here that has gone on since its file was written.
func (a *app) agreeToGoBack(ctx context.Context, ahead []messenger.Ahead, yes bool) error {
	for _, r := range ahead {
		a.say("%s", a.style.warn(fmt.Sprintf("this identity has signed in room %s since the file was written (up to number %d, and the file has %d): "+
			"the file is an older one, and another device may sign with the same key", r.Room, r.Number, r.File)))
	}
	return a.agree(ctx, yes || len(ahead) == 0, "Sign with it here all the same?", "nothing was changed",
		"move it here from the device that has it now: \"fernpost identity export\" there; --yes takes this file without asking")
}

// orTag is somebody's name, or the tag where there is none.
func orTag(nick, tag string) string {
	if nick == "" {
		return tag
	}
	return screen.Line(nick)
}

func (a *app) identityNewCommand(asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "new",
		Short: "Begin with a new identity here, after yours has moved to another device",
		Long: `new gives this device another identity, once "identity export" has moved the one that it had to another device. The others
see somebody new, until that device says that this one is yours, too ("fernpost identity device").`,
		Example: "  fernpost identity new",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			err := a.engine().RenewIdentity()
			if errors.Is(err, messenger.ErrNotGone) {
				return hint(usageError{err}, "\"fernpost identity export\" moves it")
			}
			if err != nil {
				return err
			}
			a.say("this device has a new identity:")
			return a.showIdentity("", *asJSON)
		},
	}
}
