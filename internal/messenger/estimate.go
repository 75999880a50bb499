package messenger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/screen"
)

// Estimate is what posting takes at a relay to which nobody else is posting.
type Estimate struct {
	Limits exchange.Limits
	// Entries are those to be posted, Single and Bulk the requests for that.
	Entries, Single, Bulk int
}

// longTransfer is how long sending may take without being asked for.
const longTransfer = 10 * time.Minute

// estimate reckons with what a relay grants.
func estimate(l exchange.Limits, entries int) Estimate {
	single, bulk := room.Requests(entries, l.BulkRows)
	return Estimate{l, entries, single, bulk}
}

// For is what so many entries take at the same relay.
func (e Estimate) For(entries int) Estimate { return estimate(e.Limits, entries) }

// Takes is the time that the relay's intervals make of it. The bulk calls go first, and the two do not wait for each other.
func (e Estimate) Takes() time.Duration {
	return time.Duration(max(e.Bulk-1, 0))*e.Limits.BulkInterval + time.Duration(max(e.Single-1, 0))*e.Limits.Interval
}

// Rest is what the last of the entries take once one before them was accepted.
func (e Estimate) Rest(entries int) time.Duration {
	rest := e.For(entries)
	switch {
	case rest.Bulk > 0:
		return rest.Takes() + e.Limits.BulkInterval
	case e.Bulk == 0 && rest.Single > 0:
		return rest.Takes() + e.Limits.Interval
	}
	return rest.Takes()
}

// IsLong reports whether somebody is to be asked first: above ten minutes, or above a tenth of the day's messages.
func (e Estimate) IsLong() bool {
	return e.Takes() > longTransfer || e.Limits.Daily > 0 && e.Entries > e.Limits.Daily/10
}

// Text says in words what posting takes.
func (e Estimate) Text() string {
	var s strings.Builder
	s.WriteString(screen.Count(e.Entries, "entry"))
	if e.Bulk > 0 {
		fmt.Fprintf(&s, " in %s", screen.Count(e.Bulk, "bulk call"))
		if e.Single > 0 {
			fmt.Fprintf(&s, " and %s", screen.Count(e.Single, "single one"))
		}
	}
	if takes := e.Takes(); takes > 0 {
		fmt.Fprintf(&s, ", about %v at the relay's intervals", rounded(takes))
	}
	if e.Limits.Daily > 0 {
		fmt.Fprintf(&s, "; as many of the channel's messages, of which a free licence has about %d a day", e.Limits.Daily)
	}
	return s.String()
}

// rounded cuts off what nobody wants to know of how long something takes.
func rounded(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// Day is what a room costs in which something always waits to be posted.
type Day struct {
	// Interval is the pause between two entries; 0 for none, and nothing is reckoned then.
	Interval time.Duration
	// Entries is how many a day has at that pace, and Daily how many a day has under the quota; 0 where they are not counted.
	Entries, Daily int
}

// DayOf asks a room's relay how fast it takes entries. Of one that does not answer the limits of a free licence are assumed; the
// only error is the context's, or that of settings that lead nowhere.
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

// announce tells how long posting a message of so many entries takes, beside what is waiting already, and asks where that is
// long. A message of one entry is not worth a word.
func (r *Room) announce(ctx context.Context, entries int) error {
	waiting, err := r.Unposted()
	if err != nil || entries+waiting < 2 {
		return err
	}
	limits, err := r.client.Limits(ctx)
	if err != nil {
		return err
	}
	r.plan = estimate(limits, entries+waiting)
	if err := r.tell(Estimated{entries, waiting, r.plan}); err != nil || entries == 0 {
		return err // what waits was asked for when it was written
	}
	return r.agree(ctx, r.plan.For(entries))
}

// agree asks whether a transfer that takes long is wanted.
func (r *Room) agree(ctx context.Context, e Estimate) error {
	if !e.IsLong() || r.face.Agree == nil {
		return nil
	}
	return r.face.Agree(ctx, e)
}
