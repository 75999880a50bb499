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

// BulkRow is one entry of a bulk call. It carries a date of its own, in whole seconds, which should be no other row's:
// a relay may want dates to differ (contract section 3.3).
type BulkRow struct {
	CreatedAt time.Time
	Fields    thingspeak.Fields
}

// PostBulk posts up to [MaxBulkRows] entries in one call, when the relay is ready: it keeps the interval of bulk calls
// after our own last one, and waits and tries again when the relay says that the call comes too soon, up to five times.
// That it succeeds is a promise: [Exchange.FindPromised] settles which rows are stored. A call of which the reply is lost
// counts as one as well, after a pause in which the relay may come to its end. Progress, if not nil, is told of each wait
// before it begins.
func (x *Exchange) PostBulk(ctx context.Context, rows []BulkRow, progress func(Wait)) error {
	p := poster{x: x, progress: progress}
	if err := p.await(ctx, &x.bulk); err != nil {
		return err
	}
	for {
		a, err := x.port.Ask(ctx, Request{What: BulkUpdate, Rows: rows}, nil)
		p.failure = a.Failure
		switch {
		case err != nil && a.Failure.mayBeStored():
			err = p.wait(ctx, Wait{Reason: ReplyLost, For: minSettle, Round: 1})
		case a.Failure.Kind == TooSoon:
			if err := p.pause(ctx, err); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			x.posted(&x.bulk)
		}
		return err
	}
}

// settleAgain are the pauses after which rows that a relay has promised to store are looked for again: it may show them
// later than it answers (contract section 15, quirks 7 and 13).
var settleAgain = [...]time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// FindPromised is [Exchange.FindAll] right after [Exchange.PostBulk]: as long as some of the rows are not there, it looks
// again, three times within seven seconds.
func (x *Exchange) FindPromised(ctx context.Context, updates []thingspeak.Fields, known int64) ([]int64, error) {
	found, err := x.FindAll(ctx, updates, known)
	for _, pause := range settleAgain {
		if err != nil || !slices.Contains(found, 0) {
			break
		}
		if err := x.sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("%s: %w", x.posting(), err)
		}
		found, err = x.FindAll(ctx, updates, known)
	}
	return found, err
}

// FindAll is [Exchange.Find] for many updates, in one reading.
func (x *Exchange) FindAll(ctx context.Context, updates []thingspeak.Fields, known int64) ([]int64, error) {
	found, _, err := x.find(ctx, updates, known)
	return found, err
}
