package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) identityCommand() *cobra.Command {
	var roomName string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "identity",
		Short: "Your own key and nickname, and whom you know",
		Long: `Every message of a signed room carries the key of its author. A nickname belongs to the key that used it first on
this device: another key with the same name is shown with its tag and named as another person. Who compares the six
words of a key aloud, and marks it as verified, knows whom the key belongs to.

NAME is a name as it is shown in the room, with the tag where it has one ("ana (~3f9a12cd)"), or the tag alone.`,
		Example: "  fernpost identity name ana\n  fernpost identity show\n  fernpost identity verify bo",
	}
	cmd.PersistentFlags().StringVar(&roomName, "room", "", "the `ROOM` in question (default: the only one)")
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.AddCommand(
		&cobra.Command{
			Use: "show", Short: "Show your own key as six words", Example: "  fernpost identity show", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.showIdentity(roomName, asJSON) },
		},
		a.nameCommand(&roomName, &asJSON),
		&cobra.Command{
			Use: "list", Short: "List the authors of a room with the words of their keys",
			Example: "  fernpost identity list --room lab", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.listPeople(roomName, asJSON) },
		},
		a.verifyPersonCommand(&roomName),
		&cobra.Command{
			Use: "forget NAME", Short: "Let go of somebody's nickname, so that another key can have it",
			Example: "  fernpost identity forget bo", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				return a.changePerson(roomName, args[0], func(c *conversation, p model.Person) error {
					heirs, err := c.Forget(p.Key, time.Now())
					for _, heir := range heirs {
						what := "that name as well"
						if heir.Name != p.Nick {
							what = "a name that looks like one of " + p.Key.Tag().Name() + "'s"
						}
						a.say("%s has used %s, and has the name %s from now on", heir.Key.Tag().Name(), what, screen.Line(heir.Name))
					}
					return err
				}, "has no nickname here any more, until its words are compared")
			},
		},
		a.deviceCommand(&roomName, &asJSON),
	)
	cmd.AddCommand(a.fileCommands(&roomName, &asJSON)...)
	cmd.AddCommand(a.moveCommands(&asJSON)...)
	return cmd
}

// verifyPersonCommand is the command that notes that somebody's words were compared.
func (a *app) verifyPersonCommand(roomName *string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "verify NAME", Short: "Note that you have compared somebody's words aloud",
		Long: `verify prints the six words of a key and notes that you have compared them with those that its owner reads out: "fernpost
identity show" prints them there, behind "words". It asks before it notes that; where nobody can be asked, --yes says it.`,
		Example: "  fernpost identity verify bo\n  fernpost identity verify bo --yes", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changePerson(*roomName, args[0], func(c *conversation, p model.Person) error {
				name := screen.Line(p.Name)
				if err := a.printLines(fmt.Sprintf("%s  %s  %s\n", name, p.Key.Tag().Name(), a.style.bold(passphrase.SixWords(p.Key.Safety())))); err != nil {
					return err
				}
				if p.Lost {
					a.say("%s", a.style.warn("it was withdrawn as a lost device: who has found it reads out the same words. Is it in your hands again?"))
				}
				if !yes && !a.canAsk() {
					return hint(usagef("%s is not marked as verified, as nobody could be asked whether these are the words that its owner "+
						"reads out", tagged(p)), "compare them, and say --yes if they are the same")
				}
				if !yes {
					same, err := a.confirm(cmd.Context(), "Does "+name+" (behind \"words\" of \"identity show\") read out the same six words?")
					if err != nil {
						return err
					}
					if !same {
						return hint(fmt.Errorf("%s is not marked as verified", tagged(p)),
							"if the words differ, that key is another one's: compare those of the others that \"fernpost identity list\" shows")
					}
				}
				return c.Verified(p.Key, time.Now())
			}, "is marked as verified; if these are not the words that its owner reads out, the key is another one's: "+
				"\"fernpost identity forget\" takes the mark back")
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "the words are the same: do not ask")
	return cmd
}

