package messenger

import (
	"context"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
)

// Day is what a room costs in which something always waits to be posted.
type Day struct {
	// Interval is the pause between two entries; 0 for none, and nothing is reckoned then.
	Interval time.Duration
	// Entries is how many a day has at that pace, and Daily how many a day has under the quota; 0 where they are not
	// counted.
	Entries, Daily int
}

// DayOf asks a room's relay how fast it takes entries. Of one that does not answer the limits of a free licence are
// assumed; the only error is the context's, or that of settings that lead nowhere.
func (e *Engine) DayOf(ctx context.Context, r model.Room) (d Day, err error) {
	client, err := e.dial(r)
	if err != nil {
		return d, err
	}
	defer client.Close()
	limits, err := client.Limits(ctx)
	if err != nil || limits.Interval <= 0 {
		return d, err
	}
	return Day{limits.Interval, int(24 * time.Hour / limits.Interval), limits.Daily}, nil
}

// announce tells how long posting a message of so many entries takes, beside what is waiting already, and asks where
// that is long. A message of one entry is not worth a word.
func (r *Room) announce(ctx context.Context, entries int) error {
	waiting, err := r.Unposted()
	if err != nil || entries+waiting < 2 {
		return err
	}
	limits, err := r.client.Limits(ctx)
	if err != nil {
		return err
	}
	r.plan = exchange.Reckon(limits, entries+waiting)
	if err := r.tell(Estimated{entries, waiting, r.plan}); err != nil || entries == 0 {
		return err // what waits was asked for when it was written
	}
	return r.agree(ctx, r.plan.For(entries))
}

// agree asks whether a transfer that takes long is wanted.
func (r *Room) agree(ctx context.Context, e exchange.Estimate) error {
	if !e.IsLong() || r.face.Agree == nil {
		return nil
	}
	return r.face.Agree(ctx, e)
}
