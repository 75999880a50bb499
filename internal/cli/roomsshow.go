package cli

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) roomsShowCommand() *cobra.Command {
	var asJSON, reveal bool
	cmd := &cobra.Command{
		Use: "show [ROOM]", Short: "Show what this device knows of a room, with its keys if you want",
		Long: `show prints what this device knows of a room: where it is, how it is written, who signs here, and its keys by
their check words.

--reveal prints the keys themselves too, and the channel's write and read key: whoever sees them reads,
and writes, as you do. It never prints an identity. To let somebody in, "fernpost invite" is better.`,
		Example: "  fernpost rooms show\n  fernpost rooms show lab --json --reveal > lab.json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.printRoom(cmp.Or(append(args, "")[0], a.config.Get("room")), asJSON, reveal)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as one JSON object")
	cmd.Flags().BoolVar(&reveal, "reveal", false, "print what is secret, too")
	return cmd
}

func (a *app) printRoom(name string, asJSON, reveal bool) error {
	r, err := a.loadRoom(name)
	if err != nil {
		return err
	}
	o, err := a.shown(r, reveal)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(o)
	}
	var b strings.Builder
	line := func(name, what string) { fmt.Fprintf(&b, "  %-12s %s\n", name, screen.Line(what)) }
	secret := func(has bool, value *string) string {
		switch {
		case !has:
			return "none"
		case value == nil:
			return "kept here (--reveal prints it)"
		}
		return *value
	}
	fmt.Fprintf(&b, "room %s\n", a.style.bold(r.Name))
	line("relay", o.Relay)
	line("channel", fmt.Sprint(o.Channel))
	line("fields", strings.Trim(fmt.Sprint(o.Fields), "[]"))
	line("interval", intervalText(r.Interval))
	line("profile", o.Profile)
	if o.Padding {
		line("padding", "every entry is filled up")
	}
	switch {
	case o.SignsAs == nil:
		line("signs as", "nobody yet")
	case o.OwnKey:
		line("signs as", o.SignsAs.Tag().Name()+", an identity of this room's own")
	default:
		line("signs as", o.SignsAs.Tag().Name()+", this device's identity")
	}
	for i, k := range o.Keys {
		words, key := "check words", "room key"
		if i > 0 {
			words, key = "older words", "older key"
		}
		line(words, k.CheckWords)
		if k.Key != nil {
			line(key, *k.Key)
		}
	}
	line("write key", secret(o.HasWriteKey, o.WriteKey))
	line("read key", secret(o.HasReadKey, o.ReadKey))
	if o.MQTT != nil {
		line("MQTT", "from "+*o.MQTT+" by a device whose password is kept here")
	}
	return a.printLines(b.String())
}

// intervalText says how long the relay wants one to wait. Where nothing is set it refuses what comes too soon, and tells then.
func intervalText(interval string) string {
	if d, err := duration.Parse(interval); err == nil && d == 0 {
		return "no interval set: the relay says when to wait"
	}
	return interval
}

// shown is a room as "rooms show" prints it.
func (a *app) shown(r model.Room, reveal bool) (o shownRoomJSON, err error) {
	keys, err := messenger.Keys(r)
	if err != nil {
		return o, err
	}
	_, chosen, err := a.engine().Rooms()
	if err != nil {
		return o, err
	}
	signs, err := a.engine().Own(r)
	if err != nil {
		return o, err
	}
	listed := listed(r, chosen)
	o = shownRoomJSON{
		Room: r.Name, Channel: r.Channel, Relay: r.Relay, Profile: r.Profile, Fields: r.Fields, Interval: listed.Interval,
		Padding: r.Pad, Default: listed.Default, OwnKey: r.Identity != "",
		HasWriteKey: r.WriteKey != "", MayWrite: listed.MayWrite, HasReadKey: r.ReadKey != "", MQTT: known(r.MQTT.URL),
	}
	if signs != (record.PublicKey{}) {
		o.SignsAs = &signs
	}
	for _, k := range keys {
		id := k.ID()
		key := shownKeyJSON{CheckWords: checkWords(k.RevealBytes()), ID: hex.EncodeToString(id[:])}
		if reveal {
			key.Key = new(k.Reveal())
		}
		o.Keys = append(o.Keys, key)
	}
	if reveal {
		o.WriteKey, o.ReadKey = known(r.WriteKey.Reveal()), known(r.ReadKey.Reveal())
	}
	return o, nil
}
