package relay

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

// noon is the moment at which the tests decide.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 987_654_321, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d).Truncate(time.Millisecond) }

// single is an update of one entry.
func single(channel int64, key string, l *Limits, e thingspeak.Entry) Update {
	return Update{Channel: channel, Key: key, Limits: l, Entries: []NewEntry{{Entry: e}}}
}

func TestDecideInterval(t *testing.T) {
	for _, tt := range []struct {
		name     string
		interval time.Duration
		last     time.Time
		wait     time.Duration
	}{
		{"first update ever", 15 * time.Second, time.Time{}, 0},
		{"long after", 15 * time.Second, ago(time.Hour), 0},
		{"exactly the interval after", 15 * time.Second, ago(15 * time.Second), 0},
		{"a second more than a fraction too soon", 15 * time.Second, ago(14 * time.Second), 13 * time.Millisecond},
		{"in the whole second that opens the channel", 15 * time.Second, ago(14*time.Second + 988*time.Millisecond), 0},
		{"a little early", 15 * time.Second, ago(14950 * time.Millisecond), 0},
		{"at the same moment", 15 * time.Second, ago(0), 14*time.Second + 13*time.Millisecond},
		{"too soon for less than a second", 200 * time.Millisecond, ago(199 * time.Millisecond), time.Millisecond},
		{"no interval", 0, noon, 0},
		{"after the clock was set back by a year", 15 * time.Second, noon.Add(8760 * time.Hour), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			states := []State{{Channel: 1, WriteKey: "K", LastUpdate: tt.last}}
			after, decisions := Decide(states, []Update{single(1, "K", &Limits{Interval: tt.interval}, thingspeak.Entry{})}, noon)
			if tt.wait == 0 {
				if decisions[0].Err != nil || after[0].Last != 1 {
					t.Errorf("Decide = %v, last entry %d; want it accepted", decisions[0].Err, after[0].Last)
				}
				if want := ago(0); after[0].LastUpdate != want {
					t.Errorf("the last update is at %v, want %v", after[0].LastUpdate, want)
				}
				return
			}
			tooSoon, ok := errors.AsType[*TooSoonError](decisions[0].Err)
			if !ok || tooSoon.Wait != tt.wait {
				t.Errorf("Decide = %v, want a wait of %v", decisions[0].Err, tt.wait)
			}
			if diff := cmp.Diff(states, after); diff != "" {
				t.Errorf("a refused update changed the state (-before +after):\n%s", diff)
			}
		})
	}
}

// Senders by a clock of their own, whose updates take a little longer or shorter to come: npm's thingspeakclient sends
// every 15.000 s, and one update in ten was lost.
func TestDecideTakesAllOfAnExactClock(t *testing.T) {
	const jitter = 20 * time.Millisecond
	for _, interval := range []time.Duration{time.Second, 15 * time.Second} {
		for phase := time.Duration(0); phase < time.Second; phase += 50 * time.Millisecond {
			random := rand.New(rand.NewPCG(1, uint64(phase)))
			limits := &Limits{Interval: interval}
			states := []State{{Channel: 1, WriteKey: "K"}}
			for i := range 1000 {
				sent := noon.Truncate(time.Second).Add(phase + time.Duration(i)*interval)
				comes := sent.Add(time.Duration(random.Int64N(int64(2*jitter))) - jitter)
				var decisions []Decision
				states, decisions = Decide(states, []Update{single(1, "K", limits, thingspeak.Entry{})}, comes)
				if err := decisions[0].Err; err != nil {
					t.Fatalf("update %d of one every %v, %v past the second: %v", i+1, interval, phase, err)
				}
			}
		}
	}
}

// What a refused sender is told to wait is enough, to the millisecond, and no more than that.
func TestDecideTakesWhoWaitedAsTold(t *testing.T) {
	limits := &Limits{Interval: 15 * time.Second}
	update := []Update{single(1, "K", limits, thingspeak.Entry{})}
	for fraction := time.Duration(0); fraction < time.Second; fraction += time.Millisecond {
		first := noon.Truncate(time.Second).Add(fraction)
		states, _ := Decide([]State{{Channel: 1, WriteKey: "K"}}, update, first)
		_, refused := Decide(states, update, first.Add(3*time.Second))
		tooSoon, ok := errors.AsType[*TooSoonError](refused[0].Err)
		if !ok {
			t.Fatalf("after 3 s: %v, want too soon", refused[0].Err)
		}
		open := first.Add(3*time.Second + tooSoon.Wait)
		if _, d := Decide(states, update, open); d[0].Err != nil {
			t.Errorf("%v past the second: waited %v as told, and got %v", fraction, tooSoon.Wait, d[0].Err)
		}
		if _, d := Decide(states, update, open.Add(-time.Millisecond)); d[0].Err == nil {
			t.Errorf("%v past the second: taken before the %v it was told to wait", fraction, tooSoon.Wait)
		}
	}
}

func TestDecideOrderOfArrival(t *testing.T) {
	slow := &Limits{Interval: time.Hour}
	states := []State{{Channel: 10, WriteKey: "A"}, {Channel: 20, WriteKey: "B"}, {Channel: 30}}
	updates := []Update{
		single(20, "B", slow, thingspeak.Entry{}),
		single(10, "wrong", slow, thingspeak.Entry{}),
		single(10, "A", slow, thingspeak.Entry{}),
		single(20, "B", slow, thingspeak.Entry{}),
		single(10, "A", slow, thingspeak.Entry{}),
		single(15, "A", slow, thingspeak.Entry{}),
		single(20, "", slow, thingspeak.Entry{}),
		single(30, "", slow, thingspeak.Entry{}), // that has no key
	}
	_, decisions := Decide(states, updates, noon)
	var got []string
	for _, d := range decisions {
		switch {
		case d.Err == nil:
			got = append(got, "taken")
		case errors.Is(d.Err, ErrKey):
			got = append(got, "key")
		default:
			got = append(got, d.Err.Error())
		}
	}
	soon := "too soon, next update in 59m59.013s"
	if want := []string{"taken", "key", "taken", soon, soon, "key", "key", "key"}; !cmp.Equal(got, want) {
		t.Errorf("decisions are %q, want %q", got, want)
	}
	if states[0].Last != 0 || states[1].Last != 0 {
		t.Error("Decide changed the states that it was given")
	}
}

