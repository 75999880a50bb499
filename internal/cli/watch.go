package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/screen"
)

type watchOptions struct {
	room             string
	isArgument       bool // the room is one, and no flag's
	pollMin, pollMax time.Duration
	fromStart        bool
	messages         int
	states           bool
	via              string
	only             *exchange.Via // what via means
	asJSON, strict   bool
	exec             string
	execArgs         []string
	execTimeout      time.Duration
	output
	policy policy
}

func (a *app) watchCommand() *cobra.Command {
	var o watchOptions
	var unsigned, format string
	cmd := &cobra.Command{
		Use:   "watch [ROOM]",
		Short: "Follow a room and print messages as they come",
		Long: `watch prints what comes into a room until it is interrupted. It begins where the last watch of this room ended, the
first time with what comes from now on; --from-start begins with the channel's first entry.

A relay of fernpost's sends each entry when it is written, as a stream of events. Of others, and when the line is cut, entries
come by MQTT if the room has a device ("fernpost rooms set --mqtt"); else watch asks for the number of the newest entry, a few
bytes: often after activity, more and more rarely while nothing comes. It outlives a relay that is restarted or cannot be
reached for a while. In a signed room it tells what is wrong as soon as that is certain, and after a minute what it waits for.

--exec runs a command for each message of others in place of printing it, one after the other, with the text, the reading or the
file's content on its standard input. Arguments of the command stand behind --, and the room before. What is known of the message is in FERNPOST_MESSAGE_KIND, _SIGNED, _AUTHOR, _KEY, _NUMBER,
_ENTRY, _POSTED, _CLOCK and _FILE, and its room in FERNPOST_ROOM; no shell reads any of it. A command that fails, or takes longer than
--exec-timeout, is told of and not run again; one that was running when watch itself was killed is. In a room of plain texts, which
nobody signs, your own are those that this device has written.

--format csv prints readings of sensors and texts as a table, as "fernpost recv" does.`,
		Example: `  fernpost watch
  fernpost watch lab --from-start
  fernpost watch --json | jq -r .text
  fernpost watch --format csv | tee readings.csv
  fernpost watch --exec ./on-message.sh
  fernpost watch lab --exec notify-send -- "New message"`,
		Args: o.takeArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.policy, err = parsePolicy(unsigned); err != nil {
				return err
			}
			if o.output, err = parseOutput(format, o.numbers, o.asJSON); err != nil {
				return err
			}
			return a.watch(cmd.Context(), o)
		},
	}
	o.addFlags(cmd.Flags())
	o.output.add(cmd.Flags(), &format)
	addStrict(cmd.Flags(), &o.strict)
	addUnsigned(cmd.Flags(), &unsigned)
	return cmd
}

// takeArgs takes the room, and what stands behind dashes as arguments of the command of --exec.
func (o *watchOptions) takeArgs(cmd *cobra.Command, args []string) error {
	rooms, dash := args, min(cmd.ArgsLenAtDash(), len(args)) // it is tried with fewer, too
	if dash >= 0 {
		rooms, o.execArgs = args[:dash], args[dash:]
	}
	o.isArgument = len(rooms) > 0
	if len(o.execArgs) > 0 && o.exec == "" {
		return hint(usagef("%s: arguments behind -- are those of the command of --exec", screen.Line(o.execArgs[0])),
			"--exec COMMAND names it")
	}
	err := errors.Join(cobra.MaximumNArgs(1)(cmd, rooms), roomArgument(cmd, rooms, &o.room))
	if err != nil && o.exec != "" {
		err = hint(usageError{err}, argumentsBehind, shellWord(o.exec))
	}
	return err
}

// argumentsBehind is a hint for what was taken for a room and may have been meant for a command.
const argumentsBehind = "arguments of the command stand behind --, and the room before: fernpost watch ROOM --exec %s -- ARGUMENT…"

func (o *watchOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.room, "room", "", "the `ROOM` to follow (default: the only one)")
	flags.Var(duration.Flag(&o.pollMin, defaultDuration("poll_min")), "poll-min", "ask this often after activity")
	flags.Var(duration.Flag(&o.pollMax, defaultDuration("poll_max")), "poll-max", "slow down to this while nothing comes")
	flags.BoolVar(&o.fromStart, "from-start", false, "begin with the channel's first entry")
	flags.IntVar(&o.messages, "messages", 0, "end after this many `messages`; 0 is never")
	flags.BoolVar(&o.states, "states", false, "also say how far your own messages have come, and who has seen them")
	flags.BoolVar(&o.asJSON, "json", false, "one JSON object a line, of your own messages' states, too")
	flags.StringVar(&o.via, "via", "", "the only way by which entries may come: stream, mqtt or polling")
	flags.StringVar(&o.exec, "exec", "", "run this `COMMAND` for each message of others; arguments of it stand behind --")
	flags.Var(duration.Flag(&o.execTimeout, time.Minute), "exec-timeout", "end a command of --exec that takes longer")
}

