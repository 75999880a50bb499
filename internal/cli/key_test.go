package cli

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// whenRead is standard input that does something before the first byte of it comes.
type whenRead struct {
	io.Reader

	first sync.Once
	do    func()
}

func (r *whenRead) Read(b []byte) (int, error) {
	r.first.Do(r.do)
	return r.Reader.Read(b)
}

// beside returns another terminal on the same device.
func (d *device) beside() *device { return &device{t: d.t, env: d.env, transport: d.transport} }

// inFile returns a file with this content.
func inFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A send that waited for its message while the room moved to another key sealed with the old one, and put the list of
// keys back that it had read before.
func TestASendThatWaitsForItsMessageSealsWithTheNewKey(t *testing.T) {
	for name, profile := range map[string]string{"signed": quickSigned, "texts": plainText} {
		t.Run(name, func(t *testing.T) {
			relay := relaytest.New(t, relaytest.InMemory())
			ana, bo := newDevice(t, relay), newDevice(t, relay)
			channel := ana.makeRoom(profile)
			ana.must("send", "before")
			bo.must("join", "lab", "--profile", profile, "--channel", strconv.FormatInt(channel, 10))
			rotated := inFile(t, "garden copper lantern drizzle tulip marble")
			a := &app{
				stdin: &whenRead{Reader: strings.NewReader("only for those who stay\n"), do: func() {
					ana.beside().must("key", "rotate", "--passphrase-file", rotated)
				}},
				stdout: io.Discard, stderr: io.Discard, getenv: func(name string) string { return ana.env[name] },
			}
			if code := a.run(t.Context(), []string{"send", "-"}); code != exitDone {
				t.Fatalf("send exits %d", code)
			}
			bo.must("recv")
			if got := bo.stdout.String(); !strings.Contains(got, "before") || strings.Contains(got, "only for those") {
				t.Errorf("who has only the old key reads\n%s", got)
			}
			bo.must("key", "add", "--passphrase-file", rotated)
			for who, d := range map[string]*device{"who stays": bo, "who has moved": ana} {
				d.must("recv")
				if got := d.stdout.String(); !strings.Contains(got, "before") || !strings.Contains(got, "only for those") {
					t.Errorf("%s reads\n%s", who, got)
				}
			}
		})
	}
}

// brokenPipe is a standard output that nobody reads.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A passphrase that could not be shown must not be used: nobody would have it.
func TestAPassphraseThatNobodySawIsNotUsed(t *testing.T) {
	relay := relaytest.New(t, relaytest.InMemory())
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	for _, args := range [][]string{{"key", "rotate", "--room", "lab", "--generate"}, {"init", "other", "--generate", "--profile", quickSigned}} {
		a := &app{
			stdin: strings.NewReader(""), stdout: brokenPipe{}, stderr: io.Discard,
			getenv: func(name string) string { return ana.env[name] },
		}
		if code := a.run(t.Context(), args); code != exitFailed {
			t.Errorf("fernpost %s exits %d", strings.Join(args, " "), code)
		}
	}
	ana.must("rooms", "--json")
	if got := ana.stdout.String(); strings.Contains(got, "other") || !strings.Contains(got, `"keys":1`) {
		t.Errorf("the device has %s", got)
	}
}

// One invented move by anybody kept everybody from the passphrase that they had agreed on.
func TestOnlyWhoWasComparedSpeaksAgainstAPassphrase(t *testing.T) {
	relay := relaytest.New(t, relaytest.InMemory())
	ana, bo, mal := newDevice(t, relay), newDevice(t, relay), newDevice(t, relay)
	channel := strconv.FormatInt(ana.makeRoom(quickSigned), 10)
	for name, d := range map[string]*device{"bo": bo, "mal": mal} {
		d.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
		d.must("join", "lab", "--profile", quickSigned, "--channel", channel)
		d.must("identity", "name", name)
	}
	mal.must("key", "rotate", "--generate")
	agreed := inFile(t, "garden copper lantern drizzle tulip marble")
	bo.must("key", "add", "--passphrase-file", agreed)
	if got := bo.stderr.String(); !strings.Contains(got, "mal, whose key you have not compared, names another key") ||
		!strings.Contains(got, "compare the check words") {
		t.Errorf("bo is told %q", got)
	}
	ana.must("recv")
	ana.must("identity", "verify", "mal", "--yes")
	ana.exits(exitNoKey, "key", "add", "--passphrase-file", agreed)
}

