package relaycmd

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/relay"
)

func TestLimitFlags(t *testing.T) {
	preset := func(name string, change func(*relay.Limits)) relay.Limits {
		l, err := relay.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		change(&l)
		return l
	}
	for _, tt := range []struct {
		args []string
		want relay.Limits
	}{
		{nil, preset("free", func(*relay.Limits) {})},
		{[]string{"--limits=paid"}, preset("paid", func(*relay.Limits) {})},
		{[]string{"--limits=none"}, preset("none", func(*relay.Limits) {})},
		{[]string{"--interval=2s"}, preset("free", func(l *relay.Limits) {
			l.Interval, l.BulkInterval = 2*time.Second, 2*time.Second
		})},
		{[]string{"--interval=1m"}, preset("free", func(l *relay.Limits) { l.Interval = time.Minute })},
		{[]string{"--limits=none", "--interval=15s"}, preset("none", func(l *relay.Limits) { l.Interval = 15 * time.Second })},
		{[]string{"--interval=0s", "--bulk-interval=5s"}, preset("free", func(l *relay.Limits) {
			l.Interval, l.BulkInterval = 0, 5*time.Second
		})},
		{
			[]string{
				"--max-results=10", "--max-value-bytes=20", "--max-message-bytes=30", "--max-bulk-updates=40",
				"--max-channels=0", "--max-open-channels=60", "--max-entries=70",
			},
			preset("free", func(l *relay.Limits) {
				l.Results, l.ValueBytes, l.MessageBytes, l.BulkUpdates = 10, 20, 30, 40
				l.Channels, l.OpenChannels, l.Entries = 0, 60, 70
			}),
		},
	} {
		var l limitFlags
		set := pflag.NewFlagSet("relay", pflag.ContinueOnError)
		l.add(set)
		if err := set.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		got, err := l.limits(set)
		if err != nil {
			t.Errorf("%v: %v", tt.args, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.args, diff)
		}
	}
	for _, arg := range []string{
		"--interval=-1s", "--bulk-interval=-1s", "--max-results=0", "--max-value-bytes=0", "--max-message-bytes=-1",
		"--max-bulk-updates=0", "--max-channels=-1", "--max-open-channels=0", "--max-entries=-1", "--max-entries=many",
		"--bulk-interval=5",
	} {
		var l limitFlags
		set := pflag.NewFlagSet("relay", pflag.ContinueOnError)
		l.add(set)
		if set.Parse([]string{arg}) != nil {
			continue
		}
		if got, err := l.limits(set); err == nil {
			t.Errorf("%s is taken: %+v", arg, got)
		}
	}
}

// TestSettingCountsAsChanged: a configuration sets a flag's value without the flag being given, to nothing where it says
// nothing.
func TestSettingCountsAsChanged(t *testing.T) {
	var l limitFlags
	set := pflag.NewFlagSet("relay", pflag.ContinueOnError)
	l.add(set)
	for name, text := range map[string]string{
		"interval": "3s", "bulk-interval": "0s", "max-channels": "0", "max-entries": "", "max-results": "",
	} {
		if err := set.Lookup(name).Value.Set(text); err != nil {
			t.Fatal(err)
		}
	}
	want, err := relay.Preset(relay.PresetFree)
	if err != nil {
		t.Fatal(err)
	}
	want.Interval, want.BulkInterval, want.Channels = 3*time.Second, 0, 0
	got, err := l.limits(set)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

func TestProxyList(t *testing.T) {
	var p proxyList
	for _, s := range []string{"127.0.0.1, 10.0.0.0/8", "", "::1"} {
		if err := p.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.String(); got != "127.0.0.1/32,10.0.0.0/8,::1/128" {
		t.Errorf("the list is %s", got)
	}
	if err := p.Set("127.0.0.1,everybody"); err == nil {
		t.Error("a name was taken for an address")
	}
}
