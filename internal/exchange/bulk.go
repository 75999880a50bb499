package exchange

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	x.mu.Lock()
	own := time.Until(x.nextBulk)
	x.mu.Unlock()
	if own > 0 {
		if err := p.wait(ctx, Wait{Reason: OwnInterval, For: own}); err != nil {
			return err
		}
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
			x.mu.Lock()
			x.nextBulk = time.Now().Add(x.bulkInterval)
			x.mu.Unlock()
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

// FindAll looks for updates among the entries after the number known, in one reading, and returns their entry numbers,
// 0 for those that are not there. An update counts as found when an entry shows all its values and no others. Where
// entries are the same, the one with the lowest number counts.
func (x *Exchange) FindAll(ctx context.Context, updates []thingspeak.Fields, known int64) ([]int64, error) {
	wanted := make(map[string][]int, len(updates))
	for i := range updates {
		k := joined(&updates[i])
		wanted[k] = append(wanted[k], i)
	}
	found := make([]int64, len(updates))
	left := len(updates)
	ctx, end := x.port.Begin(ctx)
	defer end()
	scan := x.Scan()
	visit := func(e *thingspeak.Entry) error {
		if e.ID <= known && scan.last >= known || e.ID > MaxStored {
			return nil
		}
		for _, i := range wanted[joined(&e.Fields)] {
			if found[i] == 0 {
				left--
			}
			if found[i] == 0 || e.ID < found[i] {
				found[i] = e.ID
			}
		}
		return nil
	}
	for n := min(max(len(updates), 10), thingspeak.MaxResults); ; n = thingspeak.MaxResults {
		more, err := scan.Back(ctx, n, visit)
		switch {
		case err != nil && left > 0:
			return nil, err
		case err != nil || !more || scan.last >= known && scan.floor() <= known:
			return found, nil
		case left == 0 && scan.last < known: // cleared since: there is no end to look for lower copies up to
			return found, nil
		}
	}
}

// joined is the whole of an entry's fields as one text. A value holds no byte 0 that a relay would keep.
func joined(f *thingspeak.Fields) string {
	var b strings.Builder
	for _, v := range f {
		b.WriteString(v.Text)
		b.WriteByte(0)
	}
	return b.String()
}
