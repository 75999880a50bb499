package cli

import (
	"github.com/fernpost/fernpost/internal/messenger"
)

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
			count(e.Entries, "entry"), count(e.Waiting, "entry"), e.All.Text())
	case e.Entries > 0:
		c.say("the message takes %s", e.All.Text())
	default:
		c.say("%s to post", e.All.Text())
	}
	return nil
}
