package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	rules "github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// device is a home directory, and what runs the program there.
type device struct {
	t    *testing.T
	home string
	env  []string
}

func newDevice(t *testing.T, server *relaytest.Server, more ...string) *device {
	t.Helper()
	home := t.TempDir()
	return &device{t, home, append([]string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "NO_PROXY=*", "GORACE=" + raceOptions, "FERNPOST_RELAY=" + server.URL,
		"FERNPOST_PASSPHRASE=maple orbit velvet thunder pickle canyon",
	}, more...)}
}

func (d *device) command(args ...string) *exec.Cmd {
	d.t.Helper()
	path := program
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			d.t.Fatal(err)
		}
		path = self
	}
	cmd := testenv.Command(d.t, path, args...)
	cmd.Args[0], cmd.Env, cmd.Dir = "fernpost", d.env, d.t.TempDir()
	return cmd
}

// must runs a command that has to succeed, and returns what it printed.
func (d *device) must(args ...string) string {
	d.t.Helper()
	cmd := d.command(args...)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("fernpost %s: %v\n%s%s", strings.Join(args, " "), err, out, talk.String())
	}
	return string(out)
}

// quickProfile is one of signed rooms that derives its key in no time.
const quickProfile = "custom:kdf=sha256,form=records"

// fastRelay is a relay that refuses nothing.
func fastRelay(t *testing.T) *relaytest.Server {
	t.Helper()
	limits, err := rules.Preset(rules.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	return relaytest.New(t, relaytest.Limits(limits), relaytest.InMemory())
}

// makeRoom makes the room lab and returns what others need to join it.
func (d *device) makeRoom() (channel, writeKey string) {
	d.t.Helper()
	made := d.must("init", "lab", "--profile", quickProfile)
	return find(d.t, made, `channel +(\d+)`), find(d.t, made, `write key +(\S+)`)
}

func find(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile("(?m)" + pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in %q", pattern, text)
	}
	return m[1]
}

// A transfer whose process is killed goes on where it was: no entry is there twice, and the file arrives whole and
// once.
func TestKilledTransferGoesOn(t *testing.T) {
	limits, err := rules.Preset(rules.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	limits.BulkInterval = 2 * time.Second
	server := relaytest.New(t, relaytest.Limits(limits), relaytest.InMemory())
	ana := newDevice(t, server)
	made := ana.must("init", "lab")
	channel := regexp.MustCompile(`channel +(\d+)`).FindStringSubmatch(made)
	key := regexp.MustCompile(`write key +(\S+)`).FindStringSubmatch(made)
	if channel == nil || key == nil {
		t.Fatalf("init prints %s", made)
	}
	var id int64
	fmt.Sscan(channel[1], &id)
	before := len(server.Entries(t, id))

	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	file := filepath.Join(t.TempDir(), "a file.bin")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sending := ana.command("send", "--json", "--file", file)
	out, err := sending.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sending.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), `"event":"progress"`) {
	}
	if err := sending.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	sending.Wait() // killed
	if got := len(server.Entries(t, id)); got != before+960 {
		t.Fatalf("%d entries when it was killed, want %d", got, before+960)
	}

	if got := ana.must("outbox", "--json"); !strings.Contains(got, `"entries":1249,"accepted":960`) {
		t.Errorf("the outbox holds %s", got)
	}
	ana.must("outbox", "--retry")
	if got := len(server.Entries(t, id)); got != before+1249 {
		t.Errorf("%d entries, want %d", got, before+1249)
	}
	bo := newDevice(t, server, "FERNPOST_WRITE_KEY="+key[1])
	bo.must("join", "lab", "--channel", channel[1])
	in := t.TempDir()
	if got := bo.must("recv", "--save", in); strings.Count(got, "[file ") != 1 {
		t.Errorf("recv prints %s", got)
	}
	if got, err := os.ReadFile(filepath.Join(in, "a file.bin")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what was saved differs (%v)", err)
	}
}

// A relay without bulk calls takes hundreds of entries one by one, while who posts them is killed again and again: nothing
// is lost, no token stands twice, and every message arrives once.
func TestKilledSendersStoreNothingTwice(t *testing.T) {
	t.Parallel() // much of it is waiting
	server := relaytest.New(t, relaytest.InMemory())
	server.Inject(relaytest.On("/bulk_update", relaytest.Answer(http.StatusNotFound, "text/plain", "error_not_found")))
	ana := newDevice(t, server, "FERNPOST_INTERVAL=0s")
	made := ana.must("init", "lab")
	channel := regexp.MustCompile(`channel +(\d+)`).FindStringSubmatch(made)[1]
	key := regexp.MustCompile(`write key +(\S+)`).FindStringSubmatch(made)[1]
	id, err := strconv.ParseInt(channel, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 16_000)
	file := filepath.Join(t.TempDir(), "a file.bin")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	ana.must("send", "--queue", "--file", file)
	ana.must("send", "--queue", "the last word")

	random := testenv.Random(t)
	const kills = 4
	stored := func() int { return len(server.Entries(t, id)) }
	for range kills {
		until := stored() + 1 + random.IntN(70) // four of them are fewer than all entries
		sending := ana.command("outbox", "--retry")
		if err := sending.Start(); err != nil {
			t.Fatal(err)
		}
		testenv.Await(t, "the next entries", func() bool { return stored() >= until })
		sending.Process.Kill()
		sending.Wait() // killed
	}
	ana.must("outbox", "--retry")

	entries, count := server.Entries(t, id), map[string]int{}
	for _, e := range entries {
		for _, v := range e.Fields {
			if count[v.Text]++; v.Text != "" && count[v.Text] == 2 {
				t.Errorf("a token of entry %d stands there twice", e.ID)
			}
		}
	}
	if len(entries) < 300 {
		t.Errorf("%d entries are there, want hundreds", len(entries))
	}
	bo := newDevice(t, server, "FERNPOST_WRITE_KEY="+key)
	bo.must("join", "lab", "--channel", channel)
	in := t.TempDir()
	got := bo.must("recv", "--save", in)
	if strings.Count(got, "[file ") != 1 || strings.Count(got, "the last word") != 1 {
		t.Errorf("recv prints %s", got)
	}
	if got, err := os.ReadFile(filepath.Join(in, "a file.bin")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what was saved differs (%v)", err)
	}
	bo.must("verify") // ends with another code if anything is wrong
}
