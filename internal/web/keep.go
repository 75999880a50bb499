package web

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Feed is what the relay has of one of the class's rooms.
type Feed struct {
	// Name is what the room's channel is called.
	Name  string
	class *Class
	room  *room
}

// EndLies has the relay show everything as it was posted from now on, and returns the feeds of the rooms in which somebody has written,
// that of the signed room first.
func (c *Class) EndLies(ctx context.Context) (all []Feed, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.relay.Change(c.limits, cheat.Lies(0)); err != nil {
		return nil, err
	}
	for _, r := range c.rooms {
		v, err := c.relay.Rules().View(ctx, r.channel, "")
		if err != nil {
			return nil, err
		}
		if v.State.Last > 0 {
			all = append(all, Feed{r.name, c, r})
		}
	}
	slices.SortFunc(all, func(a, b Feed) int { return cmp.Compare(a.room.profile.Form, b.room.profile.Form) })
	return all, nil
}

// Write writes the feed as everybody could download it.
func (f *Feed) Write(ctx context.Context, to io.Writer) error {
	rules := f.class.relay.Rules()
	v, err := rules.View(ctx, f.room.channel, "")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(to)
	fields := v.Channel.Enabled()
	_, _ = out.Write(thingspeak.AppendCSVHeader(nil, fields, false, false)) // Flush says what failed
	err = rules.Range(ctx, v, 1, v.State.Last, func(e *thingspeak.Entry) error {
		_, err := out.Write(thingspeak.AppendCSVRow(nil, e, fields, false, false, time.UTC))
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}
