package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// mendOptions are the flags of rooms set.
type mendOptions struct {
	relay                     string
	fields                    []int
	interval                  time.Duration
	writeKeyFile, readKeyFile string
	mqtt, deviceFile          string
	noCheck, asJSON           bool
}

func (a *app) roomsSetCommand() *cobra.Command {
	var o mendOptions
	cmd := &cobra.Command{
		Use:   "set ROOM",
		Short: "Change a room's relay, keys, fields, interval or MQTT on this device",
		Long: `set changes what this device knows of a room; what is not named stays. The relay is asked first whether it has the
channel, shows the fields and takes the write key, the broker whether it takes the device, and at another relay whether a key of
the room opens what is there; where something is wrong, nothing is changed. --no-check leaves that out, for a relay that cannot be reached now.

--mqtt has entries come by MQTT too, at ThingSpeak as at other relays: while the relay has no stream of events, or that is cut.
It takes a device that may subscribe to the channel, which nobody else connects as meanwhile: its file is what
"fernpost relay device add --json" prints, or three lines with client ID, user name and password. The schemes are mqtts, wss and,
without TLS, mqtt and ws: with those two whoever is on the way reads the password. --mqtt "" takes it away.

A key file - is standard input; on a terminal a key is asked for without echo.`,
		Example: `  fernpost rooms set lab --write-key-file key.txt
  fernpost rooms set lab --relay http://192.168.1.5:3000
  fernpost rooms set lab --fields 1,2 --interval 1s
  fernpost rooms set lab --mqtt mqtts://mqtt3.thingspeak.com --mqtt-device-file device.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.setRoom(cmd, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.relay, "relay", "", "the relay's `URL`, where the channel has the same number")
	flags.IntSliceVar(&o.fields, "fields", nil, "write to these `fields`, 1 to 8")
	flags.Var(duration.Flag(&o.interval, 0), "interval", "the time that the relay wants between two updates")
	flags.StringVar(&o.writeKeyFile, "write-key-file", "", "read the channel's write key from `FILE`")
	flags.StringVar(&o.readKeyFile, "read-key-file", "", "read the channel's read key from `FILE`")
	flags.StringVar(&o.mqtt, "mqtt", "", "have entries come by MQTT too, from this `URL`; \"\" ends it")
	flags.StringVar(&o.deviceFile, "mqtt-device-file", "", "read the credentials of the MQTT device from `FILE`")
	flags.BoolVar(&o.noCheck, "no-check", false, "do not ask the relay")
	flags.BoolVar(&o.asJSON, "json", false, "print the room as one JSON object")
	return cmd
}

func (a *app) setRoom(cmd *cobra.Command, name string, o mendOptions) error {
	r, err := a.loadRoom(name)
	if err != nil {
		return err
	}
	change, err := a.changes(cmd, r, o)
	if err != nil {
		return err
	}
	mqtt := r.MQTT.URL
	r, err = a.engine().Mend(cmd.Context(), r, change, o.noCheck, func(e messenger.Event) {
		if _, ok := e.(messenger.KeyTried); ok {
			a.say("nothing is there yet, so whether it is the same room was not checked")
			return
		}
		a.tellEntry(&r, e)
	})
	if err != nil {
		return explainMending(explainEntry(err))
	}
	if mqtt != "" && r.MQTT.URL == "" && o.mqtt == "" && !cmd.Flags().Changed("mqtt") {
		a.say("entries come by MQTT no more, as %s is the broker of the relay before: name the new one with --mqtt and --mqtt-device-file",
			screen.Line(mqtt))
	}
	return a.tellRoom(r, "room "+name+" is changed", o.asJSON)
}

// explainMending adds to an error of changing a room that the relay need not be asked, where it does not answer.
func explainMending(err error) error {
	if errors.Is(err, messenger.ErrHalfMQTT) {
		return usagef("MQTT needs both --mqtt URL and --mqtt-device-file FILE")
	}
	err = beforeRoom(err)
	switch trouble, _ := channel.TroubleOf(err); trouble {
	case channel.Unreachable, channel.UnreachableHere, channel.Untrusted, channel.Faulty, channel.NoRelay:
		return hint(err, "%s; --no-check changes the room without asking the relay", nextStep(err))
	case channel.BrokerRefused:
		return hint(err, "\"fernpost relay device allow\" lets a device subscribe, \"renew\" gives it another password; "+
			"--no-check changes the room without asking the broker")
	case channel.BrokerUnreachable:
		return hint(err, "is that the broker's address? \"fernpost relay --mqtt HOST:PORT\" serves one; "+
			"--no-check changes the room without asking it")
	}
	return err
}

// changes returns what does to a room what the flags ask for. Only flags that were given count: a relay or an interval of
// the settings is for new rooms.
func (a *app) changes(cmd *cobra.Command, r model.Room, o mendOptions) (change func(*model.Room), err error) {
	given := cmd.Flags().Changed
	writeKey, err := a.newKey(cmd.Context(), "write key", "write-key-file", o.writeKeyFile)
	if err != nil {
		return nil, err
	}
	readKey, err := a.newKey(cmd.Context(), "read key", "read-key-file", o.readKeyFile)
	if err != nil {
		return nil, err
	}
	device, err := a.newDevice(cmd, r, o)
	if err != nil {
		return nil, err
	}
	switch {
	case !slices.ContainsFunc([]string{"relay", "fields", "interval", "write-key-file", "read-key-file", "mqtt", "mqtt-device-file"}, given):
		return nil, hint(usagef("nothing to change"), "see \"%s --help\"", cmd.CommandPath())
	case given("interval") && o.interval < 0:
		return nil, usagef("--interval %v: want 0s or more", o.interval)
	case given("fields"):
		err = checkFields(o.fields)
	}
	return func(r *model.Room) {
		if given("relay") {
			r.Relay = channel.WithScheme(o.relay)
		}
		if given("fields") {
			r.Fields = o.fields
		}
		if given("interval") {
			r.Interval = o.interval.String()
		}
		if given("mqtt") || given("mqtt-device-file") {
			r.MQTT = device
		}
		if writeKey != "" {
			r.WriteKey = writeKey
		}
		if readKey != "" {
			r.ReadKey = readKey
		}
	}, err
}

// newDevice returns how entries of a room come by MQTT from now on: what is not named stays.
func (a *app) newDevice(cmd *cobra.Command, r model.Room, o mendOptions) (m model.MQTT, err error) {
	m = r.MQTT
	if cmd.Flags().Changed("mqtt") {
		if m.URL = o.mqtt; o.mqtt == "" {
			m = model.MQTT{}
		}
	}
	if o.deviceFile != "" {
		text, err := a.readSecretFile(cmd.Context(), "mqtt-device-file", o.deviceFile)
		if err != nil {
			return m, err
		}
		url := m.URL
		if m, err = model.ParseDevice(text); err != nil {
			return m, usagef("--mqtt-device-file: %w", err)
		}
		m.URL = url
	}
	return m, nil
}

// newKey reads a channel's key from a file, or asks for it; without a file there is none.
func (a *app) newKey(ctx context.Context, what, flag, file string) (model.Secret, error) {
	if file == "" {
		return "", nil
	}
	var text string
	var err error
	if file == "-" && a.canAsk() {
		text, err = a.askSecret(ctx, "The "+what+" of the channel")
	} else {
		text, err = a.readSecretFile(ctx, flag, file)
	}
	if err == nil {
		text, err = apiKey(what, text)
	}
	return model.Secret(text), err
}

// tellRoom prints a room as "rooms" lists it, or says what became of it.
func (a *app) tellRoom(r model.Room, done string, asJSON bool) error {
	if asJSON {
		_, chosen, err := a.engine().Rooms()
		return errors.Join(err, a.printJSON(listed(r, chosen)))
	}
	a.say("%s", done)
	return nil
}

func (a *app) roomsRenameCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "rename ROOM NEW",
		Short: "Give a room another name on this device",
		Long: `rename gives a room another name on this device; the others do not see it. Its archive and its outbox stay what they
are, and a watch that is running goes on.`,
		Example: "  fernpost rooms rename lab school",
		Args:    cobra.ExactArgs(2),
		RunE:    func(_ *cobra.Command, args []string) error { return a.renameRoom(args[0], args[1], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the room as one JSON object")
	return cmd
}

func (a *app) renameRoom(before, name string, asJSON bool) error {
	r, err := a.loadRoom(before)
	if err != nil {
		return err
	}
	if r, err = a.engine().Rename(r, name); err != nil {
		return explainName(err, name)
	}
	if a.config.Get("room") == before {
		a.say("%s", a.style.warn("the setting \"room\" still names "+before+": change it in the settings' file, or FERNPOST_ROOM"))
	}
	return a.tellRoom(r, "room "+before+" is called "+name+" now", asJSON)
}

func (a *app) roomsDefaultCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "default [ROOM]",
		Short: "Choose the room that is meant without --room",
		Long: `default chooses the room that commands use when none is named with --room; without an argument it prints which one that
is. The setting "room" (FERNPOST_ROOM) goes before it.`,
		Example: "  fernpost rooms default lab\n  fernpost rooms default",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.chooseRoom(args[0], asJSON)
			}
			r, err := a.loadRoom(a.config.Get("room"))
			if err != nil {
				return err
			}
			if asJSON {
				return a.tellRoom(r, "", true)
			}
			_, err = fmt.Fprintln(a.stdout, r.Name)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the room as one JSON object")
	return cmd
}

func (a *app) chooseRoom(name string, asJSON bool) error {
	r, err := a.loadRoom(name)
	if err != nil {
		return err
	}
	if err := a.engine().Choose(name); err != nil {
		return err
	}
	if set := a.config.Get("room"); set != "" && set != name {
		a.say("%s", a.style.warn("the setting \"room\" names "+screen.Line(set)+" and goes before: change it in the settings' file, or FERNPOST_ROOM"))
	}
	return a.tellRoom(r, "without --room commands mean room "+name+" now", asJSON)
}

func (a *app) roomsRemoveCommand() *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "remove ROOM",
		Short: "Forget a room: its keys, archive and outbox on this device",
		Long: `remove forgets a room on this device, after it has said what is lost and asked. The channel stays what it is, for the
others and for whoever joins again with the passphrase.`,
		Example: "  fernpost rooms remove lab\n  fernpost rooms remove lab --yes",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.removeRoom(cmd.Context(), args[0], yes) },
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) removeRoom(ctx context.Context, name string, yes bool) error {
	r, err := a.loadRoom(name)
	if err != nil {
		return err
	}
	a.say("what is lost on this device with room %s (channel %d at %s):", name, r.Channel, screen.Line(r.Relay))
	for _, what := range a.whatIsLost(r) {
		a.say("  %s", what)
	}
	if err := a.agree(ctx, yes, "Remove it?", "room "+name+" stays", "say --yes to remove it without being asked"); err != nil {
		return err
	}
	if err := a.engine().Remove(ctx, r); err != nil {
		return err
	}
	a.say("room %s is removed", name)
	if !a.hasGateway() {
		return nil
	}
	return a.withGrants(func(all *gateway.Grants) error { return all.Forget(r.FilesName()) })
}

// whatIsLost says what only this device has of a room.
func (a *app) whatIsLost(r model.Room) []string {
	keys := count(len(r.Keys), "key")
	switch r.Origin {
	case model.ByInvitation:
		keys += ": the room was joined by an invitation, and comes back by that one, as long as nobody has moved it to another key, or by a new one"
	case model.ByLetter:
		keys += ": the room was joined by a letter, and comes back by that one, as long as this identity is here, or by a new one"
	case model.ByFile:
		keys += ": the room came in a file of another device, and comes back by that file, or a new one"
	case model.ByPassphrase:
		keys += ": only whoever knows the passphrases makes them anew"
	}
	lost := []string{keys}
	switch {
	case r.WriteKey != "" && r.ReadKey != "":
		lost = append(lost, "the channel's write key and read key")
	case r.WriteKey != "":
		lost = append(lost, "the channel's write key")
	case r.ReadKey != "":
		lost = append(lost, "the channel's read key")
	}
	if r.MQTT.URL != "" {
		lost = append(lost, "the credentials of its MQTT device")
	}
	if r.Identity != "" {
		lost = append(lost, "the identity that signs in this room: you come back as somebody new")
	}
	lost = append(lost, a.lostAtGateway(r)...)
	if there, err := a.engine().HasArchive(r); err == nil && !there {
		return lost
	}
	lost = append(lost, "the archive: what was read, also what the relay shows no longer, and whose words you have compared")
	switch waiting, err := a.engine().Unposted(r, (&conversation{app: a}).face()); {
	case err != nil:
		lost = append(lost, "the outbox, which cannot be read: "+screen.Line(err.Error()))
	case waiting > 0:
		lost = append(lost, "the outbox: "+count(waiting, "entry")+" that the relay has not accepted; "+outboxOf(r.Name)+" lists them")
	}
	return lost
}

// lostAtGateway says what the gateway has of a room.
func (a *app) lostAtGateway(r model.Room) (lost []string) {
	if !a.hasGateway() {
		return nil
	}
	err := a.withGrants(func(all *gateway.Grants) error {
		grants, readings, aside, err := all.Left(r.FilesName())
		if readings > 0 {
			lost = append(lost, "at the gateway: "+count(readings, "reading")+" that it has answered, and that wait for the relay")
		}
		if aside > 0 {
			lost = append(lost, "at the gateway: "+count(aside, "reading")+" that it has answered, and that the room cannot carry any more")
		}
		if grants > 0 {
			lost = append(lost, "at the gateway: "+count(grants, "key")+" for the room; \"fernpost gateway key list\" and \"token list\" have them")
		}
		return err
	})
	if err != nil {
		lost = append(lost, "what the gateway has of it, which cannot be read: "+screen.Line(err.Error()))
	}
	return lost
}

// checkFields refuses what are no fields of a channel.
func checkFields(fields []int) error {
	for i, n := range fields {
		if n < 1 || n > thingspeak.FieldCount || slices.Contains(fields[:i], n) {
			return usagef("--fields: want different numbers from 1 to %d", thingspeak.FieldCount)
		}
	}
	return nil
}
