package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/screen"
)

// conversation is a room, opened, and what is told about it.
type conversation struct {
	*messenger.Room
	*app

	relay    relayTeller
	lost     []exchange.Range // that this command has told
	lacking  []exchange.Range // by the last reading
	last     int64            // the highest entry that it has shown
	transfer *transfer        // while something is delivered
	yes      bool             // do not ask before a long transfer
	strict   bool             // a verdict follows
	asJSON   bool
	inviting bool // a link goes to those who stay, in place of the passphrase
}

// engine returns what works with rooms under these settings.
func (a *app) engine() *messenger.Engine {
	e := messenger.New(a.engineOptions())
	a.placeKeys(e)
	return e
}

func (a *app) engineOptions() messenger.Options {
	return messenger.Options{
		Dir: a.dataDir, Access: a.access(), ArchiveSize: a.archiveSize,
		Keeping: func(entries func() int64) func() {
			return a.computing(func() string { return "working on " + count(int(entries()), "entry") + " that came" })
		},
	}
}

// access is how relays are reached.
func (a *app) access() channel.Access {
	return channel.Access{Timeout: a.timeout, Budget: int64(a.budget), Version: relaycmd.Version(), Transport: a.transport, Slow: a.slow}
}

// openConversation opens a room.
func (a *app) openConversation(r model.Room) (*conversation, error) {
	defer a.computing(func() string { return "reading what this device holds" })()
	c := &conversation{app: a}
	var err error
	c.Room, err = a.engine().Open(r, c.face())
	return c, err
}

func (c *conversation) face() messenger.Face {
	return messenger.Face{Tell: c.happened, Agree: c.agreeToSend}
}

// archiveSize is how many bytes the archive of a room may take. Loading the settings has checked it.
func (a *app) archiveSize() int64 {
	size, err := config.ParseLimit(a.config.Get("archive_size"))
	if err != nil {
		panic(err)
	}
	return size
}

// happened tells what happens while a room is worked with.
func (c *conversation) happened(e messenger.Event) error {
	switch e := e.(type) {
	case messenger.StoppedReading:
		c.say("%s", c.style.warn(c.stoppedText(e.Stop)))
	case messenger.NothingToWithdraw:
		c.say("neither you nor %s has claimed the other so far: this takes back a consent that you may have given, for good",
			e.Device.Tag().Name())
	case messenger.DeviceLost:
		c.say("%s is trusted here no more, in no room, also where it has not written yet", e.Key.Tag().Name())
	case messenger.Withdrawal:
		return c.tellWithdrawal(e)
	case messenger.KeyKept:
		if !c.inviting {
			c.say("hand the new passphrase over outside of the channel, to those who stay: they run \"fernpost key add\", and see the same " +
				"check words. Whoever is new joins with it, or by \"fernpost invite\"")
		}
	case messenger.Estimated:
		return c.announce(e)
	case messenger.Delivering:
		if e.Before > 0 {
			c.say("going on where it was interrupted: %d of %s were accepted before", e.Before, count(e.Entries+e.Before, "entry"))
		}
		c.transfer = c.newTransfer(e)
	case messenger.Accepted:
		return c.transfer.accepted(e.Progress)
	case messenger.Waits:
		c.transfer.waits(e.Wait)
	case messenger.OneByOne:
		c.transfer.reckon(e.Rest)
	case messenger.Delivered:
		c.transfer.end()
	}
	c.sayLines(messenger.Says(e))
	return nil
}

// sayMoved says why what came does not open, where others have moved the room to a key that is not here, and what to
// run.
func (a *app) sayMoved(room string, moved []model.Moved) {
	if len(moved) == 0 {
		return
	}
	next := ": if that is true, ask for the new passphrase and run"
	switch {
	case moved[0].Own:
		next = ": join it by a newer invitation, or run"
	case moved[0].Compared:
		next = ": ask for the new passphrase and run"
	}
	a.say("%s", a.style.warn(fmt.Sprintf("%s%s \"fernpost key add --room %s\"", screen.Line(moved[0].Says(room)), next, room)))
}

// stoppedText says why a reading did not come to its end, in a sentence; "" if it did.
func (a *app) stoppedText(s exchange.Stop) string {
	all := config.FormatSize(int64(a.budget))
	switch s.Why {
	case exchange.Scattered:
		return "stopped reading: the numbers that the relay shows have too many gaps; the next call goes on"
	case exchange.InVain:
		return fmt.Sprintf("stopped reading: within an hour came %s that no key of this room opens, or that was there "+
			"before; it goes on at %s, or with a higher read_budget", all, s.Until.Local().Format("15:04 MST"))
	case exchange.AtBudget:
		return fmt.Sprintf("stopped reading at %s (read_budget); the next call goes on", all)
	}
	return ""
}

