package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/invite"
	"github.com/fernpost/fernpost/internal/letter"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/publickey"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// publicKey is the text of a device's public keys.
func (d *device) publicKey() string {
	d.t.Helper()
	d.must("identity", "show")
	return regexp.MustCompile(`fp1_\S+`).FindString(d.stdout.String())
}

// seedTokens stores tokens as an entry of a channel, as anybody can who may write.
func seedTokens(t *testing.T, relay *relaytest.Server, channel int64, tokens []string) {
	t.Helper()
	var fields thingspeak.Fields
	for i, text := range tokens {
		fields[i] = thingspeak.Text(text)
	}
	relay.Seed(t, channel, 1, func(int) thingspeak.Entry { return thingspeak.Entry{CreatedAt: time.Now(), Fields: fields} })
}

// seedLetter stores a letter.
func seedLetter(t *testing.T, relay *relaytest.Server, s letter.Sealed) {
	t.Helper()
	tokens, err := s.Tokens(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	seedTokens(t, relay, s.Channel, tokens)
}

// written is a letter that somebody writes to a device: an invitation to the channel with a key that is made up.
func written(t *testing.T, relay *relaytest.Server, channel int64, from record.Identity, to string, at time.Time) letter.Sealed {
	t.Helper()
	keys, err := publickey.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	s, err := letter.Seal(from, keys, invite.Invitation{
		Relay: relay.URL, Channel: channel, Fields: []int{1}, Profile: passphrase.Fernpost(), Name: "lab",
		Keys: []fernet.Key{fernet.GenerateKey()},
	}, at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The words of a stranger are shown and asked about, and nothing is joined without a yes.
func TestALetterIsFollowedOnlyAfterAYes(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	ana.must("identity", "show")
	words := regexp.MustCompile(`words +(.*)`).FindStringSubmatch(ana.stdout.String())[1]
	ana.must("invite", "lab", "--to", bo.publicKey(), "--write", "--post", "--yes")
	bo.terminal = true
	for answer, want := range map[string]int{"n\n": exitInterrupted, "\n": exitInterrupted} {
		bo.stdin = answer
		bo.exits(want, "join", "--from-channel", channel)
		bo.says(1, "words of the inviter: "+words)
		bo.says(1, "Does whoever invites you read out the same six words")
	}
	if bo.must("rooms", "--json"); bo.stdout.Len() > 0 {
		t.Fatalf("without a yes: %s", &bo.stdout)
	}
	bo.stdin = "y\n"
	bo.must("join", "--from-channel", channel)
	bo.must("send", "hello")
	bo.terminal = false
	ana.must("recv")
	if !strings.Contains(ana.stdout.String(), "hello") {
		t.Errorf("ana reads %q", &ana.stdout)
	}
}

// A letter by a stranger, one to somebody else, a copy, an older one and one whose signature is false are each told by name, and none
// of them keeps the right one from being found.
func TestWhatStandsBesideALetterIsNamed(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	id := ana.makeRoom(quickSigned)
	channel, to := fmt.Sprint(id), bo.publicKey()
	mallory := record.NewIdentity([record.KeySize]byte{13})
	seedLetter(t, relay, written(t, relay, id, mallory, to, time.Now().Add(-time.Hour))) // 1
	seedLetter(t, relay, written(t, relay, id, mallory, publickey.Of(mallory).String(), time.Now()))
	bo.exits(exitPartly, "join", "--from-channel", channel, "--yes")
	bo.says(1, "1 letter in channel "+channel+" is for others")
	bo.says(1, "a letter by somebody whom this device does not know (~"+mallory.Public().Tag().String()+")")

	ana.must("invite", "lab", "--to", to, "--out", filepath.Join(t.TempDir(), "old"), "--post", "--yes") // 3
	ana.must("invite", "lab", "--to", to, "--json", "--post", "--yes")                                   // 4
	line := regexp.MustCompile(`fpl1_[\w-]+`).FindString(ana.stdout.String())
	s, err := letter.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	seedLetter(t, relay, s) // 5: the same under another throw-away identity
	// 6: what mallory was invited by, handed on to bo
	keys, err := publickey.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	salt := passphrase.RoomSalt(id)
	info := append([]byte("fernpost/v1 letter\x00"), salt[:]...)
	text, err := publickey.OpenText(written(t, relay, id, record.GenerateIdentity(), publickey.Of(mallory).String(), time.Now()).Body, info, mallory)
	if err != nil {
		t.Fatal(err)
	}
	body, err := publickey.SealText(text, info, keys)
	if err != nil {
		t.Fatal(err)
	}
	seedLetter(t, relay, letter.Sealed{Channel: id, Body: body})
	bo.must("join", "--from-channel", channel, "--by", ana.publicKey(), "--yes")
	bo.says(1, "entry 5 is a copy of the letter in entry 4")
	bo.says(1, "entry 3 is an older letter by whoever has written that in entry 4, which counts")
	bo.says(1, "entry 6: this letter was written for somebody else, or for another channel: somebody has copied it")
	bo.exits(exitFindings, "join", letter.Sealed{Channel: id, Body: body}.String(), "--yes")
	bo.says(1, "somebody has copied it")
}

// A private channel shows its letters to whoever has its read key, and the room that is joined has it as well.
func TestALetterInAPrivateChannel(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned, "--private"))
	readKey := regexp.MustCompile(`read key +(\S+)`).FindStringSubmatch(ana.stdout.String())[1]
	ana.must("invite", "lab", "--to", bo.publicKey(), "--post", "--yes")
	by := []string{"join", "--from-channel", channel, "--by", ana.publicKey(), "--yes"}
	if code := bo.run(by...); code == exitDone {
		t.Error("a private channel is read without its key")
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(readKey), 0o600); err != nil {
		t.Fatal(err)
	}
	bo.must(append(by, "--read-key-file", file)...)
	ana.must("send", "hello")
	bo.must("recv")
	if !strings.Contains(bo.stdout.String(), "hello") {
		t.Errorf("bo reads %q", &bo.stdout)
	}
}

// Where letters are all that stands in a channel, the key of an invitation was taken for a wrong one.
func TestLettersAreNoReasonToDoubtAKey(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := ana.makeRoom(quickSigned)
	for range 3 {
		seedLetter(t, relay, written(t, relay, channel, record.GenerateIdentity(), ana.publicKey(), time.Now()))
	}
	bo.must("join", "lab", "--channel", fmt.Sprint(channel), "--profile", quickSigned)
	bo.must("recv", "--strict")
	bo.says(1, "invitations for somebody in 3 entries of the feed (entries 1–3)")
	bo.must("recv", "--strict")
	bo.says(0, "invitation")
	bo.must("verify")
}

// Through a channel with one field a letter takes several entries, in order.
func TestALetterThroughOneField(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned, "--fields", "2"))
	ana.must("invite", "lab", "--to", bo.publicKey(), "--post", "--yes")
	if at := regexp.MustCompile(`a letter \(entry (\d)\)`).FindStringSubmatch(ana.stderr.String()); at == nil || at[1] < "4" {
		t.Errorf("posted as %q", &ana.stderr)
	}
	bo.must("join", "--from-channel", channel, "--by", ana.publicKey(), "--yes")
}

