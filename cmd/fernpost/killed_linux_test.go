//go:build linux && (amd64 || arm64)

package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/testenv"
)

// kills runs a command on devices that prepare makes, and kills it before each call that changes something, one a run,
// until it comes to its end. Under the race detector it takes every fourth such call, from a random one on: all of them
// would take minutes. check looks at what is left; printed is what the command had printed.
func kills(t *testing.T, prepare func(*testing.T) *device, check func(t *testing.T, d *device, printed string), args ...string) {
	t.Helper()
	first, step := 1, 1
	if testenv.Race {
		step = 4
		first += testenv.Random(t).IntN(step)
	}
	for n := first; ; n += step {
		d := prepare(t)
		changes, printed, end := d.trace(n, nil, args...)
		check(t, d, printed)
		if t.Failed() {
			t.Fatalf("after a kill in front of %v, number %d", changes[len(changes)-1], n)
		}
		if !end.Signaled() {
			if end.ExitStatus() != 0 || n < 5 {
				t.Fatalf("fernpost %s exits %d after %d changes", strings.Join(args, " "), end.ExitStatus(), len(changes))
			}
			t.Logf("%d kills", (n-first)/step)
			break
		}
		if end.Signal() != syscall.SIGKILL {
			t.Fatalf("it died of %v", end.Signal())
		}
	}
	cuts(t, prepare, check, args...)
}

