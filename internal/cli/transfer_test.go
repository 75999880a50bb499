package cli

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// inBubble runs a test with a relay of these limits and a device that has a signed room there, where an hour costs
// nothing. The room's interval is the user's setting.
func inBubble(
	t *testing.T, l relay.Limits, setting time.Duration, flags []string,
	test func(*testing.T, *relaytest.Server, *device),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := relaytest.InBubble(t, relaytest.Limits(l))
		ana := newDevice(t, server)
		ana.transport = server.Transport(t)
		ana.env["FERNPOST_INTERVAL"] = setting.String()
		ana.must(append([]string{"init", "lab", "--profile", quickSigned, "--weak"}, flags...)...)
		time.Sleep(time.Hour) // no update is too recent any more
		test(t, server, ana)
	})
}

// quickSigned is a profile of signed rooms that derives its key in no time.
const quickSigned = "custom:kdf=pbkdf2,salt=@room,iterations=1000,form=records"

// limitsOf are limits of a relay with these intervals and this many entries a bulk call.
func limitsOf(t *testing.T, interval, bulkInterval time.Duration, bulkUpdates int) relay.Limits {
	t.Helper()
	l, err := relay.Preset(relay.PresetFree)
	if err != nil {
		t.Fatal(err)
	}
	l.Interval, l.BulkInterval, l.BulkUpdates = interval, bulkInterval, bulkUpdates
	return l
}

// anyFile writes a file of random bytes and returns its name and content.
func anyFile(t testing.TB, size int) (name string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	seed := [32]byte{1}
	rand.NewChaCha8(seed).Read(content)
	name = filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, content
}

// channel returns the number of the device's channel.
func (d *device) channel() (number int64) {
	d.t.Helper()
	a := &app{getenv: func(name string) string { return d.env[name] }}
	r, err := a.loadRoom("lab")
	if err != nil {
		d.t.Fatal(err)
	}
	return r.Channel
}

// events returns the objects that --json has printed, by their kind; the result is "".
func (d *device) events() map[string][]map[string]any {
	d.t.Helper()
	all := map[string][]map[string]any{}
	for line := range strings.Lines(d.stdout.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			d.t.Fatal(err)
		}
		kind, _ := object["event"].(string)
		all[kind] = append(all[kind], object)
	}
	return all
}

// What a transfer takes is said before, within 5 %, and what it costs of the quota.
func TestTheEstimateHolds(t *testing.T) {
	noBulk := relaytest.On("bulk_update", relaytest.Answer(404, "application/json", `{"status":"404"}`))
	stranger := relaytest.On("limits.json", relaytest.Answer(404, "application/json", `{"status":"404"}`))
	oneField := []string{"--fields", "2"}
	for name, c := range map[string]struct {
		interval, bulkInterval time.Duration
		bulkUpdates            int
		setting                time.Duration // of the room
		fault                  relaytest.Fault
		flags                  []string
		size                   int
		want                   time.Duration
		entries, daily         int
	}{
		"two bulk calls": {
			15 * time.Second, 15 * time.Second, 960, 0, nil, oneField, 131_000, 15 * time.Second, 1250, 0,
		},
		"four bulk calls, slow": {
			time.Minute, time.Minute, 960, 0, nil, oneField, 400_000, 3 * time.Minute, 3812, 0,
		},
		"one field, two entries beyond a bulk call": {
			20 * time.Second, 15 * time.Second, 960, 0, nil, oneField, 100_820, 20 * time.Second, 962, 0,
		},
		"a relay with small bulk calls": {
			15 * time.Second, 15 * time.Second, 100, 0, nil, oneField, 24_900, 30 * time.Second, 239, 0,
		},
		"a text of two entries": {
			15 * time.Second, 15 * time.Second, 960, 0, nil, nil, 800, 15 * time.Second, 2, 0,
		},
		"a relay that does not tell its limits": {
			20 * time.Second, 15 * time.Second, 960, 20 * time.Second, stranger, oneField, 131_000, 15 * time.Second, 1250, 8200,
		},
		"a setting longer than the relay's interval": {
			time.Second, time.Second, 960, 40 * time.Second, nil, nil, 1600, 80 * time.Second, 3, 0,
		},
		"a relay without intervals": {0, 0, 960, 0, nil, nil, 20_000, 0, 25, 0},
		"a relay without bulk calls": {
			15 * time.Second, 15 * time.Second, 960, 0, noBulk, nil, 5000, 90 * time.Second, 7, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := limitsOf(t, c.interval, c.bulkInterval, c.bulkUpdates)
			inBubble(t, limits, c.setting, c.flags, func(t *testing.T, s *relaytest.Server, ana *device) {
				file, _ := anyFile(t, c.size)
				s.Inject(c.fault)
				began := time.Now()
				ana.must("send", "--json", "--yes", "--file", file)
				took := time.Since(began)
				if float64(took) < 0.95*float64(c.want) || float64(took) > 1.05*float64(c.want) {
					t.Errorf("it took %v, want %v", took, c.want)
				}
				said := ana.events()["estimate"]
				if len(said) != 1 {
					t.Fatalf("%d estimates in %s", len(said), ana.stdout.String())
				}
				seconds := said[0]["seconds"].(float64)
				if name == "a relay without bulk calls" { // nobody can know; it is said as soon as it turns out
					if !strings.Contains(ana.stderr.String(), "the relay takes one entry at a time: 7 entries, about 1m30s") {
						t.Errorf("send says %q", ana.stderr.String())
					}
					seconds = 90
				}
				if math.Abs(took.Seconds()-seconds) > 0.05*took.Seconds() {
					t.Errorf("it took %v, and %v seconds were said", took, seconds)
				}
				daily, _ := said[0]["quota_a_day"].(float64)
				if entries := said[0]["entries"].(float64); int(entries) != c.entries || int(daily) != c.daily {
					t.Errorf("%v entries of %v a day were said, want %d of %d", entries, daily, c.entries, c.daily)
				}
			})
		})
	}
}