// cut says why the last reading did not come to the feed's end, "" if it did.
func (c *conversation) cut() string {
	_, stop := c.News()
	return c.stoppedText(stop)
}

// agreeToSend asks whether a transfer that takes long is wanted.
func (c *conversation) agreeToSend(ctx context.Context, e exchange.Estimate) error {
	not := "nothing was sent: "
	if c.transfer != nil {
		not = "nothing more was sent: "
	}
	return c.agree(ctx, c.yes, "Send it?", not+e.Text(), "say --yes, or send something shorter")
}

// outboxOf is the command that looks into the outbox of a room, with flags. It names the room: there may be others.
func outboxOf(room string, flags ...string) string {
	return "\"fernpost outbox " + strings.Join(append(flags, "--room", room), " ") + "\""
}

// insists is the hint at the flag of send that goes on under the old key.
const insists = "; --old-key sends under the old key all the same"

// explainSending adds the next step to an error of sending to a room. insist is added where a move keeps the command
// from it.
func explainSending(err error, room, insist string) error {
	if waits, ok := errors.AsType[*messenger.WaitsError](err); ok {
		return explainDelivery(waits.Err, room)
	}
	if e, ok := errors.AsType[*model.MovedError](err); ok {
		all := insist
		if e.Invited {
			all = " first: whoever joins now reads nothing of what is written under it"
		}
		return hint(err, "ask %s for the new passphrase and run \"fernpost key add --room %s\"%s", screen.Line(e.By.Name), e.Room, all)
	}
	if e, ok := errors.AsType[*messenger.UntoldError](err); ok {
		first := ""
		if errors.Is(err, model.ErrDiskFull) {
			first = "make room on the disk; then "
		}
		return hint(err, "%s%s tells them, or whatever you send next; to rotate once more would make yet another key",
			first, outboxOf(e.Room, "--retry"))
	}
	if _, ok := errors.AsType[*messenger.UnreadError](err); ok {
		return hint(err, "nothing was written, and what waits stays in the outbox; the same command can be run again")
	}
	if _, ok := errors.AsType[*messenger.BegunError](err); ok {
		return hint(err, "the identity that has begun to send it is not here any more; %s completes it", outboxOf(room, "--retry"))
	}
	if _, ok := errors.AsType[*messenger.SaidError](err); ok {
		return hint(usageError{err}, "%s lists it, if that was not posted yet", outboxOf(room))
	}
	switch {
	case errors.Is(err, model.ErrOtherField):
		return hint(usageError{err}, "%s has it write to more fields, if the channel shows them", setRoom(room, "--fields 1,2"))
	case errors.Is(err, record.ErrBody), errors.Is(err, model.ErrReading):
		return usageError{err}
	}
	return explainLength(err)
}

// afterMove is what to do where a move holds back what waits.
func afterMove(e *model.MovedError) string {
	if e.By.Own {
		return fmt.Sprintf("join the room by a newer invitation, or run \"fernpost key add --room %s\" with the passphrase of then; then %s sends "+
			"it under the new key, %s at once under the old one", e.Room, outboxOf(e.Room, "--retry"), outboxOf(e.Room, "--retry", "--old-key"))
	}
	return fmt.Sprintf("ask %s for the new passphrase and run \"fernpost key add --room %s\"; then %s sends it under the new key, %s at once "+
		"under the old one", screen.Line(e.By.Name), e.Room, outboxOf(e.Room, "--retry"), outboxOf(e.Room, "--retry", "--old-key"))
}

func explainDelivery(err error, room string) error {
	list, retry := outboxOf(room), outboxOf(room, "--retry")
	if e, ok := errors.AsType[*model.MovedError](err); ok {
		return hint(err, "the message stays in the outbox: %s", afterMove(e))
	}
	if errors.Is(err, exchange.ErrUnknownOutcome) {
		return hint(err, "the message stays in the outbox; %s looks for it, and posts it again if it is not there", retry)
	}
	switch trouble, _ := channel.TroubleOf(err); trouble {
	case channel.KeyRefused:
		return hint(err, "the message stays in the outbox. Are the relay and the write key of this room still right? "+
			"%s or --relay URL changes them, %s posts it then", setRoom(room, "--write-key-file FILE"), retry)
	case channel.QuotaSpent:
		return hint(err, "the message stays in the outbox, and posting it again does not help as long as the channel takes no more: whoever "+
			"runs the relay raises --max-entries, an account of the service gets more messages, or you go on in a new room; %s posts it then",
			retry)
	case channel.UnreachableHere:
		return hint(err, "the message stays in the outbox, and %s posts it then: %s", retry, nextStep(inRoom(err, room)))
	}
	over := ""
	if trouble, _ := channel.TroubleOf(err); trouble == channel.Unreachable {
		over = orOver(room, false)
	}
	return hint(err, "the message stays in the outbox: %s lists it, %s posts it%s", list, retry, over)
}
