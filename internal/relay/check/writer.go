package check

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// maxLost is how many replies to one update may be lost before it is left alone.
	maxLost = 3
	// maxRefused is how often in a row one update may be refused as too early.
	maxRefused = 20
)

// writer sends updates one after the other and keeps the log of them.
type writer struct {
	check  *Check
	index  int
	random *rand.Rand
	// begun is how many updates have been begun. Others read it; the log is the writer's own until it has ended.
	begun atomic.Int64
	log   []sent
}

// sent is an update in the log.
type sent struct {
	// number is that of the answer, or that under which the update was found after its reply was lost; else 0.
	number int64
	// times is how often the relay may have stored it.
	times int32
	// stored is how often it is there in the end.
	stored int32
	// answered tells an answer from a find; inPlace that it is there in the end under its number.
	answered, inPlace bool
}

// outcome is what became of one try to send an update.
type outcome int

const (
	stored outcome = iota
	// refused: the relay said that it did not store it.
	refused
	// unsent: the relay cannot have seen it.
	unsent
	// lost: the relay may have stored it or not.
	lost
)

// run writes until the check stops it.
func (w *writer) run(ctx context.Context) error {
	for n := int64(0); !w.stopped(); n++ {
		if err := w.update(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) stopped() bool {
	select {
	case <-w.check.stopWriting:
		return true
	default:
		return false
	}
}

// update sends the n-th update until it is answered or settled. When the check stops, what was not sent is dropped, and
// what was sent is settled by looking once more.
func (w *writer) update(ctx context.Context, n int64) error {
	c, id := w.check, idOf(w.index, n)
	ch := c.channelOf(id)
	w.log = append(w.log, sent{})
	w.begun.Store(n + 1)
	log := &w.log[n]
	q := request{method: http.MethodPost, path: "/update", key: ch.writeKey, form: ch.form(c.texts, id)}
	first := ch.known()
	losses, refusals, away := 0, 0, 0
	for {
		if ok, err := w.turn(ctx, ch); !ok {
			return err
		}
		before := ch.known()
		ch.sent.Add(1)
		log.times++
		number, what, wait, err := w.try(ctx, q)
		if what == refused || what == unsent {
			log.times--
			ch.sent.Add(-1)
		}
		w.pass(ch, what, wait)
		switch what {
		case stored:
			log.number, log.answered = number, true
			c.judgeAnswer(ch, id, number, before)
			c.options.Answered()
			return nil
		case refused:
			c.refused.Add(1)
			if refusals++; refusals == maxRefused {
				return fmt.Errorf("channel %d: the relay refused an update %d times as too early: "+
					"its interval is longer than %v", ch.id, refusals, c.options.Interval)
			}
			if ch.slot == nil {
				err = sleep(ctx, wait)
			}
		case unsent:
			if !errorIsAway(err) {
				break // the key was refused, or the check has ended
			}
			away++
			err = c.client.pause(ctx, w.random, away, err)
		case lost:
			c.lost.Add(1)
			losses++
			if err = sleep(ctx, c.options.Settle); err != nil {
				break
			}
			if log.number, err = c.find(ctx, w.random, ch, id, first); err != nil {
				break
			}
			if log.number != 0 || losses == maxLost || w.stopped() {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("writing to channel %d: %w", ch.id, err)
		}
	}
}

// turn waits until the channel's interval is over. It reports false when the check stops or ends before.
func (w *writer) turn(ctx context.Context, ch *channel) (bool, error) {
	if w.stopped() {
		return false, nil
	}
	if ch.slot == nil {
		return true, nil
	}
	var next time.Time
	select {
	case next = <-ch.slot:
	case <-w.check.stopWriting:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-w.check.stopWriting:
	case <-ctx.Done():
	}
	ch.slot <- next
	return false, context.Cause(ctx)
}

// pass lets the next writer have the channel. The interval counts from the answer, as nobody knows when the relay got
// the update.
func (w *writer) pass(ch *channel, what outcome, wait time.Duration) {
	if ch.slot == nil {
		return
	}
	switch interval := w.check.options.Interval; what {
	case unsent:
		ch.slot <- time.Time{}
	case refused:
		ch.slot <- time.Now().Add(max(interval, wait))
	default:
		ch.slot <- time.Now().Add(interval)
	}
}

// try sends an update once. With refused comes how long to wait; the errors of unsent that are no *awayError are final.
func (w *writer) try(ctx context.Context, q request) (number int64, what outcome, wait time.Duration, err error) {
	answer, err := w.check.client.once(ctx, w.random, q)
	if away, ok := errors.AsType[*awayError](err); ok {
		if away.sent {
			return 0, lost, 0, err
		}
		return 0, unsent, 0, err
	}
	if err != nil {
		return 0, unsent, 0, err
	}
	wait = answer.retryAfter
	if wait == 0 {
		wait = defaultRetryAfter
	}
	switch answer.status {
	case http.StatusTooManyRequests:
		return 0, refused, wait, nil
	case http.StatusOK:
		number, err = thingspeak.ParseUpdateReply(answer.body)
		if errors.Is(err, thingspeak.ErrNotStored) {
			return 0, refused, wait, nil
		}
		if err != nil {
			return 0, unsent, 0, err
		}
		return number, stored, 0, nil
	default:
		return 0, unsent, 0, answer.refusal()
	}
}

// find looks for an update among the entries that are newer than number first, and returns its number or 0.
func (c *Check) find(ctx context.Context, random *rand.Rand, ch *channel, id updateID, first int64) (int64, error) {
	last, err := c.lastEntryID(ctx, random, ch)
	if err != nil {
		return 0, err
	}
	// A relay that tells an impossible number is found out at the end.
	last = min(last, ch.base+ch.sent.Load())
	s, err := c.stretch(ctx, random, ch, first+1, last)
	if err != nil {
		return 0, err
	}
	for i, cell := range s.cells {
		if found, ours := cell.update(); ours && found == id {
			return s.from + int64(i), nil
		}
	}
	return 0, nil
}
