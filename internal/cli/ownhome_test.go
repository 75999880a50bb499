package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// home is where a device keeps what belongs to it.
func (d *device) home(path ...string) string {
	return filepath.Join(append([]string{d.env["HOME"], ".local", "share", "fernpost"}, path...)...)
}

// says fails the test unless the last command has said a text as often as wanted.
func (d *device) says(times int, text string) {
	d.t.Helper()
	if got := d.stdout.String() + d.stderr.String(); strings.Count(got, text) != times {
		d.t.Errorf("%q is not said %d times:\n%s", text, times, got)
	}
}

const newIdentity = "is not here any more: you write with a new identity from now on"

// Whoever had lost the identity of the device, with messages waiting, could send nothing any more: "messages signed by
// another identity are in the outbox". The messages are signed anew, and nothing is lost or shown twice.
func TestALostIdentityKeepsNobodyFromSending(t *testing.T) {
	for name, command := range map[string][]string{
		"send": {"send", "three"}, "retry": {"outbox", "--retry"}, "queue": {"send", "--queue", "three"}, "rotate": {"key", "rotate", "--weak"},
	} {
		t.Run(name, func(t *testing.T) {
			relay := relaytest.New(t)
			ana, bo := newDevice(t, relay), newDevice(t, relay)
			channel := fmt.Sprint(ana.makeRoom(quickSigned))
			ana.must("identity", "name", "ana")
			bo.must("join", "lab", "--channel", channel, "--profile", quickSigned)
			ana.must("send", "zero")
			ana.must("send", "--queue", "one")
			ana.must("send", "--queue", "two")
			if err := os.Remove(ana.home("rooms", ".identity")); err != nil {
				t.Fatal(err)
			}
			if name == "rotate" {
				ana.env["FERNPOST_PASSPHRASE"] = "garden copper lantern drizzle tulip marble"
			}
			if name == "queue" { // which reads nothing: what waits may have been posted from elsewhere
				ana.must(command...)
				ana.says(0, newIdentity)
				ana.says(1, "queued as ~")
				command = []string{"outbox", "--retry"}
			}
			ana.must(command...)
			ana.says(1, newIdentity)
			ana.says(1, "2 messages of the outbox were signed anew with it")
			ana.must("outbox", "--retry")
			ana.says(0, newIdentity)
			ana.must("send", "four")
			ana.says(0, newIdentity)
			if name == "rotate" {
				bo.env["FERNPOST_PASSPHRASE"] = ana.env["FERNPOST_PASSPHRASE"]
				bo.must("key", "add")
			}
			bo.must("recv", "--strict", "-n", "0")
			for text, times := range map[string]int{": zero\n": 1, ": one\n": 1, ": two\n": 1, ": four\n": 1} {
				bo.says(times, text)
			}
			bo.must("verify")
			ana.must("verify")
		})
	}
}

// Whoever had lost the identity, with messages waiting, could queue nothing while the relay was away, and had to type it
// again.
func TestALostIdentityQueuesWhileTheRelayIsAway(t *testing.T) {
	for _, waiting := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			class := newClass(t, relaytest.InBubble(t))
			relay, ana, bo := class.relay, class.device("127.0.0.1"), class.device("127.0.0.1")
			channel := fmt.Sprint(ana.makeRoom(quickSigned))
			bo.must("join", "lab", "--channel", channel, "--profile", quickSigned)
			ana.must("send", "zero")
			if waiting {
				ana.must("send", "--queue", "one")
				ana.must("send", "--queue", "two")
			}
			if err := os.Remove(ana.home("rooms", ".identity")); err != nil {
				t.Fatal(err)
			}
			relay.Inject(relaytest.LoseRequest())
			ana.exits(exitUnreachable, "send", "three")
			ana.says(1, "the message stays in the outbox")
			ana.exits(exitUnreachable, "send", "four")
			ana.must("send", "--queue", "five")
			relay.Inject(nil)
			ana.must("send", "six")
			ana.says(0, "of the outbox may have been posted")
			bo.must("recv", "--strict", "-n", "0")
			order := []string{": zero\n", ": three\n", ": four\n", ": five\n", ": six\n"}
			if waiting {
				order = slices.Insert(order, 1, ": one\n", ": two\n")
				ana.says(1, newIdentity)
				ana.says(1, " 1 became ")
			}
			last := 0
			for _, text := range order {
				bo.says(1, text)
				if at := strings.Index(bo.stdout.String(), text); at < last {
					t.Errorf("out of order:\n%s", &bo.stdout)
				} else {
					last = at
				}
			}
			bo.must("verify")
			ana.must("verify")
			ana.must("outbox")
			if ana.stdout.Len() > 0 {
				t.Errorf("waits still:\n%s", &ana.stdout)
			}
		})
	}
}

