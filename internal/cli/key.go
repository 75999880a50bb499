package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

func (a *app) keyCommand() *cobra.Command {
	var roomName, file string
	var generate, weak bool
	cmd := &cobra.Command{
		Use:   "key",
		Short: "The keys of a room: move to a new one, add one that was handed over",
		Long: `A room has a list of keys: the newest seals, all open. Moving to a new key hides what is written afterwards from those
who do not get it; what was written before stays readable to everybody who had the old one. A key never travels through
the room: hand the new passphrase over outside.`,
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
		Example: "  fernpost key add\n  fernpost key add --room lab --passphrase-file pass.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.addKey(cmd.Context(), roomName, file)
		},
	})
	return cmd
}

// newKey derives a key for a room and puts it before its other keys.
func newKey(r *keyring.Room, pass string) (key [passphrase.KeySize]byte, p passphrase.Profile, err error) {
	if p, err = passphrase.ParseProfile(r.Profile); err != nil {
		return key, p, fmt.Errorf("room %s: %w", r.Name, err)
	}
	if key, err = p.Derive(pass, passphrase.RoomSalt(r.Channel), r.Name); err != nil {
		return key, p, usageError{err}
	}
	text := keyring.Secret(fernet.NewKey(key).Reveal())
	if slices.Contains(r.Keys, text) {
		return key, p, usagef("room %s has this key already", r.Name)
	}
	r.Keys = append([]keyring.Secret{text}, r.Keys...)
	return key, p, nil
}

func (a *app) saveRoom(r keyring.Room) error {
	keys, err := a.openKeyring()
	if err != nil {
		return err
	}
	defer keys.Close()
	return keys.Save(r)
}

// rotateKey tells the others under the old key that the room moves, and keeps the new one once that is said.
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
	moved := r
	key, _, err := newKey(&moved, pass)
	if err != nil {
		return err
	}
	if profile.Form == passphrase.FormRecords && r.WriteKey != "" {
		if err := a.tellKeyMoved(ctx, r, fernet.NewKey(key)); err != nil {
			return err
		}
		// Telling it has noted in the keyring that this identity has written here.
		if moved, err = a.loadRoom(r.Name); err != nil {
			return err
		}
		if _, _, err := newKey(&moved, pass); err != nil {
			return err
		}
	}
	if err := a.saveRoom(moved); err != nil {
		return err
	}
	words := passphrase.CheckWords(key)
	if generated {
		fmt.Fprintf(a.stdout, "passphrase   %s\n", a.style.bold(pass))
	}
	if _, err := fmt.Fprintf(a.stdout, "check words  %s\n", strings.Join(words[:], " ")); err != nil {
		return err
	}
	a.say("hand the new passphrase over outside of the channel, to those who stay; they run \"fernpost key add\"")
	return nil
}

// tellKeyMoved signs a record about the new key, under the old one.
func (a *app) tellKeyMoved(ctx context.Context, r keyring.Room, key fernet.Key) (err error) {
	c, err := a.openConversation(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.read(ctx); err != nil {
		return err
	}
	if _, err := c.write(record.KeyMoved{Key: record.KeyID(key.ID())}); err != nil {
		return err
	}
	_, err = c.deliver(ctx)
	return err
}

func (a *app) addKey(ctx context.Context, roomName, file string) error {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	pass, err := a.secretFrom(file, "FERNPOST_PASSPHRASE")
	if errors.Is(err, errNoSecret) && a.canAsk() {
		pass, err = a.askSecret(ctx, "New passphrase of the room")
	}
	switch {
	case errors.Is(err, errNoSecret):
		return hint(usagef("no passphrase given"), "add --passphrase-file FILE or set FERNPOST_PASSPHRASE")
	case err != nil:
		return err
	}
	key, _, err := newKey(&r, pass)
	if err != nil {
		return err
	}
	if err := a.saveRoom(r); err != nil {
		return err
	}
	words := passphrase.CheckWords(key)
	if _, err := fmt.Fprintf(a.stdout, "check words  %s\n", strings.Join(words[:], " ")); err != nil {
		return err
	}
	a.say("room %s has %s now; what you write is sealed with the new one", r.Name, count(len(r.Keys), "key"))
	return nil
}
