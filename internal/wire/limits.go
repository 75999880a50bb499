package wire

import (
	"encoding/json"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// LimitsPath is where relays of our kind tell what they grant.
const LimitsPath = "limits.json"

const (
	// serviceBulkInterval is the pause between two bulk calls to a channel, with any licence (contract section 6.4).
	serviceBulkInterval = 15 * time.Second
	// serviceDaily is a day's share of the three million messages that a free licence has a year (contract section 12).
	serviceDaily = 8200
)

// Assumed returns what the contract says of a free licence, for the interval between two updates that we were told of. Without
// one the relay is one of our kind that grants everything.
func Assumed(interval time.Duration) exchange.Limits {
	l := exchange.Limits{Interval: interval, BulkRows: exchange.MaxBulkRows}
	if l.Interval > 0 {
		l.BulkInterval, l.Daily = serviceBulkInterval, serviceDaily
	}
	return l
}

// Granted returns what an answer at [LimitsPath] grants, and whether it is one. Our own interval is kept all the same.
func Granted(content []byte, interval time.Duration) (l exchange.Limits, ok bool) {
	var told thingspeak.Limits
	if json.Unmarshal(content, &told) != nil || !told.Plausible() {
		return Assumed(interval), false
	}
	return exchange.Limits{
		Interval:     max(interval, told.Interval()),
		BulkInterval: told.BulkInterval(),
		BulkRows:     min(told.BulkUpdates, exchange.MaxBulkRows),
		Entries:      told.Entries,
	}, true
}