// The numbers that a user has seen are another identity's: none is taken back by one of those.
func TestWhatAnotherIdentityNumberedIsNotTakenBack(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("send", "one")
	ana.must("send", "--queue", "two")
	ana.must("send", "--queue", "three")
	if err := os.Remove(ana.home("rooms", ".identity")); err != nil {
		t.Fatal(err)
	}
	ana.exits(exitFailed, "outbox", "--drop", "2")
	ana.says(1, "error: not taken back")
	ana.must("outbox", "--json")
	ana.says(1, `"number":1,`)
	ana.says(1, `"number":2,`)
	ana.must("outbox", "--drop", "2", "--retry")
	ana.must("recv", "-n", "0")
	ana.says(1, ": two\n")
	ana.says(0, ": three")
}

// An archive that is restored beside another identity holds what its own identity has posted since from where it is at home:
// that is not posted once more. What it has not is, under a number of the identity that is here.
func TestAnArchiveRestoredBesideAnotherIdentity(t *testing.T) {
	relay := relaytest.New(t)
	ana, other := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	other.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
	other.must("join", "lab", "--channel", channel, "--profile", quickSigned)
	other.must("send", "I was here before")
	ana.must("send", "one")
	ana.must("send", "--queue", "two")
	ana.must("send", "--queue", "three")
	if err := os.RemoveAll(other.home("archive")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(other.home("archive"), os.DirFS(ana.home("archive"))); err != nil {
		t.Fatal(err)
	}
	ana.must("outbox", "--drop", "3", "--retry")
	other.must("send", "four")
	other.says(1, newIdentity)
	other.says(1, "1 message of the outbox was signed anew with it")
	for _, d := range []*device{ana, other} {
		d.must("recv", "-n", "0")
		for _, text := range []string{": I was here before\n", " 1: one\n", " 2: two\n", " 2: three", " 3: four"} {
			d.says(1, text)
		}
		d.must("verify")
	}
}

// What a message that waits was sealed with may be gone as well: then it is said what helps, and nothing is lost.
func TestALostIdentityAndALostKey(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	lab, err := os.ReadFile(ana.home("rooms", "lab.json"))
	if err != nil {
		t.Fatal(err)
	}
	ana.env["FERNPOST_PASSPHRASE"] = "garden copper lantern drizzle tulip marble"
	ana.must("key", "rotate", "--weak")
	ana.must("send", "--queue", "under the new key")
	if err := os.WriteFile(ana.home("rooms", "lab.json"), lab, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(ana.home("rooms", ".identity")); err != nil {
		t.Fatal(err)
	}
	ana.exits(exitFailed, "send", "hello")
	ana.says(1, "its key is not here\nhint: \"fernpost key add\"")
	ana.must("key", "add")
	ana.must("send", "hello")
	ana.must("recv")
	ana.says(1, ": under the new key")
	ana.says(1, ": hello")
}

// A keyring that was restored from before a rotation has fewer keys than the archive: verify said of the relay that it
// showed no more what only no key here opens.
func TestAKeyThatIsGoneIsNotTheRelaysFault(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("send", "under the old key")
	lab, err := os.ReadFile(ana.home("rooms", "lab.json"))
	if err != nil {
		t.Fatal(err)
	}
	ana.env["FERNPOST_PASSPHRASE"] = "garden copper lantern drizzle tulip marble"
	ana.must("key", "rotate", "--weak")
	ana.must("send", "under the new key")
	ana.must("send", "and another")
	ana.must("recv")
	if err := os.WriteFile(ana.home("rooms", "lab.json"), lab, 0o600); err != nil {
		t.Fatal(err)
	}
	const gone = "2 messages that this device has read (among entries 3–4) are sealed with a key that is not here any more: " +
		"\"fernpost key add --room lab\" adds it"
	for _, command := range [][]string{{"verify"}, {"recv", "--strict"}, {"recv", "--strict", "-n", "1"}} {
		ana.exits(exitPartly, command...)
		ana.says(1, gone)
		ana.says(0, "not there any more")
	}
	ana.must("recv")
	ana.says(1, gone)
	ana.must("key", "add")
	ana.must("verify")
	ana.must("recv", "--strict")
	ana.says(0, "not here any more")
	ana.says(1, ": under the new key")
}

// Of a key whose words the user had compared verify said that it is not the one they know.
func TestVerifyKnowsWhoseWordsWereCompared(t *testing.T) {
	relay := relaytest.New(t)
	eve, ana, bo := newDevice(t, relay), newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(eve.makeRoom(quickSigned))
	tags := map[*device]string{}
	for _, d := range []*device{eve, ana, bo} {
		if d != eve {
			d.env["FERNPOST_WRITE_KEY"] = eve.writeKey()
			d.must("join", "lab", "--channel", channel, "--profile", quickSigned)
		}
		d.must("identity", "name", map[*device]string{eve: "ana", ana: "ana", bo: "bo"}[d])
		d.must("identity", "show")
		_, rest, _ := strings.Cut(d.stdout.String(), "~")
		tags[d] = "~" + rest[:8]
	}
	eve.must("send", "I am ana")
	ana.must("send", "no, I am")
	bo.must("recv")
	for _, command := range []string{"recv", "verify"} { // nobody was compared
		bo.exits(exitFindings, command, map[string]string{"recv": "--strict", "verify": "--json=false"}[command])
	}
	bo.says(1, "another ana ("+tags[ana]+"), not the one who has the name here")
	bo.says(1, "compare the words aloud")
	bo.must("identity", "verify", tags[ana], "--yes")
	bo.exits(exitFindings, "verify")
	bo.says(1, "another ana ("+tags[eve]+"), not the one whose words you have compared")
	bo.says(0, "another ana ("+tags[ana])
	bo.says(0, "compare the words aloud")
	// Whom one knows by the words is no namesake, also if two are called so.
	bo.must("identity", "verify", tags[eve], "--yes")
	bo.must("verify")
	bo.must("recv", "--strict")
}

// A file was read as if nothing were known of anybody: whoever took a compared name was shown without tag.
func TestAFileIsReadWithTheNamesOfThisDevice(t *testing.T) {
	relay := relaytest.New(t)
	ana, eve, bo := newDevice(t, relay), newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	for _, d := range []*device{eve, bo} {
		d.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
		d.must("join", "lab", "--channel", channel, "--profile", quickSigned)
	}
	ana.must("identity", "name", "ana")
	eve.must("identity", "name", "ana")
	ana.must("send", "I am ana")
	bo.must("recv")
	bo.must("identity", "verify", "ana", "--yes")
	eve.must("send", "meet me at the mill")
	bo.must("eavesdrop", "--room", "lab", "--raw")
	lines := strings.SplitAfter(strings.TrimSpace(bo.stdout.String()), "\n")
	file := filepath.Join(t.TempDir(), "newest.csv")
	if err := os.WriteFile(file, []byte(lines[0]+lines[len(lines)-1]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bo.exits(exitFindings, "recv", "--strict", "--csv", file)
	bo.says(1, ") 1: meet me at the mill")
	bo.says(1, "not the one whose words you have compared")
	bo.exits(exitFindings, "verify", "--csv", file)
	bo.must("identity", "forget", "ana")
	bo.must("recv", "--strict", "--csv", file)
}

// After a name was handed on recv was silent about who had it before, whom verify told as a namesake.
func TestForgettingIsTheSameToRecvAndVerify(t *testing.T) {
	for _, others := range []bool{false, true} {
		relay := relaytest.New(t)
		ana, bo, eve := newDevice(t, relay), newDevice(t, relay), newDevice(t, relay)
		channel := fmt.Sprint(ana.makeRoom(quickSigned))
		for _, d := range []*device{bo, eve} {
			d.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
			d.must("join", "lab", "--channel", channel, "--profile", quickSigned)
			d.must("identity", "name", "bo")
		}
		bo.must("send", "from the old phone")
		if others {
			eve.must("send", "from the new phone")
		}
		ana.must("recv")
		ana.must("identity", "forget", "bo")
		want := map[bool]int{false: exitDone, true: exitFindings}[others]
		ana.exits(want, "recv", "--strict")
		told := strings.Contains(ana.stderr.String(), "\nanother bo (~")
		ana.exits(want, "verify")
		if again := strings.Contains(ana.stderr.String(), "another bo (~"); told != others || again != others {
			t.Errorf("with others %t: recv tells of a namesake: %t, verify: %t", others, told, again)
		}
		ana.exits(want, "recv", "--strict")
	}
}

// The name went without a word to who had used one that only looks like it; and a tag was said twice.
func TestForgettingSaysWhoGetsTheNameByALookAlike(t *testing.T) {
	relay := relaytest.New(t)
	ana, eve := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	eve.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
	eve.must("join", "lab", "--channel", channel, "--profile", quickSigned)
	ana.must("identity", "name", "ana")
	eve.must("identity", "name", "\u0430na")
	ana.must("send", "I am ana")
	ana.must("recv")
	eve.must("send", "so am I")
	ana.must("recv")
	withTag := func(nick string) string {
		ana.must("identity", "list")
		return regexp.MustCompile(`(?m)^` + nick + ` \(~[0-9a-f]{8}\)`).FindString(ana.stdout.String())
	}
	ana.must("identity", "verify", withTag("\u0430na"), "--yes") // which takes the name; and is called so with its tag no more
	ana.must("identity", "verify", withTag("ana"), "--yes")
	if out := ana.stderr.String(); !strings.Contains(out, "ana (~") || strings.Contains(out, ") (~") {
		t.Errorf("said %q", out)
	}
	ana.must("identity", "forget", "\u0430na")
	ana.says(1, "has used a name that looks like one of ~")
	ana.says(1, "and has the name ana from now on")
}

// After a clear by its owner verify ended with 7 for ever, and so it did once anybody had posted a copy of an old token. A
// clear of which the relay has shown again what it took away, by its number and date, is none, and counts.
func TestWhatWasBeforeAClearIsInformation(t *testing.T) {
	const as, date, number = "shown again", "copied to another date", "copied to another number"
	const behind = "copied behind newer ones"
	for _, name := range []string{"cleared", as, date, number, behind} {
		shown := name == as
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				class, ana, _, reader := liedTo(t)
				hide := relaytest.RewriteRows(func(row string) string {
					if strings.HasPrefix(row, "created_at") {
						return row
					}
					return ""
				})
				reader.must("recv")
				before := class.relay.Entries(t, ana.channel())
				if class.relay.Clear(t, ana.channel()); name != "cleared" {
					class.relay.Inject(hide)
				}
				for range 3 {
					reader.run("recv")
					ana.run("recv")
					time.Sleep(time.Minute)
				}
				class.relay.Inject(nil)
				seed := func(e thingspeak.Entry) {
					class.relay.Seed(t, ana.channel(), 1, func(int) thingspeak.Entry { return e })
				}
				switch name {
				case date: // one of the tokens of ana 1
					part := thingspeak.Entry{CreatedAt: time.Now()}
					part.Fields[0] = before[0].Fields[0]
					seed(part)
				case number: // ana 3, as its author does whose reply was lost
					seed(before[4])
				}
				ana.must("send", "after the clear")
				if shown {
					seed(before[1])
				}
				if name == behind { // ana 1, which proves no more than that it was written; and cy 1, which names it
					seed(before[0])
					seed(before[1])
				}
				reader.run("recv")
				for _, command := range [][]string{{"verify"}, {"recv", "--strict"}} {
					if !shown {
						reader.must(command...)
						continue
					}
					reader.exits(exitFindings, command...)
				}
				reader.run("verify")
				const gone = "messages that this device has read or posted stood there before the channel was cleared"
				if shown {
					reader.says(0, gone)
					reader.says(1, "told before: the channel was cleared, or the relay lost its entries")
					reader.says(1, "not there any more: 3 messages from ana that this device has read (ana 1–3)")
					return
				}
				reader.says(1, gone)
				reader.says(1, "the channel was cleared, or the relay lost its entries") // it was told twice
				reader.says(0, "not there any more")
			})
		})
	}
}

