package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/config"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// filePass is a file with the passphrase of an export.
func filePass(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pass.txt")
	if err := os.WriteFile(file, []byte("garden copper lantern drizzle tulip marble\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// move exports the identity of a device, and imports it on others.
func (d *device) move(to ...*device) {
	d.t.Helper()
	pass, file := filePass(d.t.(*testing.T)), filepath.Join(d.t.TempDir(), "me.age")
	d.must("identity", "export", "--yes", "--passphrase-file", pass, "-o", file)
	for _, other := range to {
		other.must("identity", "import", "--yes", "--passphrase-file", pass, file)
	}
}

// An identity that was imported twice signs on two devices: everybody is told, once they have given one number to two messages.
func TestAnIdentityOnTwoDevicesIsAFork(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo, second := newDevice(t, relay), newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("identity", "name", "ana")
	ana.must("send", "one")
	bo.must("join", forgeNothing(t, ana))
	ana.move(second, ana)
	second.must("recv")
	bo.must("recv")
	// The two write at once: neither is shown what the other has written.
	relay.Inject(relaytest.Stale())
	ana.must("recv")
	second.must("recv")
	ana.must("send", "from the first")
	second.must("send", "from the second")
	relay.Inject(nil)
	bo.run("recv")
	const fork = "ana's key wrote two different ana 2: two devices with one key, a restored backup"
	if got := bo.stderr.String(); !strings.Contains(got, fork) {
		t.Errorf("bo is told %q", got)
	}
}

// forgeNothing is an invitation as it was made.
func forgeNothing(t *testing.T, d *device) string {
	t.Helper()
	d.must("invite", "lab", "--write")
	return strings.TrimSpace(d.stdout.String())
}

// A relay that shows nothing of what the identity has written had the next message signed under a number that it had used.
func TestAMovedIdentityGoesOnBehindItsNumbersWhateverTheRelayShows(t *testing.T) {
	relay := relaytest.New(t)
	ana, second := newDevice(t, relay), newDevice(t, relay)
	channel := ana.makeRoom(quickSigned)
	ana.must("identity", "name", "ana")
	ana.must("send", "one")
	ana.must("send", "two")
	ana.move(second)
	relay.Clear(t, channel)
	second.must("send", "three", "--json")
	if got := second.stdout.String(); !strings.Contains(got, `"number":3`) {
		t.Errorf("the next message is %s", got)
	}
	// And on, through a third device that has read nothing.
	third := newDevice(t, relay)
	second.move(third)
	relay.Clear(t, channel)
	third.must("send", "four", "--json")
	if got := third.stdout.String(); !strings.Contains(got, `"number":4`) {
		t.Errorf("the next message is %s", got)
	}
}

// A watch, or whatever has the room open, went on signing after the identity had moved.
func TestAMovedIdentityIsRefusedWhereTheRoomWasOpenBefore(t *testing.T) {
	relay := relaytest.New(t)
	ana := newDevice(t, relay)
	ana.makeRoom(quickSigned)
	ana.must("send", "one")
	a := &app{getenv: func(name string) string { return ana.env[name] }, config: config.Default()}
	r, err := a.loadRoom("lab")
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.openConversation(r)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ana.move()
	_, err = c.Send(t.Context(), record.Text("two"), messenger.SendOptions{Queue: true})
	if err == nil || !strings.Contains(err.Error(), "has moved to another device") {
		t.Errorf("sending says %v", err)
	}
}

// meanwhile does something once it is read.
type meanwhile struct {
	io.Reader

	work func()
}

func (m *meanwhile) Read(b []byte) (int, error) {
	if m.work != nil {
		m.work()
		m.work = nil
	}
	return m.Reader.Read(b)
}

// A message that was sent while the passphrase was typed was in no file, and its number was given once more on the other device.
func TestAFileThatWasOvertakenIsRemoved(t *testing.T) {
	ana := newDevice(t, relaytest.New(t))
	ana.makeRoom(quickSigned)
	ana.must("send", "one")
	file := filepath.Join(t.TempDir(), "me.age")
	a := ana.app()
	a.stdin = &meanwhile{strings.NewReader("garden copper lantern drizzle tulip marble\n"), func() { ana.beside().must("send", "two") }}
	if code := a.run(t.Context(), []string{"identity", "export", "--yes", "--passphrase-file", "-", "-o", file}); code != exitFailed {
		t.Errorf("exit %d", code)
	}
	ana.says(1, "this device goes on signing")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	ana.must("send", "three")
}

// One room that could not be read kept a stolen device trusted in all others.
func TestALostDeviceIsTrustedNowhereWhateverRoomIsDamaged(t *testing.T) {
	relay := relaytest.New(t)
	ana, bo := newDevice(t, relay), newDevice(t, relay)
	ana.makeRoom(quickSigned)
	bo.must("join", forgeNothing(t, ana))
	bo.must("identity", "name", "bo")
	bo.must("send", "hello")
	ana.must("recv")
	ana.must("identity", "verify", "bo", "--yes", "--room", "lab")
	if err := os.WriteFile(ana.home("rooms", "attic.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	ana.exits(exitPartly, "identity", "device", "withdraw", "bo", "--lost", "--yes")
	ana.says(1, "room attic: reading room attic")
	ana.says(1, "room lab: it is trusted here no more")
	ana.says(1, "in 1 of 2 rooms that could not be done")
}