// cuts is kills with the power that goes instead: at every seventh such call, under the race detector at every twentieth.
func cuts(t *testing.T, prepare func(*testing.T) *device, check func(t *testing.T, d *device, printed string), args ...string) {
	t.Helper()
	random, step := testenv.Random(t), 7
	if testenv.Race {
		step = 20
	}
	for n := 1 + random.IntN(step); ; n += step {
		d := prepare(t)
		dirs := []string{d.home}
		for _, arg := range args { // what is written outside of it
			if dir := filepath.Dir(arg); filepath.IsAbs(arg) && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
		on := newDisk(t, dirs...)
		changes, printed, end := d.trace(n, on, args...)
		on.cut(t, random)
		check(t, d, printed)
		if t.Failed() {
			t.Fatalf("after a power cut in front of %v, number %d", changes[len(changes)-1], n)
		}
		if !end.Signaled() {
			return
		}
	}
}

func (d *device) join(channel, writeKey string) {
	d.t.Helper()
	d.env = append(d.env, "FERNPOST_WRITE_KEY="+writeKey)
	d.must("join", "lab", "--profile", quickProfile, "--channel", channel)
}

// exits runs a command and returns its exit code and what it has said.
func (d *device) exits(args ...string) (code int, talk string) {
	d.t.Helper()
	cmd := d.command(args...)
	var b strings.Builder
	cmd.Stderr = &b
	if err := cmd.Run(); cmd.ProcessState == nil {
		d.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), b.String()
}

// keyFiles checks that nothing with keys in it stands in the keyring but what belongs there.
func (d *device) keyFiles() {
	d.t.Helper()
	files, err := os.ReadDir(filepath.Join(d.home, ".local", "share", "fernpost", "rooms"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains([]string{".identity", ".lock", "lab.json"}, f.Name()) {
			d.t.Errorf("%s is left in the keyring", f.Name())
		}
	}
}

func (d *device) file(content string) string {
	d.t.Helper()
	name := filepath.Join(d.t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return name
}

// texts returns the messages that recv prints.
func (d *device) texts() (texts []string) {
	d.t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\S+ \S+ .*: (.*)$`).FindAllStringSubmatch(d.must("recv"), -1) {
		if !strings.HasPrefix(m[1], "[") { // what is no text
			texts = append(texts, m[1])
		}
	}
	return texts
}

// A rotation that was killed left a passphrase that nobody had, or a key that nobody was told of.
func TestKilledRotation(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	var bo *device
	prepare := func(t *testing.T) *device {
		ana := newDevice(t, server)
		bo = newDevice(t, server)
		bo.join(ana.makeRoom())
		ana.must("send", "before")
		return ana
	}
	retry := false
	kills(t, prepare, func(t *testing.T, ana *device, printed string) {
		told := 0
		tell := func(args ...string) {
			ana.must(args...)
			told = strings.Count(bo.must("recv"), "says that this room goes on with a new key")
		}
		if retry = !retry; retry { // either of the two tells what the rotation could not
			tell("outbox", "--retry")
			ana.must("send", "after")
		} else {
			tell("send", "after")
		}
		ana.keyFiles()
		if d := cmp.Diff([]string{"before", "after"}, ana.texts()); d != "" {
			t.Error(d)
		}
		if keys := find(t, ana.must("rooms", "--json"), `"keys":(\d+)`); keys == "1" {
			if told > 0 {
				t.Error("the others were told of a key that is lost")
			}
		} else {
			passphrase := bo.file(find(t, printed, `^passphrase +(.+)\n`))
			if code, talk := ana.exits("key", "add", "--passphrase-file", passphrase); code != 2 || !strings.Contains(talk, "already") {
				t.Errorf("the passphrase that was shown is not that of the key (exit %d, %s)", code, talk)
			}
			if told != 1 {
				t.Errorf("the others were told %d times of the new key, want once", told)
			}
			bo.must("key", "add", "--passphrase-file", passphrase)
		}
		if d := cmp.Diff([]string{"before", "after"}, bo.texts()); d != "" {
			t.Error(d)
		}
	}, "key", "rotate", "--generate")
}

// A room whose init was killed is there, with a passphrase that was shown, or can be made again.
func TestKilledInit(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	prepare := func(t *testing.T) *device { return newDevice(t, server) }
	kills(t, prepare, func(t *testing.T, ana *device, printed string) {
		if ana.must("rooms") == "" {
			printed = ana.must("init", "lab", "--generate", "--profile", quickProfile)
		}
		ana.must("send", "hello")
		ana.keyFiles()
		bo := newDevice(t, server)
		joined := bo.must("join", "lab", "--profile", quickProfile, "--channel", find(t, printed, `channel +(\d+)`),
			"--passphrase-file", bo.file(find(t, printed, `passphrase +(.+)\n`)))
		const words = `check words +(.+)`
		if got, want := find(t, joined, words), find(t, printed, words); got != want {
			t.Errorf("the passphrase that was shown makes the key %s, the room has %s", got, want)
		}
		if d := cmp.Diff([]string{"hello"}, bo.texts()); d != "" {
			t.Error(d)
		}
	}, "init", "lab", "--generate", "--profile", quickProfile)
}

func TestKilledJoin(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	ana := newDevice(t, server)
	channel, _ := ana.makeRoom()
	ana.must("send", "hello")
	args := []string{"join", "lab", "--profile", quickProfile, "--channel", channel}
	prepare := func(t *testing.T) *device { return newDevice(t, server) }
	kills(t, prepare, func(t *testing.T, bo *device, _ string) {
		if bo.must("rooms") == "" {
			bo.must(args...)
		}
		if d := cmp.Diff([]string{"hello"}, bo.texts()); d != "" {
			t.Error(d)
		}
		bo.keyFiles()
	}, args...)
}

// A join by an invitation that was killed can be repeated, and leaves the room whole or not at all: a link, a letter out of the feed,
// and an invitation that mends the room which is there.
func TestKilledJoinByInvitation(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	ana := newDevice(t, server)
	channel, _ := ana.makeRoom()
	reading, link := strings.TrimSpace(ana.must("invite", "lab")), strings.TrimSpace(ana.must("invite", "lab", "--write"))
	key := find(t, ana.must("identity", "show"), `^(fp1_\S+)$`)
	cy := newDevice(t, server)
	ana.must("invite", "lab", "--write", "--post", "--yes", "--to", find(t, cy.must("identity", "show"), `^(fp1_\S+)$`))
	invited := func(t *testing.T) *device { // each with cy's identity
		d := newDevice(t, server)
		if err := os.CopyFS(filepath.Join(d.home, ".local"), os.DirFS(filepath.Join(cy.home, ".local"))); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(d.home, ".local", "share", "fernpost", "rooms", ".identity"), 0o600); err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, c := range map[string]struct {
		prepare func(*testing.T) *device
		args    []string
	}{
		"a link":   {func(t *testing.T) *device { return newDevice(t, server) }, []string{"join", link}},
		"a letter": {invited, []string{"join", "--from-channel", channel, "--by", key, "--yes"}},
		"a mend": {func(t *testing.T) *device {
			d := newDevice(t, server)
			d.must("join", reading)
			return d
		}, []string{"join", link, "--yes"}},
	} {
		t.Run(name, func(t *testing.T) {
			kills(t, c.prepare, func(t *testing.T, d *device, _ string) {
				d.must(c.args...)
				d.keyFiles()
				if !strings.Contains(d.must("rooms", "--json"), `"may_write":true`) {
					t.Error("it can only be read")
				}
			}, c.args...)
		})
	}
}

func TestKilledKeyAdd(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	ana := newDevice(t, server)
	channel, writeKey := ana.makeRoom()
	ana.must("send", "before")
	passphrase := ana.file("garden copper lantern drizzle tulip marble")
	ana.must("key", "rotate", "--passphrase-file", passphrase)
	ana.must("send", "after")
	prepare := func(t *testing.T) *device {
		bo := newDevice(t, server)
		bo.join(channel, writeKey)
		return bo
	}
	args := []string{"key", "add", "--passphrase-file", passphrase}
	kills(t, prepare, func(t *testing.T, bo *device, _ string) {
		if code, talk := bo.exits(args...); code != 0 && (code != 2 || !strings.Contains(talk, "already")) {
			t.Errorf("once more it exits %d: %s", code, talk)
		}
		if d := cmp.Diff([]string{"before", "after"}, bo.texts()); d != "" {
			t.Error(d)
		}
		bo.keyFiles()
	}, args...)
}

func TestKilledIdentityName(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	show := func(d *device) (nick, key string) {
		shown := d.must("identity", "show")
		return find(d.t, shown, `nickname +(\S+)`), find(d.t, shown, `key +(\S+)`)
	}
	var before string
	prepare := func(t *testing.T) *device {
		ana := newDevice(t, server)
		ana.must("identity", "name", "ana")
		_, before = show(ana)
		return ana
	}
	kills(t, prepare, func(t *testing.T, d *device, _ string) {
		if nick, key := show(d); key != before || nick != "ana" && nick != "pia" {
			t.Errorf("%s has the key %s, before it was ana with %s", nick, key, before)
		}
		d.keyFiles()
	}, "identity", "name", "pia")
	// The first one on a device makes the identity.
	kills(t, func(t *testing.T) *device { return newDevice(t, server) }, func(t *testing.T, d *device, _ string) {
		_, key := show(d)
		d.must("identity", "name", "ana")
		if nick, again := show(d); nick != "ana" || again != key {
			t.Errorf("%s has the key %s now, and had %s after the kill", nick, again, key)
		}
		d.keyFiles()
	}, "identity", "name", "ana")
}

// A room whose renaming was killed is there under one name, with what it had read, its outbox and its identity.
func TestKilledRename(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	prepare := func(t *testing.T) *device {
		ana := newDevice(t, server)
		ana.makeRoom()
		ana.must("rooms", "default", "lab")
		ana.must("send", "before")
		ana.must("send", "--queue", "waiting")
		return ana
	}
	kills(t, prepare, func(t *testing.T, ana *device, _ string) {
		name := find(t, ana.must("rooms", "--json"), `\A{"room":"(\w+)".*\n\z`)
		ana.must("outbox", "--retry", "--room", name)
		if d := cmp.Diff([]string{"before", "waiting"}, ana.texts()); d != "" {
			t.Error(d)
		}
		if name == "lab" {
			ana.must("rooms", "rename", "lab", "school")
		}
		ana.must("send", "after", "--room", "school")
		if got := find(t, ana.must("recv", "--json"), `"number":(\d+)[^\n]*"text":"after"`); got != "3" {
			t.Errorf("the next message has the number %s, want 3", got)
		}
	}, "rooms", "rename", "lab", "school")
}

// A removal that was killed can be begun again, and the name is free then.
func TestKilledRemoval(t *testing.T) {
	t.Parallel()
	server := fastRelay(t)
	prepare := func(t *testing.T) *device {
		ana := newDevice(t, server)
		ana.makeRoom()
		ana.must("send", "before")
		return ana
	}
	kills(t, prepare, func(t *testing.T, ana *device, _ string) {
		if ana.must("rooms") != "" {
			ana.must("rooms", "remove", "lab", "--yes")
		}
		ana.makeRoom()
		ana.must("send", "again")
		if d := cmp.Diff([]string{"again"}, ana.texts()); d != "" {
			t.Error(d)
		}
		ana.keyFiles()
	}, "rooms", "remove", "lab", "--yes")
}

// An export that was killed has left no file, one that is told to be cut, or the whole one; and its passphrase was shown before.
func TestKilledRoomsExport(t *testing.T) {
	t.Parallel()
	server, file := fastRelay(t), filepath.Join(t.TempDir(), "rooms.age")
	ana := newDevice(t, server)
	ana.makeRoom()
	ana.must("send", "hello")
	prepare := func(*testing.T) *device {
		os.Remove(file)
		return ana
	}
	kills(t, prepare, func(t *testing.T, ana *device, printed string) {
		if info, err := os.Stat(file); err != nil || info.Size() == 0 { // it is made before the passphrase is shown
			return
		}
		bo := newDevice(t, server)
		switch code, talk := bo.exits("rooms", "import", file, "--passphrase-file", ana.file(find(t, printed, `^passphrase +(.+)\n`))); code {
		case 0:
			if d := cmp.Diff([]string{"hello"}, bo.texts()); d != "" {
				t.Error(d)
			}
		case 8:
		default:
			t.Errorf("the file is imported with exit %d: %s", code, talk)
		}
	}, "rooms", "export", "--generate", "--out", file)
}

// An identity whose move was killed still signs where it was, or is whole in the file: never in neither, and nothing that it has
// written is lost.
func TestKilledIdentityExport(t *testing.T) {
	t.Parallel()
	server, file := fastRelay(t), filepath.Join(t.TempDir(), "me.age")
	prepare := func(t *testing.T) *device {
		os.Remove(file)
		ana := newDevice(t, server)
		ana.makeRoom()
		ana.must("identity", "name", "ana")
		ana.must("send", "before")
		return ana
	}
	var moved, stayed int
	pass := newDevice(t, server).file("garden copper lantern drizzle tulip marble")
	kills(t, prepare, func(t *testing.T, ana *device, _ string) {
		key := find(t, ana.must("identity", "show"), `key +(\S+)`)
		signs := ana
		if code, talk := ana.exits("send", "after"); code != 0 {
			if moved++; !strings.Contains(talk, "has moved to another device") {
				t.Errorf("send exits %d: %s", code, talk)
			}
			signs = newDevice(t, server)
			signs.must("identity", "import", file, "--passphrase-file", pass)
			signs.must("send", "after")
		} else {
			stayed++
		}
		if got := find(t, signs.must("identity", "show"), `key +(\S+)`); got != key {
			t.Errorf("the key is %s, and was %s", got, key)
		}
		if d := cmp.Diff([]string{"before", "after"}, signs.texts()); d != "" {
			t.Error(d)
		}
		ana.keyFiles()
	}, "identity", "export", "--yes", "--passphrase-file", pass, "--out", file)
	if moved == 0 || stayed == 0 {
		t.Errorf("it has moved %d times, and stayed %d", moved, stayed)
	}
}

func TestKilledIdentityImport(t *testing.T) {
	t.Parallel()
	server, file := fastRelay(t), filepath.Join(t.TempDir(), "me.age")
	ana := newDevice(t, server)
	ana.makeRoom()
	ana.must("identity", "name", "ana")
	key := find(t, ana.must("identity", "show"), `key +(\S+)`)
	ana.must("send", "hello")
	pass := ana.file("garden copper lantern drizzle tulip marble")
	ana.must("identity", "export", "--yes", "--passphrase-file", pass, "--out", file)
	args := []string{"identity", "import", file, "--passphrase-file", pass}
	kills(t, func(t *testing.T) *device { return newDevice(t, server) }, func(t *testing.T, d *device, _ string) {
		d.must(args...)
		if got := find(t, d.must("identity", "show"), `key +(\S+)`); got != key {
			t.Errorf("the key is %s, want %s", got, key)
		}
		if diff := cmp.Diff([]string{"hello"}, d.texts()); diff != "" {
			t.Error(diff)
		}
		d.keyFiles()
	}, args...)
}

// What a power cut takes is what no fsync has brought to the disk: never a key that was used, nor a directory with keys.
func TestKeysAreOnDiskBeforeTheyAreUsed(t *testing.T) {
	d := newDevice(t, fastRelay(t))
	inFlight := map[string]bool{} // names and contents that are not on disk
	content := func(path string) string { return "the content of " + path }
	for _, args := range [][]string{
		{"init", "lab", "--generate", "--profile", quickProfile},
		{"identity", "name", "ana"},
		{"send", "hello"},
		{"key", "rotate", "--generate"},
		{"send", "hello"},
	} {
		changes, _, end := d.trace(0, nil, args...)
		if end.ExitStatus() != 0 {
			t.Fatalf("fernpost %s exits %d", strings.Join(args, " "), end.ExitStatus())
		}
		for _, c := range append(changes, change{"the end", "socket:POST"}) {
			belongs := strings.HasPrefix(c.path, d.home) && !strings.Contains(c.path, "/archive") &&
				filepath.Base(c.path) != ".lock"
			switch {
			case c.path == "socket:POST" && len(inFlight) > 0:
				t.Errorf("%s: %v not on disk before the %s", strings.Join(args, " "), slices.Collect(maps.Keys(inFlight)), c)
			case !belongs:
			case c.call == "mkdirat", c.call == "openat":
				inFlight[c.path] = true
			case c.call == "write":
				inFlight[content(c.path)] = true
			case c.call == "fsync":
				delete(inFlight, content(c.path))
				maps.DeleteFunc(inFlight, func(name string, _ bool) bool { return filepath.Dir(name) == c.path })
			case c.call == "renameat":
				before := filepath.Join(filepath.Dir(c.path), ".new")
				if inFlight[content(before)] {
					t.Errorf("%s takes its place before its content is on disk", c.path)
				}
				delete(inFlight, before)
				inFlight[c.path] = true
			}
		}
	}
}