// Of one's own messages from before a room was removed and joined again recv told as of a copied home, once, and verify did
// not: now they say the same, and neither calls it wrong.
func TestARoomThatIsJoinedAgain(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	ana.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
	ana.must("send", "one")
	ana.must("send", "two")
	ana.must("rooms", "remove", "lab", "--yes")
	ana.must("join", "lab", "--channel", channel, "--profile", quickSigned)
	ana.must("send", "three") // which reads the room as well
	const told = "2 messages signed by your own key came from somewhere else: a copied home directory, a backup that was restored, " +
		"or a room that was removed and joined again; if it is none of these, somebody else has your key"
	for _, command := range [][]string{{"recv", "--strict"}, {"verify"}} {
		ana.must(command...)
		ana.says(1, told)
	}
	ana.must("recv", "--strict")
	ana.says(0, told)
}

// Whoever had taken another nickname was told so, by every command that reads.
func TestNobodyIsToldOfTheirOwnNewName(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	bo.must("join", "lab", "--channel", fmt.Sprint(ana.channel()), "--profile", quickSigned)
	for _, nick := range []string{"ana", "anna"} {
		ana.must("identity", "name", nick)
		ana.must("send", "hello")
	}
	file := ana.feedOf(func(rows []string) []string { return rows })
	for _, args := range [][]string{{"recv"}, {"recv", "--csv", file}, {"verify"}, {"verify", "--csv", file}} {
		for who, d := range map[string]*device{"ana": ana, "bo": bo} {
			d.must(args...)
			if told := strings.Contains(d.stderr.String(), "ana is now called anna\n"); told != (d == bo) {
				t.Errorf("%s is told by %v: %t\n%s", who, args, told, &d.stderr)
			}
		}
	}
}
