package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// signedText is a profile of rooms whose members sign, with a key that is derived at once.
const signedText = "custom:kdf=pbkdf2,salt=@room,iterations=1000,form=records"

// struck is after how many posts a lie has struck, and shows most.
var struck = map[cheat.Lies]int{
	cheat.Alter: 3, cheat.Drop: 4, cheat.Backdate: 4, cheat.Repeat: 5, cheat.Reorder: 7, cheat.Fork: 10, cheat.Wipe: 11,
}

// readmeTable returns the head and the rows of the table of lies in the relay's README.
func readmeTable(t *testing.T) (head []string, rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../examples/relay/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				return head, rows
			}
			head = nil
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case head == nil:
			head = cells
		case head[0] == "lie" && !strings.HasPrefix(cells[0], "---"):
			rows = append(rows, cells)
		}
	}
	t.Fatal("the README of examples/relay has no table of lies")
	return nil, nil
}

// spans returns what stands in code in a cell.
func spans(cell string) (all []string) {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

// sight is what a reader saw of a room: all of it, and what of that says that something is wrong.
type sight struct {
	all     string
	noticed []string
}

// TestLiesInTheReadme: every cell of the README's table is what happens.
func TestLiesInTheReadme(t *testing.T) {
	head, rows := readmeTable(t)
	type look func(*testing.T, cheat.Lies, *lesson) sight
	columns := map[string]look{
		"`receiver_csv.py`":  func(t *testing.T, _ cheat.Lies, l *lesson) sight { return l.run(t, "receiver_csv.py") },
		"`receiver_json.py`": func(t *testing.T, _ cheat.Lies, l *lesson) sight { return l.run(t, "receiver_json.py") },
		"a room of plain texts": func(t *testing.T, lie cheat.Lies, _ *lesson) sight {
			return readers(t, lie, plainText)
		},
		"a signed room": func(t *testing.T, lie cheat.Lies, _ *lesson) sight { return readers(t, lie, signedText) },
	}
	if len(head) != len(columns)+1 {
		t.Fatalf("columns %v", head)
	}
	var told cheat.Lies
	for _, row := range rows {
		var lie cheat.Lies
		if err := lie.Set(spans(row[0])[0]); err != nil {
			t.Fatal(err)
		}
		told |= lie
		scripts := newLesson(t, lie)
		for i, cell := range row[1:] {
			look := columns[head[i+1]]
			if look == nil {
				t.Fatalf("column %q", head[i+1])
			}
			t.Run(fmt.Sprint(lie, "/", strings.Trim(head[i+1], "`")), func(t *testing.T) {
				t.Parallel()
				checkCell(t, cell, look(t, lie, scripts))
			})
		}
	}
	if told != cheat.All {
		t.Errorf("the table tells of %v, want %v", told, cheat.All)
	}
}

// checkCell compares a cell with what was seen: what it quotes was shown, and all that was noticed is quoted.
func checkCell(t *testing.T, cell string, got sight) {
	t.Helper()
	quoted := spans(cell)
	for _, s := range quoted {
		if !strings.Contains(got.all, s) {
			t.Errorf("%q is not shown:\n%s", s, got.all)
		}
	}
	if strings.HasPrefix(cell, "nothing") {
		if len(got.noticed) > 0 {
			t.Errorf("the README says that nothing is noticed; there is %q", got.noticed)
		}
		return
	}
	if len(got.noticed) == 0 {
		t.Errorf("nothing is noticed, want %q", quoted)
	}
	for _, line := range got.noticed {
		if !slices.ContainsFunc(quoted, func(s string) bool { return strings.Contains(line, s) }) {
			t.Errorf("the README does not tell of %q", line)
		}
	}
}

// lesson is a room that the tutorial's scripts read, where a relay has told a lie.
type lesson struct {
	address, password string
	channel           int64
}

func newLesson(t *testing.T, lie cheat.Lies) *lesson {
	t.Helper()
	relay := relaytest.New(t, relaytest.Cheat(lie))
	ana := newDevice(t, relay)
	l := &lesson{
		address: strings.Replace(relay.URL, "127.0.0.1", "localhost", 1), password: ana.env["FERNPOST_PASSPHRASE"],
		channel: ana.makeRoom("tutorial"),
	}
	for n := range struck[lie] {
		ana.must("send", fmt.Sprint("message ", n+1))
	}
	return l
}

// run runs a script. What it notices is what it fails with.
func (l *lesson) run(t *testing.T, script string) sight {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), "../../examples/tutorial/"+script)
	cmd.Env = append(os.Environ(), "NO_PROXY=*", "THINGSPEAK="+l.address, "PASSWORD="+l.password,
		fmt.Sprint("CHANNEL=", l.channel))
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	got := sight{}
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		got.noticed = []string{lines[len(lines)-1]}
	} else if stderr.Len() > 0 || stdout.Len() == 0 {
		t.Errorf("it prints %q, %q", stdout.String(), stderr.String())
	}
	got.all = stdout.String() + stderr.String()
	return got
}

