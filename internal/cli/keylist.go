package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

func (a *app) keyListCommand(roomName *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List a room's keys by their check words", Args: cobra.NoArgs,
		Long:    "list shows a room's keys, the newest first: that one seals, all open. It shows check words and ids, never a key.",
		Example: "  fernpost key list\n  fernpost key list --room lab --json",
		RunE:    func(*cobra.Command, []string) error { return a.listKeys(*roomName, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func (a *app) keyRemoveCommand(roomName *string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove WORDS", Short: "Forget an old key of a room", Args: cobra.MinimumNArgs(1),
		Long: `remove forgets one of a room's older keys, named by its three check words. What was sealed with it cannot be read any more
on this device, nor by who is invited from it; it says how much of the newest rows that is, and asks. The newest key, which
seals what you write, stays: "fernpost key rotate" moves the room to another one first.`,
		Example: "  fernpost key remove unbent darkness oxidize\n  fernpost key remove --room lab --yes unbent darkness oxidize",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeKey(cmd.Context(), *roomName, strings.Join(args, " "), yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) listKeys(roomName string, asJSON bool) error {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	keys, err := messenger.Keys(r)
	if err != nil {
		return err
	}
	for i, k := range keys {
		id := k.ID()
		words, note := checkWords(k.RevealBytes()), a.style.dim("  (old: opens only)")
		if i == 0 {
			note = a.style.good("  (newest: seals)")
		}
		if asJSON {
			err = a.printJSON(roomKeyJSON{words, hex.EncodeToString(id[:]), i, new(i == 0)})
		} else {
			err = a.printLines(fmt.Sprintf("%s  %s%s\n", hex.EncodeToString(id[:4]), words, note))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) removeKey(ctx context.Context, roomName, words string, yes bool) error {
	r, err := a.loadRoom(roomName)
	if err != nil {
		return err
	}
	keys, err := messenger.Keys(r)
	if err != nil {
		return err
	}
	at := -1
	for i, k := range keys {
		if checkWords(k.RevealBytes()) == strings.Join(strings.Fields(strings.ToLower(words)), " ") {
			at = i
		}
	}
	switch {
	case at < 0:
		return hint(usagef("room %s has no key with these words", r.Name), "\"fernpost key list\" shows its keys")
	case at == 0:
		return hint(usagef("that is the newest key, which seals what you write"), "\"fernpost key rotate\" moves the room to another one first")
	}
	switch rows, err := a.engine().OpenedBy(ctx, r, keys[at]); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		a.say("what stands in the channel under this key could not be looked at: %v", err)
	case rows == 0:
		a.say("none of the newest rows is sealed with this key")
	default:
		a.say("%s", a.style.warn(count(rows, "message")+" of the newest rows can be read with no other key of this room"))
	}
	a.say("what was sealed with it before cannot be read here any more, unless somebody hands it over again")
	if err := a.agree(ctx, yes, "Forget this key?", "the key was kept", "--yes forgets it without asking"); err != nil {
		return err
	}
	if _, err := a.engine().RemoveKey(r.Name, model.Secret(keys[at].Reveal())); err != nil {
		return err
	}
	a.say("room %s has %s now", r.Name, count(len(keys)-1, "key"))
	return nil
}
