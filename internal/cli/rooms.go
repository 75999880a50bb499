package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) roomsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "rooms",
		Short:   "List this device's rooms; change, rename, remove one",
		Example: "  fernpost rooms\n  fernpost rooms --json\n  fernpost rooms set lab --write-key-file key.txt",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.listRooms(asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.AddCommand(a.roomsSetCommand(), a.roomsRenameCommand(), a.roomsDefaultCommand(), a.roomsRemoveCommand())
	return cmd
}

func (a *app) listRooms(asJSON bool) error {
	keys, err := a.openKeyring()
	if err != nil {
		return err
	}
	defer keys.Close()
	names, err := keys.Names()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		a.say(`no rooms yet: "fernpost init NAME" makes one, "fernpost join NAME" enters one`)
		return nil
	}
	var failed error
	table := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	chosen := keys.Default()
	if !asJSON {
		fmt.Fprintln(table, "ROOM\tCHANNEL\tRELAY\tPROFILE\tKEYS\tMAY WRITE")
	}
	for _, name := range names {
		r, err := keys.Load(name)
		if err != nil {
			failed = partlyError{err} // the other rooms are listed all the same
			continue
		}
		if asJSON {
			if err := a.printJSON(listed(r, chosen)); err != nil {
				return err
			}
			continue
		}
		write := "no"
		switch {
		case r.WriteKey != "" && r.Unproven:
			write = "not known"
		case r.WriteKey != "":
			write = "yes"
		}
		if name == chosen {
			write += "  (default)"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%d\t%s\n", name, r.Channel, screen.Line(r.Relay), screen.Line(r.Profile),
			len(r.Keys), write)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return failed
}

// listed is a room as --json prints it; chosen is the default room.
func listed(r keyring.Room, chosen string) listedRoomJSON {
	o := listedRoomJSON{
		r.Name, r.Channel, r.Relay, r.Profile, r.Fields, known(r.Interval), len(r.Keys), new(r.WriteKey != ""), r.Name == chosen,
	}
	if r.WriteKey != "" && r.Unproven {
		o.MayWrite = nil
	}
	return o
}

func (a *app) openKeyring() (*keyring.Keyring, error) {
	dir, err := a.dataDir("rooms")
	if err != nil {
		return nil, err
	}
	return keyring.Open(dir)
}

// loadRoom returns the room of this name; without one, the default room, or the only one there is. The setting "room" has
// become the name before.
func (a *app) loadRoom(name string) (keyring.Room, error) {
	keys, err := a.openKeyring()
	if err != nil {
		return keyring.Room{}, err
	}
	defer keys.Close()
	if name == "" {
		names, err := keys.Names()
		switch {
		case err != nil:
			return keyring.Room{}, err
		case len(names) == 0:
			return keyring.Room{}, fmt.Errorf("%w: this device is in none yet", keyring.ErrNoRoom)
		case keys.Default() != "":
			names[0] = keys.Default()
		case len(names) > 1:
			return keyring.Room{}, hint(usagef("which room? there are %s", strings.Join(names, ", ")),
				"add --room NAME, or choose one with \"fernpost rooms default NAME\"")
		}
		name = names[0]
	}
	return keys.Load(name)
}

// currentRoom returns a room that was loaded before as it is now, see [keyring.Keyring.Current].
func (a *app) currentRoom(before keyring.Room) (keyring.Room, error) {
	keys, err := a.openKeyring()
	if err != nil {
		return keyring.Room{}, err
	}
	defer keys.Close()
	return keys.Current(before)
}

// openRoom makes what seals and opens the room's messages from its kept keys.
func openRoom(r keyring.Room) (*room.Room, error) {
	keys, err := fernetKeys(r)
	if err != nil {
		return nil, err
	}
	ring, err := fernet.NewRing(keys...)
	if err != nil {
		return nil, fmt.Errorf("room %s: %w", r.Name, err)
	}
	profile, err := passphrase.ParseProfile(r.Profile)
	if err != nil {
		return nil, fmt.Errorf("room %s: %w", r.Name, err)
	}
	return room.New(ring, r.Fields[0], profile.Wrapper == passphrase.WrapperPython)
}

// dial makes the client for a room's channel. Nothing is sent yet.
func (a *app) dial(r keyring.Room) (*remote.Client, error) {
	interval, err := time.ParseDuration(r.Interval)
	if err != nil {
		return nil, fmt.Errorf("room %s: its interval is no duration", r.Name)
	}
	return a.newClient(remote.Options{
		BaseURL: r.Relay, Channel: r.Channel, Interval: interval,
		WriteKey: remote.Secret(r.WriteKey.Reveal()), ReadKey: remote.Secret(r.ReadKey.Reveal()),
	})
}

func (a *app) newClient(o remote.Options) (*remote.Client, error) {
	timeout, err := a.requestTimeout()
	if err != nil {
		return nil, err
	}
	o.Timeout, o.Version, o.Transport = timeout, version(), a.transport
	o.Budget, o.Slow = int64(a.budget), a.slow
	client, err := remote.New(o)
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

func (a *app) requestTimeout() (time.Duration, error) {
	if a.timeout <= 0 {
		return 0, usagef("--timeout %v: want a duration above 0, such as 10s", a.timeout)
	}
	return a.timeout, nil
}