func (a *app) watch(ctx context.Context, o watchOptions) error {
	if o.pollMin <= 0 || o.pollMax < o.pollMin {
		return badPace(o.pollMin, o.pollMax)
	}
	if o.messages < 0 {
		return usagef("--messages %d: want 0 or more", o.messages)
	}
	if o.exec != "" && (o.asJSON || o.asTable || o.execTimeout <= 0) {
		return usagef("--exec prints nothing, so --json and --format have no meaning with it, and --exec-timeout is to be above 0")
	}
	if o.exec != "" {
		if _, err := exec.LookPath(o.exec); err != nil {
			err := usagef("--exec %s: %w", screen.Line(o.exec), err)
			if errors.Is(err, fs.ErrPermission) {
				return hint(err, "if that is a script, make it one that may be run: chmod +x %s", shellWord(o.exec))
			}
			return err
		}
	}
	if o.strict && o.messages == 0 {
		return usagef("--strict needs --messages: a watch without end comes to no verdict")
	}
	if o.via != "" {
		via, err := exchange.ParseVia(o.via)
		if err != nil {
			return usagef("--via %s: want stream, mqtt or polling", screen.Line(o.via))
		}
		o.only = &via
	}
	a.verdict.Endless = !o.strict
	r, err := a.loadRoom(o.room)
	if err != nil && o.exec != "" && o.isArgument {
		return hint(err, argumentsBehind, shellWord(o.exec))
	}
	if err != nil {
		return err
	}
	if signed, err := messenger.Signed(r); err != nil {
		return err
	} else if !signed {
		o.policy = policyOpen
	}
	if o.only != nil && *o.only == exchange.MQTT && r.MQTT.URL == "" {
		return hint(usagef("--via mqtt: room %s has no device of MQTT", r.Name),
			"fernpost rooms set %s --mqtt URL --mqtt-device-file FILE", r.Name)
	}
	return a.watchRoom(ctx, r, o)
}

func badPace(fastest, slowest time.Duration) error {
	return usagef("--poll-min %v, --poll-max %v: want durations above 0, the second not below the first", fastest, slowest)
}

// watchMark is the name under which the archive remembers what watch has shown.
const watchMark = "watch"

// watchRoom follows a room until the user ends it, or as many messages were printed as the user wants.
func (a *app) watchRoom(ctx context.Context, r model.Room, o watchOptions) (err error) {
	f := &follower{conversation: conversation{app: a}, o: o, out: bufio.NewWriter(a.stdout), lines: findings{a: a, asJSON: o.asJSON}}
	f.stream, err = a.engine().Follow(r, messenger.FollowOptions{
		Mark: watchMark, FromStart: o.fromStart, Via: o.only, Fastest: o.pollMin, Slowest: o.pollMax,
	}, f.face())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stream.Close()) }()
	if o.asTable {
		if f.table, err = a.newTable(f.out); err != nil {
			return err
		}
	}
	if o.exec != "" {
		f.execution = &execution{app: a, command: append([]string{o.exec}, o.execArgs...), timeout: o.execTimeout, room: r.Name}
		if o.messages == 0 {
			f.stream.Most = 1 // so that what was dealt with is remembered each time
		}
	}
	f.Room = f.stream.Room
	a.say("watching room %s (channel %d at %s); Ctrl-C ends", r.Name, r.Channel, screen.Line(r.Relay))
	waiting, err := f.stream.NotAccepted()
	if err != nil {
		return err
	}
	if len(waiting) > 0 {
		a.say("not posted yet: %s of yours, which a watch leaves where they are; %s posts them", count(len(waiting), "message"), outboxOf(r.Name, "--retry"))
	}
	if a.drawsStatus() {
		defer a.eachSecond(func(now time.Time) string { return heardText(f.stream, now) })()
	}
	for !f.isOver() {
		e, err := f.stream.Next(ctx)
		if err == nil {
			err = cmp.Or(f.tellEvent(ctx, e), f.unprinted)
		}
		if err != nil {
			return errors.Join(err, f.out.Flush())
		}
	}
	return f.conclude()
}