// A transfer of more than ten minutes, or of more than a tenth of the day's messages, is begun only if the user wants
// it; otherwise nothing is left of it.
func TestLongTransfersAreAskedFor(t *testing.T) {
	slow := limitsOf(t, 9*time.Minute, 9*time.Minute, 960)
	for name, c := range map[string]struct {
		terminal bool
		stdin    string
		flags    []string
		code     int
	}{
		"yes":               {true, "y\n", nil, exitDone},
		"no":                {true, "n\n", nil, exitInterrupted},
		"in a pipe":         {false, "", nil, exitUsage},
		"in a pipe, --yes":  {false, "", []string{"--yes"}, exitDone},
		"queued, not asked": {true, "n\n", []string{"--queue"}, exitInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, slow, 0, nil, func(t *testing.T, s *relaytest.Server, ana *device) {
				ana.terminal, ana.stdin = c.terminal, c.stdin
				text := strings.Repeat("x", 1800)
				if code := ana.run(append([]string{"send", text}, c.flags...)...); code != c.code {
					t.Fatalf("exit %d, want %d: %s", code, c.code, ana.stderr.String())
				}
				if !strings.Contains(ana.stderr.String(), "the message takes 3 entries, about 18m0s at the relay's intervals") {
					t.Errorf("send says %q", ana.stderr.String())
				}
				ended := strings.Contains(ana.stderr.String(), "nothing was sent: 3 entries, ")
				wrong := strings.Contains(ana.stderr.String(), "error:")
				if ended != (c.code != exitDone) || wrong != (c.code == exitUsage) {
					t.Errorf("send ends with %q", ana.stderr.String())
				}
				ana.must("recv")
				if got := strings.Contains(ana.stdout.String(), text); got != (c.code == exitDone) {
					t.Errorf("the message was sent: %v", got)
				}
				ana.must("outbox", "--json")
				if ana.stdout.Len() > 0 {
					t.Errorf("the outbox holds %s", ana.stdout.String())
				}
			})
		})
	}
	limits := exchange.Limits{BulkRows: 960, Daily: 8200}
	if e := (exchange.Estimate{Limits: limits}).For(821); !e.IsLong() {
		t.Error("a tenth of the day's messages is not asked for")
	}
}

