package exchange

import (
	"fmt"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/screen"
)

// Estimate is what posting takes at a relay to which nobody else is posting.
type Estimate struct {
	Limits Limits
	// Entries are those to be posted, Single and Bulk the requests for that.
	Entries, Single, Bulk int
}

// longTransfer is how long sending may take without being asked for.
const longTransfer = 10 * time.Minute

// Reckon tells what posting so many entries takes, by what a relay grants.
func Reckon(l Limits, entries int) Estimate {
	single, bulk := requests(entries, l.BulkRows)
	return Estimate{l, entries, single, bulk}
}

// BulkFrom is from how many entries on a bulk update is worth it: it takes a reading to know what became of it.
const BulkFrom = 4

// requests returns how many requests so many entries need, if bulk updates may hold most of them; 0 if there are none. The single
// ones are posted last.
func requests(entries, most int) (single, bulk int) {
	if most = min(most, MaxBulkRows); most < BulkFrom {
		return entries, 0
	}
	single, bulk = entries%most, entries/most
	if single >= BulkFrom {
		return 0, bulk + 1
	}
	return single, bulk
}

// For is what so many entries take at the same relay.
func (e Estimate) For(entries int) Estimate { return Reckon(e.Limits, entries) }

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
