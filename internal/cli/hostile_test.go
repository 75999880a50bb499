package cli

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// talks are the commands that talk to a relay, for a device with a signed room lab and a room text of plain texts.
func talks(t *testing.T, d *device) [][]string {
	file, _ := anyFile(t, 3000)
	channel := fmt.Sprint(d.channel())
	csv := d.env["FERNPOST_RELAY"] + "/channels/" + channel + "/feeds.csv"
	join := []string{"--channel", channel, "--profile", plainText}
	return [][]string{
		{"init", "new", "--profile", plainText},
		append([]string{"init", "old"}, join...),
		append([]string{"join", "other"}, join...),
		{"send", "--room", "text", "hello"},
		{"send", "--room", "text", "--no-wait", "hello"},
		{"send", "--room", "lab", "hello"},
		{"send", "--room", "lab", "--no-wait", "hello"},
		{"send", "--room", "lab", "--file", file, "--yes"},
		{"outbox", "--room", "lab", "--retry"},
		{"recv", "--room", "text"},
		{"recv", "--room", "text", "--all", "-n", "0"},
		{"recv", "--room", "lab"},
		{"recv", "--room", "text", "--csv", csv},
		{"recv", "--room", "lab", "--csv", csv},
		{"watch", "--room", "text"},
		{"watch", "--room", "lab"},
		{"verify", "--room", "lab"},
		{"verify", "--room", "lab", "--csv", csv},
		{"eavesdrop", "--channel", channel},
		{"eavesdrop", "--channel", channel, "-n", "0"},
		{"eavesdrop", "--channel", channel, "--raw"},
		{"eavesdrop", "--csv", csv},
		{"eavesdrop", "--csv", csv, "--raw"},
	}
}

// hostileRooms prepares a relay and a device with something to read and something to post.
func hostileRooms(t *testing.T) (*relaytest.Server, *device) {
	s := relaytest.InBubble(t)
	ana := newDevice(t, s)
	ana.transport = s.Transport(t)
	ana.must("init", "lab", "--profile", quickSigned, "--weak")
	ana.must("init", "text", "--profile", plainText, "--weak")
	for range 3 {
		ana.must("send", "--room", "lab", "hello")
		ana.must("send", "--room", "text", "hello")
	}
	ana.must("send", "--room", "lab", "--queue", "waiting")
	if testenv.Race { // what has no end is as endless in 1 MiB as in 256
		ana.env["FERNPOST_READ_BUDGET"] = "1MiB"
	}
	return s, ana
}

// A relay that answered with 101 hung recv for good, one that sent a byte now and then for days. Whatever it does, each
// command ends, says so when it takes long, and obeys Ctrl-C at once.
func TestEveryCommandEndsAtEveryHostileRelay(t *testing.T) {
	testenv.Unwatched(t)
	// Those that are hostile at some questions only, so that commands get further.
	deep := map[string]bool{"101": true, "no answer": true, "the body, just fast enough": true, "busy": true, "cut": true}
	log.SetOutput(io.Discard) // as Main does
	routes := []string{"", "last_entry_id.txt", "feeds.csv", "POST /update", "bulk_update.json", "limits.json", "feeds.json", "feeds/"}
	for name, fault := range relaytest.Hostile() {
		// One request and its retries; and what is posted is looked for three times before its outcome counts as unknown.
		longest := 4 * time.Minute
		if name == "busy for a year" {
			longest = 35 * time.Minute // each of these waits is cut to ten minutes, and said before
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, route := range routes {
				if i > 0 && (testing.Short() || !deep[name]) {
					break
				}
				synctest.Test(t, func(t *testing.T) {
					s, ana := hostileRooms(t)
					s.Inject(relaytest.On(route, fault))
					for _, args := range talks(t, ana) {
						what := fmt.Sprintf("%s at %q", strings.Join(args, " "), route)
						ends(t, ana, what, longest, args)
						interrupts(t, ana, what, args)
					}
				})
			}
		})
	}
}

// ends wants a command to end by itself, or watch to go on until it is told to end.
func ends(t *testing.T, d *device, what string, longest time.Duration, args []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	began := time.Now()
	code := d.runContext(ctx, args...)
	took := time.Since(began)
	if args[0] != "watch" && ctx.Err() != nil || took > longest {
		t.Errorf("%s: exit %d only after %v\n%s", what, code, took, d.stderr.String())
	}
	if said := d.stderr.String(); took > 8*time.Second && !strings.Contains(said, "still ") && !strings.Contains(said, "trying again") &&
		!strings.Contains(said, "looking in") && args[0] != "watch" {
		t.Errorf("%s: took %v without a word\n%s", what, took, said)
	}
}

// interrupts wants a command to end when the user ends it, two seconds after it began.
func interrupts(t *testing.T, d *device, what string, args []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer time.AfterFunc(2*time.Second, cancel).Stop()
	began := time.Now()
	code := d.runContext(ctx, args...)
	if took := time.Since(began); took > 2*time.Second || ctx.Err() != nil && code != exitInterrupted {
		t.Errorf("%s: exit %d, %v after it began, was ended after 2s\n%s", what, code, took, d.stderr.String())
	}
}
