package relaycmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// DefaultListen is where a relay listens unless told otherwise.
const DefaultListen = "127.0.0.1:3000"

// flags are those of the relay command.
type flags struct {
	listen, data string
	interval     time.Duration
	limits       string
	open         bool
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

The first line on standard output is "listening on http://HOST:PORT". SIGINT or SIGTERM stops it once what is under
way has finished; a second one stops it at once.`,
		Example: `  fernpost relay
  fernpost relay --listen 0.0.0.0:3000 --interval 1s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.serve(cmd) },
	}
	cmd.PersistentFlags().StringVar(&f.data, "data", "", "keep everything in `DIR` (default "+dataHint+")")
	cmd.Flags().StringVar(&f.listen, "listen", DefaultListen, "serve on `HOST:PORT`; port 0 picks one")
	cmd.Flags().DurationVar(&f.interval, "interval", thingspeak.DefaultInterval,
		"least `TIME` between two updates of a channel; 0 for none")
	cmd.Flags().Var(presetFlag{&f.limits}, "limits", "limits of a licence, `free|paid|none`; --interval comes on top")
	cmd.Flags().BoolVar(&f.open, "open", false, "let anybody who reaches the relay create channels")
	f.limits = relay.PresetFree
	cmd.AddCommand(f.userCommand())
	return cmd
}

// presetFlag takes the names of relay.Preset.
type presetFlag struct{ name *string }

func (p presetFlag) String() string {
	if p.name == nil {
		return ""
	}
	return *p.name
}

func (p presetFlag) Type() string { return "string" }

func (p presetFlag) Set(name string) error {
	if _, err := relay.Preset(name); err != nil {
		return err
	}
	*p.name = name
	return nil
}

// serve runs the relay until a signal or the end of the command's context.
func (f *flags) serve(cmd *cobra.Command) error {
	limits, err := f.wantedLimits(cmd)
	if err != nil {
		return err
	}
	if f.data, err = dataDir(f.data); err != nil {
		return err
	}
	// Registered first, so that no signal after "listening" is lost.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	r, err := Start(cmd.Context(), Options{Listen: f.listen, Data: f.data, Limits: limits, Open: f.open, Log: log})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "listening on %s\n", r.URL())
	f.greet(cmd.ErrOrStderr(), r)
	select {
	case err := <-r.Failed():
		return errors.Join(fmt.Errorf("serving: %w", err), r.Close())
	case <-signals:
	case <-cmd.Context().Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return r.Shutdown(ctx)
}

// wantedLimits are the preset's, with the interval that the user named.
func (f *flags) wantedLimits(cmd *cobra.Command) (relay.Limits, error) {
	limits, err := relay.Preset(f.limits)
	if err != nil {
		return limits, err
	}
	if f.interval < 0 {
		return limits, fmt.Errorf("--interval %v: it cannot be negative", f.interval)
	}
	if interval := cmd.Flags().Lookup("interval"); interval.Changed || f.interval != thingspeak.DefaultInterval {
		limits.Interval = f.interval
		limits.BulkInterval = min(limits.BulkInterval, f.interval)
	}
	return limits, nil
}

// greet tells how to go on.
func (f *flags) greet(w io.Writer, r *Running) {
	fmt.Fprintf(w, "data in %s\n", f.data)
	where := ""
	if r.URL() != "http://"+DefaultListen {
		where = " --relay " + r.URL()
	}
	fmt.Fprintf(w, `
Next, in another terminal:
  fernpost init lab%s
  fernpost send --room lab 'hello'
  curl '%s/channels/CHANNEL/feeds.csv'

`, where, r.URL())
	if f.open {
		fmt.Fprintf(w, "note: --open: everybody who reaches this relay can create channels\n")
	} else if !r.Loopback() {
		fmt.Fprintf(w, "note: creating a channel takes the user key that \"relay user show\" prints\n")
	}
	if !r.Loopback() {
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