// isOver reports whether as much was printed as was wanted; if not, it says how many messages may come next.
func (f *follower) isOver() bool {
	left := f.o.messages - f.shown
	switch {
	case f.o.messages == 0:
	case left > 0:
		f.stream.Most = left
		if f.execution != nil {
			f.stream.Most = 1
		}
	case f.kept && (f.asked || !f.o.strict):
		return true
	default:
		f.stream.Most = -1 // the relay is asked before a verdict
	}
	return false
}

// heardText says by which way entries come and when something was heard of the relay last, "" before it was.
func heardText(s *messenger.Stream, now time.Time) string {
	via, last := s.Heard()
	if last.IsZero() {
		return ""
	}
	return fmt.Sprintf("by %v, last heard %v ago", via, max(now.Sub(last), 0).Round(time.Second))
}

// follower prints what a stream brings.
type follower struct {
	conversation

	o      watchOptions
	stream *messenger.Stream
	out    *bufio.Writer
	table  *table // nil unless one is wanted

	execution *execution // the same

	printed model.Printed
	lines   findings // since the last mark
	shown   int      // messages printed
	kept    bool     // where that has come to is remembered
	asked   bool     // the relay has answered, or does not
}

func (f *follower) tellEvent(ctx context.Context, e messenger.Event) error {
	switch e := e.(type) {
	case messenger.Message:
		return f.printItem(ctx, &e.Item)
	case messenger.Found:
		if err := f.out.Flush(); err != nil {
			return err
		}
		f.lines.tell(&e.Finding, e.TakenBack)
	case messenger.State:
		return f.printState(&e.OwnState)
	case messenger.Reached:
		f.lines.end()
		if err := cmp.Or(f.unprinted, f.out.Flush()); err != nil {
			return err
		}
		if err := f.SetPrinted(f.printed); err != nil {
			return err
		}
		f.printed, f.kept = model.Printed{}, true
		return f.stream.Keep(e)
	case messenger.Late:
		f.tellFinding(&e.Finding, false, f.o.asJSON)
	case messenger.Read:
		f.asked = true
		f.tellRelay(&e.News, &e.Arrivals, f.stoppedText(e.Stop), f.o.asJSON)
		f.tellAll(messenger.OfArrivals(&e.Arrivals), f.o.asJSON)
		if e.News.Cleared {
			f.tellAll(messenger.OfPassed(e.News.Passed), f.o.asJSON)
		}
		return f.tellElsewhere(f.o.asJSON)
	case messenger.RelayAway:
		until := "until it works"
		if e.Refuses {
			until = "for a minute"
		}
		f.relayAway.Store(true)
		f.asked = true
		f.say("%s", f.style.warn(screen.Line(e.Err.Error())+"; trying again "+until))
	case messenger.RelayBack:
		f.relayAway.Store(false)
		f.say("%s", f.style.good("the relay is back"))
	case messenger.PositionLost:
		f.say("%s", f.style.warn(screen.Line(e.Err.Error())))
		f.say("so this watch begins with what comes from now on; \"fernpost recv\" shows what came before, --from-start all")
	}
	return nil
}

func (f *follower) printItem(ctx context.Context, it *model.Item) error {
	if !f.o.policy.shows(it) {
		return nil
	}
	f.shown++
	f.kept = false
	if f.execution != nil {
		if err := f.execution.run(ctx, it); err != nil {
			return err
		}
	}
	f.printed.Add(it)
	if f.execution != nil {
		return nil
	}
	if f.table != nil {
		return f.table.add(it)
	}
	if f.o.asJSON {
		return writeJSON(f.out, jsonOf(it, "", f.o.numbers))
	}
	_, err := f.out.Write(f.appendItem(nil, it, f.o.policy, ""))
	return err
}

// printState says what became of a message of our own.
func (f *follower) printState(s *model.OwnState) error {
	if f.o.asJSON {
		return writeJSON(f.out, stateOf(s))
	}
	if !f.o.states {
		return nil
	}
	if err := f.out.Flush(); err != nil {
		return err
	}
	f.say("%s", screen.Line(s.Text()))
	return nil
}

// conclude ends a watch that has printed as much as it was to.
func (f *follower) conclude() error {
	if f.execution != nil && f.execution.failed > 0 {
		return fmt.Errorf("--exec: %s failed, as told above", count(f.execution.failed, "command"))
	}
	if !f.o.strict {
		return nil
	}
	if err := f.tellKeyGone(true, f.o.asJSON); err != nil {
		return err
	}
	if err := f.tellStanding(f.o.asJSON); err != nil {
		return err
	}
	f.tellLacking(f.o.asJSON)
	if err := f.tellNotReadBack(false, f.o.asJSON); err != nil { // what was sent just now is not due
		return err
	}
	return judged(&f.verdict)
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
