package cli

import "time"

// writers returns how many members have written lately: as many share the channel's interval. Where that cannot be read, it
// knows of none; posting goes on.
func (c *conversation) writers() int {
	now := time.Now()
	if !c.news.Date.IsZero() {
		now = c.news.Date // dates of rows are the relay's
	}
	n, err := c.Writers(now)
	if err != nil {
		return 0
	}
	return n
}
