package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/screen"
)

// defaultGateway is where a gateway listens unless told otherwise.
const defaultGateway = "127.0.0.1:8080"

type gatewayOptions struct {
	listen     string
	allowHosts []string
	noToken    bool
	pace       gateway.Pace
	// mqtt is where MQTT is served, and mqttTo the broker that is told of readings, with the file of who logs in there.
	mqtt, mqttTo, mqttLogin string
	keys                    keySource
}

func (a *app) gatewayCommand() *cobra.Command {
	var o gatewayOptions
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Serve programs that cannot encrypt, on this machine",
		Long: `gateway is a local service for programs that cannot encrypt: they send it clear text, and get clear text back. The first
line on standard output is "listening on http://HOST:PORT".

It speaks ThingSpeak's API: a sketch or a dashboard that is given its address, and a key that "gateway key add ROOM" makes,
writes signed and encrypted readings into a room, and reads in clear what was written there, at this gateway or by others: the
newest 100,000 readings of a room, numbered in the order in which they came here. status says who has signed one that says nothing
else; signed=true, verified=true (keys whose words were compared) and author=NAME choose, numbers=true writes JSON numbers, and
/channels/ID/findings.json lists what is wrong with the room. A browser at /channels/ID?api_key=KEY, or that is given the key there,
shows the room, with plots of its numbers, who has signed, and what is wrong. A room that is renamed keeps its keys.

/update, /channels/ID/feeds.json and bulk_update are answered with the reading's number as soon as it is on disk, sealed; the cloud gets it as fast as it takes it, and
100,000 may wait. ID is the number of the room's channel. On disk all is sealed with the room's key.

Rooms are for scripts and bots: POST /rooms/ROOM/messages sends a text, with an Idempotency-Key once however often it is asked for;
GET /rooms/ROOM/messages?consumer=NAME&wait=30s gives a consumer what has come, also while it was away, until it acknowledges
that. Files, events as a stream and findings are there, too: /openapi.json describes all of it.

POST /encrypt and /decrypt, with JSON, are the service of tutorials on Flask: {"data": "…"} gives {"encrypted_data": "gAAA…"},
{"encrypted_data": "gAAA…"} gives {"decrypted_data": "…"}.

By MQTT readings go to Home Assistant: each room is a device there, each field a sensor, by itself (discovery). --mqtt-to publishes
to your broker, --mqtt is one: it takes a key or a token that reads as password, and any user name. Published are rooms that
a key may read (gateway key add ROOM --read), and those of which "gateway field" has named a field: fernpost/ID/field1 holds the
newest value, as text, homeassistant/device/fernpost-ID/config what it is. ID is the number of the channel, with a piece of a
hash of the relay's address, and stays when the room is renamed. Everything is retained; while a broker is away only the newest
value of each field waits for it.

These and rooms want the header "Authorization: Bearer TOKEN", with a token that "gateway token add" makes; the first one is
made at the first start and shown once. The clients of tutorials send no token: --no-token lets every program on this machine
use /encrypt and /decrypt, and nothing else.

A page of another site is not answered, nor who calls the gateway by a name that is not this machine's: --allow-host allows
one more. What goes to the gateway and comes back is clear: on loopback, where it listens unless told otherwise, nobody else
sees it.

` + keySourceHelp + `

SIGINT or SIGTERM stops it; what is under way has ten seconds to finish. /healthz says that it runs, /metrics has figures
for Prometheus, for programs on this machine.`,
		Example: `  fernpost gateway
  fernpost gateway --key-file key.txt --no-token
  fernpost gateway --mqtt-to mqtt://homeassistant.local --mqtt-login-file login.txt
  fernpost gateway --room lab --listen 192.168.1.9:8080 --allow-host pi.home
  curl -H 'Content-Type: application/json' -d '{"data": "hello"}' http://127.0.0.1:8080/encrypt
  curl -H "Authorization: Bearer $TOKEN" --json '{"text": "hello"}' http://127.0.0.1:8080/rooms/lab/messages`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serveGateway(cmd.Context(), &o) },
	}
	flags := cmd.Flags()
	a.addKeySource(cmd, &o.keys)
	flags.StringVar(&o.listen, "listen", defaultGateway, "serve on `HOST:PORT`; port 0 picks one")
	notASetting(flags.Lookup("listen")) // it is the relay's
	flags.StringSliceVar(&o.allowHosts, "allow-host", nil, "answer requests to this `NAME` of the machine, too; may be repeated")
	flags.Var(duration.Flag(&o.pace.Fastest, defaultDuration("poll_min")), "poll-min", "ask relays this often for messages after activity")
	flags.Var(duration.Flag(&o.pace.Slowest, defaultDuration("poll_max")), "poll-max", "slow down to this while nothing comes")
	flags.BoolVar(&o.noToken, "no-token", false, "let every program on this machine use /encrypt and /decrypt")
	flags.StringVar(&o.mqttTo, "mqtt-to", "", "publish readings to the broker mqtt://`HOST[:PORT]`, or mqtts, for Home Assistant")
	flags.StringVar(&o.mqttLogin, "mqtt-login-file", "", "read the user name and the password for that broker from `FILE`, a line each")
	flags.StringVar(&o.mqtt, "mqtt", "", "serve readings by MQTT on `HOST:PORT`, too")
	for _, name := range []string{"mqtt", "mqtt-to", "mqtt-login-file"} {
		notASetting(flags.Lookup(name))
	}
	cmd.AddCommand(a.gatewayKeyCommand(), a.gatewayTokenCommand(), a.gatewayFieldCommand())
	return cmd
}

