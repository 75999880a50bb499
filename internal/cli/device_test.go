package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// device is a person's machine: a home directory and what the last command printed.
type device struct {
	t              testing.TB
	env            map[string]string
	stdout, stderr bytes.Buffer
	// transport reaches a relay in a bubble; terminal tells that a person looks at stderr and types what is in stdin.
	transport http.RoundTripper
	terminal  bool
	screen    bool // that stdout is a terminal
	width     int  // the terminal's, 80 if 0
	stdin     string
}

func newDevice(t testing.TB, relay *relaytest.Server) *device {
	return &device{t: t, env: map[string]string{
		"HOME": t.TempDir(), "FERNPOST_RELAY": relay.URL, "FERNPOST_INTERVAL": "0s", "FERNPOST_PASSPHRASE": "maple orbit velvet thunder pickle canyon",
	}}
}

// run runs a command and returns its exit code.
func (d *device) run(args ...string) int { return d.runContext(d.t.Context(), args...) }

// runContext is run for a command that ends with the context.
func (d *device) runContext(ctx context.Context, args ...string) int {
	d.stdout.Reset()
	d.stderr.Reset()
	return d.app().run(ctx, args)
}

// app is one call of the program on this device.
func (d *device) app() *app {
	return &app{
		stdin: strings.NewReader(d.stdin), stdout: &d.stdout, stderr: &d.stderr, width: cmp.Or(d.width, 80),
		getenv:        func(name string) string { return d.env[name] },
		stdinTerminal: d.terminal, stdoutTerminal: d.screen, stderrTerminal: d.terminal, transport: d.transport,
	}
}

// must runs a command that has to succeed.
func (d *device) must(args ...string) {
	d.t.Helper()
	d.exits(exitDone, args...)
}

// exits runs a command that has to end with a code.
func (d *device) exits(want int, args ...string) {
	d.t.Helper()
	if code := d.run(args...); code != want {
		d.t.Fatalf("fernpost %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, &d.stdout, &d.stderr)
	}
}

// plainText is a profile of rooms whose members sign nothing.
const plainText = "custom:kdf=pbkdf2,salt=@room,iterations=1000"

// makeRoom makes a room of the given profile and returns its channel.
func (d *device) makeRoom(profile string, more ...string) (channel int64) {
	d.t.Helper()
	d.must(append([]string{"init", "lab", "--profile", profile}, more...)...)
	if _, err := fmt.Sscanf(d.stdout.String()[strings.Index(d.stdout.String(), "channel"):], "channel %d", &channel); err != nil {
		d.t.Fatal(err)
	}
	return channel
}

// post stores a message of the device's room, dated long ago.
func (d *device) post(relay *relaytest.Server, channel int64, text string, at time.Time) {
	d.t.Helper()
	a := &app{getenv: func(name string) string { return d.env[name] }}
	r, err := a.loadRoom("lab")
	if err != nil {
		d.t.Fatal(err)
	}
	sealer, err := openRoom(r)
	if err != nil {
		d.t.Fatal(err)
	}
	e, err := sealer.Seal(record.Text(text), at)
	if err != nil {
		d.t.Fatal(err)
	}
	relay.Seed(d.t, channel, 1, func(int) thingspeak.Entry { return thingspeak.Entry{CreatedAt: at, Fields: e.Fields} })
}

// strangers stores n entries with tokens of somebody else's key, one a second.
func strangers(t testing.TB, relay *relaytest.Server, channel int64, n int, from time.Time) {
	t.Helper()
	ring, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	relay.Seed(t, channel, n, func(i int) thingspeak.Entry {
		tok, err := ring.Seal([]byte("not for you"), from)
		if err != nil {
			t.Fatal(err)
		}
		return thingspeak.Entry{
			CreatedAt: from.Add(time.Duration(i) * time.Second), Fields: thingspeak.Fields{thingspeak.Text(tok)},
		}
	})
}

// openRoom makes what seals and opens the room's messages from its kept keys.
func openRoom(r model.Room) (*room.Room, error) {
	keys, err := messenger.Keys(r)
	if err != nil {
		return nil, err
	}
	ring, err := fernet.NewRing(keys...)
	if err != nil {
		return nil, fmt.Errorf("room %s: %w", r.Name, err)
	}
	profile, err := messenger.Profile(r)
	if err != nil {
		return nil, err
	}
	return room.New(ring, r.Fields, profile.Wrapper == passphrase.WrapperPython)
}
