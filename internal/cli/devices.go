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
withdraw; a consent that is withdrawn cannot be given again.`,
		Args: cobra.NoArgs,
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
	lost := false
	cmd := &cobra.Command{
		Use: "withdraw NAME", Short: "Take back a claim, or the consent to be somebody's device",
		Long: `withdraw takes back, before everybody in a room, that a key is a device of yours, or your consent to be one of theirs.

--lost is for a device that was lost or stolen: what you have said of it is taken back in all rooms, or in the one that --room
names, and here its key counts as compared no longer and has no nickname, so that what it writes from then on stands under its
tag. It still has the keys of the rooms: "fernpost key rotate" moves a room to one that it does not have.`,
		Example: "  fernpost identity device withdraw phone\n  fernpost identity device withdraw phone --lost", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lost {
				return a.withdrawLost(cmd.Context(), *roomName, args[0], *asJSON)
			}
			key, err := a.keyOf(*roomName, args[0])
			if err != nil {
				return err
			}
			return a.sendDevice(cmd.Context(), *roomName, record.Device{Key: key}, *asJSON)
		},
	}
	cmd.Flags().BoolVar(&lost, "lost", false, "the device was lost: in all rooms, and here it is trusted no more")
	return cmd
}

// withdrawLost withdraws a device that was lost, wherever it was claimed.
func (a *app) withdrawLost(ctx context.Context, roomName, who string, asJSON bool) error {
	found, missed, err := a.engine().DeviceCalled(roomName, who)
	failed := 0
	fails := func(room string, err error) {
		failed++
		a.say("%s", a.style.warn(fmt.Sprintf("room %s: %s", room, screen.Line(err.Error()))))
	}
	for _, m := range missed {
		fails(m.Room, m.Err)
	}
	if e, ok := errors.AsType[*messenger.WhoError](err); ok && e.Called > 1 {
		return hint(usageError{err}, `name it by the tag that "fernpost identity list" shows`)
	} else if ok {
		return hint(usageError{err}, `"fernpost recv" reads what has come since, "fernpost identity list" lists who has written`)
	}
	if err != nil {
		return err
	}
	a.say("%s, wherever it has written:", tagged(found[0].Person))
	withdrawn := 0
	for _, in := range found {
		// First what is for this device, which needs no relay.
		err := a.engine().Distrust(in)
		if in.Claimed {
			err = errors.Join(err, a.sendDevice(ctx, in.Room.Name, record.Device{Key: in.Person.Key}, asJSON))
		}
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil:
			fails(in.Room.Name, err)
		case in.Claimed:
			withdrawn++
			a.say("room %s: the others are told that it is no device of yours, and it is trusted here no more", in.Room.Name)
		default:
			a.say("room %s: it is trusted here no more", in.Room.Name)
		}
	}
	if failed > 0 {
		return hint(partlyError{fmt.Errorf("in %d of %s that could not be done", failed, count(len(found)+len(missed), "room"))},
			"run it again: fernpost identity device withdraw %s --lost", found[0].Person.Key.Tag().Name())
	}
	if withdrawn == 0 {
		a.say("nowhere was it said that it is a device of yours, so nobody was told anything")
	}
	a.say("it still has the keys: \"fernpost key rotate\" moves a room to a new one, and whoever made a channel can give it another write key")
	return nil
}

// keyOf returns the key of somebody in a room, or the key that is typed itself.
func (a *app) keyOf(roomName, who string) (key record.PublicKey, err error) {
	key, err = record.ParseKey(who)
	if !errors.Is(err, record.ErrMalformedKey) {
		return key, asUsage(err)
	}
	err = a.withConversation(roomName, func(c *conversation) error {
		p, err := c.person(who)
		key = p.Key
		return err
	})
	return key, err
}

// consent prints the code that says that this device may be called one of somebody's.
func (a *app) consent(roomName, who string, asJSON bool) error {
	author, err := a.keyOf(roomName, who)
	if err != nil {
		return err
	}
	r, err := a.signedRoom(roomName)
	if err != nil {
		return err
	}
	c, ok, err := a.engine().Consent(r, author)
	if err != nil {
		return err
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
	type claim struct {
		room   model.Room
		device record.Device
	}
	var claims []claim
	for _, d := range devices {
		rooms, err := a.engine().Claimable(d)
		if err != nil {
			return err
		}
		for _, r := range rooms {
			if roomName == "" || r.Name == roomName {
				claims = append(claims, claim{r, d})
			}
		}
	}
	switch len(claims) {
	case 0: // the refusal says what is wrong with it in that room
		if _, err := a.engine().Find(roomName); err != nil && roomName == "" {
			return hint(usagef("the code is for none of this device's rooms, or for another key than yours"),
				"make a new one on the other device, for a room and a key of this one")
		}
		return a.sendDevice(ctx, roomName, devices[0], asJSON)
	case 1:
		return a.sendDevice(ctx, claims[0].room.Name, claims[0].device, asJSON)
	}
	failed := 0
	for _, c := range claims {
		err := a.sendDevice(ctx, c.room.Name, c.device, asJSON)
		if _, said := errors.AsType[*messenger.SaidError](err); said {
			a.say("room %s: %v", c.room.Name, err)
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			failed++
			a.say("%s", a.style.warn(fmt.Sprintf("room %s: %s", c.room.Name, screen.Line(err.Error()))))
		} else {
			a.say("room %s: the others know it for a device of yours", c.room.Name)
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
	if errors.Is(err, record.ErrBody) {
		err = hint(err, "the code is for one room and for the key that was named; make a new one for this room and your key here")
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
