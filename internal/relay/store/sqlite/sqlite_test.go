package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) relay.Store { return open(t, t.TempDir()) })
}

// create makes a channel with one read key and returns its write key.
func create(t testing.TB, s relay.Store, id int64) string {
	t.Helper()
	key := fmt.Sprint("WRITE", id)
	err := s.CreateChannel(t.Context(), &relay.Channel{
		Owner:   relay.LocalAccountID,
		Channel: thingspeak.Channel{ID: id, Keys: []thingspeak.Key{{Text: key, Write: true}, {Text: fmt.Sprint("READ", id)}}},
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// add stores n entries in one bulk update, a second apart.
func add(t testing.TB, s relay.Store, id int64, key string, n int) {
	t.Helper()
	u := relay.Update{Channel: id, Key: key, Bulk: true, Limits: &relay.Limits{}}
	for i := range n {
		u.Entries = append(u.Entries, relay.NewEntry{Entry: thingspeak.Entry{
			CreatedAt: time.Unix(1_700_000_000+int64(i), 0),
			Fields:    thingspeak.Fields{thingspeak.Text(strings.Repeat("x", 248))},
		}})
	}
	decisions, err := s.Commit(t.Context(), []relay.Update{u})
	if err == nil {
		err = decisions[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	key := create(t, s, 7)
	add(t, s, 7, key, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*-wal")); err != nil || len(left) > 0 {
		t.Errorf("closing left the log: %v, %v", left, err)
	}
	again := open(t, dir)
	if p, err := again.Position(t.Context(), 7); err != nil || p.Last != 3 {
		t.Errorf("after reopening the channel stands at %+v, %v", p, err)
	}
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b", "50%", "100%25", "what?x=y", "num#ber", "ünï", "a&b=c"} {
		dir := filepath.Join(t.TempDir(), name)
		create(t, open(t, dir), 7)
		if _, err := os.Stat(filepath.Join(dir, sqlite.FileName)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	add(t, s, 7, create(t, s, 7), 1)
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(all) != 3 {
		t.Fatalf("files are %v, %v; want the database, its log and its index", all, err)
	}
	for _, name := range append(all, dir) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestNotADatabase(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, sqlite.FileName), []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(dir); err == nil {
		t.Error("a file that is no database was opened")
	}
}

func TestTwoProcessesMayOpen(t *testing.T) {
	dir := t.TempDir()
	serving, admin := open(t, dir), open(t, dir)
	key := create(t, admin, 7)
	add(t, serving, 7, key, 2)
	if p, err := admin.Position(t.Context(), 7); err != nil || p.Last != 2 {
		t.Errorf("the other one reads %+v, %v", p, err)
	}
	if err := admin.ClearChannel(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	add(t, serving, 7, key, 1)
	if p, err := serving.Position(t.Context(), 7); err != nil || p.Last != 1 {
		t.Errorf("after a clear by the other one the channel stands at %+v, %v", p, err)
	}
}

// TestClearedEntriesGo waits for the sweep: closing the store does not hurry it, so the test asks until it is done.
func TestClearedEntriesGo(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	key := create(t, s, 7)
	add(t, s, 7, key, 1200)
	before, err := s.Position(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ClearChannel(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	add(t, s, 7, key, 5)
	testenv.Await(t, "the cleared entries are gone", func() bool {
		left := 0
		err := s.Entries(t.Context(), before.Generation, 1, before.Last, func(*thingspeak.Entry) error {
			left++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return left == 0
	})
	if p, err := s.Position(t.Context(), 7); err != nil || p.Last != 5 {
		t.Errorf("the sweep left the channel at %+v, %v", p, err)
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l, err := sqlite.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.LockDir(dir)
	served, ok := errors.AsType[*sqlite.ServedError](err)
	if !ok || served.PID != os.Getpid() {
		t.Errorf("a second lock: %v, want this process's id", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := sqlite.LockDir(dir)
	if err != nil {
		t.Fatalf("locking again: %v", err)
	}
	if err := again.Unlock(); err != nil {
		t.Error(err)
	}
}
