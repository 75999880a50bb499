package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// maxHanded is how many readings are put into a room's outbox before that is posted.
	maxHanded = 200
	// firstPause is how long a room whose cloud takes nothing is left alone; each time it is doubled, up to longestPause.
	firstPause, longestPause = 2 * time.Second, 5 * time.Minute
	// growingRounds is how often more may wait after a round than after all before it, until that is told.
	growingRounds = 3
)

// deliverer hands readings over to their rooms, each room at its own pace.
type deliverer struct {
	readings *readings
	rooms    rooms
	log      *slog.Logger
}

// run delivers until the context ends, and waits for what is under way.
func (d *deliverer) run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	busy, idle := map[*shelf]bool{}, make(chan *shelf)
	for first := true; ; first = false {
		waiting := d.readings.waits()
		if first { // what an earlier run has put into an outbox may wait there
			waiting = d.readings.openAll()
		}
		for _, s := range waiting {
			if busy[s] {
				continue
			}
			busy[s] = true
			working.Go(func() {
				d.deliver(ctx, s)
				select {
				case idle <- s:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case s := <-idle:
			delete(busy, s)
		case <-d.readings.arrived:
		}
	}
}

// deliver hands over what waits of one room, until nothing does or the context ends. What fails is tried again.
func (d *deliverer) deliver(ctx context.Context, s *shelf) {
	behind, growing := int64(0), 0
	for pause := firstPause; ; {
		more, err := d.handOver(ctx, s)
		switch {
		case ctx.Err() != nil, err == nil && !more:
			return
		case err == nil:
			pause = firstPause
			if n := d.readings.count(s); n > behind {
				behind, growing = n, growing+1
			}
			if growing == growingRounds {
				growing = 0
				d.log.Warn("readings come faster than the cloud takes them", "room", nameOf(d.rooms, s.room), "waiting", behind)
			}
			continue
		}
		if gone, failed := d.readings.isGone(s); gone || failed != nil {
			d.log.Warn("nothing is delivered any more to a room: it was removed", "room", nameOf(d.rooms, s.room), "err", failed)
			if gone {
				return
			}
		}
		d.log.Warn("readings wait", "room", nameOf(d.rooms, s.room), "count", d.readings.count(s), "again_in", pause, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// handOver puts what waits into the room's outbox, and posts that.
func (d *deliverer) handOver(ctx context.Context, s *shelf) (more bool, err error) {
	// A room of that name may be another one by now: its members must not read what was meant for those of the first.
	if k, err := d.rooms.find(s.room); err != nil {
		return true, err
	} else if k.Channel != s.channel.ID {
		return true, errOtherRoom
	}
	entries, err := d.readings.next(s, maxHanded)
	if errors.Is(err, model.ErrNoRoom) { // it was removed, and whatever is there now has a shelf of its own
		return false, nil
	}
	if err != nil {
		return true, err
	}
	var handed int64
	err = d.rooms.deliver(ctx, s.room, "gateway "+d.readings.home+" sent", func(put func(*thingspeak.Entry) error) error {
		done, aside, err := d.put(s, put, entries)
		handed, err = d.readings.handOver(s, done, err, aside...)
		return err
	})
	if err != nil {
		return true, err
	}
	return d.readings.leave(s, handed), nil
}

// put puts readings into a room's outbox, in order, and returns how many of them are dealt with, and the numbers of those among them
// that the room cannot carry.
func (d *deliverer) put(s *shelf, put func(*thingspeak.Entry) error, entries []thingspeak.Entry) (done int, aside []int64, err error) {
	for i := range entries {
		e := &entries[i]
		err := d.rooms.check(s.room, e)
		if _, away := errors.AsType[*roomError](err); away {
			return i, aside, err
		}
		if err != nil { // the room was changed since it was taken
			d.log.Error("a reading is not sent, and set aside", "room", nameOf(d.rooms, s.room), "number", e.ID, "err", err)
			aside = append(aside, e.ID)
		} else if err := put(e); err != nil {
			return i, aside, err
		}
	}
	return len(entries), aside, nil
}
