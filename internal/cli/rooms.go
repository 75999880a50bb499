package cli

import (
	"cmp"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) roomsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "rooms",
		Short:   "List this device's rooms; show, change, rename, remove, export one",
		Example: "  fernpost rooms\n  fernpost rooms --json\n  fernpost rooms set lab --write-key-file key.txt",
		Args:    cobra.NoArgs,

		Annotations: map[string]string{doesAlone: "lists this device's rooms"},
		RunE:        func(*cobra.Command, []string) error { return a.listRooms(asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.AddCommand(a.roomsShowCommand(), a.roomsSetCommand(), a.roomsRenameCommand(), a.roomsDefaultCommand(), a.roomsRemoveCommand(),
		a.roomsExportCommand(), a.roomsImportCommand())
	return cmd
}

func (a *app) listRooms(asJSON bool) error {
	_, chosen, err := a.engine().Rooms()
	if err != nil {
		return err
	}
	rooms, missed, err := a.engine().All()
	if err != nil {
		return err
	}
	if len(rooms)+len(missed) == 0 {
		a.say(`no rooms yet: "fernpost init NAME" makes one, "fernpost join" enters one`)
		return nil
	}
	var failed error
	var rows [][]string
	for _, m := range missed {
		failed = partlyError{m.Err} // the other rooms are listed all the same
	}
	for _, r := range rooms {
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
		if r.Name == chosen {
			write += "  (default)"
		}
		rows = append(rows, []string{
			r.Name, strconv.FormatInt(r.Channel, 10), screen.Line(r.Relay), screen.Line(r.Profile), strconv.Itoa(len(r.Keys)), write,
		})
	}
	if !asJSON {
		if err := a.showTable([]string{"ROOM", "CHANNEL", "RELAY", "PROFILE", "KEYS", "MAY WRITE"}, rows); err != nil {
			return err
		}
	}
	return failed
}

// listed is a room as --json prints it; chosen is the default room.
func listed(r model.Room, chosen string) listedRoomJSON {
	o := listedRoomJSON{
		r.Name, r.Channel, r.Relay, r.Profile, r.Fields, known(r.Interval), len(r.Keys), new(r.WriteKey != ""), r.Name == chosen,
	}
	if r.WriteKey != "" && r.Unproven {
		o.MayWrite = nil
	}
	return o
}

// loadRoom returns the room of this name; without one, the default room, or the only one there is. The setting "room" has
// become the name before.
func (a *app) loadRoom(name string) (model.Room, error) {
	r, err := a.engine().Find(name)
	return r, cmp.Or(a.whichRoom(err), err)
}

// whichRoom says how the command at hand takes a room, where it must be named; else it is nil.
func (a *app) whichRoom(err error) error {
	if _, ok := errors.AsType[*messenger.WhichRoomError](err); !ok {
		return nil
	}
	return hint(usageError{err}, "%s, or choose one with \"fernpost rooms default NAME\"", a.namesRoom)
}
