package thingspeak

import "time"

// Limits are what a relay of our kind tells about itself at /limits.json, which the service does not have: so that a
// client knows how long a transfer takes before it begins.
type Limits struct {
	// IntervalMS is the least time between two updates of a channel, BulkIntervalMS that between two bulk calls, in
	// milliseconds; 0 for none.
	IntervalMS     int64 `json:"interval_ms"`
	BulkIntervalMS int64 `json:"bulk_interval_ms"`
	// BulkUpdates is the most entries of one bulk call.
	BulkUpdates int `json:"bulk_updates"`
	// Entries is the highest number that an entry of a channel gets; 0 for no limit.
	Entries int64 `json:"entries"`
}

// Interval returns IntervalMS as a duration.
func (l Limits) Interval() time.Duration { return time.Duration(l.IntervalMS) * time.Millisecond }

// BulkInterval returns BulkIntervalMS as a duration.
func (l Limits) BulkInterval() time.Duration {
	return time.Duration(l.BulkIntervalMS) * time.Millisecond
}

// Plausible reports whether a relay can mean these limits: no interval is longer than a day, and a bulk call carries
// something.
func (l Limits) Plausible() bool {
	const day = int64(24 * time.Hour / time.Millisecond)
	return min(l.IntervalMS, l.BulkIntervalMS) >= 0 && max(l.IntervalMS, l.BulkIntervalMS) <= day && l.BulkUpdates > 0 && l.Entries >= 0
}

// MayWrite is what a relay of our kind answers at /channels/ID/may_write.json, which the service does not have: whether
// the key that was shown writes the channel.
type MayWrite struct {
	Yes bool `json:"may_write"`
}
