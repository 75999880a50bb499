package cli

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func TestMessagesAreFoundBehind8000RowsOfStrangers(t *testing.T) {
	testenv.Unwatched(t)
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := ana.makeRoom(plainText)
	yesterday := time.Now().Add(-24 * time.Hour)
	ana.post(relay, channel, "behind them all", yesterday)
	strangers(t, relay, channel, 7990, yesterday)
	ana.must("send", "in front")
	ana.must("recv")
	if got := ana.stdout.String(); !strings.Contains(got, "entry 1     behind them all\n") || !strings.Contains(got, "entry 7992  in front\n") {
		t.Errorf("recv prints\n%s", got)
	}
	if got := ana.stderr.String(); !strings.Contains(got, "7990 entries not for this key (entries 2–7991)") {
		t.Errorf("recv says\n%s", got)
	}

	// What lies farther back is looked at on request only when a room is first read, and recv says that there is more.
	strangers(t, relay, channel, 9000, yesterday.Add(8000*time.Second))
	bo := ana.beside()
	bo.env = maps.Clone(bo.env)
	bo.env["HOME"] = t.TempDir()
	bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", plainText)
	for range 2 {
		bo.must("recv")
		if got := bo.stderr.String(); !strings.Contains(got, "; \"fernpost recv --all\" reads them") || strings.Contains(bo.stdout.String(), "behind") {
			t.Errorf("recv says\n%s", got)
		}
	}
	bo.must("recv", "--all")
	if got := bo.stdout.String(); !strings.Contains(got, "behind them all") {
		t.Errorf("recv --all prints\n%s", got)
	}
	bo.must("recv")
	if got := bo.stderr.String(); strings.Contains(got, "--all") || !strings.Contains(bo.stdout.String(), "behind") {
		t.Errorf("once all is read, recv says\n%s", got)
	}
}

// Who reads all of a channel is not shown by watch what stands before what it has printed.
func TestReadingAllIsNoNewsForAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		ana := newClass(t, relay).device("127.0.0.1")
		channel := ana.makeRoom(plainText)
		yesterday := time.Now().Add(-24 * time.Hour)
		ana.post(relay, channel, "old", yesterday)
		strangers(t, relay, channel, 8500, yesterday)
		other := ana.beside()
		go func() {
			time.Sleep(time.Minute)
			other.must("send", "new")
		}()
		ana.must("watch", "--messages", "1")
		ana.must("recv", "--all")
		if got := ana.stdout.String(); !strings.Contains(got, "old\n") {
			t.Errorf("recv --all prints\n%s", got)
		}
		ana.must("send", "newest")
		ana.must("watch", "--messages", "1")
		if got := ana.stdout.String(); !strings.Contains(got, "newest\n") {
			t.Errorf("watch prints\n%s", got)
		}
	})
}

// Reading all of a channel passed over, for the next watch, what had come since the last one.
func TestReadingAllTakesNothingFromAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := relaytest.InBubble(t)
		ana := newClass(t, relay).device("127.0.0.1")
		channel := ana.makeRoom(plainText)
		yesterday := time.Now().Add(-24 * time.Hour)
		strangers(t, relay, channel, 8500, yesterday)
		other := ana.beside()
		time.AfterFunc(time.Minute, func() { other.must("send", "seen") })
		ana.must("watch", "--messages", "1")
		synctest.Wait()
		ana.must("send", "unseen")
		ana.must("recv", "--all", "-n", "1")
		ana.must("watch", "--messages", "1")
		if got := ana.stdout.String(); !strings.Contains(got, "unseen\n") {
			t.Errorf("watch prints\n%s", got)
		}
	})
}

func TestRowsOfTheFutureHideNoMessage(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := ana.makeRoom(plainText)
	relay.Seed(t, channel, 200, func(int) thingspeak.Entry {
		return thingspeak.Entry{
			CreatedAt: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Fields: thingspeak.Fields{thingspeak.Text("spam")},
		}
	})
	ana.must("send", "still here")
	ana.must("recv")
	if got := ana.stdout.String(); !strings.Contains(got, "still here") {
		t.Errorf("recv prints\n%s\n%s", got, ana.stderr.String())
	}
}

