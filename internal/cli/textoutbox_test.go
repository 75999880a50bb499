package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/token"
)

// textsOf returns the texts that a device reads in the room, in their order.
func textsOf(d *device) (all []string) {
	d.must("recv", "--json", "-n", "0")
	for _, e := range d.events()[""] {
		all = append(all, fmt.Sprint(e["text"]))
	}
	return all
}

// A text that did not get through was gone, and those that were sent later stood before it.
func TestATextThatIsNotAcceptedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
		channel := fmt.Sprint(ana.makeRoom(plainText))
		bo.must("join", "lab", "--channel", channel, "--profile", plainText)
		ana.must("send", "one")
		archive := filepath.Join(ana.env["HOME"], ".local", "share", "fernpost", "archive", "lab.db")
		if _, err := os.Stat(archive); err == nil {
			t.Error("sending a text that is accepted opens the archive")
		}

		relay := ana.transport
		ana.transport = &absent{relay, time.Now().Add(time.Hour)}
		for _, text := range []string{"two", "three"} {
			if code := ana.run("send", text); code == exitDone {
				t.Errorf("sending %q without a relay exits %d", text, code)
			}
			if got := ana.stderr.String(); !strings.Contains(got, "stays in the outbox") {
				t.Errorf("send says %q", got)
			}
		}
		ana.must("outbox")
		if got := ana.stdout.String(); strings.Count(got, "queued") != 2 || !strings.Contains(got, "text 1 ") || !strings.Contains(got, "text 2 ") {
			t.Errorf("outbox prints\n%s", got)
		}
		ana.must("outbox", "--json")
		if got := ana.events()[""]; len(got) != 2 || got[0]["key"] != nil || got[0]["kind"] != "text" {
			t.Errorf("outbox prints %v", got)
		}

		ana.transport = relay
		ana.must("send", "four")
		if got, want := textsOf(bo), []string{"one", "two", "three", "four"}; !slices.Equal(got, want) {
			t.Errorf("bo reads %q, want %q", got, want)
		}
		ana.must("outbox")
		if got := ana.stderr.String(); !strings.Contains(got, "the outbox is empty") {
			t.Errorf("outbox says %q", got)
		}
		if _, err := os.Stat(archive + ".waiting"); err == nil {
			t.Error("something is said to wait still")
		}
	})
}

// A text of which the reply was lost for good was sent again by hand, and stood there twice.
func TestATextOfUnknownOutcomeIsLookedForFirst(t *testing.T) {
	for _, stored := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			class := newClass(t, relaytest.InBubble(t))
			ana, bo := class.device("127.0.0.1"), class.device("127.0.0.1")
			channel := ana.makeRoom(plainText)
			bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", plainText)
			lose := relaytest.LoseRequest()
			if stored {
				lose = relaytest.LoseReply()
			}
			class.relay.Inject(relaytest.All(relaytest.On("POST /", lose), relaytest.On("feeds", relaytest.Answer(http.StatusBadGateway, "", ""))))
			if code := ana.run("send", "once"); code != exitPartly {
				t.Errorf("stored %t: send exits %d\n%s", stored, code, &ana.stderr)
			}
			class.relay.Inject(nil)
			ana.must("recv")
			ana.must("outbox", "--retry")
			if got := textsOf(bo); !slices.Equal(got, []string{"once"}) {
				t.Errorf("stored %t: bo reads %q", stored, got)
			}
			tokens := map[string]int{}
			for _, e := range class.relay.Entries(t, channel) {
				tokens[e.Fields[0].Text]++
			}
			if len(tokens) != 1 {
				t.Errorf("stored %t: the channel holds %d tokens", stored, len(tokens))
			}
			for text, n := range tokens {
				if _, err := token.Parse(text); err != nil || n > 3 {
					t.Errorf("stored %t: %d times %q", stored, n, text)
				}
			}
		})
	}
}

