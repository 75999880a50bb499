package relaycmd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/duration"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// limitFlags choose a preset and change single limits of it.
type limitFlags struct {
	preset   string
	interval time.Duration
	single   []*limitFlag
}

func (l *limitFlags) add(own *pflag.FlagSet) {
	l.preset = relay.PresetFree
	own.Var(presetFlag{&l.preset}, "limits", "limits of a licence, `free|paid|none`; the following change single ones")
	own.Var(duration.Flag(&l.interval, thingspeak.DefaultInterval), "interval",
		"least `TIME` between two updates of a channel; 0 for none")
	for _, one := range []struct {
		name  string
		flag  limitFlag
		usage string
	}{
		{
			"bulk-interval",
			limitFlag{isTime: true, store: func(to *relay.Limits, v int64) { to.BulkInterval = time.Duration(v) }},
			"least `TIME` between two bulk updates of a channel; 0 for none",
		},
		{
			"max-results",
			limitFlag{least: 1, store: func(to *relay.Limits, v int64) { to.Results = int(v) }},
			"most `ROWS` that one read returns",
		},
		{
			"max-value-bytes",
			limitFlag{least: 1, store: func(to *relay.Limits, v int64) { to.ValueBytes = int(v) }},
			"longest field or status, in `BYTES`",
		},
		{
			"max-message-bytes",
			limitFlag{least: 1, store: func(to *relay.Limits, v int64) { to.MessageBytes = int(v) }},
			"most `BYTES` that the values of one update have together",
		},
		{
			"max-bulk-updates",
			limitFlag{least: 1, store: func(to *relay.Limits, v int64) { to.BulkUpdates = int(v) }},
			"most `ENTRIES` of one bulk update",
		},
		{
			"max-channels",
			limitFlag{store: func(to *relay.Limits, v int64) { to.Channels = int(v) }},
			"most channels of one account; 0 for no limit",
		},
		{
			"max-open-channels",
			limitFlag{least: 1, store: func(to *relay.Limits, v int64) { to.OpenChannels = int(v) }},
			"most channels that are made without a user key",
		},
		{
			"max-entries",
			limitFlag{store: func(to *relay.Limits, v int64) { to.Entries = v }},
			"most entries of one channel; 0 for no limit",
		},
	} {
		l.single = append(l.single, &one.flag)
		own.Var(&one.flag, one.name, one.usage)
	}
}

// limitFlag is one limit. It remembers by itself whether it was set: 0 is no limit, and a setting of the configuration
// does not count as a change of the flag.
type limitFlag struct {
	// text is what it was set to, empty if it was not.
	text   string
	value  int64
	least  int64
	isTime bool
	// store changes the limit.
	store func(to *relay.Limits, value int64)
}

func (f *limitFlag) String() string { return f.text }

func (f *limitFlag) Type() string {
	if f.isTime {
		return "duration"
	}
	return "int"
}

// Set is part of [pflag.Value]. An empty text leaves the limit to the preset. [CheckFlag] words its errors.
func (f *limitFlag) Set(text string) (err error) {
	switch {
	case text == "":
		f.value = f.least
	case f.isTime:
		var d time.Duration
		d, err = duration.Parse(text)
		f.value = int64(d)
	default:
		f.value, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		return err
	}
	if f.value < f.least {
		return fmt.Errorf("want at least %d", f.least)
	}
	f.text = text
	return nil
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
	if l.interval < 0 {
		return limits, fmt.Errorf("--interval %v: want at least 0", l.interval)
	}
	// A setting of the configuration sets a flag's value, and does not count as changed.
	if own.Changed("interval") || l.interval != thingspeak.DefaultInterval {
		limits.Interval = l.interval
		limits.BulkInterval = min(limits.BulkInterval, l.interval)
	}
	for _, f := range l.single {
		if f.text != "" {
			f.store(&limits, f.value)
		}
	}
	return limits, nil
}

// Presets are the names of limits, and Lies those of what --cheat does, for whoever completes what is typed.
var (
	Presets = []string{relay.PresetFree, relay.PresetPaid, relay.PresetNone}
	Lies    = strings.Split(cheat.All.String(), ",")
)
