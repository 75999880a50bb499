package relay

import (
	"fmt"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Limits are what a relay grants (contract section 12). They are values: a preset is a starting point, and each can be
// set by itself.
type Limits struct {
	// Interval is the least time between two accepted updates of a channel; 0 for none. It and BulkInterval count in whole
	// seconds.
	Interval time.Duration
	// BulkInterval is the least time between two bulk calls to a channel; 0 for none.
	BulkInterval time.Duration
	// BulkUpdates is the most entries of one bulk call.
	BulkUpdates int
	// ValueBytes is the longest value of a field, status or elevation, in bytes of UTF-8.
	ValueBytes int
	// MessageBytes is the most bytes that the values of one entry have together.
	MessageBytes int
	// Results is the most rows that one read returns.
	Results int
	// Channels is the most channels of one account; 0 for no limit. The local account, which is the operator's, has none.
	Channels int
	// OpenChannels is the most channels of the local account as long as they are made without a user key.
	OpenChannels int
	// Entries is the most entries of one channel; 0 for no limit. A full channel refuses, it drops nothing.
	Entries int64
}

// Presets of Limits. What a licence counts per year is not counted here.
const (
	PresetFree = "free"
	PresetPaid = "paid"
	PresetNone = "none"
)

// Preset returns the limits of a preset: "free" and "paid" are the service's licences, "none" lets a channel be written
// as fast as the disk takes it and keeps only what protects the relay itself.
func Preset(name string) (Limits, error) {
	l := Limits{
		Interval:     thingspeak.DefaultInterval,
		BulkInterval: 15 * time.Second,
		BulkUpdates:  960,
		ValueBytes:   thingspeak.MaxValueBytes,
		MessageBytes: thingspeak.MaxMessageBytes,
		Results:      thingspeak.MaxResults,
		Channels:     4,
		OpenChannels: 100,
	}
	switch name {
	case PresetFree:
	case PresetPaid:
		l.Interval, l.BulkUpdates, l.Channels = time.Second, 14_400, 250
	case PresetNone:
		l.Interval, l.BulkInterval, l.BulkUpdates, l.Channels = 0, 0, 14_400, 0
	default:
		return Limits{}, fmt.Errorf("unknown limits %q: free, paid or none", name)
	}
	return l, nil
}
