package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedOf saves a room's feed, changed, and returns the file.
func (d *device) feedOf(change func(rows []string) []string) string {
	d.t.Helper()
	d.must("eavesdrop", "--raw", "-n", "0")
	lines := slices.Collect(strings.Lines(d.stdout.String()))
	file := filepath.Join(d.t.TempDir(), "feed.csv")
	text := lines[0] + strings.Join(change(lines[1:]), "")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return file
}

// datedApart dates rows as those of a channel with an interval, after their tokens were sealed.
func datedApart(rows []string) []string {
	for i, row := range rows {
		_, rest, _ := strings.Cut(row, ",")
		rows[i] = fmt.Sprintf("2099-01-01 10:%02d:00 UTC,%s", i, rest)
	}
	return rows
}

// TestTheVerdictIsNoBetterThanTheFacts: whatever was withheld, cut off, or cannot be read or opened, verify does not say
// that nothing is wrong, and its exit code tells which it is.
func TestTheVerdictIsNoBetterThanTheFacts(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	ana.must("identity", "name", "ana")
	bo := newDevice(t, relay)
	bo.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
	bo.must("join", "lab", "--channel", channel, "--profile", quickSigned)
	bo.must("identity", "name", "bo")
	ana.must("send", "one")
	bo.must("send", "nobody needs this number")
	ana.must("send", "two")
	for name, c := range map[string]struct {
		change  func(rows []string) []string
		code    int
		tells   []string
		verdict string
	}{
		"all there": {func(rows []string) []string { return rows }, exitDone, nil, "nothing is wrong with them"},
		"an entry that no number needs": {
			func(rows []string) []string { return slices.Delete(datedApart(rows), 1, 2) }, exitFindings,
			[]string{"entry 2 was not shown"},
			"1 finding, told above",
		},
		"many entries": {func(rows []string) []string {
			for n := range 30 {
				rows = append(rows, fmt.Sprintf("2099-01-01 10:%02d:00 UTC,%d,\n", n, 3*n+10))
			}
			return rows
		}, exitFindings, []string{"entries 4–9 were not shown", "entries 11–12 were not shown", "20 ranges more of entries that were not shown, among entries 38–96"}, "30 findings, told above"},
		"cut": {func(rows []string) []string {
			return append(rows, "2026-11-20 10:00:00 UTC,4,gAAAA")
		}, exitPartly, []string{"the feed ends in the middle of a line: its last entry may be missing"}, "not everything could be judged"},
		"a row that cannot be read": {func(rows []string) []string {
			return append(rows, "2026-11-20 10:00:00 UTC,four,x\n")
		}, exitPartly, []string{`line 5 is left out: entry_id is not a number above 0: "four"`}, "not everything could be judged"},
		"a token that no key opens": {func(rows []string) []string {
			return append(rows, strings.Replace(rows[2], ",3,gAAAA", ",4,gAAAB", 1))
		}, exitPartly, []string{"1 entry not for this key (entry 4): sealed with another one, or altered"}, "not everything could be judged"},
	} {
		t.Run(name, func(t *testing.T) {
			file := ana.feedOf(c.change)
			ana.exits(c.code, "verify", "--csv", file)
			for _, line := range c.tells {
				if !strings.Contains(ana.stderr.String(), line+"\n") {
					t.Errorf("it does not tell %q:\n%s", line, &ana.stderr)
				}
			}
			if got := ana.stdout.String(); !strings.Contains(got, c.verdict+"\n") || strings.Count(got, "nothing is wrong") > 0 != (c.code == exitDone) {
				t.Errorf("the verdict is\n%s", got)
			}
			if n := strings.Count(ana.stderr.String(), "\n"); n > 15 {
				t.Errorf("%d lines are told:\n%s", n, &ana.stderr)
			}
		})
	}
}