// A bar on a terminal, a line now and then in a pipe, nothing with --quiet.
func TestHowFarATransferIsShows(t *testing.T) {
	for name, c := range map[string]struct {
		terminal bool
		flags    []string
		want     []string // in this order
		never    string
	}{
		"terminal": {
			true, nil,
			[]string{
				"the message takes 4 entries, about 45s", "\r" + strings.Repeat("░", 30) + "   0%  0 of 4 entries, 45s left",
				"\r" + strings.Repeat("█", 15) + strings.Repeat("░", 15) + "  50%  2 of 4 entries, 4.0/min, 30s left",
				"100%", "\r\x1b[Kaccepted as entry 4",
			},
			"not over",
		},
		"pipe": {
			false, nil,
			[]string{
				"the message takes 4 entries", "\n 50%  2 of 4 entries, ", "\n 75%  3 of 4 entries, ",
				"\naccepted as entry 4",
			},
			"\r",
		},
		"quiet": {true, []string{"--quiet"}, nil, "entr"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := limitsOf(t, 15*time.Second, 15*time.Second, 1)
			inBubble(t, limits, 15*time.Second+time.Nanosecond, nil, func(t *testing.T, _ *relaytest.Server, ana *device) {
				ana.terminal = c.terminal
				ana.must(append([]string{"send", strings.Repeat("x", 2500)}, c.flags...)...)
				rest := ana.stderr.String()
				if strings.Contains(rest, c.never) {
					t.Errorf("send says %q", rest)
				}
				for _, want := range c.want {
					_, after, ok := strings.Cut(rest, want)
					if !ok {
						t.Fatalf("no %q in %q", want, rest)
					}
					rest = after
				}
			})
		})
	}
}

// A transfer that was cut off goes on where it was, with the same command or with outbox --retry: no entry is posted
// twice, and the file arrives once.
func TestAnInterruptedTransferGoesOn(t *testing.T) {
	refuse := relaytest.Answer(401, "application/json", `{"status":"401"}`)
	for name, c := range map[string]struct {
		fault relaytest.Fault
		retry bool // by outbox --retry; otherwise the same command is run again
		code  int
	}{
		"refused, sent again":   {refuse, false, exitRefused},
		"refused, retried":      {refuse, true, exitRefused},
		"no answer, sent again": {relaytest.LoseRequest(), false, exitPartly},
		"no answer, retried":    {relaytest.LoseRequest(), true, exitPartly},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := limitsOf(t, 15*time.Second, 15*time.Second, 960)
			inBubble(t, limits, 0, []string{"--fields", "2"}, func(t *testing.T, s *relaytest.Server, ana *device) {
				file, content := anyFile(t, 131_000)
				channel := ana.channel()
				before := len(s.Entries(t, channel))
				calls := 0
				s.Inject(relaytest.On("bulk_update", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if calls++; calls == 1 {
						next.ServeHTTP(w, r)
						return
					}
					c.fault(w, r, next)
				}))
				if code := ana.run("send", "--json", "--file", file); code != c.code {
					t.Fatalf("exit %d, want %d: %s", code, c.code, ana.stderr.String())
				}
				s.Inject(nil)
				if got := len(s.Entries(t, channel)); got != before+960 {
					t.Fatalf("%d entries, want %d", got, before+960)
				}
				again := []string{"send", "--json", "--file", file}
				if c.retry {
					again = []string{"outbox", "--json", "--retry"}
				}
				ana.must(again...)
				if got := ana.stderr.String(); !strings.Contains(got, "going on where it was interrupted: 960 of 1250 entries") {
					t.Errorf("%s says %q", again, got)
				}
				want := []map[string]any{{
					"event": "progress", "posted": 1250.0, "total": 1250.0, "entry": float64(before + 1250),
				}}
				if d := cmp.Diff(want, ana.events()["progress"]); d != "" {
					t.Error(d)
				}
				if got := len(s.Entries(t, channel)); got != before+1250 {
					t.Errorf("%d entries, want %d", got, before+1250)
				}

				bo := newDevice(t, s)
				bo.transport = s.Transport(t)
				bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", quickSigned)
				in := t.TempDir()
				bo.must("recv", "--save", in, "--json")
				if got := bo.events()[""]; len(got) != 1 || got[0]["saved_as"] != "picture.png" {
					t.Errorf("recv prints %v", got)
				}
				if got, err := os.ReadFile(filepath.Join(in, "picture.png")); err != nil || string(got) != string(content) {
					t.Errorf("what was saved differs (%v)", err)
				}
			})
		})
	}
}
