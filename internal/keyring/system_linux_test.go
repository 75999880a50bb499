package keyring

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/testenv"
)

// inSession is set where the test runs in a D-Bus session of its own, to the directory of rooms.
const inSession = "FERNPOST_TEST_KEYRING"

// TestKeyringOfADesktop is about gnome-keyring: unlocked, stopped in the middle, locked, and not there.
func TestKeyringOfADesktop(t *testing.T) {
	if dir := os.Getenv(inSession); dir != "" {
		inDesktop(t, dir)
		return
	}
	testenv.Keyring(t)
	k, dir := open(t)
	makeHome(t, k)
	home := t.TempDir()
	for _, name := range []string{"data", "run"} {
		if err := os.Mkdir(filepath.Join(home, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run := func(state string, command ...string) {
		t.Helper()
		command = append(command, os.Args[0], "-test.run=^TestKeyringOfADesktop$", "-test.v")
		cmd := testenv.Command(t, command[0], command[1:]...)
		cmd.Env = append(os.Environ(), inSession+"="+dir, "STATE="+state, "HOME="+home, "DISPLAY=", "WAYLAND_DISPLAY=",
			"XDG_DATA_HOME="+filepath.Join(home, "data"), "XDG_RUNTIME_DIR="+filepath.Join(home, "run"),
			"DBUS_SESSION_BUS_ADDRESS=unix:path="+filepath.Join(home, "no bus"))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestKeyringOfADesktop") {
			t.Fatalf("%s: %v\n%s", state, err, out)
		}
	}
	run("absent")
	// Nobody has made a keyring, and nobody is there to be asked for its password.
	run("absent", "dbus-run-session", "--")
	run("unlocked", "dbus-run-session", "--")
	run("locked", "dbus-run-session", "--")
	run("locked")
	run("back", "dbus-run-session", "--")
}

func inDesktop(t *testing.T, dir string) {
	k := another(t, dir)
	state := os.Getenv("STATE")
	if state == "unlocked" || state == "back" {
		start := exec.Command("gnome-keyring-daemon", "--unlock", "--components=secrets")
		start.Stdin = strings.NewReader("the password of this desktop")
		if out, err := start.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
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
		pid := daemon(t)
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer syscall.Kill(pid, syscall.SIGCONT)
		begin := time.Now()
		if err := k.Ask(); !errors.Is(err, model.ErrKeyringAway) || time.Since(begin) < answerTime {
			t.Errorf("one that is stopped says %v after %v", err, time.Since(begin))
		}
		readable(t, k) // this process knows the key
		return
	case "locked":
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

// daemon returns the process of the keyring on this session's bus.
func daemon(t *testing.T) (pid int) {
	t.Helper()
	out, err := exec.Command("dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus",
		"org.freedesktop.DBus.GetConnectionUnixProcessID", "string:org.freedesktop.secrets").Output()
	fields := strings.Fields(string(out)) // "uint32 4711"
	if err != nil || len(fields) != 2 {
		t.Fatalf("%q (%v)", out, err)
	}
	if pid, err = strconv.Atoi(fields[1]); err != nil || pid < 2 {
		t.Fatalf("%q (%v)", out, err)
	}
	return pid
}