// readers lets ana write, bo watch from the first message on, and carl come when the relay has told its lie.
func readers(t *testing.T, l cheat.Lies, profile string, more ...string) (got sight) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t, relaytest.Cheat(l))
		class := newClass(t, relay)
		ana, bo, carl := class.device("127.0.0.1"), class.device("localhost"), class.device("127.0.0.1")
		channel := fmt.Sprint(ana.makeRoom(profile, more...))
		ana.must("identity", "name", "ana")
		bo.must("join", "lab", "--channel", channel, "--profile", profile)
		watching, end := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { bo.runContext(watching, "watch", "--from-start") })
		for n := range struck[l] {
			ana.must("send", fmt.Sprint("message ", n+1))
			time.Sleep(20 * time.Second)
		}
		time.Sleep(10 * time.Minute)
		end()
		watch.Wait()
		carl.must("join", "lab", "--channel", channel, "--profile", profile)
		carl.must("recv", "-n", "0")
		for _, d := range []*device{bo, carl} {
			got.all += d.stdout.String() + d.stderr.String()
			got.noticed = append(got.noticed, noticed(d)...)
		}
	})
	return got
}

// noticed returns what a device has said that is no message, and no news of the command itself.
func noticed(d *device) (lines []string) {
	for line := range strings.Lines(d.stderr.String()) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "watching room") && line != "interrupted" && !strings.HasPrefix(line, "the relay shows less than before") {
			lines = append(lines, line)
		}
	}
	for line := range strings.Lines(d.stdout.String()) {
		if strings.Contains(line, "'s clock") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// class is people at a relay in a bubble.
type class struct {
	t         *testing.T
	relay     *relaytest.Server
	transport *http.Transport
}

func newClass(t *testing.T, relay *relaytest.Server) *class {
	return &class{t, relay, relay.Transport(t)}
}

// device returns a device that calls the relay by a name.
func (c *class) device(host string) *device {
	d := newDevice(c.t, c.relay)
	d.transport = c.transport
	d.env["FERNPOST_RELAY"] = strings.Replace(c.relay.URL, "127.0.0.1", host, 1)
	return d
}

// TestLiesInOneField: with a single field a message takes two entries, and a lie may hit half of it. The lies about whole
// feeds look as they do otherwise.
func TestLiesInOneField(t *testing.T) {
	for lie, want := range map[cheat.Lies][]string{
		cheat.Drop: {
			"1 message from ana missing (ana 2; 1 of 2 parts came)",
			"1 message from ana missing (ana 2; 1 of 2 parts came)",
		},
		// The halves of two messages: each is complete when it would have been.
		cheat.Reorder: nil,
		cheat.Alter: {
			"the relay lost or rewrote entry 2",
			"1 entry not for this key (entry 2): sealed with another one, or altered",
		},
		cheat.Fork: {
			"1 message from ana missing (ana 4; 1 of 2 parts came)",
			"1 message from ana missing (ana 9; 1 of 2 parts came)",
			"1 message from ana missing (ana 5; 1 of 2 parts came)",
			"ana 10 is arriving, 1 of 2 parts",
		},
	} {
		t.Run(lie.String(), func(t *testing.T) {
			t.Parallel()
			got := readers(t, lie, signedText, "--fields", "1")
			if d := cmp.Diff(want, got.noticed); d != "" {
				t.Errorf("%s\n%s", d, got.all)
			}
		})
	}
}

// TestAForkThatDevicesCannotSee: two devices of one person are shown different versions, so that both write a message
// under the same number. What the next one rests on tells everybody else.
func TestAForkThatDevicesCannotSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t, relaytest.Cheat(cheat.Fork)))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		channel := fmt.Sprint(ana.makeRoom(signedText))
		ana.must("identity", "name", "ana")
		bo.must("join", "lab", "--channel", channel, "--profile", signedText)
		for n := range 7 {
			ana.must("send", fmt.Sprint("message ", n+1))
		}
		twin := class.device("localhost")
		twin.copyHome(ana, "127.0.0.1", "localhost")
		ana.must("send", "this is my eighth")
		twin.must("send", "no, this is")
		twin.must("send", "and this my ninth")
		bo.must("recv", "-n", "0")
		want := "ana's key wrote two different ana 8: two devices with one key, a restored backup, " +
			"or a room shown in two versions"
		if d := cmp.Diff([]string{want}, noticed(bo)); d != "" {
			t.Errorf("%s\n%s", d, bo.stdout.String())
		}
	})
}

