package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
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
	} else if signed {
		return a.watchSigned(ctx, r, o)
	}
	opener, err := openRoom(r)
	if err != nil {
		return err
	}
	client, err := a.dial(r)
	if err != nil {
		return err
	}
	defer client.Close()
	dir, err := a.dataDir("state")
	if err != nil {
		return err
	}
	memory, err := archive.Open(dir)
	if err != nil {
		return err
	}
	defer memory.Close()
	w := &watcher{
		follower: follower{app: a, options: o, room: r}, client: client, memory: memory,
		receiver: opener.Receive(0, room.AgeLimit{}),
	}
	if err := w.resume(); err != nil {
		return err
	}
	return w.run(ctx, w.poll)
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

// watcher follows a room of plain texts.
type watcher struct {
	follower

	client   *remote.Client
	memory   *archive.Archive
	receiver *room.Receiver

	position exchange.Position
	relay    relayTeller
	anchors  room.Anchors
	vain     messenger.VainHour
	rest     *unprinted
	lost     exchange.Gaps // told by this watch, as far as there will be a verdict
	kept     remembered    // what the archive has
}

// unprinted are messages up to the position that no watch has printed, because it was to end after fewer.
type unprinted struct {
	// Entries are those in which they stand, but the first of them was printed up to the field After.
	Entries []exchange.Range `json:"entries"`
	After   int              `json:"after,omitempty"`
}

// remembered is what a watch leaves for the next one. The channel is kept beside the position, so that a room that was
// made anew under an old name is read from its beginning.
type remembered struct {
	Relay    string             `json:"relay"`
	Channel  int64              `json:"channel"`
	Position exchange.Position  `json:"position"`
	Anchors  room.Anchors       `json:"anchors,omitzero"`
	Vain     messenger.VainHour `json:"barren,omitzero"`
	Rest     *unprinted         `json:"rest,omitempty"`
}

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

// resume finds where to begin.
func (w *watcher) resume() error {
	w.position = exchange.Position{Last: -1}
	if w.options.fromStart {
		w.position = exchange.Position{}
		return nil
	}
	var last remembered
	switch err := w.memory.Load(w.room.FilesName(), &last); {
	case errors.Is(err, archive.ErrNothing):
	case errors.Is(err, archive.ErrDamaged):
		w.say("%s", w.style.warn(screen.Line(err.Error())))
		w.say("where the last watch ended is not known, so this one begins with what comes from now on; \"fernpost recv\" shows what " +
			"came before, --from-start all")
	case err != nil:
		return hint(err, "delete that file, or use --from-start")
	case last.Relay == w.room.Relay && last.Channel == w.room.Channel:
		w.position, w.anchors, w.vain, w.rest = last.Position, last.Anchors, last.Vain, last.Rest
	}
	return nil
}

// poll reads and prints what is new, and remembers how far it came only once that is printed: a watch that is killed
// shows a message twice rather than never.
func (w *watcher) poll(ctx context.Context) (news bool, err error) {
	budget := w.vain.Left(int64(w.budget), time.Now())
	anchor := w.anchors.Highest()
	got, err := w.client.Follow(ctx, w.position, exchange.Visitor{
		Budget: budget,
		Entry: func(e *thingspeak.Entry) error {
			w.receiver.Add(e)
			return nil
		},
		Anchor: exchange.Anchor{Entry: anchor.Entry, Shows: anchor.Shows, Held: w.anchors.Held}, Again: w.rest.entries(),
		Opens: true, Fields: thingspeak.FieldsOf(w.room.Fields...),
	})
	w.relayAnswers(err)
	messages, findings := w.receiver.Take()
	w.vain.Add(got.Bytes-got.Compared, len(messages), time.Now())
	got.Position.Opened(entriesOf(messages))
	if got.Cleared {
		w.anchors = room.Anchors{}
	}
	w.anchors = w.anchors.Without(slices.Concat(got.Altered, got.Rewritten)).After(messages)
	messages = w.rest.drop(messages)
	if err == nil || got.Cleared { // else the next call is to read them again
		w.rest = nil
	}
	if left := w.left(); left > 0 && len(messages) > left {
		known := w.position.Last
		if got.Cleared {
			known = 0
		}
		messages, w.rest = messages[:left], restOf(messages, left, known)
	}
	if err := w.printMessages(messages, w.options.asJSON); err != nil {
		return false, err
	}
	w.shown += len(messages)
	if err := w.tellCounted(findings, w.options.asJSON); err != nil {
		return false, err
	}
	if err := w.tellNews(got); err != nil {
		return false, err
	}
	if err == nil {
		about := append(aboutRelay(w.room, &got, w.stoppedText(messenger.StopOf(&got, budget, int64(w.budget), &w.vain))), awaited(got.Position.Gaps, time.Now())...)
		open := slices.DeleteFunc(slices.Clone(got.Position.Gaps), func(r exchange.Range) bool { return r.Asked() })
		if err := w.relay.tell(w.app, about, len(open), w.options.asJSON); err != nil {
			return false, err
		}
	}
	w.position = got.Position
	if w.done() && w.options.strict {
		if err := w.tellGaps(each(w.lostBefore()), w.options.asJSON); err != nil {
			return false, err
		}
	}
	if serr := w.remember(); serr != nil {
		return false, fmt.Errorf("the messages above were shown, but a later watch will show them again: %w", serr)
	}
	return findings.Entries > 0, err
}

