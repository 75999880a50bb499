package sqlite_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fernpost/fernpost/internal/sqlite"
)

// open opens a database that is closed when the test ends.
func open(t *testing.T, path string, s sqlite.Settings) *sqlite.Conn {
	t.Helper()
	c, err := sqlite.Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// script runs statements that must succeed.
func script(t *testing.T, c *sqlite.Conn, text string) {
	t.Helper()
	if err := c.Script(text); err != nil {
		t.Fatal(err)
	}
}

// all returns the rows of a query as text.
func all(t *testing.T, c *sqlite.Conn, text string, args ...driver.Value) (rows []string) {
	t.Helper()
	if err := c.Query(text, func(row sqlite.Row) error {
		rows = append(rows, strings.Trim(fmt.Sprint(row), "[]"))
		return nil
	}, args...); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return rows
}

// want compares the rows of a query.
func want(t *testing.T, c *sqlite.Conn, text string, rows ...string) {
	t.Helper()
	if got := all(t, c, text); !slices.Equal(got, rows) {
		t.Errorf("%s: %q, want %q", text, got, rows)
	}
}

// TestPaths: whatever a directory is called, the file is where it should be.
func TestPaths(t *testing.T) {
	for _, name := range []string{"a b", "50%", "50%25", "who?mode=memory", "#1", "ü", "a&b=c", ":memory:"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".db")
		script(t, open(t, path, sqlite.Settings{}), "CREATE TABLE t (n INTEGER)")
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "t.db"), sqlite.Settings{Wait: time.Second, Pragmas: []string{"cache_size(-77)"}})
	want(t, c, "PRAGMA journal_mode", "wal")
	want(t, c, "PRAGMA synchronous", "2")
	want(t, c, "PRAGMA cache_size", "-77")
	want(t, c, "PRAGMA busy_timeout", "1000")
	if err := c.Wait(5 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	want(t, c, "PRAGMA busy_timeout", "5")
}

