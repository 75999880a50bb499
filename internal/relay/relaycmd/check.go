package relaycmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/relay/check"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// checkFlags are those of the check command.
type checkFlags struct {
	options            check.Options
	channels           []string
	writeKeys, userKey string
	duration           time.Duration
	json, quiet        bool
}

// checkCommand proves what a relay promises, from outside.
func checkCommand() *cobra.Command {
	f := &checkFlags{}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Prove that a relay keeps what it answers",
		Long: `check writes to a relay with several writers, reads with several readers meanwhile, and then reads everything
back. It proves, or names where it is not so, that

  - every entry that was answered is there once, under its number, with every character;
  - an update whose reply got lost is there at most as often as it was sent;
  - numbers and dates go up, without a gap, and nothing is there that nobody sent;
  - no read went back: no older newest entry than before, no entry that differs from what it was.

The relay may be any ThingSpeak-shaped one, and may be stopped, killed and started again meanwhile. Several --relay are
taken for one service, such as relays on one database: each request goes to any of them.

Without --channel it creates channels and deletes them after a check that went well; that takes a user key
(--user-key-file), except on a relay that lets anybody create channels, where they stay. With --channel it writes to
channels that exist, to which nobody else may write meanwhile; --write-key-file has their write keys, one in each
line, in the same order. The entries stay there.

It keeps to --interval, the default of which is that of a free licence. For a relay of your own without an interval
say --interval 0s. Updates count against the quota of a licence: the first line tells how many there will be.

SIGINT or SIGTERM ends writing early; a second one ends without a verdict. The exit code is 0 if everything was proved
and 1 if not.`,
		Example: `  fernpost relay check --duration 2m
  fernpost relay check --relay http://127.0.0.1:3001 --interval 0s --writers 32 --channels 8 --duration 10s
  fernpost relay check --relay https://api.thingspeak.com --channel 123456 --write-key-file key.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	o, flags := &f.options, cmd.Flags()
	flags.StringArrayVar(&o.Relays, "relay", []string{"http://" + DefaultListen},
		"check the relay at `URL`; may be repeated")
	flags.StringArrayVar(&f.channels, "channel", nil, "write to channel `ID`; may be repeated")
	flags.StringVar(&f.writeKeys, "write-key-file", "", "read the write keys of --channel from `FILE`")
	flags.StringVar(&f.userKey, "user-key-file", "", "read the user key that creates channels from `FILE`")
	flags.IntVar(&o.Channels, "channels", 4, "create `N` channels")
	flags.IntVar(&o.Writers, "writers", 8, "write with `N` writers at the same time")
	flags.IntVar(&o.Readers, "readers", 2, "read each channel with `N` readers at the same time")
	flags.Var(duration.Flag(&f.duration, time.Minute), "duration", "write for this `TIME`; reading back comes on top")
	flags.Var(duration.Flag(&o.Interval, thingspeak.DefaultInterval), "interval",
		"least `TIME` between two updates of a channel; 0 for none")
	flags.Var(duration.Flag(&o.Settle, 0), "settle",
		"look for an update this `TIME` after its reply was lost (default one interval, at least 5s)")
	flags.Var(duration.Flag(&o.Patience, time.Minute), "patience", "give up when the relay is away for this `TIME`")
	flags.Uint64Var(&o.Seed, "seed", 0, "choose what is chosen at random by `NUMBER`, which each report tells")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.BoolVar(&f.quiet, "quiet", false, "print nothing but the report")
	cmd.MarkFlagsRequiredTogether("channel", "write-key-file")
	cmd.MarkFlagsMutuallyExclusive("channel", "channels")
	cmd.MarkFlagsMutuallyExclusive("channel", "user-key-file")
	return cmd
}

func (f *checkFlags) run(cmd *cobra.Command) error {
	o := f.options
	if !cmd.Flags().Changed("seed") {
		o.Seed = rand.Uint64()
	}
	for _, relay := range o.Relays {
		if u, err := url.Parse(relay); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("--relay %s: want an address such as http://%s", relay, DefaultListen)
		}
	}
	if err := f.readKeys(&o); err != nil {
		return err
	}
	if !f.quiet {
		o.Say = func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
		o.Say(o.Plan(f.duration))
	}

	ctx, stop, release := untilSignal(cmd.Context())
	defer release()
	report, err := check.Run(ctx, o, f.duration, stop)
	if report == nil {
		return err
	}
	write := report.WriteText
	if f.json {
		write = report.WriteJSON
	}
	if err := errors.Join(err, write(cmd.OutOrStdout())); err != nil {
		return err
	}
	if !report.OK {
		return fmt.Errorf("the relay does not keep what it answers: %d findings", report.Broken)
	}
	return nil
}

// untilSignal returns a channel that is closed when a signal arrives or ctx ends, and a context that goes on until a
// second signal arrives.
func untilSignal(ctx context.Context) (_ context.Context, stop <-chan struct{}, release func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	first := make(chan struct{})
	go func() {
		received := 0
		select {
		case <-signals:
			received++
		case <-ctx.Done(): // perhaps by a signal that is on its way to us too
		case <-work.Done():
			return
		}
		close(first)
		for received < 2 {
			select {
			case <-signals:
				received++
			case <-work.Done():
				return
			}
		}
		cancel()
	}()
	return work, first, func() {
		signal.Stop(signals)
		cancel()
	}
}

// readKeys reads the files that keys are in: a key never stands on a command line.
func (f *checkFlags) readKeys(o *check.Options) error {
	if f.userKey != "" {
		lines, err := readLines(f.userKey)
		if err != nil {
			return err
		}
		if len(lines) != 1 {
			return fmt.Errorf("user key file %s: %d lines, not one", f.userKey, len(lines))
		}
		o.UserKey = lines[0]
	}
	if len(f.channels) == 0 {
		return nil
	}
	keys, err := readLines(f.writeKeys)
	if err != nil {
		return err
	}
	if len(keys) != len(f.channels) {
		return fmt.Errorf("write key file %s: %d keys for %d channels", f.writeKeys, len(keys), len(f.channels))
	}
	for i, text := range f.channels {
		id, err := thingspeak.ParseChannelID(text)
		if err != nil {
			return fmt.Errorf("--channel %s: %w", text, err)
		}
		o.Targets = append(o.Targets, check.Target{Channel: id, WriteKey: keys[i]})
	}
	return nil
}

// readLines returns the lines of a file that hold something.
func readLines(name string) ([]string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var lines []string
	s := bufio.NewScanner(file)
	for s.Scan() {
		if line := strings.TrimSpace(s.Text()); line != "" {
			lines = append(lines, line)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return lines, nil
}
