package relay

import (
	"context"
	"errors"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// followAtOnce is how many entries are read at once for whoever is told of them.
const followAtOnce = 64

// Span is a stretch of entry numbers, both inclusive.
type Span struct{ First, Last int64 }

// Following tells of what comes into a channel, for doors that announce entries once and keep nothing for whoever misses
// one. What they may see is the door's business.
type Following struct {
	relay   *Relay
	channel int64
	woken   <-chan struct{}
	end     func()
	at      Mark
}

// Follow begins to follow a channel: what is stored from now on will be told of. It fails with ErrNotFound.
func (r *Relay) Follow(ctx context.Context, channel int64) (*Following, error) {
	f := &Following{relay: r, channel: channel}
	f.woken, f.end = r.store.Subscribe(channel)
	v, err := r.view(ctx, channel)
	if err != nil {
		f.end()
		return nil, err
	}
	f.at = v.End()
	return f, nil
}

// Run calls visit for each entry that comes, in order of number, but for those of bulk calls (contract section 10.3). It
// returns when ctx ends, and with ErrNotFound when the channel is gone. A store that does not answer is asked again.
func (f *Following) Run(ctx context.Context, visit func(*thingspeak.Entry)) error {
	defer f.end()
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-f.woken:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err := f.look(ctx, visit)
		if errors.Is(err, ErrNotFound) {
			return err
		}
		again := lookEvery
		if err != nil {
			again = lookAgain
		}
		timer.Reset(again)
	}
}

// look tells of what has come since it looked last.
func (f *Following) look(ctx context.Context, visit func(*thingspeak.Entry)) error {
	v, err := f.relay.view(ctx, f.channel)
	if err != nil {
		return err
	}
	if feed := v.State.Feed(); f.at.Feed != feed {
		f.at = Mark{Feed: feed}
	}
	// A standby that was promoted may not have got everything.
	f.at.Number = min(f.at.Number, v.State.Last)
	if f.at.Number == v.State.Last {
		return nil
	}
	bulk, err := f.relay.store.BulkCalls(ctx, v.State.Generation, f.at.Number+1, v.State.Last)
	if err != nil {
		return err
	}
	for f.at.Number < v.State.Last && err == nil {
		// Whoever is told may take long, and the store is not kept reading meanwhile.
		var came []thingspeak.Entry
		last := min(f.at.Number+followAtOnce, v.State.Last)
		err = f.relay.entries(ctx, v, f.at.Number+1, last, func(e *thingspeak.Entry) error {
			came = append(came, *e)
			return ctx.Err()
		})
		if err == nil && len(came) == 0 { // it was cleared meanwhile
			return nil
		}
		for i := range came {
			e := &came[i]
			for len(bulk) > 0 && bulk[0].Last < e.ID {
				bulk = bulk[1:]
			}
			if len(bulk) == 0 || e.ID < bulk[0].First {
				visit(e)
			}
			f.at.Number = e.ID
		}
	}
	return err
}