func TestAnEmptiedChannelIsNoError(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := ana.makeRoom(plainText)
	ana.must("send", "soon gone")
	relay.Clear(t, channel)
	ana.must("recv")
	if got := ana.stdout.String(); !strings.Contains(got, "soon gone") || !strings.Contains(got, "accepted as entry 1, and not read back") {
		t.Errorf("recv prints %q", got)
	}
	ana.must("send", "anew")
	if got := ana.stderr.String(); !strings.Contains(got, "accepted as entry 1") {
		t.Errorf("send says %q", got)
	}
}

func TestSendWaitsWhenTheRelaySaysTooSoon(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(plainText)
	tooSoon := relaytest.AnswerWith(http.Header{"Retry-After": {"1"}}, http.StatusOK, "0")
	relay.Inject(relaytest.On("POST /update", relaytest.Times(2, tooSoon))) // once before the message is in the outbox
	ana.must("send", "patience")
	want := "too soon after another update of the channel; trying again in 1s\naccepted as entry 1\n"
	if got := ana.stderr.String(); got != want {
		t.Errorf("send says %q, want %q", got, want)
	}
}

func TestASignedRoomTellsWhoWroteAndWhatIsMissing(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := ana.makeRoom("fernpost")
	ana.must("identity", "name", "ana")
	bo := newDevice(t, relay)
	bo.must("join", "lab", "--channel", fmt.Sprint(channel))
	for _, text := range []string{"one", "two", strings.Repeat("long ", 300), "four"} {
		ana.must("send", text)
	}
	bo.must("recv")
	if got := bo.stdout.String(); !strings.Contains(got, "entry 1     ana 1: one\n") || !strings.Contains(got, "ana 4: four\n") ||
		!strings.Contains(got, "ana 3: long long") {
		t.Errorf("recv prints\n%s", got)
	}
	bo.must("verify")
	digest := bo.stdout.String()
	ana.must("verify")
	if got := ana.stdout.String(); got != digest || !strings.Contains(got, "nothing is wrong") {
		t.Errorf("ana verifies\n%s\nbo\n%s", got, digest)
	}

	// What was read stays readable, and named as lost, when the relay loses it.
	relay.Clear(t, channel)
	bo.must("recv")
	if got := bo.stdout.String(); !strings.Contains(got, "ana 1: one\n") {
		t.Errorf("after the loss recv prints\n%s", got)
	}
	bo.exits(exitFindings, "verify")
	if got := bo.stderr.String(); got != "not there any more: 4 messages from ana that this device has read (ana 1–4)\n"+
		"error: 1 finding, told above\n" {
		t.Errorf("after the loss verify says\n%s", got)
	}
	if got := bo.stdout.String(); !strings.Contains(got, "1 finding, told above") {
		t.Errorf("after the loss verify prints\n%s", got)
	}
}