func TestDecideBulk(t *testing.T) {
	l := &Limits{Interval: time.Hour, BulkInterval: time.Minute, Entries: 5}
	bulk := func(n int) Update {
		return Update{Channel: 1, Key: "K", Bulk: true, Limits: l, Entries: make([]NewEntry, n)}
	}
	states := []State{{Channel: 1, WriteKey: "K", LastUpdate: ago(time.Second)}}
	states, d := Decide(states, []Update{bulk(3)}, noon)
	if d[0].Err != nil || states[0].Last != 3 || states[0].LastBulk != ago(0) {
		t.Fatalf("a bulk call within the interval of updates: %v, state %+v", d[0].Err, states[0])
	}
	_, d = Decide(states, []Update{bulk(1)}, noon.Add(59*time.Second))
	if _, ok := errors.AsType[*TooSoonError](d[0].Err); !ok {
		t.Errorf("a second bulk call: %v, want too soon", d[0].Err)
	}
	after, d := Decide(states, []Update{bulk(3), bulk(2), bulk(1)}, noon.Add(time.Hour))
	if !errors.Is(d[0].Err, ErrFull) || d[1].Err != nil || d[2].Err == nil || after[0].Last != 5 {
		t.Errorf("bulk calls at the channel's limit: %v, %v, %v, last %d", d[0].Err, d[1].Err, d[2].Err, after[0].Last)
	}
}

func TestDecideEntries(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(1_700_000_000+s, 0).UTC() }
	field := func(n int) thingspeak.Fields {
		f := thingspeak.Fields{}
		f[n-1] = thingspeak.Text("")
		return f
	}
	u := Update{Channel: 1, Key: "K", Limits: &Limits{}, Entries: []NewEntry{
		{Entry: thingspeak.Entry{CreatedAt: at(10).Add(999 * time.Millisecond), Fields: field(1)}},
		{Entry: thingspeak.Entry{CreatedAt: at(10).In(time.FixedZone("", 7200)), Fields: field(8)}},
		{Entry: thingspeak.Entry{CreatedAt: at(5)}},
		{Entry: thingspeak.Entry{CreatedAt: at(20), Fields: field(1)}},
		{Age: 90 * time.Second},
		{},
	}}
	after, decisions := Decide([]State{{Channel: 1, WriteKey: "K"}}, []Update{u}, noon)
	whole := noon.Truncate(time.Second)
	want := Decision{Unordered: 3, Entries: []thingspeak.Entry{
		{ID: 1, CreatedAt: at(10), Fields: field(1)},
		{ID: 2, CreatedAt: at(10), Fields: field(8)},
		{ID: 3, CreatedAt: at(5)},
		{ID: 4, CreatedAt: at(20), Fields: field(1)},
		{ID: 5, CreatedAt: whole.Add(-90 * time.Second)},
		{ID: 6, CreatedAt: whole},
	}}
	if diff := cmp.Diff([]Decision{want}, decisions); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	wantState := State{
		Channel: 1, WriteKey: "K", Position: Position{Last: 6}, LastOf: [8]int64{0: 4, 7: 2},
		Newest: whole, Unordered: 3, Back: 3, LastDate: whole, LastUpdate: ago(0),
	}
	if diff := cmp.Diff([]State{wantState}, after); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func TestPresets(t *testing.T) {
	for name, interval := range map[string]time.Duration{PresetFree: 15 * time.Second, PresetPaid: time.Second, PresetNone: 0} {
		l, err := Preset(name)
		if err != nil || l.Interval != interval {
			t.Errorf("Preset(%q) = interval %v, %v; want %v", name, l.Interval, err, interval)
		}
		if l.ValueBytes != 255 || l.Results != 8000 || l.OpenChannels != 100 || l.MessageBytes != 3000 {
			t.Errorf("Preset(%q) = %+v", name, l)
		}
	}
	if _, err := Preset("cheap"); err == nil {
		t.Error(`Preset("cheap") succeeded`)
	}
}

func TestNewKey(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	const keys = 5000
	seen, early := map[rune]bool{}, 0
	for range keys {
		key := NewKey()
		if len(key) != 16 {
			t.Fatalf("NewKey() = %q, want 16 characters", key)
		}
		for _, c := range key {
			if !('A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
				t.Fatalf("NewKey() = %q, want A-Z and 0-9", key)
			}
			seen[c] = true
			if c <= 'D' && c >= 'A' {
				early++
			}
		}
	}
	if len(seen) != 36 {
		t.Errorf("%d keys use %d different characters, want 36", keys, len(seen))
	}
	// Without care the first four letters come for 8 of 256 bytes, others for 7: 10,000 times instead of 8,889, give or
	// take 89.
	if early < 8500 || early > 9300 {
		t.Errorf("%d keys hold %d letters from A to D, want about 8889", keys, early)
	}
	for range 1000 {
		if id := newChannelID(); id < 1_000_000 || id > 9_999_999 {
			t.Fatalf("newChannelID() = %d, want seven digits", id)
		}
	}
}