// Whoever may write can put thousands of letters there: neither do they fill the screen, nor hide the one that is meant.
func TestManyLettersDoNotHideOne(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	id := ana.makeRoom(quickSigned)
	to := bo.publicKey()
	ana.must("invite", "lab", "--to", to, "--post", "--yes")
	for range 40 { // dated ahead, so that they come first
		seedLetter(t, relay, written(t, relay, id, record.GenerateIdentity(), to, time.Now().Add(time.Hour)))
	}
	copied := written(t, relay, id, record.GenerateIdentity(), to, time.Now())
	for range 40 {
		seedLetter(t, relay, copied)
	}
	bo.exits(exitPartly, "join", "--from-channel", fmt.Sprint(id), "--yes")
	bo.says(1, "and so on: ")
	if lines := strings.Count(bo.stderr.String(), "\n"); lines > 30 {
		t.Errorf("%d lines are shown", lines)
	}
	bo.must("join", "--from-channel", fmt.Sprint(id), "--by", ana.publicKey(), "--yes")
}

// A letter by a stranger was answered with the hint to add --by KEY, and that with one to add --yes.
func TestWhatAStrangersLetterTakesIsToldAtOnce(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	ana.must("invite", "lab", "--to", bo.publicKey(), "--post", "--yes")
	bo.exits(exitPartly, "join", "--from-channel", channel)
	bo.says(1, "then add --yes --by KEY")
	bo.must("join", "--from-channel", channel, "--yes", "--by", ana.publicKey())
	bo.must("join", "--help")
	if !strings.Contains(bo.stdout.String(), "--yes --by KEY") {
		t.Errorf("help says %q", &bo.stdout)
	}
}

// The letters were in the channel, where nobody withdraws them, before it was said that the file was there already.
func TestAFileThatIsThereIsRefusedBeforeLettersArePosted(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	there := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{there, filepath.Join(there, "below a file")} {
		ana.exits(exitUsage, "invite", "lab", "--to", bo.publicKey(), "--post", "--yes", "--out", out)
	}
	bo.run("join", "--from-channel", channel, "--yes")
	bo.says(1, "no letter stands in channel "+channel)
	if b, err := os.ReadFile(there); string(b) != "mine" {
		t.Errorf("the file is %q, %v", b, err)
	}
}