// A text of which the reply was lost, that somebody else on this device had read, stayed in the outbox and was shown twice.
func TestATextThatWasReadBackIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana := class.device("127.0.0.1")
		ana.makeRoom(plainText)
		class.relay.Inject(relaytest.On("POST /", relaytest.LoseReply()))
		ctx, interrupt := context.WithCancel(t.Context())
		reader := ana.beside()
		time.AfterFunc(time.Second, func() { reader.must("recv") })
		time.AfterFunc(2*time.Second, interrupt)
		ana.runContext(ctx, "send", "once")
		synctest.Wait()
		class.relay.Inject(nil)
		for range 2 {
			if got := textsOf(ana); !slices.Equal(got, []string{"once"}) {
				t.Errorf("the room holds %q", got)
			}
		}
		ana.must("outbox")
		if got := ana.stderr.String(); !strings.Contains(got, "the outbox is empty") {
			t.Errorf("outbox says %q and prints %q", got, &ana.stdout)
		}
	})
}

func TestATextCanBeQueuedAndTakenBack(t *testing.T) {
	server := relaytest.New(t)
	ana := newDevice(t, server)
	ana.makeRoom(plainText)
	for _, text := range []string{"one", "two", "three"} {
		ana.must("send", "--queue", text)
	}
	ana.must("recv")
	for _, text := range []string{"one", "two", "three"} {
		if got := ana.stdout.String(); !strings.Contains(got, text) || !strings.Contains(got, "queued") {
			t.Errorf("recv prints\n%s", got)
		}
	}
	ana.must("outbox", "--drop", "2")
	ana.must("outbox", "--retry")
	if code := ana.run("outbox", "--drop", "1"); code == exitDone {
		t.Error("an accepted text was taken back")
	}
	if got, want := textsOf(ana), []string{"one", "three"}; !slices.Equal(got, want) {
		t.Errorf("the room holds %q, want %q", got, want)
	}
}

// Of two processes one told that nothing waits while the other one was putting something into the outbox.
func TestWhatWaitsIsNeverForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t))
		ana := class.device("127.0.0.1")
		ana.makeRoom(plainText)
		relay := ana.transport
		ana.transport = &absent{relay, time.Now().Add(time.Minute)}
		ana.run("send", "first")
		var others []*device
		for range 4 {
			others = append(others, ana.beside())
		}
		time.Sleep(59 * time.Second)
		for i, d := range others {
			go d.run("send", fmt.Sprint("text ", i))
			time.Sleep(700 * time.Millisecond)
		}
		synctest.Wait()
		time.Sleep(10 * time.Minute)
		ana.must("send", "last") // what waits goes first
		got := textsOf(ana)
		if n := len(got); n != 6 || got[n-1] != "last" {
			t.Errorf("the room holds %q", got)
		}
		slices.Sort(got)
		if want := []string{"first", "last", "text 0", "text 1", "text 2", "text 3"}; !slices.Equal(got, want) {
			t.Errorf("the room holds %q, want %q", got, want)
		}
	})
}

// A send that waited for the interval of the channel was killed, and its message was nowhere.
func TestATextThatWaitsForTheIntervalIsInTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class := newClass(t, relaytest.InBubble(t, relaytest.Interval(15*time.Second)))
		ana := class.device("127.0.0.1")
		ana.makeRoom(plainText)
		ana.must("send", "first")
		sender := ana.beside()
		go sender.must("send", "second")
		time.Sleep(3 * time.Second)
		ana.must("outbox")
		if got := ana.stdout.String(); strings.Count(got, "text") == 0 {
			t.Errorf("while it waits, outbox prints %q and says %q", got, &ana.stderr)
		}
		time.Sleep(time.Hour)
		if got, want := textsOf(ana), []string{"first", "second"}; !slices.Equal(got, want) {
			t.Errorf("the room holds %q, want %q", got, want)
		}
	})
}

// A row that was shown blank once was never read again, not even when all of the channel was asked for.
func TestReadingAllReadsAgainWhatWasShownBlank(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(plainText)
	for n := range 150 {
		ana.post(relay, ana.channel(), fmt.Sprint("text ", n+1), time.Now())
	}
	relay.Inject(relaytest.RewriteRows(func(row string) string {
		if c := strings.Split(row, ","); len(c) > 2 && c[1] == "7" {
			return c[0] + ",7," + strings.Repeat(",", len(c)-3)
		}
		return row
	}))
	ana.must("recv", "-n", "1")
	relay.Inject(nil)
	ana.must("recv", "--all", "-n", "0")
	if got := ana.stdout.String(); !strings.Contains(got, "text 7\n") {
		t.Errorf("recv --all prints %d lines, and not the one", strings.Count(got, "\n"))
	}
}

