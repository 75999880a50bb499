package cli

import (
	"cmp"
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/tui"
)

type chatOptions struct {
	pollMin, pollMax time.Duration
	plain            bool
}

func (a *app) chatCommand() *cobra.Command {
	var o chatOptions
	cmd := &cobra.Command{
		Use:   "chat [ROOM]",
		Short: "Talk in a room, on the full screen",
		Long: `chat shows a room on the full screen, and takes what you write. F1 or /help says what the keys and commands are.

--plain takes and prints lines instead, for screen readers; so does a pipe, and a terminal that is called dumb or nothing at all
(TERM).`,
		Example: `  fernpost chat
  fernpost chat lab
  fernpost chat lab --plain`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.chat(cmd.Context(), append(args, "")[0], o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.plain, "plain", false, "lines in, lines out")
	flags.Var(duration.Flag(&o.pollMin, defaultDuration("poll_min")), "poll-min", "ask this often after activity")
	flags.Var(duration.Flag(&o.pollMax, defaultDuration("poll_max")), "poll-max", "slow down to this while nothing comes")
	return cmd
}

func (a *app) chat(ctx context.Context, room string, o chatOptions) error {
	if o.pollMin <= 0 || o.pollMax < o.pollMin {
		return badPace(o.pollMin, o.pollMax)
	}
	options := tui.Options{
		Engine: a.engine(), Access: a.access(), Room: cmp.Or(room, a.config.Get("room")), NewRoom: func(name string) (model.Room, model.Secret, error) { return a.roomToMake(ctx, name) },
		Fastest: o.pollMin, Slowest: o.pollMax, Explain: explainForChat, Stopped: a.stoppedText, Colour: a.style.on,
	}
	// Reading thousands of messages leaves much behind that is needed no more: collected twice as often, it is half as
	// much.
	debug.SetGCPercent(50)
	// Known before anything is asked of the terminal: a dumb one shows the questions, and answers none.
	if term := a.getenv("TERM"); o.plain || term == "" || term == "dumb" || !a.stdinTerminal || !a.stdoutTerminal {
		p := tui.Plain{In: a.input, Out: a.stdout, Talk: a.stderr, Quiet: a.quiet, Piped: !a.stdinTerminal}
		if a.stdoutTerminal {
			p.Columns = a.columns()
		}
		err := tui.RunPlain(ctx, options, p)
		if which := a.whichRoom(err); which != nil {
			return which
		}
		return explainSending(inRoom(err, cmp.Or(room, "ROOM")), cmp.Or(room, "ROOM"), insists)
	}
	ctx, stop := holdingTerminal(ctx)
	defer stop()
	return tui.Run(ctx, options)
}

// roomToMake has the settings of a room that is made without any flag.
func (a *app) roomToMake(ctx context.Context, name string) (model.Room, model.Secret, error) {
	f := enterFlags{relay: a.config.Get("relay"), interval: defaultDuration("interval"), flags: pflag.NewFlagSet("", pflag.ContinueOnError)}
	f.flags.Var(duration.Flag(&f.interval, f.interval), "interval", "")
	if err := f.flags.Lookup("interval").Value.Set(a.config.Get("interval")); err != nil {
		return model.Room{}, "", err
	}
	r, err := f.room(name, a.config)
	if err != nil {
		return r, "", err
	}
	key, err := a.userKey(ctx, "")
	return r, key, err
}

// explainForChat says in words what is wrong, and what to do about it.
func explainForChat(err error, room string) (what, next string) {
	err = explainEntry(explainSending(inRoom(err, room), room, insists))
	if errors.Is(err, context.Canceled) {
		return "interrupted", ""
	}
	return screen.Line(err.Error()), screen.Line(nextStep(err))
}
