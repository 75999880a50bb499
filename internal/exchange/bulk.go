package exchange

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// MaxBulkRows is how many rows one bulk call carries with a free licence (contract section 6.4).
const MaxBulkRows = 960

// PostBulk posts up to [MaxBulkRows] entries in one call, of which CreatedAt and Fields count. It keeps the interval of bulk
// calls after our own last one, and tries a call that comes too soon for the relay five times in all. Success means that the
// relay has promised to store the rows: [Exchange.Settle] finds out which it has. A call of which the reply is lost succeeds as
// well, after a pause in which the relay may finish it. Progress, if not nil, is told of each wait
// before it begins.
func (x *Exchange) PostBulk(ctx context.Context, rows []thingspeak.Entry, progress func(Wait)) error {
	p := poster{x: x, progress: progress}
	if err := p.await(ctx, &x.bulk); err != nil {
		return err
	}
	for {
		a, err := x.port.Ask(ctx, Request{What: BulkUpdate, Rows: rows}, nil)
		if err != nil {
			p.failed(a.Failure)
		}
		switch {
		case err != nil && a.Failure.mayBeStored():
			p.inDoubt = true
			err = p.wait(ctx, Wait{Reason: ReplyLost, For: minLostReplyWait, Round: 1})
		case a.Failure.Kind == TooSoon:
			if err := p.pause(ctx, err); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			x.posted(&x.bulk)
			return nil
		}
		return p.final(err)
	}
}

// settleAgain are the pauses after which rows that a relay has promised to store are looked for again: it may show them
// later than it answers (contract section 15, quirks 7 and 13).
var settleAgain = [...]time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// Settle looks for updates of which it is not known whether the relay stored them, among the entries after the number
// known, and returns their entry numbers, 0 for those that are not there. What has been promised, by a bulk call, it looks
// for again, three times within seven seconds. Where anything is not there it once waits out the interval, five seconds at
// least, and looks again: a process that was killed may have sent it a moment ago. Progress, if not nil, is told of that.
func (x *Exchange) Settle(
	ctx context.Context, updates []thingspeak.Fields, known int64, promised bool, progress func(Wait),
) ([]int64, error) {
	found, err := x.FindAll(ctx, updates, known)
	lacks := func() bool { return err == nil && slices.Contains(found, 0) }
	p := poster{x: x, progress: progress}
	for _, pause := range settleAgain {
		if !promised || !lacks() {
			break
		}
		if err := x.sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("%s: %w", x.posting(), err)
		}
		found, err = x.FindAll(ctx, updates, known)
	}
	if !lacks() || x.settled.Load() {
		return found, err
	}
	if err := p.wait(ctx, Wait{Reason: ReplyLost, For: max(x.set.Interval, minLostReplyWait), Round: 1}); err != nil {
		return nil, err
	}
	x.settled.Store(true)
	return x.FindAll(ctx, updates, known)
}

// FindAll looks for updates as [Exchange.Settle] does, once: an entry may show a moment later only (contract section 15,
// quirk 13).
func (x *Exchange) FindAll(ctx context.Context, updates []thingspeak.Fields, known int64) ([]int64, error) {
	found, _, err := x.find(ctx, updates, known)
	return found, err
}