// serveGateway runs the gateway until it is stopped.
func (a *app) serveGateway(ctx context.Context, o *gatewayOptions) error {
	if o.pace.Fastest <= 0 || o.pace.Slowest < o.pace.Fastest {
		return badPace(o.pace.Fastest, o.pace.Slowest)
	}
	home, err := a.gatewayHome()
	if err != nil {
		return err
	}
	self := gateway.NewSelf()
	keys, room, err := a.gatewayKeys(ctx, &o.keys)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.stderr, nil))
	options := gateway.Options{
		Listen: o.listen, Home: home, AllowHosts: o.allowHosts, Keys: keys, KeysOf: room, NoToken: o.noToken,
		Engine: a.gatewayEngine(self), Pace: o.pace, Self: self, Log: log,
	}
	if err := o.homeAssistant(ctx, &options); err != nil {
		return err
	}
	g, err := gateway.Start(ctx, options)
	if errors.Is(err, gateway.ErrNotLoopback) {
		return hint(usageError{err}, "leave out --no-token and give each program a token, or listen on 127.0.0.1")
	}
	if _, ok := errors.AsType[*gateway.ServedError](err); ok {
		return hint(err, "one gateway serves all rooms of a device; another XDG_DATA_HOME is another device")
	}
	if _, ok := errors.AsType[*gateway.LoopError](err); ok {
		return hint(usageError{err}, "--listen HOST:PORT takes another address, and \"fernpost rooms set ROOM --relay URL\" another relay")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "listening on %s\n", g.URL())
	if at := g.MQTTURL(); at != "" {
		fmt.Fprintf(a.stdout, "listening on %s\n", at)
	}
	if strings.HasPrefix(options.MQTTTo, "mqtt:") {
		a.say("note: readings and the password go to %s in clear; mqtts encrypts them on the way", options.MQTTTo)
	}
	if t := g.FirstToken(); t != "" {
		fmt.Fprintf(a.stderr, "bearer token, shown this once: %s\n", t)
		a.say("note: it may do everything. \"fernpost gateway token add\" makes others, also in its place if it gets lost")
	}
	if keys == nil && room == "" {
		a.say("note: /encrypt and /decrypt are closed: --room ROOM or --key-file FILE says with which key they work")
	}
	if o.noToken {
		a.say("note: --no-token: every program on this machine can encrypt and decrypt here")
	}
	if !g.Loopback() {
		a.say("%s", a.style.warn("warning: no TLS: what programs send here and get from here is clear on its way; only from here on it is encrypted"))
	}
	paces := make(chan []gateway.RoomPace, 1) // relays that do not answer keep nobody waiting
	go func() {
		all, err := g.Paces(ctx)
		if err != nil {
			log.Error("asking for the pace of relays failed", "err", err)
		}
		paces <- all
	}()
	for serving := true; serving; {
		select {
		case all := <-paces:
			for _, p := range all {
				a.say("%s", paceLine(p))
			}
		case err := <-g.Failed():
			return errors.Join(fmt.Errorf("serving: %w", err), g.Shutdown(ctx))
		case <-ctx.Done():
			serving = false
		}
	}
	log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gateway.DrainTimeout)
	defer cancel()
	if err := g.Shutdown(ctx); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// paceLine says what the pace of a room's relay costs.
