package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/passphrase"
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
			Use: "claim CODE", Short: "Say that the device that printed this code is yours",
			Example: "  fernpost identity device claim 1ctn…", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				device, err := parseConsent(args[0])
				if err != nil {
					return err
				}
				return a.sendDevice(cmd.Context(), *roomName, device, *asJSON)
			},
		},
		&cobra.Command{
			Use: "withdraw NAME", Short: "Take back a claim, or the consent to be somebody's device",
			Example: "  fernpost identity device withdraw phone", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				key, err := a.keyOf(*roomName, args[0])
				if err != nil {
					return err
				}
				return a.sendDevice(cmd.Context(), *roomName, record.Device{Key: key}, *asJSON)
			},
		},
	)
	return cmd
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
	identity, _, err := a.engine().Identity(r)
	if err != nil {
		return err
	}
	if identity.Public() == author {
		return usagef("%s is this device itself", screen.Line(who))
	}
	proof := identity.ProveDevice(record.Salt(passphrase.RoomSalt(r.Channel)), author)
	key := identity.Public()
	// Not the URL-safe alphabet: a code that begins with "-" would be taken for a flag.
	code := base64.RawStdEncoding.EncodeToString(append(key[:], proof[:]...))
	if asJSON {
		return a.printJSON(consentJSON{code, key, author})
	}
	a.say("this device may be called one of %s in room %s; there, run", screen.Line(who), r.Name)
	_, err = fmt.Fprintf(a.stdout, "fernpost identity device claim %s\n", code)
	return err
}

func parseConsent(code string) (d record.Device, err error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(code)
	if err != nil || len(b) != record.KeySize+record.SignatureSize {
		return d, hint(usagef("this is no code of a device"), `"fernpost identity device consent" prints one on the other device`)
	}
	copy(d.Proof[:], b[copy(d.Key[:], b):])
	return d, asUsage(d.Key.Check())
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
