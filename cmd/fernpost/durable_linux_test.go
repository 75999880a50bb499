//go:build linux && (amd64 || arm64)

package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

// TestWhatIsNamedIsOnDisk: a file with keys, or a backup, bears its name only when all of it is on disk, and the name is
// there, too, when the command has ended: the power may go at any moment.
func TestWhatIsNamedIsOnDisk(t *testing.T) {
	server := fastRelay(t)
	d := newDevice(t, server)
	d.makeRoom()
	data := filepath.Join(t.TempDir(), "relay")
	store, err := sqlite.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	for _, args := range [][]string{
		{"init", "other", "--profile", quickProfile},
		{"key", "rotate", "--room", "lab", "--generate"},
		{"identity", "name", "ana"},
		{"relay", "backup", backup, "--data", data},
	} {
		changes, _, end := d.trace(0, nil, args...)
		if end.ExitStatus() != 0 {
			t.Fatalf("fernpost %s exits %d", strings.Join(args, " "), end.ExitStatus())
		}
		dirty, named := map[string]bool{}, map[string]bool{}
		renames := 0
		for _, c := range changes {
			switch dir := filepath.Dir(c.path); c.call {
			case "write", "pwrite64", "writev", "ftruncate":
				dirty[c.path] = true
			case "fsync", "fdatasync":
				delete(dirty, c.path)
				delete(named, c.path)
			case "unlinkat":
				delete(dirty, c.path)
			case "renameat", "linkat":
				renames++
				named[dir] = true
				for file := range dirty {
					sqlites := strings.HasSuffix(file, "-wal") || strings.HasSuffix(file, "-shm") // it folds them itself
					if filepath.Dir(file) == dir && !sqlites {
						t.Errorf("fernpost %s names %s while %s is not on disk", strings.Join(args, " "), c.path, file)
					}
				}
			}
		}
		for dir := range named {
			t.Errorf("fernpost %s ends before the names in %s are on disk", strings.Join(args, " "), dir)
		}
		if renames == 0 {
			t.Errorf("fernpost %s gives nothing a name: %v", strings.Join(args, " "), changes)
		}
	}
}

// A directory that a command makes is on the disk when it ends, with the one above: where nothing else is ever synced there, as on a memory
// card without a journal, the power took the archive, and what waited in it.
func TestNewDirectoriesAreOnDisk(t *testing.T) {
	t.Parallel()
	ana := newDevice(t, fastRelay(t))
	made := 0
	for _, args := range [][]string{
		{"init", "lab", "--generate", "--profile", quickProfile},
		{"send", "--queue", "waits"},
		{"gateway", "key", "add", "lab", "--write"},
		{"relay", "--listen", "127.0.0.1:0", "--data", filepath.Join(ana.home, "data", "relay")},
	} {
		last := 0
		if args[0] == "relay" {
			last = 12 // it serves until it is killed
		}
		changes, talk, end := ana.trace(last, nil, args...)
		if last == 0 && end.ExitStatus() != 0 {
			t.Fatalf("fernpost %s exits %d: %s", strings.Join(args, " "), end.ExitStatus(), talk)
		}
		lost := map[string]bool{} // directories whose names are not on the disk
		for _, c := range changes {
			switch {
			case c.call == "mkdirat" && strings.HasPrefix(c.path, ana.home):
				lost[c.path] = true
				made++
			case c.call == "fsync":
				maps.DeleteFunc(lost, func(dir string, _ bool) bool { return filepath.Dir(dir) == c.path })
			}
		}
		if len(lost) > 0 {
			t.Errorf("fernpost %s ends, and the power may take %v", strings.Join(args, " "), slices.Collect(maps.Keys(lost)))
		}
	}
	if made < 4 {
		t.Errorf("only %d directories were made", made)
	}
}

// The name of an archive goes when those of its logs are gone on the disk: a power cut that took it alone left a log, which is read as that
// of the next archive of the name.
func TestAnArchiveIsRemovedBehindItsLogs(t *testing.T) {
	t.Parallel()
	ana := newDevice(t, fastRelay(t))
	ana.makeRoom()
	ana.must("send", "before")
	changes, talk, end := ana.trace(0, nil, "rooms", "remove", "lab", "--yes")
	if end.ExitStatus() != 0 {
		t.Fatalf("it exits %d: %s", end.ExitStatus(), talk)
	}
	var did []string
	for _, c := range changes {
		if dir, file := filepath.Split(c.path); c.call == "fsync" && filepath.Base(c.path) == "archive" {
			did = append(did, "sync")
		} else if c.call == "unlinkat" && filepath.Base(dir) == "archive" {
			did = append(did, file)
		}
	}
	log, name := slices.Index(did, "lab.db-wal"), slices.Index(did, "lab.db")
	if log < 0 || name < log || !slices.Contains(did[log:name], "sync") || did[len(did)-1] != "sync" {
		t.Errorf("it removes and syncs %q", did)
	}
}
