package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// keyCommand manages the keys of channels, which the service does on its website only (contract section 8).
func (f *flags) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Manage the keys of channels",
		Long: `A channel has one write key and any number of read keys. The write key writes and reads; a read key reads, which
matters for private channels only.

These commands work on the data directory or database, beside relays that serve it; what they change counts at once.`,
		Example: `  fernpost relay key list
  fernpost relay key new-read --channel 4711123`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		f.keyList(),
		f.keyChange("new-read", "Give a channel one more read key and print it",
			"new-read gives a channel one more read key. The others stay, so each reader can have a key of its own.",
			func(c *relay.Channel, key string) { c.Keys = append(c.Keys, thingspeak.Key{Text: key}) }),
		f.keyChange("renew-read", "Replace all read keys of a channel by a new one and print it",
			"renew-read replaces all read keys of a channel by a new one, for when one of them has leaked.",
			func(c *relay.Channel, key string) { c.Keys = []thingspeak.Key{c.Keys[0], {Text: key}} }),
		f.keyChange("renew-write", "Replace the write key of a channel and print the new one",
			"renew-write replaces the write key of a channel. The old one opens nothing from then on.",
			func(c *relay.Channel, key string) { c.Keys[0].Text = key }),
	)
	return cmd
}

func (f *flags) keyList() *cobra.Command {
	var of channelFlag
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the channels with their keys, or those of one channel",
		Example: `  fernpost relay key list
  fernpost relay key list --channel 4711123 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				if of.id == 0 {
					return listAllKeys(cmd, s, asJSON)
				}
				c, _, err := s.Channel(cmd.Context(), of.id)
				if err != nil {
					return noChannel(err, of.id)
				}
				owner, err := relay.New(s, relay.Limits{}).AccountName(cmd.Context(), c.Owner)
				if err != nil {
					return err
				}
				return listKeys(cmd, []ownedChannel{{c, owner}}, asJSON)
			})
		},
	}
	of.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

// keyChange is a command that gives a channel a new key.
func (f *flags) keyChange(name, short, long string, change func(c *relay.Channel, key string)) *cobra.Command {
	var of channelFlag
	cmd := &cobra.Command{
		Use:     name + " --channel ID",
		Short:   short,
		Long:    long,
		Example: "  fernpost relay key " + name + " --channel 4711123",
		Args:    of.and(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				key := relay.NewKey()
				err := s.ChangeChannel(context.WithoutCancel(cmd.Context()), of.id, func(c *relay.Channel) error {
					change(c, key)
					return nil
				})
				if err != nil {
					return noChannel(err, of.id)
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), key)
				return err
			})
		},
	}
	of.add(cmd)
	return cmd
}

// noChannel names the channel that is not there; other errors pass.
func noChannel(err error, id int64) error {
	if errors.Is(err, relay.ErrNotFound) {
		return absentError{fmt.Sprint("channel ", id), "relay key list"}
	}
	return err
}

// ownedChannel is a channel and the name of its account.
type ownedChannel struct {
	*relay.Channel
	owner string
}

func listAllKeys(cmd *cobra.Command, s serve.Data, asJSON bool) error {
	accounts, err := s.Accounts(cmd.Context())
	if err != nil {
		return err
	}
	var all []ownedChannel
	for _, a := range accounts {
		channels, err := s.Channels(cmd.Context(), a.ID)
		if err != nil {
			return err
		}
		for _, c := range channels {
			all = append(all, ownedChannel{c, a.Name})
		}
	}
	return listKeys(cmd, all, asJSON)
}

func listKeys(cmd *cobra.Command, channels []ownedChannel, asJSON bool) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, c := range channels {
		visible := "private"
		if c.Public {
			visible = "public"
		}
		readKeys := []string{}
		for _, k := range c.Keys[1:] {
			readKeys = append(readKeys, k.Text)
		}
		var err error
		if asJSON {
			err = printJSON(cmd.OutOrStdout(), keyJSON{c.ID, c.Name, c.owner, c.Public, c.Keys[0].Text, readKeys})
		} else {
			_, err = fmt.Fprintf(table, "%d\t%s\t%s\t%s\twrite %s\n", c.ID, screen.Line(c.owner), visible,
				screen.Line(c.Name), c.Keys[0].Text)
			for _, key := range readKeys {
				if err == nil {
					_, err = fmt.Fprintf(table, "\t\t\t\tread  %s\n", key)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}
