package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

// inOwnMounts names the variable that tells a test that it runs in a process whose mounts are its own.
const inOwnMounts = "FERNPOST_TEST_OWN_MOUNTS"

// ownMounts lets a test go on in a process of its own, in which it may mount what it likes, and reports whether this is
// that process.
func ownMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inOwnMounts) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inOwnMounts+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	output, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		t.Skipf("no name space for mounts: %v", err)
	}
	if strings.Contains(string(output), "--- SKIP") {
		t.Skipf("cannot mount in a name space of its own:\n%s", output)
	}
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
	return false
}

// mount mounts a disk in memory on a directory, or changes the one that is there.
func mount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("none", dir, "tmpfs", flags, options); err != nil {
		if flags == 0 {
			t.Skipf("mounting a disk: %v", err)
		}
		t.Fatalf("changing the mounted disk: %v", err)
	}
	if flags == 0 {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFullDisk fills a real disk, and makes it larger.
func TestFullDisk(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	dir, l := t.TempDir(), newLedger()
	mount(t, dir, 0, "size=2m")
	s := open(t, dir)
	create(t, s, 1)
	written := 0
	write := func() error {
		var values []string
		for range 50 {
			written++
			values = append(values, fmt.Sprintf("%d %s", written, strings.Repeat("x", 240)))
		}
		return l.write(t, s, values...)
	}
	for write() == nil {
	}
	t.Logf("the disk is full after %d entries", len(l.answered))
	for range 5 {
		if err := write(); err == nil {
			t.Error("a full disk took more")
		}
		check(t, s, l.answered)
	}
	mount(t, dir, syscall.MS_REMOUNT, "size=64m")
	for range 100 {
		if err := write(); err != nil {
			t.Fatalf("with room on the disk again: %v", err)
		}
	}
	check(t, s, l.answered)
}

// A relay that was killed while its disk was full did not start again until there was room: it had to fold its log first.
func TestStartOnAFullDisk(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	dir, full, l := t.TempDir(), t.TempDir(), newLedger()
	s := open(t, dir)
	create(t, s, 1)
	for n := range 200 {
		if err := l.write(t, s, fmt.Sprintf("%d %s", n, strings.Repeat("x", 240))); err != nil {
			t.Fatal(err)
		}
	}
	mount(t, full, 0, "size=4m")
	if err := os.CopyFS(filepath.Join(full, "data"), os.DirFS(dir)); err != nil { // what a killed process leaves
		t.Fatal(err)
	}
	rest, err := os.Create(filepath.Join(full, "the rest"))
	for err == nil {
		_, err = rest.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	lock, err := sqlite.LockDir(filepath.Join(full, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	again := open(t, filepath.Join(full, "data"))
	check(t, again, l.answered)
	if err := l.write(t, again, "more"); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("a full disk took more: %v", err)
	}
	mount(t, full, syscall.MS_REMOUNT, "size=64m")
	if err := l.write(t, again, "even more"); err != nil {
		t.Errorf("with room on the disk again: %v", err)
	}
	check(t, again, l.answered)
}

// TestReadOnlyDisk opens a store on a real disk that is read-only, and again when it is not any more.
func TestReadOnlyDisk(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	dir, l := t.TempDir(), newLedger()
	mount(t, dir, 0, "size=8m")
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, 1)
	if err := l.write(t, s, "one"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mount(t, dir, syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
	if s, err = sqlite.Open(dir); err == nil {
		t.Errorf("a store on a read-only disk was opened; closing it: %v", s.Close())
	} else {
		t.Logf("read-only: %v", err)
	}
	mount(t, dir, syscall.MS_REMOUNT, "")
	s = open(t, dir)
	if err := l.write(t, s, "two"); err != nil {
		t.Error(err)
	}
	check(t, s, l.answered)
}