func paceLine(p gateway.RoomPace) string {
	line := fmt.Sprintf("room %s: an entry every %v at most, which readings that wait share: %d a day where some always wait",
		screen.Line(p.Room), p.Interval, p.Entries)
	if p.Daily > 0 {
		line += fmt.Sprintf(", of which a free licence has about %d for all its channels", p.Daily)
	}
	return line
}

// gatewayEngine is an engine that prints nothing, and refuses the answers of a gateway.
func (a *app) gatewayEngine(self gateway.Self) *messenger.Engine {
	o := a.engineOptions()
	o.Keeping, o.Access.Slow, o.Access.Mind = nil, nil, self.Mind
	return messenger.New(o)
}

// gatewayHome is where the gateway keeps its things.
func (a *app) gatewayHome() (string, error) { return a.dataDir("gateway") }

// gatewayKeys returns what gives the keys of /encrypt and /decrypt, or the ID of the room that they are of; neither if
// there are none.
func (a *app) gatewayKeys(ctx context.Context, s *keySource) (keys func() (fernet.Ring, error), room string, err error) {
	chosen := s.chosen()
	if len(chosen) > 1 || len(chosen) == 1 && chosen[0] != "--room" {
		ring, err := a.ring(ctx, s)
		return func() (fernet.Ring, error) { return ring, nil }, "", err
	}
	r, err := a.loadRoom(s.room)
	if err != nil {
		if s.room == "" {
			err = nil // none, or several: nobody has asked for one
		}
		return nil, "", err
	}
	return nil, r.FilesName(), nil
}

// hasGateway reports whether a gateway has ever kept anything on this device.
func (a *app) hasGateway() bool {
	home, err := a.gatewayHome()
	return err == nil && gateway.IsHome(home)
}

// withGrants runs work on the keys and tokens of the gateway's home.
func (a *app) withGrants(work func(*gateway.Grants) error) error {
	home, err := a.gatewayHome()
	if err != nil {
		return err
	}
	grants, err := gateway.OpenGrants(home)
	if err != nil {
		return err
	}
	grants.Name = gateway.NameIn(a.gatewayEngine(gateway.Self{}))
	return errors.Join(work(grants), grants.Close())
}

func (a *app) gatewayKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "Keys for programs that speak to ThingSpeak: add, list, revoke",
		Long: `key gives out keys of 16 characters, as ThingSpeak has them, for the gateway's doors: each is for one room. A gateway that
serves takes up what is changed here at once. Keys are kept as hashes only, so that one that was lost is replaced, not shown.`,
		Example: "  fernpost gateway key add lab --write\n  fernpost gateway key list",
	}
	cmd.AddCommand(a.gatewayKeyAddCommand(), a.gatewayListCommand(false), a.gatewayRevokeCommand(false))
	return cmd
}

