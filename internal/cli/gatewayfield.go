package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/mqtt"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) gatewayFieldCommand() *cobra.Command {
	var f gateway.Field
	cmd := &cobra.Command{
		Use:   "field ROOM N NAME",
		Short: "Names of fields for Home Assistant: set one, list, remove",
		Long: `field names a field of a room on this device: the names that the cloud has are public. Home Assistant shows it as a sensor of
that name, with the unit and the device class (its own words: temperature, humidity, …). A field with a unit, or with a class
that is one of numbers, shows numbers only. A gateway that serves takes it up within seconds, and publishes a room of which
a field has a name also if there is no key that reads it.`,
		Example: `  fernpost gateway field lab 1 Temperature --unit °C --class temperature
  fernpost gateway field list
  fernpost gateway field remove lab 1`,
		Args: cobra.ExactArgs(3),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.fieldOf(&f, args); err != nil {
				return err
			}
			f.Name = args[2]
			if err := f.Check(); err != nil {
				return usageError{err}
			}
			return a.withGrants(func(all *gateway.Grants) error { return all.NameField(f) })
		},
	}
	cmd.Flags().StringVar(&f.Unit, "unit", "", "the `UNIT` of its values")
	cmd.Flags().StringVar(&f.Class, "class", "", "Home Assistant's device `CLASS`")
	cmd.AddCommand(a.gatewayFieldListCommand(), a.gatewayFieldRemoveCommand())
	return cmd
}

// fieldOf reads the room and the number of a field.
func (a *app) fieldOf(f *gateway.Field, args []string) (err error) {
	if f.Number, err = strconv.Atoi(args[1]); err != nil {
		return usagef("field %s: want its number", screen.Line(args[1]))
	}
	r, err := a.loadRoom(args[0])
	if err != nil {
		return err
	}
	f.Room, f.RoomID, f.Channel = r.Name, r.FilesName(), r.Channel
	return nil
}

func (a *app) gatewayFieldListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the fields that have names here", Args: cobra.NoArgs,
		Long:    "list shows which fields of rooms have names on this device.",
		Example: "  fernpost gateway field list\n  fernpost gateway field list --json",
		RunE: func(*cobra.Command, []string) error {
			return a.withGrants(func(all *gateway.Grants) error {
				list, err := all.Fields()
				if err != nil {
					return err
				}
				if len(list) == 0 && !asJSON {
					a.say("no field has a name here")
				}
				for _, f := range list {
					if asJSON {
						err = a.printJSON(fieldJSON{f.Room, f.Channel, f.Number, f.Name, known(f.Unit), known(f.Class)})
					} else {
						line := fmt.Sprintf("%s  field%d  %s", screen.Line(f.Room), f.Number, screen.Line(f.Name))
						if f.Unit != "" {
							line += ", in " + screen.Line(f.Unit)
						}
						if f.Class != "" {
							line += ", " + f.Class
						}
						_, err = fmt.Fprintln(a.stdout, line)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func (a *app) gatewayFieldRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove ROOM N", Short: "Forget the name of a field",
		Long:    "remove forgets how a field is called on this device.",
		Example: "  fernpost gateway field remove lab 1",
		Args:    cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			var f gateway.Field
			if err := a.fieldOf(&f, args); err != nil {
				return err
			}
			return a.withGrants(func(all *gateway.Grants) error {
				err := all.ForgetField(f.RoomID, f.Number)
				if errors.Is(err, gateway.ErrNoField) {
					return hint(usageError{err}, "see \"fernpost gateway field list\"")
				}
				return err
			})
		},
	}
}

// mqttLogin reads a user name and a password, on a line each, from a file that nobody else can read.
func mqttLogin(ctx context.Context, file string) (c mqtt.Credentials, err error) {
	const flag = "mqtt-login-file"
	f, err := openFile(ctx, file)
	if err != nil {
		return c, fmt.Errorf("--%s: %w", flag, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return c, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // which has no such bits
		return c, hint(usagef("--%s: other users can read %s", flag, file), "run \"chmod 600 %s\"", file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxLoginFile+1))
	if err != nil {
		return c, fmt.Errorf("--%s: reading %s: %w", flag, file, err)
	}
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
	if len(text) > maxLoginFile || len(lines) != 2 || lines[0] == "" || lines[1] == "" {
		return c, usagef("--%s: %s is no user name and password on a line each", flag, file)
	}
	return mqtt.Credentials{Username: lines[0], Password: lines[1]}, nil
}

// maxLoginFile is how many bytes a file with a user name and a password may have.
const maxLoginFile = 4 << 10

// homeAssistant puts into a gateway's options how readings are published by MQTT.
func (o *gatewayOptions) homeAssistant(ctx context.Context, to *gateway.Options) (err error) {
	to.MQTT = o.mqtt
	if o.mqttTo == "" {
		if o.mqttLogin != "" {
			return usagef("--mqtt-login-file is for the broker of --mqtt-to")
		}
		return nil
	}
	if to.MQTTTo, err = gateway.BrokerAddress(o.mqttTo); err != nil {
		return hint(usagef("--mqtt-to: %w", err), "a user name and a password come from --mqtt-login-file")
	}
	if o.mqttLogin != "" {
		to.Login, err = mqttLogin(ctx, o.mqttLogin)
	}
	return err
}