// TestAKeyThatOpensNothing: then verify says only that, and gives no verdict and no digest.
func TestAKeyThatOpensNothing(t *testing.T) {
	relay := relaytest.New(t)
	ana, eve := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	for _, args := range [][]string{nil, {"--json"}} {
		eve.env["FERNPOST_PASSPHRASE"] = "stapler goose window lemon racket plum"
		if len(args) == 0 {
			eve.must("init", "lab", "--channel", channel, "--profile", quickSigned)
			ana.must("send", "one")
		}
		eve.exits(exitNoKey, append([]string{"verify"}, args...)...)
		if eve.stdout.Len() > 0 || strings.Count(eve.stderr.String(), "\n") != 2 ||
			!strings.HasPrefix(eve.stderr.String(), "error: no message here opens with this room's key\nhint: ") {
			t.Errorf("verify %v prints %q, %q", args, &eve.stdout, &eve.stderr)
		}
	}
}

// TestStrictEndsWithTheVerdict: what recv tells decides its exit code with --strict, also with --quiet.
func TestStrictEndsWithTheVerdict(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("identity", "name", "ana")
	for _, text := range []string{"one", "two", "three"} {
		ana.must("send", text)
	}
	whole := ana.feedOf(func(rows []string) []string { return rows })
	gap := ana.feedOf(func(rows []string) []string { return slices.Delete(datedApart(rows), 1, 2) })
	ana.must("recv", "--strict", "--csv", whole)
	ana.must("recv", "--csv", gap)
	for _, more := range [][]string{nil, {"--quiet"}, {"--json"}} {
		ana.exits(exitFindings, append([]string{"recv", "--strict", "--csv", gap}, more...)...)
		if got := ana.stdout.String() + ana.stderr.String(); !strings.Contains(got, "1 message from ana missing (ana 2)") {
			t.Errorf("recv %v prints\n%s", more, got)
		}
	}
	cut := ana.feedOf(func(rows []string) []string { return append(rows[:1], strings.TrimSuffix(rows[1], "\n")[:60]) })
	ana.exits(exitPartly, "recv", "--strict", "--csv", cut)
}

// Whose entry was cut out of a file and who wrote nothing afterwards was not missed by recv.
func TestRecvTellsWhatWasCutOutOfAFile(t *testing.T) {
	for name, profile := range map[string]string{"signed": quickSigned, "texts": plainText} {
		t.Run(name, func(t *testing.T) {
			relay := relaytest.New(t)
			ana, bo := newDevice(t, relay), newDevice(t, relay)
			channel := ana.makeRoom(profile)
			bo.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
			bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", profile)
			ana.must("send", "one")
			bo.must("send", "two")
			ana.must("send", "three")
			gap := ana.feedOf(func(rows []string) []string { return slices.Delete(datedApart(rows), 1, 2) })
			ana.exits(exitFindings, "recv", "--strict", "--csv", gap)
			if got := ana.stderr.String(); !strings.Contains(got, "entry 2 was not shown\n") {
				t.Errorf("recv says\n%s", got)
			}
			ana.must("recv", "--strict", "--csv", ana.feedOf(func(rows []string) []string { return rows[1:] }))
		})
	}
}

// TestTheDigestLine: six words, and what they stand for.
func TestTheDigestLine(t *testing.T) {
	ana := newDevice(t, relaytest.New(t))
	ana.makeRoom(quickSigned)
	ana.must("send", "one")
	ana.must("verify")
	line := regexp.MustCompile(`(?m)^digest: (?:[a-z-]+ ){6}\(version \d+, 1 line, 1 key\)$`)
	if !line.MatchString(ana.stdout.String()) {
		t.Errorf("verify prints\n%s", &ana.stdout)
	}
}

