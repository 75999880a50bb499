package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// transfer shows how far a delivery of several entries has come: on a terminal as a bar that is drawn again and again,
// elsewhere as a line now and then, with --json as objects. Entries that were accepted before it began count as well,
// where a message goes on that was interrupted.
type transfer struct {
	*app

	asJSON, bar bool
	plan        exchange.Estimate
	// before of the entries were accepted earlier.
	before int

	mu      sync.Mutex // guards what follows; the bar is drawn by a goroutine of its own
	total   int
	posted  int // in this delivery
	began   time.Time
	first   int       // how many were accepted first, at once
	firstAt time.Time // when that was
	last    time.Time // when the last entry was accepted
	printed time.Time // the last line of its own
	leaves  bool      // it was said that an interval is left to others
	level   int       // of the status line, where the bar is drawn
	ticker  *time.Ticker
	stop    chan struct{}
	drawing sync.WaitGroup
}

// How often progress is shown.
const (
	drawEvery  = time.Second
	printEvery = 10 * time.Second
)

// newTransfer begins to show a delivery. It shows nothing of a single entry.
func (c *conversation) newTransfer(e messenger.Delivering) *transfer {
	now := time.Now()
	entries := e.Entries
	t := &transfer{
		app: c.app, asJSON: c.asJSON, plan: e.All, before: e.Before, total: e.Before + entries,
		began: now, last: now, printed: now,
	}
	if t.bar = c.drawsStatus() && !c.asJSON && entries > 1; !t.bar {
		return t
	}
	t.level = t.status.take()
	t.draw(now)
	t.ticker, t.stop = time.NewTicker(drawEvery), make(chan struct{})
	t.drawing.Go(func() {
		for {
			select {
			case <-t.ticker.C:
				t.mu.Lock()
				t.draw(time.Now())
				t.mu.Unlock()
			case <-t.stop:
				return
			}
		}
	})
	return t
}

// end takes the bar away.
func (t *transfer) end() {
	if !t.bar {
		return
	}
	t.ticker.Stop()
	close(t.stop)
	t.drawing.Wait()
	t.status.give()
}

// accepted shows that entries were accepted.
func (t *transfer) accepted(p model.Progress) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.posted, t.total, t.last = p.Posted, t.before+p.Total, now
	if t.first == 0 {
		t.first, t.firstAt = p.Posted, now
	}
	switch {
	case t.total < 2 || t.quiet:
	case t.asJSON:
		return t.printJSON(progressJSON{"progress", t.before + t.posted, t.total, p.Entry})
	case t.bar:
		t.draw(now)
	case now.Sub(t.printed) >= printEvery && p.Posted < p.Total:
		t.printed = now
		t.say("%s", t.text(now))
	}
	return nil
}

// waits says why posting waits. That each entry waits for the interval was said before a transfer began, but not that it leaves another
// one to others who write: that is said once.
func (t *transfer) waits(w exchange.Wait) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.Reason == exchange.OwnInterval && t.total > 1 {
		if w.Writers < 2 || t.leaves {
			return
		}
		t.leaves = true
	}
	t.showWait(w)
}

// reckon reckons with what the rest takes, which is more than was said.
func (t *transfer) reckon(rest exchange.Estimate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan = rest
}

// text says how far it is: percent, entries, rate, time left.
func (t *transfer) text(now time.Time) string {
	done := t.before + t.posted
	s := fmt.Sprintf("%3d%%  %d of %s", 100*done/max(t.total, 1), done, count(t.total, "entry"))
	if t.posted > t.first || t.posted > 0 && t.plan.Takes() == 0 {
		s += ", " + t.rate()
	}
	if left := t.left(now); left > 0 {
		s += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return s
}

// rate says how quickly entries are accepted, by the second or by the minute. What came first came without waiting for
// an interval, so it counts only where there is none.
func (t *transfer) rate() string {
	n, took := t.posted-t.first, t.last.Sub(t.firstAt)
	if n == 0 {
		n, took = t.posted, t.last.Sub(t.began)
	}
	if perSecond := float64(n) / max(took.Seconds(), 0.001); perSecond >= 1 {
		return fmt.Sprintf("%.0f/s", perSecond)
	}
	return fmt.Sprintf("%.1f/min", float64(n)/took.Minutes())
}

// left is how long the rest takes: by the relay's intervals, or without any as long as what was posted took.
func (t *transfer) left(now time.Time) time.Duration {
	rest := t.total - t.before - t.posted
	left := t.plan.For(rest).Takes()
	switch {
	case left == 0 && t.plan.Takes() == 0:
		if t.posted == 0 {
			return 0
		}
		return t.last.Sub(t.began) / time.Duration(t.posted) * time.Duration(rest)
	case t.posted > 0:
		left = t.plan.Rest(rest)
	}
	return max(left-now.Sub(t.last), 0)
}

// draw draws the bar.
func (t *transfer) draw(now time.Time) {
	const least, most = 10, 30
	line := t.text(now)
	if width := min(t.width-utf8.RuneCountInString(line)-2, most); width >= least {
		full := width * (t.before + t.posted) / max(t.total, 1)
		line = t.style.good(strings.Repeat("█", full)) + t.style.dim(strings.Repeat("░", width-full)) + " " + line
	}
	t.status.draw(t.level, line)
}