func (a *app) gatewayKeyAddCommand() *cobra.Command {
	var grant gateway.Grant
	var write, read, asJSON bool
	cmd := &cobra.Command{
		Use: "add ROOM", Short: "Make a key for a room",
		Long: `add makes a key that writes readings into a room, with --write, or reads them, with --read; with both it does both, for
sketches that have one key only. With --wait the answer to a reading is held until the cloud has taken it, at most that long.`,
		Example: `  fernpost gateway key add lab --write
  fernpost gateway key add lab --write --wait 3s --json | jq -r .key`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case !write && !read:
				return hint(usagef("what may the key do?"), "add --write, --read, or both")
			case grant.Wait < 0 || grant.Wait > mostWait:
				return usagef("--wait %v: want 0s to %v, as clients give up after that", grant.Wait, mostWait)
			case grant.Wait > 0 && !write:
				return usagef("--wait is for keys that write")
			}
			r, err := a.loadRoom(args[0])
			if err != nil {
				return err
			}
			if write {
				if err := messenger.Writable(r); err != nil {
					return err
				}
			}
			grant.Room, grant.RoomID, grant.Channel = r.Name, r.FilesName(), r.Channel
			return a.addGrant(grant, scopesOf(read, write), asJSON)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&write, "write", false, "it may write readings")
	flags.BoolVar(&read, "read", false, "it may read the room")
	flags.Var(duration.Flag(&grant.Wait, 0), "wait", "hold the answer to a reading for the cloud's, at most this long")
	flags.BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// mostWait is the longest wait of an answer. Clients give up after five seconds.
const mostWait = 4 * time.Second

func scopesOf(read, write bool) (scopes []gateway.Scope) {
	if read {
		scopes = append(scopes, gateway.Read)
	}
	if write {
		scopes = append(scopes, gateway.Write)
	}
	return scopes
}

// addGrant makes a key or a token and prints it.
func (a *app) addGrant(grant gateway.Grant, scopes []gateway.Scope, asJSON bool) error {
	grant.Scopes = scopes
	return a.withGrants(func(all *gateway.Grants) error {
		secret, made, err := all.Add(grant)
		if err != nil {
			return err
		}
		if asJSON {
			out := grantOf(&made)
			out.Key = &secret
			return a.printJSON(out)
		}
		if _, err := fmt.Fprintln(a.stdout, secret); err != nil {
			return err
		}
		a.say("number %d, may %s %s; it is not shown again", made.ID, scopeText(&made), placeOf(&made))
		return nil
	})
}

func grantOf(g *gateway.Grant) grantJSON {
	out := grantJSON{Number: g.ID, Kind: "key", Room: known(g.Room), Channel: known(g.Channel), Made: g.Made, Scopes: []string{}}
	if g.Token {
		out.Kind = "token"
	}
	for _, s := range g.Scopes {
		out.Scopes = append(out.Scopes, string(s))
	}
	if g.Wait > 0 {
		out.Wait = new(g.Wait.String())
	}
	return out
}

func scopeText(g *gateway.Grant) string {
	var words []string
	for _, s := range g.Scopes {
		words = append(words, string(s))
	}
	return strings.Join(words, " and ")
}

// placeOf says where a grant holds.
func placeOf(g *gateway.Grant) string {
	if g.Room == "" {
		return "in every room"
	}
	return fmt.Sprintf("in %s (channel %d)", screen.Line(g.Room), g.Channel)
}

func (a *app) gatewayTokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "Tokens for scripts: add, list, revoke",
		Long: `token gives out bearer tokens, which scripts send in the header "Authorization: Bearer TOKEN". A gateway that serves takes up
what is changed here at once. Tokens are kept as hashes only, so that one that was lost is replaced, not shown.`,
		Example: "  fernpost gateway token add --room lab --read\n  fernpost gateway token list",
	}
	cmd.AddCommand(a.gatewayTokenAddCommand(), a.gatewayListCommand(true), a.gatewayRevokeCommand(true))
	return cmd
}