func TestQueriesWithinQueries(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "t.db"), sqlite.Settings{})
	script(t, c, "CREATE TABLE t (n INTEGER, word TEXT, bytes BLOB); INSERT INTO t VALUES (1, 'a', NULL), (2, NULL, x'00ff')")
	var got []string
	if err := c.Query("SELECT n FROM t ORDER BY n", func(outer sqlite.Row) error {
		n := outer[0].(int64)
		inner := all(t, c, "SELECT word, bytes, n FROM t WHERE n >= ? ORDER BY n", n)
		got = append(got, fmt.Sprint(outer[0], inner))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if wanted := []string{"1 [a <nil> 1 <nil> [0 255] 2]", "2 [<nil> [0 255] 2]"}; !slices.Equal(got, wanted) {
		t.Errorf("got %q, want %q", got, wanted)
	}
	stop := errors.New("enough")
	if err := c.Query("SELECT n FROM t", func(sqlite.Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a visit that stops: %v", err)
	}
	if err := c.Exec("UPDATE t SET n = n + 1 WHERE n > ?", int64(0)); err != nil || c.Changed() != 2 {
		t.Errorf("changed %d rows, %v; want 2", c.Changed(), err)
	}
}

func TestTransactions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	a, b := open(t, path, sqlite.Settings{}), open(t, path, sqlite.Settings{})
	script(t, a, "CREATE TABLE t (n INTEGER)")
	refused := errors.New("refused")
	if err := a.Transaction(func() error {
		script(t, a, "INSERT INTO t VALUES (1)")
		return refused
	}); !errors.Is(err, refused) {
		t.Errorf("work that fails: %v", err)
	}
	want(t, b, "SELECT * FROM t")
	func() {
		defer func() { _ = recover() }()
		_ = a.Transaction(func() error { panic("nobody rolls back") })
	}()
	if err := b.Snapshot(func() error {
		want(t, b, "SELECT * FROM t")
		if err := a.Transaction(func() error { return a.Exec("INSERT INTO t VALUES (2)") }); err != nil {
			t.Errorf("writing beside a reader: %v", err)
		}
		want(t, b, "SELECT * FROM t")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want(t, b, "SELECT * FROM t", "2")
}

func TestCodes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "t.db")
	a, b := open(t, path, sqlite.Settings{}), open(t, path, sqlite.Settings{})
	script(t, a, "CREATE TABLE t (n INTEGER PRIMARY KEY, word TEXT)")
	if err := a.Transaction(func() error {
		if err := b.Exec("INSERT INTO t VALUES (1, '')"); sqlite.CodeOf(err) != sqlite.Busy {
			t.Errorf("a second writer: %v, want Busy", err)
		}
		return a.Exec("INSERT INTO t VALUES (1, '')")
	}); err != nil {
		t.Fatal(err)
	}
	if err := a.Exec("INSERT INTO t VALUES (1, '')"); sqlite.CodeOf(fmt.Errorf("again: %w", err)) != sqlite.Constraint {
		t.Errorf("the same key: %v, want Constraint", err)
	}
	script(t, a, "PRAGMA max_page_count = 2")
	if err := a.Exec("INSERT INTO t VALUES (2, ?)", strings.Repeat("x", 99_999)); sqlite.CodeOf(err) != sqlite.Full {
		t.Errorf("no more pages: %v, want Full", err)
	}
	if code := sqlite.CodeOf(errors.New("another")); code != 0 {
		t.Errorf("an error that is no database's has code %d", code)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 999)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(text, sqlite.Settings{}); sqlite.CodeOf(err) != sqlite.NotADB {
		t.Errorf("a text: %v, want NotADB", err)
	}
}

// steps are migrations by name.
func steps(texts ...string) fstest.MapFS {
	files := fstest.MapFS{"m/README": {Data: []byte("no SQL")}}
	for i, text := range texts {
		files[fmt.Sprintf("m/%04d.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	c := open(t, path, sqlite.Settings{})
	filled := 0
	migrate := func(texts ...string) error {
		return c.Migrate(steps(texts...), "m/*.sql", func() error {
			filled++
			return c.Exec("INSERT INTO t VALUES (1)")
		})
	}
	const first, second = "CREATE TABLE t (n INTEGER)", "ALTER TABLE t ADD COLUMN m INTEGER DEFAULT 5"
	for range 2 {
		if err := migrate(first); err != nil {
			t.Fatal(err)
		}
	}
	err := migrate(first, second+"; INSERT INTO nowhere VALUES (1)")
	if err == nil || !strings.Contains(err.Error(), "m/0002.sql") {
		t.Errorf("a step that fails: %v, want its name", err)
	}
	want(t, c, "SELECT * FROM t", "1")
	if err := migrate(first, second); err != nil {
		t.Fatal(err)
	}
	want(t, c, "SELECT * FROM t", "1 5")
	want(t, c, "PRAGMA user_version", "2")
	newer, ok := errors.AsType[*sqlite.NewerError](migrate(first))
	if !ok || newer.Schema != 2 || newer.Known != 1 {
		t.Errorf("a database of a newer program: %v", newer)
	}
	want(t, c, "PRAGMA user_version", "2")
	if filled != 1 {
		t.Errorf("filled %d times", filled)
	}
}

// TestMigrateAtOnce: of several that open a new database, each finds it whole.
func TestMigrateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	var work sync.WaitGroup
	conns := make([]*sqlite.Conn, 4)
	for i := range conns {
		conns[i] = open(t, path, sqlite.Settings{Wait: 30 * time.Second})
	}
	for _, c := range conns {
		work.Go(func() {
			if err := c.Migrate(steps("CREATE TABLE t (n INTEGER)"), "m/*.sql", func() error {
				return c.Exec("INSERT INTO t VALUES (1)")
			}); err != nil {
				t.Error(err)
			}
			want(t, c, "SELECT * FROM t", "1")
		})
	}
	work.Wait()
}

func TestKeepLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	for _, keep := range []bool{false, true} {
		c, err := sqlite.Open(path, sqlite.Settings{Pragmas: []string{"journal_size_limit(0)"}})
		if err != nil {
			t.Fatal(err)
		}
		if keep {
			if err := c.KeepLog(); err != nil {
				t.Fatal(err)
			}
		}
		script(t, c, "CREATE TABLE IF NOT EXISTS t (n INTEGER); INSERT INTO t VALUES (1)")
		if pages, err := c.PagesWritten(); err != nil || pages < 1 {
			t.Errorf("%d pages were written, %v", pages, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		log, err := os.Stat(path + "-wal")
		if there := err == nil; there != keep || there && log.Size() > 0 {
			t.Errorf("keep is %v, and of the log there is %v, %v", keep, log, err)
		}
	}
}

func TestCopyInto(t *testing.T) {
	dir := t.TempDir()
	c := open(t, filepath.Join(dir, "t.db"), sqlite.Settings{})
	script(t, c, "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)")
	if err := c.CopyInto(t.Context(), filepath.Join(dir, "copy.db")); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, filepath.Join(dir, "copy.db"), sqlite.Settings{}), "SELECT * FROM t", "7")
	ended, end := context.WithCancelCause(t.Context())
	errEnough := errors.New("enough")
	end(errEnough)
	if err := c.CopyInto(ended, filepath.Join(dir, "none.db")); !errors.Is(err, errEnough) {
		t.Errorf("a copy that was ended: %v", err)
	}
}

// TestSecureLogWritesOnceMore: what is only believed to be on disk is written again, the same bytes.
func TestSecureLogWritesOnceMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	c := open(t, path, sqlite.Settings{})
	script(t, c, "CREATE TABLE kept (n INTEGER); INSERT INTO kept VALUES (1)")
	log := path + "-wal"
	before, err := os.ReadFile(log)
	if err != nil || len(before) == 0 {
		t.Fatalf("the log has %d bytes, %v", len(before), err)
	}
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(log, long, long); err != nil {
		t.Fatal(err)
	}
	if err := c.SecureLog(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(log)
	if err != nil || !info.ModTime().After(long) {
		t.Errorf("the log was not written: %v, %v", info.ModTime(), err)
	}
	if after, err := os.ReadFile(log); err != nil || string(after) != string(before) {
		t.Errorf("the log has changed (%v)", err)
	}
}