// TestAWitnessOfAFork: somebody who was shown another version names what he has seen, before its author goes on.
func TestAWitnessOfAFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t, relaytest.Cheat(cheat.Fork)))
		ana, bo, carl := class.device("127.0.0.1"), class.device("localhost"), class.device("127.0.0.1")
		channel := fmt.Sprint(ana.makeRoom(signedText))
		for name, d := range map[string]*device{"bo": bo, "carl": carl} {
			d.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
			d.must("join", "lab", "--channel", channel, "--profile", signedText)
			d.must("identity", "name", name)
		}
		ana.must("identity", "name", "ana")
		for n := range 8 {
			ana.must("send", fmt.Sprint("message ", n+1))
		}
		carl.must("recv")
		carl.must("send", "I have read all eight")
		bo.must("recv", "-n", "0")
		if d := cmp.Diff([]string{"1 message from ana missing (ana 8), says carl"}, noticed(bo)); d != "" {
			t.Errorf("%s\n%s", d, bo.stdout.String())
		}
		carl.must("recv")
		const sent = "(accepted as entry 9, and not read back): I have read all eight"
		if got := carl.stdout.String(); !strings.Contains(got, sent) {
			t.Errorf("carl sees\n%s", got)
		}
	})
}

// writeKey returns the key of the channel of the device's room.
func (d *device) writeKey() string {
	d.t.Helper()
	a := &app{getenv: func(name string) string { return d.env[name] }}
	r, err := a.loadRoom("lab")
	if err != nil {
		d.t.Fatal(err)
	}
	return r.WriteKey.Reveal()
}

// copyHome makes a device a copy of another one that calls the relay by another name.
func (d *device) copyHome(of *device, from, to string) {
	d.t.Helper()
	if err := os.CopyFS(d.env["HOME"], os.DirFS(of.env["HOME"])); err != nil {
		d.t.Fatal(err)
	}
	rooms := filepath.Join(d.env["HOME"], ".local/share/fernpost/rooms")
	for _, name := range []string{"lab.json", ".identity"} {
		file := filepath.Join(rooms, name)
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600)
		}
		if err := errors.Join(err, os.Chmod(file, 0o600)); err != nil { // a copy is everybody's to read
			d.t.Fatal(err)
		}
	}
}

// TestWhoWroteNoticesToo: what an author has sent and the relay does not show stands in the history with a word about it,
// and a relay that takes back what it showed is told to have a minute.
func TestWhoWroteNoticesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t, relaytest.Cheat(cheat.Drop|cheat.Wipe)))
		ana := class.device("127.0.0.1")
		ana.makeRoom(signedText)
		ana.must("identity", "name", "ana")
		for n := range 4 {
			ana.must("send", fmt.Sprint("message ", n+1))
		}
		ana.must("recv")
		if got := ana.stdout.String(); !strings.Contains(got, "ana 3 (accepted as entry 3, and not read back): message 3\n") {
			t.Errorf("recv prints\n%s", got)
		}
		if d := cmp.Diff([]string{"1 message from ana missing (ana 3)"}, noticed(ana)); d != "" {
			t.Error(d)
		}
		for n := range 7 {
			ana.must("send", fmt.Sprint("message ", n+5))
		}
		ana.must("recv")
		if got := ana.stderr.String(); got != "the relay shows less than before; if that lasts for a minute it is believed, and reading goes on\n" {
			t.Errorf("recv says %q", got)
		}
		time.Sleep(61 * time.Second)
		ana.must("recv")
		const cleared = "the channel was cleared, or the relay lost its entries"
		if d := cmp.Diff([]string{cleared}, noticed(ana)); d != "" {
			t.Error(d)
		}
	})
}