// insider returns the cells of a message of somebody unknown who has the room's key, and what posts cells, one an entry.
func (d *device) insider(relay *relaytest.Server, channel int64) (cells [][record.CellSize]byte, post func(...[record.CellSize]byte)) {
	d.t.Helper()
	a := &app{getenv: func(name string) string { return d.env[name] }}
	r, err := a.loadRoom("lab")
	if err != nil {
		d.t.Fatal(err)
	}
	keys, err := messenger.Keys(r)
	if err != nil {
		d.t.Fatal(err)
	}
	ring, err := fernet.NewRing(keys...)
	if err != nil {
		d.t.Fatal(err)
	}
	eve := record.NewIdentity([record.KeySize]byte{66})
	signed, err := record.Sign(eve, record.Context{
		Salt: record.Salt(passphrase.RoomSalt(channel)), Key: record.KeyID(keys[0].ID()),
	}, record.Record{Number: 1, Nick: "eve", Body: record.Text("hello"), Clock: time.Now().UnixMilli()})
	if err != nil {
		d.t.Fatal(err)
	}
	if cells, err = record.Cut(signed.Bytes, eve.Public().Tag(), 3); err != nil {
		d.t.Fatal(err)
	}
	return cells, func(cells ...[record.CellSize]byte) {
		relay.Seed(d.t, channel, len(cells), func(i int) thingspeak.Entry {
			text, err := ring.Seal(cells[i][:], time.Now())
			if err != nil {
				d.t.Fatal(err)
			}
			return thingspeak.Entry{CreatedAt: time.Now(), Fields: thingspeak.Fields{thingspeak.Text(text)}}
		})
	}
}

