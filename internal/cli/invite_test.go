package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// forge makes an invitation to ana's room, changed as somebody would who makes up what is in it.
func forge(t *testing.T, ana *device, change func(*invite.Invitation)) string {
	t.Helper()
	ana.must("invite", "lab", "--write")
	i, err := invite.Parse(ana.stdout.String())
	if err != nil {
		t.Fatal(err)
	}
	change(&i)
	link, err := i.Link()
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// A key that nobody has was taken for the newest, where an older one of the invitation, or of the device, opened what is there:
// from then on nobody could read what was written.
func TestTheNewestKeyOfAnInvitationIsTriedByItself(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("send", "hello")
	made := forge(t, ana, func(i *invite.Invitation) { i.Keys = append([]fernet.Key{fernet.GenerateKey()}, i.Keys...) })
	fresh := newDevice(t, relay)
	fresh.exits(exitNoKey, "join", made)
	if fresh.must("rooms", "--json"); fresh.stdout.Len() > 0 {
		t.Errorf("kept: %s", &fresh.stdout)
	}
	fresh.must("join", forge(t, ana, func(*invite.Invitation) {}))
	only := forge(t, ana, func(i *invite.Invitation) { i.Keys = []fernet.Key{fernet.GenerateKey()} })
	fresh.exits(exitNoKey, "join", "--yes", only)
	fresh.must("send", "still under the right key")
	ana.must("recv")
	if !strings.Contains(ana.stdout.String(), "still under the right key") {
		t.Errorf("ana reads %q", &ana.stdout)
	}
	// Sure of it, somebody enters all the same, and is told what the key opens.
	fresh.must("join", "--yes", "--unchecked", only)
	if got := fresh.stderr.String(); !strings.Contains(got, "the key opens nothing of what is there") {
		t.Errorf("unchecked, join says %q", got)
	}
}

// A write key that does not write was kept as if it did, and the right one later was no mend.
func TestTheWriteKeyOfAnInvitationIsProven(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	wrong := forge(t, ana, func(i *invite.Invitation) { i.WriteKey = "ABCDEFGHIJKLMNOP" })
	bo.exits(exitRefused, "join", wrong)
	bo.must("join", forge(t, ana, func(i *invite.Invitation) { i.WriteKey = "" }))
	bo.exits(exitRefused, "join", "--yes", wrong)
	bo.must("join", "--yes", forge(t, ana, func(*invite.Invitation) {}))
	bo.must("send", "hello")
}

// Whose key counts as compared is said before it does, and of nobody whose key proves nothing.
func TestTheInviterIsNamedBeforeTheyCountAsCompared(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	weak := forge(t, ana, func(i *invite.Invitation) { i.Inviter = [32]byte{1} })
	bo.must("join", weak)
	if got := bo.stderr.String(); strings.Contains(got, "compared") {
		t.Errorf("of a key with which anybody signs join says %q", got)
	}
	whole := forge(t, ana, func(*invite.Invitation) {})
	bo.exits(exitUsage, "join", whole)
	if got := bo.stderr.String(); !strings.Contains(got, "their key counts as compared from then on") {
		t.Errorf("before it is taken over, join says %q", got)
	}
}

// The address of a relay in the settings is for rooms that are made: an invitation leads to the room's own.
func TestAnInvitationLeadsToTheRoomsRelay(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	own := relay.URL
	ana.env["FERNPOST_RELAY"] = "http://other.example"
	ana.must("invite", "lab")
	if !strings.HasPrefix(ana.stdout.String(), own) {
		t.Errorf("the link is %s", &ana.stdout)
	}
	ana.must("invite", "lab", "--address", "http://relay.example:3000")
	if i, err := invite.Parse(ana.stdout.String()); err != nil || i.Relay != "http://relay.example:3000" {
		t.Errorf("--address makes %+v, %v", i, err)
	}
}

// A picture with the room's key took over the mode of a file that everybody could read.
func TestAPictureOfAnInvitationReplacesNoFile(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	file := filepath.Join(t.TempDir(), "x.png")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	ana.exits(exitUsage, "invite", "lab", "--png", file)
	if got, err := os.ReadFile(file); err != nil || string(got) != "mine" {
		t.Errorf("the file holds %d bytes, %v", len(got), err)
	}
	other := filepath.Join(t.TempDir(), "y.png")
	ana.must("invite", "lab", "--png", other)
	if info, err := os.Stat(other); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the picture's mode is %v, %v", info.Mode(), err)
	}
}