func entriesOf(messages []room.Message) (all []int64) {
	for i := range messages {
		all = append(all, messages[i].Entry)
	}
	return all
}

// lostBefore returns what an earlier watch has told to be lacking, and still is.
func (w *watcher) lostBefore() exchange.Gaps {
	return slices.DeleteFunc(slices.Clone(w.position.Gaps), func(r exchange.Range) bool {
		return !r.Asked() || slices.ContainsFunc(w.lost, func(l exchange.Range) bool { return l.First <= r.Last && r.First <= l.Last })
	})
}

// restOf returns those of the messages that stand behind the first n. No message above the entry known was printed before.
func restOf(messages []room.Message, n int, known int64) *unprinted {
	rest := new(unprinted)
	if last := &messages[n-1]; last.Entry == messages[n].Entry {
		rest.After = last.Field
	}
	for i := range messages[n:] {
		entry := messages[n+i].Entry
		last := len(rest.Entries) - 1
		if last >= 0 && (entry <= rest.Entries[last].Last+1 || rest.Entries[last].First > known) {
			rest.Entries[last].Last = entry
			continue
		}
		rest.Entries = append(rest.Entries, exchange.Range{First: entry, Last: entry})
	}
	return rest
}

func (u *unprinted) entries() []exchange.Range {
	if u == nil {
		return nil
	}
	return u.Entries
}

// drop leaves out of messages what was printed of the first entry.
func (u *unprinted) drop(messages []room.Message) []room.Message {
	if u == nil || len(u.Entries) == 0 || u.After == 0 {
		return messages
	}
	// In another slice: the receiver remembers what it has given.
	return slices.DeleteFunc(slices.Clone(messages), func(m room.Message) bool {
		return m.Entry == u.Entries[0].First && m.Field <= u.After
	})
}

// remember keeps the position where it has moved.
func (w *watcher) remember() error {
	now := remembered{w.room.Relay, w.room.Channel, w.position, w.anchors, w.vain, w.rest}
	if reflect.DeepEqual(now, w.kept) {
		return nil
	}
	w.kept = now
	return w.memory.Save(w.room.FilesName(), now)
}

// tellNews tells what the relay did to entries that were read before, and what could not be read.
func (w *watcher) tellNews(n exchange.News) error {
	var all []findingJSON
	if n.Cleared {
		all = append(all, jsonOfFinding(&record.Finding{Kind: record.Cleared}, false))
	}
	if gone := slices.Sorted(slices.Values(slices.Concat(n.Altered, n.Rewritten))); len(gone) > 0 {
		all = append(all, findingJSON{
			Finding: record.Wiped.String(), Text: "the relay lost or rewrote " + rewritten(gone),
			Entry: &gone[0], LastEntry: &gone[len(gone)-1], Count: new(len(gone)),
		})
	}
	for _, f := range all {
		if err := w.tell(f, w.options.asJSON); err != nil {
			return err
		}
	}
	if !w.tally.noVerdict {
		w.lost = append(w.lost, n.Lost...)
	}
	return w.tellGaps(each(n.Lost), w.options.asJSON)
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

// rewritten names entries, whose numbers ascend.
func rewritten(ids []int64) string {
	first := record.Entries(ids[0], ids[0])
	if len(ids) == 1 {
		return first
	}
	return fmt.Sprintf("%s, the first is %s", count(len(ids), "entry"), first)
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