func TestNoKeyInAnyOutput(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	channel := ana.makeRoom(plainText)
	ana.must("join", "other", "--channel", fmt.Sprint(channel), "--profile", plainText)
	key := func(text string) string {
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ana.must("rooms", "set", "other", "--no-check", "--write-key-file", key("WRITEWRITEWRITE1"),
		"--read-key-file", key("READREADREADREA1"))
	for name, fault := range map[string]relaytest.Fault{
		"refused": relaytest.Answer(401, "text/plain", "error_auth_required"),
		"page":    relaytest.Answer(200, "text/html", "<html>X-THINGSPEAKAPIKEY: WRITEWRITEWRITE1</html>"),
		"echo":    relaytest.Answer(400, "text/plain", "your key is READREADREADREA1"),
		"move":    relaytest.Redirect("http://elsewhere.example/?api_key=WRITEWRITEWRITE1"),
	} {
		relay.Inject(fault)
		for _, args := range [][]string{{"send", "--no-wait", "--room", "other", "x"}, {"recv", "--room", "other"}} {
			if code := ana.run(args...); code == exitDone {
				t.Errorf("%s: %v succeeds", name, args)
			}
			if out := ana.stdout.String() + ana.stderr.String(); strings.Contains(out, "WRITEWRITE") || strings.Contains(out, "READREAD") {
				t.Errorf("%s: %v prints a key: %s", name, args, out)
			}
		}
	}
}

// After a clear the numbers begin anew: what was read before stays, what comes is new, and the loss is told once.
func TestASignedRoomOutlivesAClear(t *testing.T) {
	inBubble(t, limitsOf(t, 0, 0, 960), 0, nil, func(t *testing.T, s *relaytest.Server, ana *device) {
		bo := newDevice(t, s)
		bo.transport = s.Transport(t)
		bo.must("join", "lab", "--channel", fmt.Sprint(ana.channel()), "--profile", quickSigned)
		ana.must("send", "one")
		ana.must("send", "two")
		bo.must("recv")
		s.Clear(t, ana.channel())
		for range 3 { // what looks like a clear may be a stale answer for a minute
			ana.must("recv")
			bo.must("recv")
			time.Sleep(time.Minute)
		}
		ana.must("send", "three")
		bo.must("recv")
		if got := strings.Count(bo.stdout.String(), "\n"); got != 3 || !strings.Contains(bo.stdout.String(), ": three\n") {
			t.Errorf("recv prints %q", bo.stdout.String())
		}
		ana.must("recv")
		for _, d := range []*device{ana, bo} {
			d.must("verify")
			d.must("recv", "--strict")
		}
		bo.must("recv", "--json")
		if bo.stderr.Len() > 0 || strings.Contains(bo.stdout.String(), `"finding"`) {
			t.Errorf("told again: %q, %q", bo.stderr.String(), bo.stdout.String())
		}
	})
}

func TestMessagesAsPeopleSeeThem(t *testing.T) {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.Local)
	messages := []model.Message{
		{Entry: 7, Posted: at, Sealed: at, Kind: model.KindText, Text: "two\nlines"},
		{Entry: 12345, Posted: at, Sealed: at.Add(-24 * time.Hour), Kind: model.KindText, Text: "by a clock of yesterday"},
		{Entry: 8, Posted: at, Sealed: at, Kind: model.KindBinary, Size: 3},
		{Entry: 9, Posted: at, Sealed: at, Kind: model.KindRecord},
	}
	want := "2026-11-20 10:00:00 +0000  entry 7     two\n" +
		"                                       | lines\n" +
		"2026-11-20 10:00:00 +0000  entry 12345  by a clock of yesterday\n" +
		indent + "(sealed 2026-11-19 10:00:00 +0000 by the sender's clock)\n" +
		"2026-11-20 10:00:00 +0000  entry 8     \n" + indent + "(binary, 3 bytes)\n" +
		"2026-11-20 10:00:00 +0000  entry 9     \n" + indent + "(part of a signed record)\n"
	var out []byte
	for i := range messages {
		m := &messages[i]
		it := &model.Item{At: record.Spot{Place: record.Place{Entry: m.Entry}}, Posted: m.Posted, Sealed: m.Sealed, Unsigned: m}
		out = (&app{}).appendItem(out, it, policyOpen, "")
	}
	if d := cmp.Diff(want, string(out)); d != "" {
		t.Error(d)
	}
}

// After a relay had shown numbers that it had invented, its true entries were told for a minute as none that the key opens.
func TestWhatIsNotReadYetIsNoWrongPassphrase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		channel := ana.makeRoom(signedText)
		bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", signedText)
		strangers(t, class.relay, channel, 50, time.Now())
		bo.exits(exitNoKey, "recv")
		class.relay.Clear(t, channel)
		ana.must("send", "one")
		bo.exits(exitPartly, "recv")
		if got := bo.stderr.String(); !strings.Contains(got, "what the relay shows now is not read yet: run it again in a minute\n") {
			t.Errorf("recv says\n%s", got)
		}
		time.Sleep(61 * time.Second)
		bo.must("recv")
		if got := bo.stdout.String(); !strings.Contains(got, "one\n") {
			t.Errorf("after a minute recv prints %q", got)
		}
	})
}
