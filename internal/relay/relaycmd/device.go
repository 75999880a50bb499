package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// deviceCommand manages what connects by MQTT, which the service does on its website only (contract section 10.1).
func (f *flags) deviceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "device",
		Short: "Manage devices, which connect by MQTT",
		Long: `A device is what MQTT asks for: a client ID, a user name and a password. It may publish to some channels and
subscribe to some, ten in all, without their keys. One device connects once at a time.

These commands work on the data directory or database, beside relays that serve it; what they change counts at once for
what connects, publishes or subscribes then, and within five seconds for what a device has subscribed to.`,
		Example: `  fernpost relay device add --channel 4711123 --publish --subscribe
  mosquitto_sub -p 1883 -i ID -u ID -P PASSWORD -t channels/4711123/subscribe`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(f.deviceAdd(), f.deviceList(), f.deviceAllow(), f.deviceRenew(), f.deviceRemove())
	return cmd
}

// rightsFlags say what a device may do.
type rightsFlags struct {
	channels           channelsFlag
	publish, subscribe bool
}

func (r *rightsFlags) add(cmd *cobra.Command) {
	cmd.Flags().Var(&r.channels, "channel", "the channel's `ID`; may be repeated")
	cmd.Flags().BoolVar(&r.publish, "publish", false, "it may publish")
	cmd.Flags().BoolVar(&r.subscribe, "subscribe", false, "it may subscribe")
}

// channelsFlag is --channel of commands that work on several.
type channelsFlag []int64

func (c *channelsFlag) String() string { return "" }

func (c *channelsFlag) Type() string { return "number" }

func (c *channelsFlag) Set(text string) error {
	id, err := thingspeak.ParseChannelID(text)
	*c = append(*c, id)
	return err
}

// rights are what is to be allowed; all channels have to be there.
func (r *rightsFlags) rights(ctx context.Context, s serve.Data) (all []relay.Right, err error) {
	for _, id := range r.channels {
		if _, err := s.Position(ctx, id); err != nil {
			return nil, noChannel(err, id)
		}
		all = append(all, relay.Right{Channel: id, Publish: r.publish, Subscribe: r.subscribe})
	}
	return all, nil
}