func (a *app) gatewayTokenAddCommand() *cobra.Command {
	grant := gateway.Grant{Token: true}
	var write, read, admin, asJSON bool
	var room string
	cmd := &cobra.Command{
		Use: "add", Short: "Make a token",
		Long: `add makes a bearer token. With --read it may read and decrypt, with --write write and encrypt, in one room (--room), or in
all; with --admin it may do everything.`,
		Example: `  fernpost gateway token add --read --room lab
  fernpost gateway token add --read --write --json | jq -r .key`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			scopes := scopesOf(read, write)
			switch {
			case admin && (len(scopes) > 0 || room != ""):
				return usagef("--admin allows everything in every room: nothing can be added to it")
			case admin:
				scopes = []gateway.Scope{gateway.Admin}
			case len(scopes) == 0:
				return hint(usagef("what may the token do?"), "add --read, --write, both, or --admin")
			}
			if room != "" {
				r, err := a.loadRoom(room)
				if err != nil {
					return err
				}
				grant.Room, grant.RoomID, grant.Channel = r.Name, r.FilesName(), r.Channel
			}
			return a.addGrant(grant, scopes, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&read, "read", false, "it may read and decrypt")
	flags.BoolVar(&write, "write", false, "it may write and encrypt")
	flags.BoolVar(&admin, "admin", false, "it may do everything")
	flags.StringVar(&room, "room", "", "the one `ROOM` that it is for (default: all)")
	notASetting(flags.Lookup("room")) // the room that is meant where none is named is not meant here
	flags.BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func (a *app) gatewayListCommand(tokens bool) *cobra.Command {
	what := grantWord(tokens)
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the " + what + "s by their numbers", Args: cobra.NoArgs,
		Long:    "list shows which " + what + "s there are and what they may do, never a " + what + " itself.",
		Example: "  fernpost gateway " + what + " list\n  fernpost gateway " + what + " list --json",
		RunE: func(*cobra.Command, []string) error {
			return a.withGrants(func(all *gateway.Grants) error {
				list, err := all.List(tokens)
				if err != nil {
					return err
				}
				if len(list) == 0 && !asJSON {
					a.say("there is no %s", what)
				}
				for i := range list {
					g := &list[i]
					if asJSON {
						err = a.printJSON(grantOf(g))
					} else {
						wait := ""
						if g.Wait > 0 {
							wait = fmt.Sprintf(", waits %v", g.Wait)
						}
						err = a.printLines(fmt.Sprintf("%d  %s  %s %s%s\n", g.ID, g.Made.Format(time.DateOnly), scopeText(g), placeOf(g), wait))
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

func grantWord(token bool) string {
	if token {
		return "token"
	}
	return "key"
}

func (a *app) gatewayRevokeCommand(tokens bool) *cobra.Command {
	what := grantWord(tokens)
	return &cobra.Command{
		Use: "revoke NUMBER", Short: "Take a " + what + " back",
		Long:    "revoke takes a " + what + " back, at once, also from a gateway that serves. \"gateway " + what + " list\" has its number.",
		Example: "  fernpost gateway " + what + " revoke 2",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := gateway.ParseID(args[0])
			if err != nil {
				return usagef("%s: %w", screen.Line(args[0]), err)
			}
			return a.withGrants(func(all *gateway.Grants) error {
				revoked, err := all.Revoke(id, tokens)
				if errors.Is(err, gateway.ErrNoGrant) {
					return hint(usageError{err}, "see \"fernpost gateway %s list\"", what)
				}
				if err != nil {
					return err
				}
				a.say("%s %d opens nothing any more: it could %s %s", what, id, cmp.Or(scopeText(&revoked), "nothing"), placeOf(&revoked))
				return nil
			})
		},
	}
}
