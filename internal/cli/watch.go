package cli

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/screen"
)

type watchOptions struct {
	room             string
	pollMin, pollMax time.Duration
	fromStart        bool
	messages         int
	asJSON, strict   bool
	policy           policy
}

func (a *app) watchCommand() *cobra.Command {
	var o watchOptions
	var unsigned string
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow a room and print messages as they come",
		Long: `watch prints what comes into a room until it is interrupted. It begins where the last watch of this room ended, the
first time with what comes from now on; --from-start begins with the channel's first entry.

It asks the relay for the number of the newest entry, a few bytes: often after activity, more and more rarely while
nothing comes. It outlives a relay that is restarted or cannot be reached for a while. In a signed room it tells what is
wrong as soon as that is certain, and after a minute what it waits for.`,
		Example: `  fernpost watch
  fernpost watch --room lab --from-start
  fernpost watch --json | jq -r .text`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.policy, err = parsePolicy(unsigned); err != nil {
				return err
			}
			return a.watch(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.room, "room", "", "the `ROOM` to follow (default: the only one)")
	flags.DurationVar(&o.pollMin, "poll-min", defaultDuration("poll_min"), "ask this often after activity")
	flags.DurationVar(&o.pollMax, "poll-max", defaultDuration("poll_max"), "slow down to this while nothing comes")
	flags.BoolVar(&o.fromStart, "from-start", false, "begin with the channel's first entry")
	flags.IntVar(&o.messages, "messages", 0, "end after this many `messages`; 0 is never")
	flags.BoolVar(&o.asJSON, "json", false, "one JSON object a line")
	addStrict(flags, &o.strict)
	addUnsigned(flags, &unsigned)
	return cmd
}

func (a *app) watch(ctx context.Context, o watchOptions) error {
	if o.pollMin <= 0 || o.pollMax < o.pollMin {
		return usagef("--poll-min %v, --poll-max %v: want durations above 0, the second not below the first", o.pollMin, o.pollMax)
	}
	if o.messages < 0 {
		return usagef("--messages %d: want 0 or more", o.messages)
	}
	if o.strict && o.messages == 0 {
		return usagef("--strict needs --messages: a watch without end comes to no verdict")
	}
	a.tally.noVerdict = !o.strict
	r, err := a.loadRoom(o.room)
	if err != nil {
		return err
	}
	if signed, err := messenger.Signed(r); err != nil {
		return err
	} else if !signed {
		o.policy = policyOpen
	}
	return a.watchRoom(ctx, r, o)
}

// follower asks a relay again and again.
type follower struct {
	*app

	options watchOptions
	room    keyring.Room
	shown   int // messages printed
	// answered tells that the relay has answered this watch, and refused since when it has refused to; zero if it does not.
	answered bool
	refused  time.Time
}

// done reports whether as many messages were printed as the user wants.
func (f *follower) done() bool { return f.options.messages > 0 && f.shown >= f.options.messages }

// left returns how many messages are still to be printed; 0 is no limit.
func (f *follower) left() int { return max(f.options.messages-f.shown, 0) }

// run polls until the user ends it, quickly after news and slowly while nothing comes.
func (f *follower) run(ctx context.Context, poll func(context.Context) (news bool, err error)) error {
	f.say("watching room %s (channel %d at %s); Ctrl-C ends", f.room.Name, f.room.Channel, screen.Line(f.room.Relay))
	pause := f.options.pollMin
	for {
		news, err := poll(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if !f.outlives(err) {
				return err
			}
			pause = min(pause*2, f.options.pollMax)
		case news:
			pause = f.options.pollMin
		default:
			pause = min(pause*3/2, f.options.pollMax)
		}
		if f.done() && f.options.strict {
			return f.tally.verdict()
		}
		if f.done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// each yields the ends of ranges.
func each(ranges []exchange.Range) iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		for i := range ranges {
			if !yield(ranges[i].First, ranges[i].Last) {
				return
			}
		}
	}
}

// refusedFor is how long a relay that has answered a watch may refuse to until that ends it: one that is restarted or
// stands behind others may do so for a moment.
const refusedFor = time.Minute

// outlives reports whether a watch goes on after this error: the relay may come back, a wrong key will not become right.
func (f *follower) outlives(err error) bool {
	_, unreachable := errors.AsType[*remote.UnreachableError](err)
	_, unexpected := errors.AsType[*remote.UnexpectedError](err)
	refused, ok := errors.AsType[*remote.RefusedError](err)
	until := "until it works"
	switch {
	case ok && refused.Reason != remote.TooSoon:
		if f.refused.IsZero() {
			f.refused = time.Now()
		}
		if !f.answered || time.Since(f.refused) >= refusedFor {
			return false
		}
		until = "for a minute"
	case !unreachable && !unexpected && !ok:
		return false
	}
	if !f.relayAway.Load() {
		f.relayAway.Store(true)
		f.say("%s", f.style.warn(screen.Line(err.Error())+"; trying again "+until))
	}
	return true
}

// relayAnswers notes that the relay answers, and says so when it is back.
func (f *follower) relayAnswers(err error) {
	if err == nil {
		f.answered, f.refused = true, time.Time{}
	}
	if err == nil && f.relayAway.Load() {
		f.relayAway.Store(false)
		f.say("%s", f.style.good("the relay is back"))
	}
}