// allow gives a device rights.
func allow(d *relay.Device, rights []relay.Right) error {
	for _, r := range rights {
		err := d.Allow(r)
		if errors.Is(err, relay.ErrFull) {
			return fmt.Errorf("a device has at most %d channels: make another one", relay.MaxDeviceChannels)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *flags) deviceAdd() *cobra.Command {
	var flags rightsFlags
	asJSON := false
	cmd := &cobra.Command{
		Use:   "add --channel ID",
		Short: "Make a device and print its credentials, once",
		Long: `add makes a device that may do the same with each channel that is named, and prints its client ID, user name and
password. The relay keeps only a hash of the password: "renew" makes another one when it is lost.`,
		Example: `  fernpost relay device add --channel 4711123 --publish
  fernpost relay device add --channel 4711123 --channel 4711124 --subscribe --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(flags.channels) == 0 {
				return errors.New("which channel? Name it with --channel ID")
			}
			if !flags.publish && !flags.subscribe {
				return errors.New("what may it do? Say --publish, --subscribe or both")
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				given, err := flags.rights(cmd.Context(), s)
				if err != nil {
					return err
				}
				d, password := relay.NewDevice()
				if err := allow(d, given); err != nil {
					return err
				}
				if err := s.CreateDevice(context.WithoutCancel(cmd.Context()), d); err != nil {
					return err
				}
				return showCredentials(cmd, d.ID, password, asJSON)
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func showCredentials(cmd *cobra.Command, id, password string, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), credentialsJSON{id, id, password})
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "client ID  %s\nuser name  %s\npassword   %s\n", id, id, password)
	return err
}

func (f *flags) deviceList() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Print the devices, since when they are there and what they may do",
		Example: "  fernpost relay device list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				all, err := s.Devices(cmd.Context())
				if err != nil {
					return err
				}
				return listDevices(cmd, all, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func listDevices(cmd *cobra.Command, all []*relay.Device, asJSON bool) error {
	slices.SortStableFunc(all, func(a, b *relay.Device) int { return a.CreatedAt.Compare(b.CreatedAt) })
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, d := range all {
		shown := deviceJSON{ClientID: d.ID, CreatedAt: d.CreatedAt, Publish: []int64{}, Subscribe: []int64{}}
		for _, r := range d.Rights {
			if r.Publish {
				shown.Publish = append(shown.Publish, r.Channel)
			}
			if r.Subscribe {
				shown.Subscribe = append(shown.Subscribe, r.Channel)
			}
		}
		var err error
		if asJSON {
			err = printJSON(cmd.OutOrStdout(), shown)
		} else {
			_, err = fmt.Fprintf(table, "%s\tsince %s\tpublish %s\tsubscribe %s\n", d.ID, d.CreatedAt.Format(time.DateOnly),
				numbers(shown.Publish), numbers(shown.Subscribe))
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

// numbers lists channels, or says that there is none.
func numbers(channels []int64) string {
	if len(channels) == 0 {
		return "none"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(channels), " ", ","), "[]")
}

func (f *flags) deviceAllow() *cobra.Command {
	var flags rightsFlags
	cmd := &cobra.Command{
		Use:   "allow CLIENT-ID --channel ID",
		Short: "Change what a device may do with a channel",
		Long: `allow sets what a device may do with a channel. Without --publish and --subscribe it may do nothing with it any
more, except read it while it is public, as everybody may, with any key in the topic. Its other channels stay as they are.`,
		Example: `  fernpost relay device allow 5OQpOYLVLErJkYG9CWQPGAY --channel 4711124 --subscribe
  fernpost relay device allow 5OQpOYLVLErJkYG9CWQPGAY --channel 4711123`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(flags.channels) == 0 {
				return errors.New("which channel? Name it with --channel ID")
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				given, err := flags.rights(cmd.Context(), s)
				if err != nil {
					return err
				}
				err = s.ChangeDevice(context.WithoutCancel(cmd.Context()), args[0], func(d *relay.Device) error {
					return allow(d, given)
				})
				if err != nil || flags.subscribe {
					return noDevice(err, args[0])
				}
				return tellPublic(cmd, s, flags.channels)
			})
		},
	}
	flags.add(cmd)
	return cmd
}

// tellPublic says which channels a device may read without the right to subscribe.
func tellPublic(cmd *cobra.Command, s serve.Data, channels []int64) error {
	for _, id := range channels {
		c, _, err := s.Channel(cmd.Context(), id)
		if err != nil {
			return err
		}
		if c.Public {
			fmt.Fprintf(cmd.ErrOrStderr(), "channel %d: it may read (public), as everybody may\n", id)
		}
	}
	return nil
}

// noDevice names the device that is not there; other errors pass.
func noDevice(err error, id string) error {
	if errors.Is(err, relay.ErrNotFound) {
		return absentError{fmt.Sprintf("device %q", id), "relay device list"}
	}
	return err
}

func (f *flags) deviceRenew() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "renew CLIENT-ID",
		Short: "Give a device another password and print it, once",
		Long: `renew gives a device another password. What is connected with the old one is disconnected within five seconds; what
the device may do stays as it is.`,
		Example: "  fernpost relay device renew 5OQpOYLVLErJkYG9CWQPGAY",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				password := ""
				err := s.ChangeDevice(context.WithoutCancel(cmd.Context()), args[0], func(d *relay.Device) error {
					password = d.Renew()
					return nil
				})
				if err != nil {
					return noDevice(err, args[0])
				}
				return showCredentials(cmd, args[0], password, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func (f *flags) deviceRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove CLIENT-ID",
		Short:   "Remove a device",
		Long:    `remove removes a device. If it is connected it is disconnected within five seconds.`,
		Example: "  fernpost relay device remove 5OQpOYLVLErJkYG9CWQPGAY",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.withStore(cmd.Context(), func(s serve.Data) error {
				return noDevice(s.RemoveDevice(context.WithoutCancel(cmd.Context()), args[0]), args[0])
			})
		},
	}
}
