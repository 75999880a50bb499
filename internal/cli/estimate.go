package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/room"
)

// estimate is what posting takes at a relay to which nobody else is posting.
type estimate struct {
	limits remote.Limits
	// entries are those to be posted, and single and bulk the requests for that.
	entries, single, bulk int
}

// longTransfer is how long sending may take without being asked for.
const longTransfer = 10 * time.Minute

// estimateFor reckons with what a relay grants.
func estimateFor(l remote.Limits, entries int) estimate {
	single, bulk := room.Requests(entries, l.BulkRows)
	return estimate{l, entries, single, bulk}
}

// takes is the time that the relay's intervals make of it. The bulk calls go first, and the two do not wait for each
// other.
func (e estimate) takes() time.Duration {
	return time.Duration(max(e.bulk-1, 0))*e.limits.BulkInterval + time.Duration(max(e.single-1, 0))*e.limits.Interval
}

// isLong reports whether the user is to be asked first: above ten minutes, or above a tenth of the day's messages.
func (e estimate) isLong() bool {
	return e.takes() > longTransfer || e.limits.Daily > 0 && e.entries > e.limits.Daily/10
}

// text says what it takes.
func (e estimate) text() string {
	var s strings.Builder
	s.WriteString(count(e.entries, "entry"))
	if e.bulk > 0 {
		fmt.Fprintf(&s, " in %s", count(e.bulk, "bulk call"))
		if e.single > 0 {
			fmt.Fprintf(&s, " and %s", count(e.single, "single one"))
		}
	}
	if takes := e.takes(); takes > 0 {
		fmt.Fprintf(&s, ", about %v at the relay's intervals", rounded(takes))
	}
	if e.limits.Daily > 0 {
		fmt.Fprintf(&s, "; as many of the channel's messages, of which a free licence has about %d a day", e.limits.Daily)
	}
	return s.String()
}

// rounded cuts off what nobody wants to know of a duration.
func rounded(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// announce says how long posting a message of so many entries takes, beside what is waiting already, and asks where
// that is long. A message of one entry is not worth a word.
func (c *conversation) announce(ctx context.Context, entries int) error {
	waiting, err := c.Unposted()
	if err != nil || entries+waiting < 2 {
		return err
	}
	limits, err := c.client.Limits(ctx)
	if err != nil {
		return err
	}
	c.bulkRows = limits.BulkRows
	c.plan = estimateFor(limits, entries+waiting)
	if c.asJSON && !c.quiet {
		err := c.printJSON(estimateJSON{
			"estimate", c.plan.entries, c.plan.single, c.plan.bulk, c.plan.takes().Seconds(),
			known(limits.Daily),
		})
		if err != nil {
			return err
		}
	}
	switch {
	case entries > 0 && waiting > 0:
		c.say("the message takes %s, after the %s in the outbox: in all %s",
			count(entries, "entry"), count(waiting, "entry"), c.plan.text())
	case entries > 0:
		c.say("the message takes %s", c.plan.text())
	default:
		c.say("%s to post", c.plan.text())
	}
	if entries == 0 {
		return nil // what waits was asked for when it was written
	}
	return c.agree(ctx, estimateFor(limits, entries))
}

// agree asks whether a transfer that takes long is wanted.
func (c *conversation) agree(ctx context.Context, e estimate) error {
	if c.yes || !e.isLong() {
		return nil
	}
	ok, err := c.confirm(ctx, "Send it?")
	if err == nil && !ok {
		err = hint(usagef("not sent: %s", e.text()), "say --yes, or send something shorter")
	}
	return err
}
