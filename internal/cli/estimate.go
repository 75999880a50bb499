package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
)

// estimateText says what posting takes.
func estimateText(e messenger.Estimate) string {
	var s strings.Builder
	s.WriteString(count(e.Entries, "entry"))
	if e.Bulk > 0 {
		fmt.Fprintf(&s, " in %s", count(e.Bulk, "bulk call"))
		if e.Single > 0 {
			fmt.Fprintf(&s, " and %s", count(e.Single, "single one"))
		}
	}
	if takes := e.Takes(); takes > 0 {
		fmt.Fprintf(&s, ", about %v at the relay's intervals", rounded(takes))
	}
	if e.Limits.Daily > 0 {
		fmt.Fprintf(&s, "; as many of the channel's messages, of which a free licence has about %d a day", e.Limits.Daily)
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

// announce says how long posting takes.
func (c *conversation) announce(e messenger.Estimated) error {
	if c.asJSON && !c.quiet {
		err := c.printJSON(estimateJSON{
			"estimate", e.All.Entries, e.All.Single, e.All.Bulk, e.All.Takes().Seconds(), known(e.All.Limits.Daily),
		})
		if err != nil {
			return err
		}
	}
	switch {
	case e.Entries > 0 && e.Waiting > 0:
		c.say("the message takes %s, after the %s in the outbox: in all %s",
			count(e.Entries, "entry"), count(e.Waiting, "entry"), estimateText(e.All))
	case e.Entries > 0:
		c.say("the message takes %s", estimateText(e.All))
	default:
		c.say("%s to post", estimateText(e.All))
	}
	return nil
}
