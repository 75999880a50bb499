package exchange

import "time"

// SlowCall is a request that takes longer than three seconds. It is told once a second, and when it is over.
type SlowCall struct {
	// Doing is what was attempted last, such as "reading channel 42", and Host the relay's host and port.
	Doing, Host string
	// For is how long the call has taken so far, and Bytes is what it has brought.
	For   time.Duration
	Bytes int64
	// Over tells that it has come to its end, well or not.
	Over bool
}

// Limits are what a relay lets a channel be written with.
type Limits struct {
	// Interval is the least time between two updates, BulkInterval that between two bulk calls; 0 for none.
	Interval, BulkInterval time.Duration
	// BulkRows is how many entries one bulk call carries.
	BulkRows int
	// Daily is how many entries a day has on average under the quota; 0 where they are not counted.
	Daily int
	// Entries is the highest number that an entry of a channel gets; 0 where there is no limit, or none was told.
	Entries int64
}