// showIdentity shows who signs in a room; without a room, who signs on this device.
func (a *app) showIdentity(roomName string, asJSON bool) error {
	var r model.Room
	if roomName != "" {
		var err error
		if r, err = a.loadRoom(roomName); err != nil {
			return err
		}
	}
	identity, nick, err := a.engine().Identity(r)
	if err != nil {
		return err
	}
	gone, err := a.engine().Gone()
	if err != nil {
		return err
	}
	key, keys := identity.Public(), publickey.Of(identity)
	if asJSON {
		return a.printJSON(identityJSON{
			known(nick), key, key.Tag().String(), passphrase.SixWords(key.Safety()), keys.String(), passphrase.SixWords(keys.Safety()), known(gone),
		})
	}
	if !gone.IsZero() {
		defer a.say("%s", a.style.warn((&messenger.GoneError{At: gone}).Error()))
	}
	return a.printLines(fmt.Sprintf("nickname  %s\nkey       %s\ntag       %s\nwords     %s\n"+
		"          (the members of your rooms compare these)\n\n"+
		"for sealing and invitations:\n%s\n%s\n(whoever seals something to that text, or invites you by it, compares these)\n",
		orNone(nick), key, key.Tag().Name(), a.style.bold(passphrase.SixWords(key.Safety())), keys, a.style.bold(passphrase.SixWords(keys.Safety()))))
}

func orNone(nick string) string {
	if nick == "" {
		return `(none: "fernpost identity name NICKNAME" sets one)`
	}
	return screen.Line(nick)
}

func (a *app) nameCommand(roomName *string, asJSON *bool) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "name NICKNAME", Short: "Choose the nickname that your messages carry, in all rooms",
		Long: `name chooses the nickname that your messages carry, in all rooms. One that somebody else has already in a room of this device,
or that looks like theirs, is refused: the others there would be warned of you as of another one, and see your tag behind it. --yes
takes it all the same, such as for a device that is to be called "phone".`,
		Example: "  fernpost identity name ana\n  fernpost identity name phone --yes", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.chooseName(*roomName, args[0], yes, *asJSON) },
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "take the name though somebody else has it")
	return cmd
}

func (a *app) chooseName(roomName, nick string, yes, asJSON bool) error {
	if roomName != "" {
		if _, err := a.signedRoom(roomName); err != nil {
			return err
		}
	}
	choose := a.engine().SetNickname
	if yes {
		choose = a.engine().InsistOnNickname
	}
	err := choose(nick)
	if errors.Is(err, record.ErrNickname) {
		return usageError{err}
	}
	if _, taken := errors.AsType[*model.NameTakenError](err); taken {
		return hint(err, "choose another name, as the others there would be warned of you; --yes takes this one all the same")
	}
	if err != nil {
		return err
	}
	if roomName != "" {
		a.say("the name is that of this device, in all its rooms")
	}
	lines, err := a.engine().SayNickname(nick)
	if a.sayLines(lines); err != nil {
		return err
	}
	if asJSON {
		return a.showIdentity("", true)
	}
	return nil
}

// recordsRoom is what to do where a room of plain texts cannot do what is asked.
const recordsRoom = "\"fernpost init NAME\" makes a room whose members sign, by the profile fernpost (see \"fernpost help profiles\")"

// signedRoom reads a room, which has to be one whose members sign.
func (a *app) signedRoom(name string) (model.Room, error) {
	r, err := a.loadRoom(name)
	if err != nil {
		return r, err
	}
	signed, err := messenger.Signed(r)
	if err == nil && !signed {
		err = hint(usagef("room %s holds plain texts, which nobody signs", r.Name), recordsRoom)
	}
	return r, err
}

// withConversation opens a signed room for the time of work.
func (a *app) withConversation(roomName string, work func(*conversation) error) (err error) {
	r, err := a.signedRoom(roomName)
	if err != nil {
		return err
	}
	return a.open(r, work)
}

// withRoom opens any room for the time of work.
func (a *app) withRoom(roomName string, work func(*conversation) error) (err error) {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	return a.open(r, work)
}