// The right passphrase was refused as wrong where the room had moved twice, and nothing was written under the newest key.
func TestAKeyIsKnownByTheCheckBesideTheChannel(t *testing.T) {
	relay := relaytest.New(t, relaytest.InMemory())
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := strconv.FormatInt(ana.makeRoom(quickSigned), 10)
	ana.must("identity", "name", "ana")
	bo.must("join", "lab", "--profile", quickSigned, "--channel", channel)
	newest := inFile(t, "garden copper lantern drizzle tulip marble")
	ana.must("key", "rotate", "--generate")
	ana.must("key", "rotate", "--passphrase-file", newest)
	bo.must("recv")
	bo.must("identity", "verify", "ana", "--yes")
	bo.exits(exitNoKey, "key", "add", "--passphrase-file", inFile(t, "garden copper lantern drizzle tulip marbles"))
	bo.must("key", "add", "--passphrase-file", newest)
	if got := bo.stderr.String(); strings.Contains(got, "compare the check words") {
		t.Errorf("bo is told %q", got)
	}
}

// A check that "key rotate" could not leave was never left.
func TestACheckThatCouldNotBeLeftIsLeftLater(t *testing.T) {
	relay := relaytest.New(t, relaytest.InMemory())
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := strconv.FormatInt(ana.makeRoom(quickSigned), 10)
	newest := inFile(t, "garden copper lantern drizzle tulip marble")
	relay.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	ana.must("key", "rotate", "--passphrase-file", newest)
	if got := ana.stderr.String(); !strings.Contains(got, `"fernpost key rotate" with this passphrase again`) {
		t.Errorf("ana is told %q", got)
	}
	relay.Inject(nil)
	ana.must("key", "rotate", "--passphrase-file", newest)
	bo.must("join", "lab", "--profile", quickSigned, "--channel", channel, "--passphrase-file", newest)
	ana.exits(exitUsage, "key", "rotate", "--passphrase-file", newest)
}

// An answer to a compared mover was pushed out by those to throw-away keys, so that it had to be given again.
func TestAnAnswerToAComparedMoverStays(t *testing.T) {
	relay := relaytest.New(t, relaytest.InMemory())
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := strconv.FormatInt(ana.makeRoom(quickSigned), 10)
	enter := func(d *device, name string) {
		d.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
		d.must("join", "lab", "--profile", quickSigned, "--channel", channel)
		d.must("identity", "name", name)
	}
	enter(bo, "bo")
	ana.must("identity", "name", "ana")
	ana.must("key", "rotate", "--generate")
	bo.must("recv")
	bo.must("identity", "verify", "ana", "--yes")
	bo.exits(exitFailed, "send", "one")
	bo.must("send", "--old-key", "one")
	for range 3 {
		mal := newDevice(t, relay)
		enter(mal, "mal")
		mal.must("key", "rotate", "--generate")
		bo.must("recv")
		bo.must("send", "two")
		if got := bo.stderr.String(); !strings.Contains(got, `--old-key" ends this warning`) {
			t.Errorf("who has moved is told %q", got)
		}
		bo.must("send", "--old-key", "three")
		bo.must("send", "four")
		if got := bo.stderr.String(); strings.Contains(got, "new key") {
			t.Errorf("bo has answered, and is told %q", got)
		}
	}
	a := &app{getenv: func(name string) string { return bo.env[name] }}
	if r, err := a.loadRoom("lab"); err != nil || len(r.Refused) != 1 {
		t.Errorf("bo's keyring remembers %q (%v), want ana's key alone", r.Refused, err)
	}
}
