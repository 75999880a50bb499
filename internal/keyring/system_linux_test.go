package keyring

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/testenv"
)

// inSession is set where the test runs in a D-Bus session of its own, to the directory of rooms.
const inSession = "FERNPOST_TEST_KEYRING"

// busConfig is of a bus of a session that starts no program when it is asked for one.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
`

// TestKeyringOfADesktop is about gnome-keyring: unlocked, stopped in the middle, locked, and not there.
func TestKeyringOfADesktop(t *testing.T) {
	if dir := os.Getenv(inSession); dir != "" {
		inDesktop(t, dir)
		return
	}
	if !testenv.HasKeyring() {
		testenv.Missing(t, testenv.NoKeyring)
	}
	k, dir := open(t)
	makeHome(t, k)
	home := t.TempDir()
	for _, name := range []string{"data", "run"} {
		if err := os.Mkdir(filepath.Join(home, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// On the bus of a desktop a question starts a keyring. That one outlives its test, and holds on to its output.
	bus := filepath.Join(home, "bus.conf")
	if err := os.WriteFile(bus, []byte(busConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	session := []string{"dbus-run-session", "--config-file=" + bus, "--"}
	run := func(state string, command ...string) {
		t.Helper()
		command = append(command, os.Args[0], "-test.run=^TestKeyringOfADesktop$", "-test.v")
		cmd := testenv.Command(t, command[0], command[1:]...)
		cmd.Env = append(os.Environ(), inSession+"="+dir, "STATE="+state, "HOME="+home, "DISPLAY=", "WAYLAND_DISPLAY=",
			"XDG_DATA_HOME="+filepath.Join(home, "data"), "XDG_RUNTIME_DIR="+filepath.Join(home, "run"),
			"DBUS_SESSION_BUS_ADDRESS=unix:path="+filepath.Join(home, "no bus"))
		// Into a file: a pipe ends only when the last program has let go of it.
		printed := filepath.Join(home, "printed")
		file, err := os.Create(printed)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = file, file
		err = errors.Join(cmd.Run(), file.Close())
		out, readErr := os.ReadFile(printed)
		err = errors.Join(err, readErr)
		if err != nil || !strings.Contains(string(out), "--- PASS: TestKeyringOfADesktop") {
			t.Fatalf("%s: %v\n%s", state, err, out)
		}
	}
	run("absent")
	// A session, and no keyring in it.
	run("absent", session...)
	run("unlocked", session...)
	run("locked", session...)
	run("no bus")
	run("back", session...)
}

// startKeyring starts the keyring of the desktop on this session's bus, and returns once it is there.
func startKeyring(t *testing.T, options ...string) (pid int) {
	t.Helper()
	cmd := exec.Command("gnome-keyring-daemon", append(options, "--foreground", "--components=secrets")...)
	cmd.Stdin = strings.NewReader("the password of this desktop")
	cmd.Env = append(os.Environ(), "XDG_DATA_DIRS=/usr/local/share:/usr/share")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	testenv.Await(t, "a keyring", func() bool {
		out, err := exec.Command("dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus",
			"/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets").Output()
		return err == nil && strings.Contains(string(out), "true")
	})
	return cmd.Process.Pid
}

func inDesktop(t *testing.T, dir string) {
	k := another(t, dir)
	state := os.Getenv("STATE")
	pid := 0
	switch state {
	case "unlocked", "back":
		pid = startKeyring(t, "--unlock")
	case "locked":
		startKeyring(t, "--start")
	}
	before := contents(t, dir)
	switch state {
	case "absent":
		if _, _, err := k.MoveTo(model.InSystem); !errors.Is(err, model.ErrKeyringAway) {
			t.Errorf("MoveTo = %v", err)
		}
		readable(t, k)
	case "unlocked":
		if files, _, err := k.MoveTo(model.InSystem); files != 3 || err != nil {
			t.Fatalf("MoveTo = %d, %v", files, err)
		}
		readable(t, k)
		if err := k.Ask(); err != nil {
			t.Error(err)
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := k.Ask(); !errors.Is(err, model.ErrKeyringAway) || time.Since(begin) < answerTime {
			t.Errorf("one that is stopped says %v after %v", err, time.Since(begin))
		}
		readable(t, k) // this process knows the key
		return
	case "locked", "no bus":
		_, load := k.Load("lab")
		_, identity := k.Identity()
		_, update := k.Update("lab", func(*model.Room) error { return nil })
		_, _, move := k.MoveTo(model.InFiles)
		for _, err := range []error{load, identity, update} {
			if !errors.Is(err, model.ErrKeyringAway) {
				t.Error(err)
			}
		}
		if !errors.Is(move, model.ErrKeyringAway) {
			t.Errorf("MoveTo = %v", move)
		}
		for _, name := range []string{"lab.json", "school.json", identityFile} {
			if contents(t, dir)[name] != before[name] {
				t.Errorf("%s has changed", name)
			}
		}
	case "back":
		readable(t, k)
		if _, _, err := k.MoveTo(model.InFiles); err != nil {
			t.Error(err)
		}
		readable(t, k)
	}
}
