// Package relaycmd holds the relay's commands. It is mounted by fernpost as "fernpost relay", and is all that the program
// fernpost-relay consists of.
package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/guard"
	"github.com/fernpost/fernpost/internal/relay/serve"
)

// DefaultListen is where a relay listens unless told otherwise.
const DefaultListen = "127.0.0.1:3000"

// flags are those of the relay command.
type flags struct {
	// data and store are the only ones that subcommands have too.
	data, store string

	listen, metricsListen string
	mqtt                  string
	tlsCert, tlsKey       string
	open                  bool
	limits                limitFlags
	clients               guard.Limits
	proxies               proxyList
	cheat                 cheat.Lies
}

// NewCommand returns the relay command with its subcommands, under the name "relay".
func NewCommand() *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Serve a relay: the ThingSpeak API on this machine",
		Long: `relay serves the ThingSpeak API, so that a room needs neither an account nor the internet. Programs written for
ThingSpeak work with it when they are given its address. It keeps everything in one directory, and what it has
answered is on disk.

The first line on standard output is "listening on http://HOST:PORT", or https with --tls-cert and --tls-key; where it
serves on all addresses of the machine, HOST is the one by which other machines most likely reach it. A
browser that is sent there finds a page, and one for each public channel.

SIGINT or SIGTERM stops it: /readyz says 503, nothing more is accepted, and what is under way has ten seconds to
finish. A second signal ends it at once. The exit code is 0 if everything had finished, 130 if something was cut off;
what was answered is on disk either way.

/healthz says that it runs, /readyz that it can work, and /metrics has figures for Prometheus: for programs on this
machine, or for whoever reaches --metrics-listen.

Two answers are its own: /limits.json says what it grants, and /channels/ID/may_write.json whether the key that was shown
writes the channel. A channel's write key also adds to its metadata, behind what is there (PUT /channels/ID.json).

/channels/ID/feeds/stream tells of entries as they come: server-sent events for a browser's EventSource, or a JSON
object a line for programs that say "Accept: application/x-ndjson". /stream?channels=ID,ID has up to 100 channels in
one connection, with api_key=KEY,KEY in the same order. A stream begins now, or behind entry N with after=N; a line that
was cut goes on behind the last event by its id (Last-Event-ID), without a gap. The event "reset" says that a channel was
cleared, or that its id is not known here, and that all its entries follow; "slow", that the client did not keep up.

With --mqtt devices publish and subscribe by MQTT 3.1.1, the topics being ThingSpeak's; "relay device add" makes one. The
second line on standard output is then "listening on mqtt://HOST:PORT", or mqtts with --tls-cert and --tls-key. What comes
too early, is too large or is not allowed vanishes without a word: MQTT has no answer for it.

A channel for clear values is made as the service's are; the answer has its number and keys, its write key first:
  curl -d 'name=garden&field1=temperature&public_flag=true' http://127.0.0.1:3000/channels.json
Elsewhere than on this machine it takes a user key as well: api_key=KEY, which "relay user add" prints.

Limits by address keep one client from taking everything; programs on this machine have none. Behind a reverse proxy
name that with --trust-proxy, or all its clients count as one.

With --store everything is in a PostgreSQL database, which any number of relays may serve at the same time. Its URL may
name several servers: the one that takes writes is used, also after a standby was promoted. A password in it is seen by
everybody on this machine who lists processes: set PGPASSWORD, or write it into ~/.pgpass. When the database does not
answer, requests wait for it up to five seconds and get 503 then.

With --cheat it misbehaves, so that a class can see what its programs notice. Of every ten posts to a channel
  2nd        alter     is shown as it is until the next one comes, and altered from then on
  3rd        drop      is answered and never shown
  4th        backdate  is dated a day earlier
  5th        repeat    is followed by the first of the ten once more
  6th, 7th   reorder   change places: the 6th is held back until the 7th is there
  8th, 9th   fork      are shown to one half of the readers each; readers are told apart by their address and by the
                       name that they call the relay by: on one machine, localhost and 127.0.0.1
  10th       wipe      is the last: with the next one all before it are gone, and the numbers begin anew
What was posted is kept as it came; a relay without --cheat shows it.`,
		Example: `  fernpost relay
  fernpost relay --listen 0.0.0.0:3000 --interval 1s
  fernpost relay --listen :443 --tls-cert fullchain.pem --tls-key privkey.pem
  fernpost relay --trust-proxy 127.0.0.1 --metrics-listen 127.0.0.1:9100
  fernpost relay --mqtt 127.0.0.1:1883
  fernpost relay --data lesson --interval 0s --cheat drop,alter
  fernpost relay --store 'postgres://relay@db1,db2/relay'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.serve(cmd) },
	}
	own := cmd.Flags()
	f.addPlace(own)
	own.StringVar(&f.listen, "listen", DefaultListen, "serve on `HOST:PORT`; port 0 picks one")
	own.StringVar(&f.mqtt, "mqtt", "", "serve MQTT on `HOST:PORT`, and as WebSocket at /mqtt of --listen")
	own.BoolVar(&f.open, "open", false, "let anybody who reaches the relay create channels")
	own.StringVar(&f.tlsCert, "tls-cert", "", "serve HTTPS with the certificate chain in `FILE` (PEM)")
	own.StringVar(&f.tlsKey, "tls-key", "", "the certificate's key in `FILE` (PEM); a renewed pair is noticed")
	own.StringVar(&f.metricsListen, "metrics-listen", "", "serve /metrics, /healthz, /readyz on `HOST:PORT` too")
	own.Var(&f.proxies, "trust-proxy",
		"believe the reverse proxy at `ADDRESS` or network (CIDR) whom it forwards for; may be repeated")
	own.IntVar(&f.clients.Connections, "client-connections", 500, "most open connections of one address; 0 for no limit")
	own.IntVar(&f.clients.Requests, "client-requests", 500, "most requests per second of one address; 0 for no limit")
	own.IntVar(&f.clients.WrongKeys, "client-wrong-keys", 100,
		"most wrong keys per minute from one address; 0 for no limit")
	own.IntVar(&f.clients.AllConnections, "connections", 20_000, "most open connections in all; 0 for no limit")
	own.IntVar(&f.clients.Streams, "client-streams", 200, "most open streams and MQTT clients of one address; 0 for no limit")
	own.IntVar(&f.clients.AllStreams, "streams", 10_000,
		"most open streams and MQTT clients in all; 0, or too many, for three quarters of --connections")
	own.Var(&f.cheat, "cheat",
		"cheat on purpose, for lessons: `LIST` of drop, repeat, reorder, alter, fork, backdate, wipe")
	f.limits.add(own)
	admin := []*cobra.Command{f.userCommand(), f.keyCommand(), f.deviceCommand(), f.exportCommand(), f.importCommand(), f.backupCommand()}
	for _, c := range admin {
		f.addPlace(c.PersistentFlags())
	}
	cmd.AddCommand(append(admin, copyCommand(), checkCommand())...)
	return cmd
}

// addPlace adds the flags that say where everything is kept.
func (f *flags) addPlace(to *pflag.FlagSet) {
	to.StringVar(&f.data, "data", "", "keep everything in `DIR` (default "+dataHint+")")
	to.StringVar(&f.store, "store", "", "keep everything in the PostgreSQL database at `URL` instead")
}

// proxyList takes addresses and networks, several of them with commas between or one after the other.
type proxyList []netip.Prefix

func (p *proxyList) String() string {
	if p == nil {
		return ""
	}
	var all []string
	for _, prefix := range *p {
		all = append(all, prefix.String())
	}
	return strings.Join(all, ",")
}

func (p *proxyList) Type() string { return "networks" }

func (p *proxyList) Set(text string) error {
	if text == "" { // a setting that is empty
		return nil
	}
	for s := range strings.SplitSeq(text, ",") {
		prefix, err := guard.ParseProxy(strings.TrimSpace(s))
		if err != nil {
			return err
		}
		*p = append(*p, prefix)
	}
	return nil
}

// options are what the flags ask for.
func (f *flags) options(cmd *cobra.Command) (o serve.Options, err error) {
	o = serve.Options{
		Listen: f.listen, MetricsListen: f.metricsListen, MQTT: f.mqtt, Open: f.open,
		TLSCert: f.tlsCert, TLSKey: f.tlsKey, Clients: f.clients, Proxies: f.proxies, Cheat: f.cheat,
		Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)),
	}
	if o.Limits, err = f.limits.limits(cmd.Flags()); err != nil {
		return o, err
	}
	if o.Store = f.store; o.Store != "" {
		return o, nil
	}
	o.Data, err = dataDir(f.data)
	return o, err
}

// serve runs the relay until a signal or the end of the command's context.
func (f *flags) serve(cmd *cobra.Command) error {
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	// Registered first, so that no signal after "listening" is lost.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	r, err := serve.Start(cmd.Context(), o)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "listening on %s\n", r.URL())
	if url := r.MQTTURL(); url != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "listening on %s\n", url)
	}
	greet(cmd.ErrOrStderr(), r, &o, cmd.CommandPath(), f.place())
	received := 0
	select {
	case err := <-r.Failed():
		return errors.Join(fmt.Errorf("serving: %w", err), r.Close())
	case <-signals:
		received++
	case <-cmd.Context().Done(): // perhaps by a signal that is on its way to us too
	}
	return f.stop(r, o.Log, signals, received)
}

// closeTimeout is how long a stop at once waits for the store. Nothing is lost if that does not close.
const closeTimeout = time.Second

// stop ends the relay gently, or at once when the second signal arrives.
func (f *flags) stop(r *serve.Running, log *slog.Logger, signals <-chan os.Signal, received int) error {
	log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), serve.DrainTimeout)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(ctx) }()
	var overdue <-chan time.Time
	for {
		select {
		case err := <-stopped:
			if ctx.Err() != nil {
				return cutOffError{err}
			}
			log.Info("stopped")
			return err
		case <-signals:
			if received++; received >= 2 && overdue == nil {
				cancel()
				overdue = time.After(closeTimeout)
			}
		case <-overdue:
			return cutOffError{errors.New("the store did not close in time")}
		}
	}
}

// cutOffError says that a stop did not wait until everything under way had finished. It counts as an interruption.
type cutOffError struct{ cause error }

func (e cutOffError) Error() string {
	return fmt.Sprintf("requests under way were cut off: %v", e.cause)
}

// Is makes it a [context.Canceled], which is what programs end with code 130 for.
func (e cutOffError) Is(target error) bool { return target == context.Canceled }

// greet tells how to go on. Commands of this program that work on the data get the flags that name its place.
func greet(w io.Writer, r *serve.Running, o *serve.Options, program, place string) {
	if o.Cheat != 0 {
		fmt.Fprintf(w, "WARNING: %s\n  %s\n", o.Cheat.Notice(), strings.Join(o.Cheat.Confess(), "\n  "))
	}
	fmt.Fprintf(w, "data in %s\n", r.Place())
	if url := r.MetricsURL(); url != "" {
		fmt.Fprintf(w, "metrics at %s/metrics\n", url)
	}
	where := ""
	if r.URL() != "http://"+DefaultListen {
		where = " --relay " + r.URL()
	}
	if more := r.URLs()[1:]; len(more) > 0 {
		fmt.Fprintf(w, "also reached at, besides on this machine by 127.0.0.1:\n  %s\n", strings.Join(more, "\n  "))
	}
	makeKey, userKey := "", ""
	if !o.Open && !r.Loopback() {
		makeKey = fmt.Sprintf("\n  %s user show local --key%s > user-key.txt", program, place)
		userKey = " --user-key-file user-key.txt"
	}
	fmt.Fprintf(w, `
Next, in another terminal:%s
  fernpost init lab%s%s
  fernpost send --room lab 'hello'
  curl '%s/channels/CHANNEL/feeds.csv'

`, makeKey, where, userKey, r.URL())
	if o.Open {
		fmt.Fprintf(w, "note: --open: everybody who reaches this relay can create channels\n")
	}
	if url := r.MQTTURL(); url != "" {
		fmt.Fprintf(w, "note: what connects by MQTT is made with \"relay device add%s\"\n", place)
	}
	if !r.Loopback() && !r.Encrypted() {
		fmt.Fprintf(w, "warning: plain HTTP: whoever is on the way sees the channels' keys, though no message\n")
	}
}

// dataHint is the default of --data as help shows it.
const dataHint = "~/.local/share/fernpost/relay"

// dataDir is the default directory, $XDG_DATA_HOME/fernpost/relay, unless one is named.
func dataDir(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	dir := os.Getenv("XDG_DATA_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the data directory: %w; name one with --data", err)
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "fernpost", "relay"), nil
}