// After the last text was taken back, every send opened the archive until the next one was accepted.
func TestNothingWaitsAfterTheLastTextWasTakenBack(t *testing.T) {
	ana := newDevice(t, relaytest.New(t))
	ana.makeRoom(plainText)
	ana.must("send", "--queue", "one")
	marker := ana.home("archive", "lab.db.waiting")
	if _, err := os.Stat(marker); err != nil {
		t.Fatal(err)
	}
	ana.must("outbox")
	if got := ana.stdout.String(); !strings.HasSuffix(got, " queued: one\n") {
		t.Errorf("outbox prints %q", got)
	}
	ana.must("outbox", "--drop", "1")
	if _, err := os.Stat(marker); err == nil {
		t.Error("something is said to wait still")
	}
	if err := os.WriteFile(marker, nil, 0o600); err != nil { // as a process that was killed leaves it
		t.Fatal(err)
	}
	ana.must("recv")
	if _, err := os.Stat(marker); err == nil {
		t.Error("reading finds nothing that waits, and says so to nobody")
	}
}

// A program that sends was told nothing where the relay was away.
func TestAProgramIsToldWhatWaits(t *testing.T) {
	for name, profile := range map[string]string{"texts": plainText, "signed": quickSigned} {
		t.Run(name, func(t *testing.T) {
			ana := newDevice(t, relaytest.New(t))
			channel := float64(ana.makeRoom(profile))
			relay := ana.transport
			want := map[string]any{
				"room": "lab", "channel": channel, "number": 1.0, "entries": 1.0, "state": "queued", "entry": nil,
			}
			ana.transport = &absent{relay, time.Now().Add(time.Hour)}
			for _, args := range [][]string{{"send", "--json", "hello"}, {"outbox", "--retry", "--json"}} {
				if code := ana.run(args...); code != exitUnreachable {
					t.Errorf("%v exits %d", args, code)
				}
				if d := cmp.Diff([]map[string]any{want}, ana.events()[""]); d != "" {
					t.Errorf("%v prints (-want +got)\n%s", args, d)
				}
			}
			ana.must("outbox", "--json")
			if got := ana.events()[""]; len(got) != 1 || got[0]["text"] != "hello" {
				t.Errorf("outbox prints %v", got)
			}
			ana.transport = relay
			want["state"], want["entry"] = "accepted", 1.0
			ana.must("outbox", "--retry", "--json")
			if d := cmp.Diff([]map[string]any{want}, ana.events()[""]); d != "" {
				t.Errorf("outbox --retry prints (-want +got)\n%s", d)
			}
			ana.must("outbox", "--retry", "--json")
			if got := ana.stdout.String(); got != "" {
				t.Errorf("of an empty outbox it prints %s", got)
			}
		})
	}
}

// A relay that accepted a text and stored nothing was believed, unless the text had come by way of the outbox.
func TestATextThatWasAcceptedAndIsNotShownIsTold(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(plainText)
	ana.must("send", "one")
	ana.must("recv", "--strict")
	relay.Inject(relaytest.On("POST /", relaytest.Answer(http.StatusOK, "text/plain", "2")))
	ana.must("send", "two")
	relay.Inject(nil)
	ana.exits(exitPartly, "recv", "--strict")
	if got := ana.stdout.String(); !strings.Contains(got, "two") || !strings.Contains(got, "accepted as entry 2, and not read back") {
		t.Errorf("recv prints\n%s", got)
	}
	ana.must("send", "three") // which is entry 2
	ana.must("send", "four")
	ana.exits(exitFindings, "recv", "--strict")
	if got := ana.stderr.String(); !strings.Contains(got, "as entry 2, and does not show it\n") {
		t.Errorf("recv says\n%s", got)
	}
	// One that is shown late is no lie.
	if files, err := filepath.Glob(ana.home("archive", "lab.db.sent*")); err != nil || len(files) > 0 {
		t.Errorf("%q stay", files)
	}
}
