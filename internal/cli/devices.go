package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) deviceCommand(roomName *string, asJSON *bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "device",
		Short: "Say that two keys are devices of one person",
		Long: `Each device has a key of its own. In each room where it should be known, the second device consents, and the first one
claims it:

  on the phone      fernpost identity device consent py
  on the first one  fernpost identity device claim CODE

"fernpost rooms import" prints on the phone the one command that does this for all rooms that it has brought there.

From then on the others see "py's phone" for what the phone writes. Everything else stays with each key: who has
compared py's words has not compared the phone's. A claim counts while nobody else claims the same key, that key claims
none, and the author is claimed by none; what contradicts each other is told to all, and neither counts. Either side may
withdraw; a consent that is withdrawn cannot be given again. "fernpost identity list" shows which keys are whose devices.`,
		Example: "  fernpost identity device consent py\n  fernpost identity device withdraw \"py's phone\" --lost",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "consent NAME", Short: "Print the code with which somebody can claim this device",
			Example: "  fernpost identity device consent py", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return a.consent(*roomName, args[0], *asJSON) },
		},
		&cobra.Command{
			Use: "claim CODE...", Short: "Say that the device that printed this code is yours",
			Long: `claim says so in each room for which the code has a consent, or in the one that --room names. What was said already is not
said again, so it can be run again where it was interrupted.`,
			Example: "  fernpost identity device claim 1ctn…", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				var devices []record.Device
				for _, code := range args {
					some, err := parseConsent(code)
					if err != nil {
						return err
					}
					devices = append(devices, some...)
				}
				return a.claim(cmd.Context(), *roomName, devices, *asJSON)
			},
		},
		a.withdrawCommand(roomName, asJSON),
	)
	return cmd
}

func (a *app) withdrawCommand(roomName *string, asJSON *bool) *cobra.Command {
	var lost, yes bool
	cmd := &cobra.Command{
		Use: "withdraw NAME", Short: "Take back a claim, or the consent to be somebody's device",
		Long: `withdraw takes back, before everybody in a room, that a key is a device of yours, or your consent to be one of theirs.

--lost is for a device that was lost or stolen. Here its key counts in no room as compared, has no nickname and is nobody's
device, also where it has not written yet: what it writes stands under its tag, marked as withdrawn. The others are told so
wherever it was called a device of yours, or in the room that --room names. It asks before (--yes does not). No older file of rooms brings that back, only a
new comparison of its words ("fernpost identity verify"). It still has the keys of the rooms: "fernpost key rotate" moves a
room to one that it does not have.`,
		Example: "  fernpost identity device withdraw \"py's phone\"\n  fernpost identity device withdraw \"py's phone\" --lost", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lost {
				return a.withdrawLost(cmd.Context(), *roomName, args[0], yes, *asJSON)
			}
			_, key, err := a.authorIn(*roomName, args[0])
			if err != nil {
				return err
			}
			return a.sendDevice(cmd.Context(), *roomName, record.Device{Key: key}, *asJSON)
		},
	}
	cmd.Flags().BoolVar(&lost, "lost", false, "the device was lost: it is trusted here no more, in no room")
	cmd.Flags().BoolVar(&yes, "yes", false, "with --lost: do not ask")
	return cmd
}

// withdrawLost withdraws a device that was lost, wherever it may be trusted.
func (a *app) withdrawLost(ctx context.Context, roomName, who string, yes, asJSON bool) error {
	key, err := a.who(roomName, who, messenger.Devices)
	if err != nil {
		return err
	}
	tag := key.Tag().Name()
	err = a.agree(ctx, yes, "Trust "+tag+" no more, and take back before the others that it is a device of yours?",
		"nothing was said of "+tag+", and it is trusted as before", "--yes withdraws it without asking")
	if err != nil {
		return err
	}
	all, err := a.engine().WithdrawLost(ctx, roomName, key, (&conversation{app: a, asJSON: asJSON}).face())
	if errors.Is(err, messenger.ErrOwnKey) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	var waits []error
	var failed, told int
	for _, w := range all {
		_, isWaiting := errors.AsType[*messenger.WaitsError](w.Err)
		switch {
		case isWaiting:
			waits = append(waits, fmt.Errorf("room %s: %w", w.Room, w.Err))
		case w.Err != nil:
			failed++
		case w.Told:
			told++
		}
	}
	again := fmt.Sprintf("run it again: fernpost identity device withdraw %s --lost --yes", tag)
	switch {
	case failed > 0:
		return hint(partlyError{fmt.Errorf("in %d of %s that could not be done", failed, count(len(all), "room"))}, "%s", again)
	case len(waits) > 0:
		err := fmt.Errorf("in %s the others are not told yet: %w", count(len(waits), "room"), errors.Join(waits...))
		return hint(err, "the same command posts it, too: fernpost identity device withdraw %s --lost --yes", tag)
	case told == 0 && roomName != "":
		a.say("in room %s it was not said that it is a device of yours, or that was taken back before: nobody was told anything", roomName)
	case told == 0:
		a.say("nowhere was it said that it is a device of yours, or that was taken back before: nobody was told anything")
	}
	a.say("it still has the keys: \"fernpost key rotate\" moves a room to a new one, and whoever made a channel can give it another write key")
	return nil
}

