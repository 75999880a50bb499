package cli

import (
	"bufio"
	"context"
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/keyring"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
)

// watchMark is the name under which the archive remembers what watch has shown.
const watchMark = "watch"

// watchRoom follows a room. Whichever process reads an entry, watch shows it: what it prints comes from the
// archive, behind the mark of what it has printed.
func (a *app) watchRoom(ctx context.Context, r keyring.Room, o watchOptions) (err error) {
	c, err := a.openConversation(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	mark, known, err := c.Shown(watchMark)
	if err != nil {
		return err
	}
	if o.fromStart {
		mark, known = room.Mark{}, true
		c.ReadWhole()
	}
	f := &follower{app: a, options: o, room: r}
	var w waiting
	return f.run(ctx, func(ctx context.Context) (news bool, err error) {
		arrivals, readErr := c.Read(ctx)
		f.relayAnswers(readErr)
		if readErr == nil {
			if err := a.tellWaiting(w.ripe(arrivals.Waiting, time.Now()), o.asJSON); err != nil {
				return false, err
			}
			news, _ := c.News()
			if err := c.tellRelay(&news, &arrivals, o.asJSON); err != nil {
				return false, err
			}
		}
		if err := c.tellArrivals(&arrivals, o.asJSON); err != nil {
			return false, err
		}
		if !known {
			// The first watch of a room begins now, behind what was there before: once that is read.
			if readErr != nil {
				return false, readErr
			}
			if mark, err = c.beginWatch(); err != nil {
				return false, err
			}
			known = true
		}
		if mark, err = c.printNews(mark, f); err != nil {
			return false, err
		}
		if err := c.tellElsewhere(o.asJSON); err != nil {
			return false, err
		}
		if f.done() && o.strict {
			if err := c.tellKeyGone(true, o.asJSON); err != nil {
				return false, err
			}
			if err := c.tellStanding(o.asJSON); err != nil {
				return false, err
			}
			if err := c.tellLacking(o.asJSON); err != nil {
				return false, err
			}
			if err := c.tellNotReadBack(false, o.asJSON); err != nil { // what was sent just now is not due
				return false, err
			}
		}
		return arrivals.Entries > 0, readErr
	})
}

// beginWatch finds the mark where the first watch of a room begins: behind all that is there, or where a watch of an earlier
// version has ended.
func (c *conversation) beginWatch() (mark room.Mark, err error) {
	entry, ok, err := c.Watched()
	switch {
	case err != nil:
		c.say("%s", c.style.warn(screen.Line(err.Error())))
		c.say("so this watch begins with what comes from now on; \"fernpost recv\" shows what came before, --from-start all")
		mark, err = c.Now()
	case ok:
		mark, err = c.MarkBehind(entry)
	default:
		mark, err = c.Now()
	}
	if err == nil {
		err = c.SetShown(watchMark, mark)
	}
	if err == nil {
		err = c.ForgetWatched()
	}
	return mark, err
}

// waiting is what waits, since when, and whether this watch has told so.
type waiting map[record.FindingID]awaiting

type awaiting struct {
	since time.Time
	told  bool
}

// ripe returns what has been lacking for a minute and was not told yet, and forgets what waits no longer. Where nobody
// knows since when it is lacking, it is since this watch has found it so.
func (w *waiting) ripe(all []record.Finding, now time.Time) (tell []record.Finding) {
	still := make(waiting, len(all))
	for i := range all {
		f := &all[i]
		id := f.ID()
		is := (*w)[id]
		switch {
		case !f.Since.IsZero():
			is.since = f.Since
		case is.since.IsZero():
			is.since = now
		}
		if !is.told && now.Sub(is.since) >= record.WaitingAfter {
			is.told = true
			tell = append(tell, *f)
		}
		still[id] = is
	}
	*w = still
	return tell
}

// printNews prints what has come since a mark, as many messages as are wanted, and moves the mark on once that is out.
func (c *conversation) printNews(mark room.Mark, f *follower) (room.Mark, error) {
	out := bufio.NewWriter(c.stdout)
	for more := true; more && !f.done(); {
		news, err := c.Since(mark, f.left()) // no more, or the mark would stand behind what was not printed
		if err != nil {
			return mark, err
		}
		var printed room.Printed
		for i := range news.Items {
			it := &news.Items[i]
			if !f.options.policy.shows(it) {
				continue
			}
			f.shown++
			printed.Add(it)
			if f.options.asJSON {
				err = writeJSON(out, jsonOf(it, ""))
			} else {
				_, err = out.Write(c.appendItem(nil, it, f.options.policy, ""))
			}
			if err != nil {
				return mark, err
			}
		}
		if err := out.Flush(); err != nil {
			return mark, err
		}
		if err := c.SetPrinted(printed); err != nil {
			return mark, err
		}
		lines := findings{a: c.app, asJSON: f.options.asJSON}
		for i := range news.Found {
			if err := lines.tell(&news.Found[i].Finding, news.Found[i].TakenBack); err != nil {
				return mark, err
			}
		}
		if err := lines.end(); err != nil {
			return mark, err
		}
		if news.Until != mark {
			mark = news.Until
			if err := c.SetShown(watchMark, mark); err != nil {
				return mark, err
			}
		}
		more = news.More
	}
	return mark, nil
}
