package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/web"
)

func (a *app) webCommand() *cobra.Command {
	var pace gateway.Pace
	var listen string
	var noOpen bool
	cmd := &cobra.Command{
		Use:   "web",
		Short: "Show your rooms in a browser, and beside them what everybody else sees",
		Long: `web serves a page with the rooms of this device, on this machine only. On the left stands what is said in a room, on the right
what everybody sees who reads its channel: the rows, their tokens taken apart on touch. The right side is made without a key.

The keys stay in this process; what goes between it and the browser is clear, and does not leave this machine. The first line on
standard output is "listening on http://HOST:PORT", the second the address to open. It has a token, behind its #, which opens all
rooms as long as this runs: the page takes it out of the address bar. Pages of other sites, and calls by another name than this
machine's, are not answered.`,
		Example: "  fernpost web\n  fernpost web --no-open --listen 127.0.0.1:8090",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if pace.Fastest <= 0 || pace.Slowest < pace.Fastest {
				return badPace(pace.Fastest, pace.Slowest)
			}
			return a.web(cmd.Context(), listen, pace, noOpen)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:0", "serve on `HOST:PORT` of this machine; port 0 picks one")
	notASetting(flags.Lookup("listen"))
	flags.Var(duration.Flag(&pace.Fastest, defaultDuration("poll_min")), "poll-min", "ask relays this often for messages after activity")
	flags.Var(duration.Flag(&pace.Slowest, defaultDuration("poll_max")), "poll-max", "slow down to this while nothing comes")
	flags.BoolVar(&noOpen, "no-open", false, "only print the address")
	return cmd
}

// web serves the page until it is stopped.
func (a *app) web(ctx context.Context, listen string, pace gateway.Pace, noOpen bool) (err error) {
	self := gateway.NewSelf()
	r, err := web.StartRooms(ctx, web.RoomsOptions{
		Listen: listen, Engine: a.gatewayEngine(self), Pace: pace, Self: self, Access: a.access(), Log: slog.New(slog.NewTextHandler(a.stderr, nil)),
	})
	if errors.Is(err, web.ErrNotLoopback) {
		return hint(usageError{err}, "listen on 127.0.0.1; \"fernpost class\" serves others")
	}
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, r.Shutdown(ending))
	}()
	if err := a.printLines(fmt.Sprintf("listening on %s\nopen         %s\n", r.Address(), r.URL())); err != nil {
		return err
	}
	if a.stdoutTerminal && !noOpen {
		defer a.openBrowser(r.URL())()
	}
	select {
	case err := <-r.Failed():
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		return nil
	}
}
