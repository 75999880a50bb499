package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/fernpost/fernpost/internal/filelock"
)

// newDir makes a directory in a place that is the test's alone.
func newDir(t *testing.T, kind string) *Dir {
	t.Helper()
	d, err := New(kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Remove() })
	return d
}

func here(t *testing.T) {
	t.Helper()
	name := "TMPDIR"
	if runtime.GOOS == "windows" {
		name = "TMP"
	}
	t.Setenv(name, t.TempDir())
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// die lets go of the lock as the system does when a process is killed.
func (d *Dir) die(t *testing.T) {
	t.Helper()
	if err := filelock.Release(d.lock); err != nil {
		t.Fatal(err)
	}
	d.lock = nil
}

// What a killed process had made, a class's feed and keys, stayed for ever.
func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	here(t)
	dead, other, alive := newDir(t, "game"), newDir(t, "class"), newDir(t, "game")
	for _, d := range []*Dir{dead, other, alive} {
		if err := os.WriteFile(d.Join("feed"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dead.die(t)
	other.die(t)
	one := newDir(t, "game")
	for path, want := range map[string]bool{
		dead.Path(): false, other.Join("feed"): true, alive.Join("feed"): true, one.Path(): true,
	} {
		if isThere(path) != want {
			t.Errorf("%s is there: %v, want %v", path, !want, want)
		}
	}
	if err := one.Remove(); err != nil || isThere(one.Path()) || one.Remove() != nil {
		t.Errorf("a directory cannot be removed: %v", err)
	}
}

// What others have laid under such a name, and what has no lock, is nobody's to remove.
func TestOnlyItsOwnIsRemoved(t *testing.T) {
	here(t)
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.MkdirAll(precious, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(precious, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(os.TempDir(), "fernpost-game-"+name) }
	linked := at("link")
	if err := os.Symlink(precious, linked); err != nil {
		t.Skip(err)
	}
	err := errors.Join(os.Mkdir(at("bare"), 0o700), os.WriteFile(at("file"), nil, 0o600), os.Mkdir(at("aside"), 0o700),
		os.Symlink(filepath.Join(precious, lockName), filepath.Join(at("aside"), lockName)))
	if err != nil {
		t.Fatal(err)
	}
	newDir(t, "game")
	for _, path := range []string{filepath.Join(precious, lockName), linked, at("bare"), at("file"), at("aside")} {
		if !isThere(path) {
			t.Errorf("%s was removed", path)
		}
	}
}

// A directory that another process removes before it is locked is none.
func TestADirectoryIsLockedBeforeItIsUsed(t *testing.T) {
	here(t)
	d := &Dir{path: filepath.Join(os.TempDir(), "gone")}
	if err := d.take(); !errors.Is(err, errSwept) || d.lock != nil {
		t.Errorf("one that is gone is taken: %v", err)
	}
}
