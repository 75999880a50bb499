package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// TestBackupBesideWriters: each copy is of one moment, with all that was answered before it, and nobody waits for it.
func TestBackupBesideWriters(t *testing.T) {
	s := open(t, t.TempDir())
	keys := []string{create(t, s, 1), create(t, s, 2)}
	add(t, s, 1, keys[0], 2000)
	var answered [2]atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error, len(keys))
	for i, key := range keys {
		go func() {
			for ctx.Err() == nil {
				d, err := s.Commit(t.Context(), []relay.Update{{
					Channel: int64(i + 1), Key: key, Limits: &relay.Limits{}, Entries: []relay.NewEntry{{}},
				}})
				if err == nil {
					err = d[0].Err
				}
				if err != nil {
					written <- err
					return
				}
				answered[i].Store(d[0].Entries[0].ID)
			}
			written <- nil
		}()
	}
	dir := t.TempDir()
	for round := range 5 {
		var before [2]int64
		for i := range before {
			before[i] = answered[i].Load()
		}
		file := filepath.Join(dir, fmt.Sprint("copy", round), sqlite.FileName)
		if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Backup(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		copied := open(t, filepath.Dir(file))
		for i := range before {
			p, err := copied.Position(t.Context(), int64(i+1))
			if err != nil || p.Last < before[i] {
				t.Errorf("copy %d of channel %d ends at %d, %v; %d had been answered", round, i+1, p.Last, err, before[i])
			}
			rows := int64(0)
			err = copied.Entries(t.Context(), p.Generation, 1, p.Last+1000, func(*thingspeak.Entry) error {
				rows++
				return nil
			})
			if err != nil || rows != p.Last {
				t.Errorf("copy %d of channel %d holds %d rows, %v; want %d", round, i+1, rows, err, p.Last)
			}
		}
	}
	stop()
	for range keys {
		if err := <-written; err != nil {
			t.Errorf("writing beside the copies: %v", err)
		}
	}
}

func TestBackupRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	text := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(text, []byte("dear all, this is longer than a header"), 0o600); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("SQL"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		filepath.Join(dir, sqlite.FileName): "the database itself",
		text:                                "no backup",
		short:                               "no backup",
		t.TempDir():                         "",
		filepath.Join(dir, "no", "place"):   "no such file",
	} {
		if err := s.Backup(t.Context(), name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("a backup to %s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(text); err != nil || !strings.HasPrefix(string(b), "dear all") {
		t.Errorf("the other file is %q, %v", b, err)
	}
	// A link to the database is the database.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, sqlite.FileName), link); err == nil {
		if err := s.Backup(t.Context(), link); err == nil || !strings.Contains(err.Error(), "itself") {
			t.Errorf("a backup through a link: %v", err)
		}
	}
}

// TestBackupThatEnds leaves nothing behind.
func TestBackupThatEnds(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, 1, create(t, s, 1), 5000)
	dir := t.TempDir()
	file := filepath.Join(dir, "backup.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil { // an empty file may be replaced
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, time.Millisecond, time.Hour} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		err := s.Backup(ctx, file)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
		if err == nil && after == 0 {
			t.Error("it did not end")
		}
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(left) != 1 {
			t.Errorf("after %v there are %v, %v", after, left, err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("in the end the file is %+v, %v", info, err)
	}
}
