//go:build linux && (amd64 || arm64)

package main

import (
	"path/filepath"
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