// While verify joined forged parts that fit in many ways it said nothing.
func TestVerifySaysThatItJoinsParts(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := ana.makeRoom(quickSigned)
	cells, post := ana.insider(relay, channel)
	for i := range 100 {
		c := cells[0]
		c[len(c)-1], c[len(c)-2] = byte(i), 1
		cells = append(cells, c)
	}
	post(cells[1:]...)
	ana.terminal = true
	ana.run("verify")
	const line = "still joining parts that fit in many ways, round 2"
	if got := ana.stderr.String(); strings.Count(got, line) != 1 || !strings.Contains(got, line+"\x1b[K\r\x1b[K") &&
		!strings.Contains(got, line+"\x1b[0m\x1b[K\r\x1b[K") {
		t.Errorf("on a terminal verify says %q", got)
	}
	ana.terminal = false
	ana.run("verify")
	if got := ana.stderr.String(); strings.Contains(got, "still") {
		t.Errorf("off a terminal verify says %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := &app{
		stdin: strings.NewReader(""), stdout: io.Discard, width: 80, stderrTerminal: true,
		getenv: func(name string) string { return ana.env[name] },
		stderr: onWrite(func(p []byte) {
			if strings.Contains(string(p), line) {
				cancel()
			}
		}),
	}
	if code := a.run(ctx, []string{"verify"}); code != exitInterrupted {
		t.Errorf("interrupted while it joins parts verify ends with %d", code)
	}
}

// onWrite is told what is written.
type onWrite func(p []byte)

func (w onWrite) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// A relay that hid entry 4, called 3 its last and showed 5 and 6 made "verify --until 4" say that nothing is wrong.
func TestWhatStandsAboveUntilCounts(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	for range 6 {
		ana.must("send", "hello")
	}
	ana.transport = &boasting{&withheld{http.DefaultTransport, 4}, 3}
	if code := ana.run("verify", "--until", "4"); code != exitFindings || !strings.Contains(ana.stderr.String(), "entry 4 was not shown") {
		t.Errorf("exit %d, %q, %q", code, ana.stdout.String(), ana.stderr.String())
	}
	if code := ana.run("verify", "--until", "3"); code != exitDone {
		t.Errorf("up to 3: exit %d, %q", code, ana.stderr.String())
	}
}

// Of a file that begins above --until, verify said that nothing is wrong, or that what stood before it was not shown.
func TestNothingUpToUntilIsNoVerdict(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	for range 4 {
		ana.must("send", "hello")
	}
	from3 := ana.feedOf(func(rows []string) []string { return rows[2:] })
	empty := ana.feedOf(func([]string) []string { return nil })
	for file, until := range map[string]string{from3: "2", empty: "4"} {
		for _, asJSON := range []string{"--json=false", "--json"} {
			ana.exits(exitUsage, "verify", "--until", until, "--csv", file, asJSON)
			want := "--until " + until + ": the feed that --csv names has no entry up to that\n"
			if got := ana.stderr.String(); ana.stdout.Len() > 0 || !strings.Contains(got, want) {
				t.Errorf("--until %s: says %q, prints %q", until, got, &ana.stdout)
			}
		}
	}
	ana.must("verify", "--until", "3", "--csv", from3)
	if got := ana.stdout.String(); !strings.Contains(got, " in 1 entry; ") {
		t.Errorf("verify prints %q", got)
	}
}

// Where no archive can be made or read, as on a full disk, verify ended without a verdict.
func TestVerifyWithoutAnArchiveHasAVerdict(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("send", "hello")
	dir := filepath.Join(ana.env["HOME"], ".local", "share", "fernpost", "archive")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code := ana.run("verify")
	if out := ana.stdout.String(); code != exitPartly || !strings.Contains(out, "not everything could be judged\ndigest: ") {
		t.Errorf("exit %d, %q", code, out)
	}
	if got := ana.stderr.String(); !strings.Contains(got, "could not be compared") {
		t.Errorf("says %q", got)
	}
}

// liedTo makes a room in which ana and cy write by turns, and a device that reads it.
func liedTo(t *testing.T) (class *class, ana, cy, reader *device) {
	class = newClass(t, relaytest.InBubble(t))
	ana, cy, reader = class.device("127.0.0.1"), class.device("127.0.0.1"), class.device("localhost")
	channel := fmt.Sprint(ana.makeRoom(signedText))
	cy.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
	ana.must("identity", "name", "ana")
	cy.must("identity", "name", "cy")
	cy.must("join", "lab", "--channel", channel, "--profile", signedText)
	reader.must("join", "lab", "--channel", channel, "--profile", signedText)
	for i, d := range []*device{ana, cy, ana, cy, ana} {
		d.must("send", fmt.Sprint("line ", i+1))
		time.Sleep(20 * time.Second)
	}
	return class, ana, cy, reader
}

// renumber shows rows under other numbers, or not at all under 0.
func renumber(to map[string]string) relaytest.Fault {
	return relaytest.RewriteRows(func(row string) string {
		c := strings.SplitN(row, ",", 3)
		if len(c) < 3 {
			return row
		}
		switch n, ok := to[c[1]]; {
		case ok && n == "0":
			return ""
		case ok:
			c[1] = n
		}
		return strings.Join(c, ",")
	})
}

// A device that was shown a message in another place for once shows it there for good, and verify called its digest the
// same as everybody's, with nothing wrong.
func TestVerifyTellsOfAnotherOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class, _, cy, reader := liedTo(t)
		class.relay.Inject(renumber(map[string]string{"5": "3"}))
		reader.run("recv")
		class.relay.Inject(nil)
		reader.run("recv")
		reader.exits(exitFindings, "verify")
		const want = "this device holds ana 3 in entry 3, the relay shows it in entry 5\n"
		if got := reader.stderr.String(); !strings.Contains(got, want) || !strings.Contains(got, "the digest is of what the relay shows now") {
			t.Errorf("says\n%s", got)
		}
		reader.exits(exitDone, "verify", "--until", "2")
		cy.must("recv", "--strict")
		cy.must("verify")
	})
}

// After a clear that was none, what was hidden meanwhile stands last for good, and recv named findings that verify did
// not list.
func TestVerifyListsWhatStillStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class, ana, _, reader := liedTo(t)
		hideFourth := relaytest.RewriteRows(func(row string) string {
			if c := strings.SplitN(row, ",", 3); len(c) > 2 && c[1] == "4" {
				return ""
			}
			return row
		})
		class.relay.Inject(hideFourth)
		reader.run("recv")
		class.relay.Inject(relaytest.RewriteRows(func(row string) string {
			if strings.HasPrefix(row, "created_at") {
				return row
			}
			return ""
		}))
		for range 3 {
			reader.run("recv")
			time.Sleep(time.Minute)
		}
		class.relay.Inject(hideFourth)
		reader.run("recv")
		class.relay.Inject(nil)
		reader.run("recv")
		ana.must("send", "and another")
		reader.run("recv", "--strict")
		if got := reader.stderr.String(); !strings.Contains(got, "1 finding from before still stands; \"fernpost verify\" lists") {
			t.Errorf("recv says\n%s", got)
		}
		reader.exits(exitFindings, "verify")
		for _, want := range []string{
			"told before: the channel was cleared, or the relay lost its entries\n",
			"this device holds cy 2 of entry 4 elsewhere among the others than the relay shows it\n",
		} {
			if got := reader.stderr.String(); !strings.Contains(got, want) {
				t.Errorf("verify says\n%s\nand not %q", got, want)
			}
		}
	})
}

