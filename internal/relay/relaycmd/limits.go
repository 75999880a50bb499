package relaycmd

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// limitFlags choose a preset and change single limits of it.
type limitFlags struct {
	preset                             string
	interval, bulkInterval             time.Duration
	results, value, message, bulk      int
	channels, openChannels, maxEntries int64
}

func (l *limitFlags) add(own *pflag.FlagSet) {
	l.preset = relay.PresetFree
	own.Var(presetFlag{&l.preset}, "limits", "limits of a licence, `free|paid|none`; the following change single ones")
	own.DurationVar(&l.interval, "interval", thingspeak.DefaultInterval,
		"least `TIME` between two updates of a channel; 0 for none")
	own.DurationVar(&l.bulkInterval, "bulk-interval", 0, "least `TIME` between two bulk updates of a channel; 0 for none")
	own.IntVar(&l.results, "max-results", 0, "most `ROWS` that one read returns")
	own.IntVar(&l.value, "max-value-bytes", 0, "longest field or status, in `BYTES`")
	own.IntVar(&l.message, "max-message-bytes", 0, "most `BYTES` that the values of one update have together")
	own.IntVar(&l.bulk, "max-bulk-updates", 0, "most `ENTRIES` of one bulk update")
	own.Int64Var(&l.channels, "max-channels", 0, "most channels of one account; 0 for no limit")
	own.Int64Var(&l.openChannels, "max-open-channels", 0, "most channels that are made without a user key")
	own.Int64Var(&l.maxEntries, "max-entries", 0, "most entries of one channel; 0 for no limit")
}

// presetFlag takes the names of relay.Preset.
type presetFlag struct{ name *string }

func (p presetFlag) String() string {
	if p.name == nil {
		return ""
	}
	return *p.name
}

func (p presetFlag) Type() string { return "string" }

func (p presetFlag) Set(name string) error {
	if _, err := relay.Preset(name); err != nil {
		return err
	}
	*p.name = name
	return nil
}

// limits are the preset's, with what the user has set.
func (l *limitFlags) limits(own *pflag.FlagSet) (relay.Limits, error) {
	limits, err := relay.Preset(l.preset)
	if err != nil {
		return limits, err
	}
	// A setting of the configuration sets a flag's value, and does not count as changed.
	if own.Changed("interval") || l.interval != thingspeak.DefaultInterval {
		limits.Interval = l.interval
		limits.BulkInterval = min(limits.BulkInterval, l.interval)
	}
	for _, set := range []struct {
		name         string
		value, least int64
		store        func(int64)
	}{
		{"interval", int64(l.interval), 0, func(int64) {}},
		{"bulk-interval", int64(l.bulkInterval), 0, func(v int64) { limits.BulkInterval = time.Duration(v) }},
		{"max-results", int64(l.results), 1, func(v int64) { limits.Results = int(v) }},
		{"max-value-bytes", int64(l.value), 1, func(v int64) { limits.ValueBytes = int(v) }},
		{"max-message-bytes", int64(l.message), 1, func(v int64) { limits.MessageBytes = int(v) }},
		{"max-bulk-updates", int64(l.bulk), 1, func(v int64) { limits.BulkUpdates = int(v) }},
		{"max-channels", l.channels, 0, func(v int64) { limits.Channels = int(v) }},
		{"max-open-channels", l.openChannels, 1, func(v int64) { limits.OpenChannels = int(v) }},
		{"max-entries", l.maxEntries, 0, func(v int64) { limits.Entries = v }},
	} {
		if f := own.Lookup(set.name); set.value < set.least && (f.Changed || set.value < 0) {
			return limits, fmt.Errorf("--%s %s: at least %d", set.name, f.Value, set.least)
		} else if f.Changed {
			set.store(set.value)
		}
	}
	return limits, nil
}