// tellWithdrawal says what became of the key of a lost device in a room.
func (c *conversation) tellWithdrawal(w messenger.Withdrawal) (err error) {
	if w.Record != nil && c.asJSON {
		r, _ := c.engine().Find(w.Room)
		err = c.printJSON(jsonOfSent(r, w.Record))
	}
	_, waits := errors.AsType[*messenger.WaitsError](w.Err)
	switch {
	case waits:
		c.say("%s", c.style.warn(fmt.Sprintf("room %s: what tells the others waits in the outbox: %s", w.Room, screen.Line(w.Err.Error()))))
	case w.Err != nil:
		c.say("%s", c.style.warn(fmt.Sprintf("room %s: %s", w.Room, screen.Line(w.Err.Error()))))
	case w.Told:
		c.say("room %s: the others are told that it is no device of yours, and it is trusted here no more", w.Room)
	case w.Known:
		c.say("room %s: it is trusted here no more", w.Room)
	}
	return err
}

// authorIn finds whose key is meant in a room whose members sign.
func (a *app) authorIn(roomName, who string) (r model.Room, key record.PublicKey, err error) {
	if r, err = a.signedRoom(roomName); err == nil {
		key, err = a.who(r.Name, who, messenger.Authors)
	}
	return r, key, err
}

// consent prints the code that says that this device may be called one of somebody's.
func (a *app) consent(roomName, who string, asJSON bool) error {
	r, author, err := a.authorIn(roomName, who)
	if err != nil {
		return err
	}
	c, ok, err := a.engine().Consent(r, author)
	if err != nil {
		return hintLost(err)
	}
	if !ok {
		return usagef("%s is this device itself", screen.Line(who))
	}
	code := record.ConsentCode(c.Device)
	if asJSON {
		return a.printJSON(consentJSON{code, c.Key, author, []string{r.Name}})
	}
	a.say("this device may be called one of %s in room %s; there, run", screen.Line(who), r.Name)
	_, err = fmt.Fprintf(a.stdout, "fernpost identity device claim %s\n", code)
	return err
}

// parseConsent reads a code of a device.
func parseConsent(code string) ([]record.Device, error) {
	devices, err := record.ParseConsent(code)
	if errors.Is(err, record.ErrMalformedConsent) {
		return nil, hint(usagef("this is no code of a device"), `"fernpost identity device consent" prints one on the other device`)
	}
	return devices, asUsage(err)
}

// claim claims a device in the rooms in which it has agreed to that.
func (a *app) claim(ctx context.Context, roomName string, devices []record.Device, asJSON bool) error {
	claims, err := a.engine().Claims(roomName, devices)
	if err != nil {
		return err
	}
	switch len(claims) {
	case 0: // the refusal says what is wrong with it in that room
		if _, err := a.engine().Find(roomName); err != nil && roomName == "" {
			return hint(usagef("the code is for none of this device's rooms, or for another key than yours"),
				"make a new one on the other device, for a room and a key of this one")
		}
		return a.sendDevice(ctx, roomName, devices[0], asJSON)
	case 1:
		return a.sendDevice(ctx, claims[0].Room, claims[0].Device, asJSON)
	}
	failed := 0
	for _, c := range claims {
		err := a.sendDevice(ctx, c.Room, c.Device, asJSON)
		if _, said := errors.AsType[*messenger.SaidError](err); said {
			a.say("room %s: %v", c.Room, err)
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed++
			a.say("%s", a.style.warn(fmt.Sprintf("room %s: %s", c.Room, screen.Line(err.Error()))))
		} else {
			a.say("room %s: the others know it for a device of yours", c.Room)
		}
	}
	if failed > 0 {
		return hint(partlyError{fmt.Errorf("in %d of %s it was not said", failed, count(len(claims), "room"))}, "run the same command again")
	}
	return nil
}

// sendDevice claims a device, or withdraws, before everybody in the room.
func (a *app) sendDevice(ctx context.Context, roomName string, d record.Device, asJSON bool) error {
	r, err := a.signedRoom(roomName)
	if err == nil {
		err = messenger.Writable(r)
	}
	if err != nil {
		return err
	}
	err = a.sendBody(ctx, r, d, sendOptions{asJSON: asJSON})
	err = hintLost(err)
	if errors.Is(err, record.ErrBody) {
		err = hint(err, "the code is for one room and for the key that was named; make a new one for this room and your key here")
	}
	return err
}

// hintLost says how a device that was lost comes back.
func hintLost(err error) error {
	if _, ok := errors.AsType[*messenger.LostKeyError](err); ok {
		err = hint(usageError{err}, "if you have it again, compare its six words: \"fernpost identity verify\" takes that back")
	}
	return err
}

// asUsage makes an error one of the command line.
func asUsage(err error) error {
	if err != nil {
		err = usageError{err}
	}
	return err
}