// What another command changes while join asks, stays changed: the room was written back as it was before.
func TestJoinLaysTheInvitationOverTheRoomAsItIs(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	e := messenger.New(messenger.Options{
		Dir:    func(kind string) (string, error) { return ana.home(kind), nil },
		Access: channel.Access{Timeout: 10 * time.Second},
	})
	old, err := e.Find("lab")
	if err != nil {
		t.Fatal(err)
	}
	i := invite.Invitation{
		Relay: old.Relay, Channel: old.Channel, Fields: old.Fields, Name: "lab", ReadKey: "A1B2C3D4E5F6G7H8", Interval: time.Second,
	}
	if i.Profile, err = passphrase.ParseProfile(old.Profile); err != nil {
		t.Fatal(err)
	}
	j, err := e.Invitation(i, model.ByInvitation, "")
	if err != nil || !j.Has {
		t.Fatal(j.Has, err)
	}
	ana.must("key", "rotate", "--generate")
	if _, err := e.Join(t.Context(), j, true); err != nil {
		t.Fatal(err)
	}
	now, err := e.Find("lab")
	if err != nil || len(now.Keys) != 2 || now.Keys[0] == old.Keys[0] || now.ReadKey == "" {
		t.Errorf("the room has %d keys, %v", len(now.Keys), err)
	}
}

// Whoever was invited by a device that knew of the room's new key, and had only the old one, read nothing of what came.
func TestNoInvitationWithAKeyThatTheRoomHasLeft(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("identity", "name", "ana")
	bo.must("identity", "name", "bo")
	bo.must("join", forge(t, ana, func(*invite.Invitation) {}))
	bo.must("send", "hello")
	ana.must("recv")
	bo.must("key", "rotate", "--generate")
	ana.must("recv")
	ana.must("invite", "lab")
	ana.says(1, "bo, whose key you have not compared, says that room lab goes on with a new key")
	ana.must("identity", "verify", "bo", "--yes")
	ana.exits(exitFailed, "invite", "lab")
	ana.says(1, "no invitation was made: bo, whose key you have compared, has moved room lab to a new key")
	ana.says(1, `run "fernpost key add --room lab" first`)
	ana.must("invite", "lab", "--no-key")
}

// join by an invitation says for programs, too, who has made it.
func TestJoinNamesTheInviterForPrograms(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	var who struct{ Key, Words string }
	ana.must("identity", "show", "--json")
	if err := json.Unmarshal(ana.stdout.Bytes(), &who); err != nil {
		t.Fatal(err)
	}
	bo.must("join", "--json", forge(t, ana, func(*invite.Invitation) {}))
	if want := fmt.Sprintf(`"inviter":%q,"inviter_words":%q`, who.Key, who.Words); !strings.Contains(bo.stdout.String(), want) {
		t.Errorf("%s lacks %s", &bo.stdout, want)
	}
}

// With --as a second room on the same channel was made without a word, where the room had another key meanwhile.
func TestARoomBesideAnotherIsTold(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	bo.must("join", forge(t, ana, func(*invite.Invitation) {}))
	ana.must("key", "rotate", "--generate")
	bo.must("join", forge(t, ana, func(i *invite.Invitation) { i.Keys = i.Keys[:1] }), "--as", "other")
	bo.says(1, "this device has a room on that channel already: it is called lab here")
}

// What is said about an invitation pushed the first lines of its QR code out of a window of the code's height.
func TestTheCodeOfAnInvitationStandsLast(t *testing.T) {
	ana := newDevice(t, relaytest.New(t))
	ana.makeRoom(quickSigned)
	ana.screen, ana.terminal = true, true
	for _, c := range []struct {
		lines int
		last  string
	}{{60, "\x1b[30;107m"}, {24, "--png FILE"}} {
		a := ana.app()
		var all bytes.Buffer
		a.stdout, a.stderr, a.height = &all, &all, c.lines
		if code := a.run(t.Context(), []string{"invite", "lab"}); code != exitDone {
			t.Fatalf("exit %d: %s", code, &all)
		}
		text := strings.TrimSpace(all.String())
		if last := text[strings.LastIndex(text, "\n")+1:]; !strings.Contains(last, c.last) {
			t.Errorf("with %d lines the last one is %q, want %q", c.lines, last, c.last)
		}
		if !strings.Contains(text, "/join#") || strings.Contains(text, "▄") != (c.lines == 60) {
			t.Errorf("with %d lines it prints\n%s", c.lines, text)
		}
	}
}
