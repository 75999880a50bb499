package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// Whom a rotation had left behind read that entries were "not for this key", and nothing of the new one once the message that said
// so was no more among the newest, and verify never said it.
func TestWhoIsLeftBehindReadsWhatToRun(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo, cy := newDevice(t, relay), newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	for _, d := range []*device{bo, cy} {
		d.env["FERNPOST_WRITE_KEY"] = ana.writeKey()
		d.must("join", "lab", "--channel", channel, "--profile", quickSigned)
	}
	ana.must("identity", "name", "ana")
	ana.must("send", "one")
	bo.must("recv")
	ana.env["FERNPOST_PASSPHRASE"] = "garden copper lantern drizzle tulip marble"
	ana.must("key", "rotate", "--weak")
	ana.must("send", "two")
	for range 3 { // who has not noticed writes on
		cy.must("send", "--old-key", "old")
	}
	const next = "ask for the new passphrase and run \"fernpost key add --room lab\""
	bo.must("recv")
	bo.says(0, next) // the message that says so is shown
	bo.says(1, "goes on with a new key")
	bo.must("recv", "-n", "2")
	bo.says(1, "ana, whose key you have not compared, says that room lab goes on with a new key, which is not here: if that is true, "+next)
	bo.exits(exitPartly, "recv", "-n", "2", "--strict")
	bo.says(1, next)
	bo.exits(exitPartly, "verify")
	bo.says(1, next)
	bo.env["FERNPOST_PASSPHRASE"] = ana.env["FERNPOST_PASSPHRASE"]
	bo.must("key", "add")
	bo.must("recv", "-n", "2")
	bo.says(0, next)
}

// In a room of plain texts nobody says that the key was changed, and where nothing opens the hint named no command that helps.
func TestWhoIsLeftBehindWithoutAWordReadsWhatMayBe(t *testing.T) {
	const next = "\"fernpost key add --room lab\" adds it"
	relay := relaytest.New(t)
	ana, bo, cy := newDevice(t, relay), newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(plainText))
	bo.must("join", "lab", "--channel", channel, "--profile", plainText)
	ana.must("send", "one")
	bo.must("recv")
	ana.env["FERNPOST_PASSPHRASE"] = "garden copper lantern drizzle tulip marble"
	ana.must("key", "rotate", "--weak")
	ana.must("send", "two")
	bo.must("recv")
	bo.says(1, next)
	bo.must("recv")
	bo.says(0, next) // nothing is new
	cy.env["FERNPOST_PASSPHRASE"] = "stapler goose window lemon racket plum"
	cy.must("init", "lab", "--channel", channel, "--profile", plainText, "--weak")
	cy.exits(exitNoKey, "recv")
	cy.says(1, next)
}

// Whoever took a name that somebody in a room had already, or one that looks like it, was told nothing, and was another one to
// everybody there; and with --json nothing was printed.
func TestTakingANameThatIsTakenIsSaid(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	channel := fmt.Sprint(ana.makeRoom(quickSigned))
	ana.must("identity", "name", "ana")
	ana.says(0, "in room")
	ana.must("send", "one")
	bo.must("join", "lab", "--channel", channel, "--profile", quickSigned)
	bo.must("identity", "name", "ana") // of whom nothing was read yet
	bo.says(0, "in room")
	bo.must("recv")
	bo.must("identity", "name", "bo")
	bo.says(0, "in room")
	bo.exits(exitFailed, "identity", "name", "ana") // as a page refuses it
	bo.says(1, "error: somebody else in room lab is called ana\nhint: choose another name")
	bo.must("identity", "show")
	if !strings.Contains(bo.stdout.String(), "nickname  bo\n") {
		t.Errorf("a name that is somebody's was taken: %s", &bo.stdout)
	}
	bo.exits(exitFailed, "identity", "name", "аnа") // Cyrillic
	bo.says(1, "error: somebody else in room lab is called ana, and аnа looks like that\n")
	bo.must("identity", "name", "ana", "--yes")
	bo.says(1, " has that name in room lab: ")
	bo.must("identity", "name", "аnа", "--json", "--yes") // Cyrillic
	bo.says(1, " has a name that looks like it (ana) in room lab: ")
	if got := bo.stdout.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "\"nickname\":\"аnа\"") || !strings.Contains(got, "\"words\":") {
		t.Errorf("prints %q", got)
	}
	ana.must("recv")
	ana.must("identity", "name", "ana")
	ana.says(0, "in room")
}

// After the room was removed, or a backup restored, this device sealed with the key that it had itself moved the room away from: its
// own word did not count, as its key is nobody's to compare.
func TestOnesOwnMoveCounts(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("send", "one")
	older, first := forgeNothing(t, ana), ana.env["FERNPOST_PASSPHRASE"]
	ana.env["FERNPOST_PASSPHRASE"] = "garden copper lantern drizzle tulip marble"
	ana.must("key", "rotate", "--weak")
	ana.must("send", "two")
	newer := forgeNothing(t, ana)
	ana.must("rooms", "remove", "lab", "--yes")
	ana.must("join", older, "--as", "lab", "--yes")
	const moved = "you have moved room lab to a new key yourself, which is not here"
	ana.exits(exitFailed, "send", "secret")
	ana.says(1, moved)
	ana.says(1, "join the room by a newer invitation")
	ana.exits(exitFailed, "invite", "lab")
	ana.says(1, moved)
	ana.must("recv")
	ana.says(1, "you have moved this room to a new key yourself")
	ana.must("join", newer, "--yes")
	ana.must("send", "three")
	ana.says(0, "have moved")

	// Whoever goes back by hand has said so.
	ana.env["FERNPOST_PASSPHRASE"] = first
	ana.must("key", "add")
	ana.must("send", "four")
}

// A device that was lost made whoever had lost it take its key for the newest, since anybody's word was enough for that.
func TestALostDeviceMovesNoRoom(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	bo.must("join", forgeNothing(t, ana))
	bo.must("identity", "name", "bo")
	bo.must("send", "hello")
	ana.must("recv")
	ana.must("identity", "device", "withdraw", "bo", "--lost", "--yes")
	bo.must("recv")
	bo.env["FERNPOST_PASSPHRASE"] = "garden copper lantern drizzle tulip marble"
	bo.must("key", "rotate", "--weak")
	bo.must("send", "under the new key")
	ana.must("recv")
	ana.says(0, "if that is true")
	ana.must("join", forgeNothing(t, bo), "--yes")
	ana.says(0, "becomes the newest")
	ana.must("send", "secret")
	bo.must("key", "list")
	ana.must("key", "list")
	if lines := strings.Split(ana.stdout.String(), "\n"); strings.Contains(lines[0], "seals") && strings.Contains(bo.stdout.String(), lines[0]) {
		t.Errorf("a lost device's key seals:\n%s", ana.stdout.String())
	}
}