func (a *app) open(r model.Room, work func(*conversation) error) error {
	c, err := a.openConversation(r)
	if err != nil {
		return err
	}
	return inRoom(errors.Join(work(c), c.Close()), r.Name)
}

func (a *app) listPeople(roomName string, asJSON bool) error {
	return a.withConversation(roomName, func(c *conversation) error {
		people, err := c.People()
		if err != nil {
			return err
		}
		if len(people) == 0 {
			a.say("nobody has written in this room yet, as far as this device has read")
		}
		for _, p := range people {
			withdrawn, err := c.Withdrawn(p.Key)
			if err != nil {
				return err
			}
			since := c.LostSince(p.Key)
			if asJSON {
				o := personJSON{p.Name, p.Key, passphrase.SixWords(p.Key.Safety()), p.Top, p.Compared, p.Own, nil, withdrawn, p.Lost, known(since), []record.PublicKey{}}
				if p.Person != p.Key {
					o.DeviceOf = &p.Person
				}
				if p.Left != nil {
					o.LeftBy = p.Left.By
				}
				if err := a.printJSON(o); err != nil {
					return err
				}
				continue
			}
			note := ""
			switch {
			case p.Own:
				note = a.style.dim("  (you)")
			case p.Lost:
				note = a.style.warn("  (withdrawn as a lost device on " + since.Local().Format(time.DateOnly) + ")")
			case p.Compared:
				note = a.style.good("  (verified)")
			case withdrawn && p.Left == nil:
				note = a.style.warn("  (withdrawn: no device of yours)")
			}
			if p.Left != nil && !p.Lost {
				note += a.style.warn("  (" + item.OfLeft(p.Left) + ")")
			}
			if err := a.printLines(fmt.Sprintf("%-24s %s  %s%s\n", screen.Line(p.Name), p.Key.Tag().Name(), passphrase.SixWords(p.Key.Safety()), note)); err != nil {
				return err
			}
		}
		return nil
	})
}

// tagged is how somebody is called, with the tag, which the name may have already.
func tagged(p model.Person) string {
	return screen.Line(p.Tagged())
}

// changePerson finds somebody by name, tag or key and does something about the key.
func (a *app) changePerson(roomName, who string, change func(*conversation, model.Person) error, done string) error {
	if _, err := record.ParseKey(who); errors.Is(err, record.ErrWeakKey) {
		return usageError{err}
	}
	return a.withConversation(roomName, func(c *conversation) error {
		p, err := c.Person(who)
		if err != nil {
			return hintWho(err)
		}
		if err := change(c, p); err != nil {
			return err
		}
		a.say("%s %s", tagged(p), done)
		return nil
	})
}

// who finds whose key is meant, see [messenger.Engine.Who].
func (a *app) who(roomName, who string, among messenger.Among) (record.PublicKey, error) {
	key, missed, err := a.engine().Who(roomName, who, among)
	for i := 0; err != nil && i < len(missed); i++ {
		a.say("%s", a.style.warn(screen.Line(missed[i].Error())))
	}
	return key, hintWho(err)
}

// hintWho says what to type for somebody where what was typed means nobody, or several, or is a key with which anybody
// signs.
func hintWho(err error) error {
	e, ok := errors.AsType[*model.WhoError](err)
	switch {
	case errors.Is(err, record.ErrWeakKey):
		return usageError{err}
	case !ok:
		return err
	case e.Called > 0:
		return hint(usageError{err}, `name one by the tag that "fernpost identity list" shows`)
	case len(e.Otherwise) > 0:
		var shown []string
		for _, p := range e.Otherwise {
			one := fmt.Sprintf("%q, or the tag, %s", p.Name, p.Key.Tag().Name())
			if !slices.Contains(shown, one) { // of several rooms
				shown = append(shown, one)
			}
		}
		return hint(usageError{err}, "if that is who you mean, type the name as it is shown, %s", strings.Join(shown, "; or "))
	}
	return hint(usageError{err}, `"fernpost recv" reads what has come since, "fernpost identity list" lists who has written`)
}