// A message that the relay has accepted and does not show counted for nothing.
func TestAcceptedAndNotShownIsNoGoodVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class, ana, cy, _ := liedTo(t)
		class.relay.Inject(relaytest.On("POST /update", relaytest.Answer(http.StatusOK, "text/plain", "6")))
		ana.must("send", "lost")
		class.relay.Inject(nil)
		for _, command := range [][]string{{"recv", "--strict"}, {"verify"}, {"verify", "--json"}} {
			ana.exits(exitPartly, command...)
			said := ana.stdout.String() + ana.stderr.String()
			if !strings.Contains(said, "has accepted ana 4 as entry 6, and shows no entry above 5") {
				t.Errorf("%q says\n%s", command, said)
			}
		}
		time.Sleep(20 * time.Second)
		cy.must("send", "the sixth is mine")
		for _, command := range [][]string{{"recv", "--strict"}, {"verify"}, {"watch", "--strict", "--from-start", "--messages", "1"}} {
			ana.exits(exitFindings, command...)
			if got := ana.stderr.String(); !strings.Contains(got, "has accepted ana 4 as entry 6, and does not show it") {
				t.Errorf("%q says\n%s", command, got)
			}
		}
		ana.exits(exitDone, "verify", "--until", "5")
	})
}

// Sixty keys that claim one device gave sixty lines, at once, and at each verify.
func TestContradictoryClaimsHaveFewLines(t *testing.T) {
	const claims = 60
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := ana.makeRoom(quickSigned)
	_, post := ana.insider(relay, channel)
	r, err := (&app{getenv: func(name string) string { return ana.env[name] }}).loadRoom("lab")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := messenger.Keys(r)
	if err != nil {
		t.Fatal(err)
	}
	ctx := record.Context{Salt: record.Salt(passphrase.RoomSalt(channel)), Key: record.KeyID(keys[0].ID())}
	phone := record.NewIdentity([record.KeySize]byte{99})
	say := func(id record.Identity, r record.Record) (hash record.ShortHash) {
		r.Clock = 1
		signed, err := record.Sign(id, ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		cells, err := signed.Cells()
		if err != nil {
			t.Fatal(err)
		}
		post(cells...)
		return signed.Hash.Short()
	}
	var first record.ShortHash
	for i := range byte(claims) {
		id := record.NewIdentity([record.KeySize]byte{1, i})
		first = say(id, record.Record{Number: 1, Body: record.Device{
			Key: phone.Public(), Proof: phone.ProveDevice(ctx.Salt, id.Public()),
		}})
	}
	const line, rest = "a device of theirs, but ", "50 more claims about devices that others contradict: none counts\n"
	for _, command := range [][]string{{"recv", "--strict"}, {"verify"}} {
		ana.exits(exitFindings, command...)
		ana.says(mostContradictions, line)
		ana.says(1, rest)
		ana.says(1, "error: 60 findings, told above")
	}
	ana.exits(exitFindings, "recv", "--strict")
	ana.says(1, "60 findings from before still stand")
	// What one withdraws is taken back, and the others stand.
	say(record.NewIdentity([record.KeySize]byte{1, claims - 1}), record.Record{
		Number: 2, Previous: first, Body: record.Device{Key: phone.Public()},
	})
	ana.exits(exitFindings, "recv", "--strict")
	ana.says(1, "no longer true: another claim contradicts")
	ana.exits(exitFindings, "verify", "--json")
	ana.says(mostContradictions+1, `"finding":"contradiction"`)
}
