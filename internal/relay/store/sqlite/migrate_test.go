package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// script runs SQL on the database in a directory, and then returns its schema's version.
func script(t testing.TB, dir, text string) (version int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, sqlite.FileName)+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// firstSchema makes a database as the first version of the program left it, with a channel of two entries.
func firstSchema(t *testing.T) (dir string) {
	t.Helper()
	text, err := os.ReadFile("migrations/0001_begin.sql")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	script(t, dir, string(text)+`
		PRAGMA user_version = 1;
		INSERT INTO accounts (id, name, key, created_s) VALUES (1, 'local', 'LOCALKEY', 0);
		UPDATE counter SET value = 2;
		INSERT INTO channels VALUES (7, 1, 'old', '', '0.0', '0.0', '', 'a', '', '', '', '', '', '', '', '', '', '', 1, 0, 0);
		INSERT INTO states VALUES (7, 'WRITE7', 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 1700000000, 0, 0, 0);
		INSERT INTO entries (generation, number, created_s, unordered, field1)
			VALUES (2, 1, 1700000000, 0, 'one'), (2, 2, 1700000000, 0, 'two');`)
	return dir
}

func TestMigrate(t *testing.T) {
	dir := firstSchema(t)
	s := open(t, dir)
	p, err := s.Position(t.Context(), 7)
	if err != nil || p.Last != 2 {
		t.Fatalf("the old channel stands at %+v, %v", p, err)
	}
	add(t, s, 7, "WRITE7", 1)
	var values []string
	if err := s.Entries(t.Context(), p.Generation, 1, 9, func(e *thingspeak.Entry) error {
		values = append(values, e.Fields[0].Text[:3])
		return nil
	}); err != nil || strings.Join(values, " ") != "one two xxx" {
		t.Errorf("the old channel holds %q, %v", values, err)
	}
	if _, total, err := s.PublicChannels(t.Context(), relay.Listing{Limit: 9}); err != nil || total != 1 {
		t.Errorf("%d public channels, %v", total, err)
	}
	if all, err := s.Accounts(t.Context()); err != nil || len(all) != 1 || all[0].Key != "LOCALKEY" {
		t.Errorf("accounts are %+v, %v", all, err)
	}
}

// TestOlderProgramWrites: what a program of the schema before writes to a feed out of order, which knows nothing of
// State.Back, is read in order all the same.
func TestOlderProgramWrites(t *testing.T) {
	dir := firstSchema(t)
	script(t, dir, `UPDATE states SET last = 5, last1 = 5, newest_s = 1800000000, unordered = 4 WHERE channel = 7;
		INSERT INTO entries (generation, number, created_s, unordered) VALUES
			(2, 3, 1800000000, 0), (2, 4, 1700000001, 1), (2, 5, 1700000000, 1);`)
	s := open(t, dir)
	r := relay.New(s, relay.Limits{Results: 3})
	want := func(doing string, back int64, numbers ...int64) {
		t.Helper()
		v, err := r.View(t.Context(), 7, "")
		if err != nil {
			t.Fatal(err)
		}
		if v.State.Back != back {
			t.Errorf("%s: entries are in order from %d on, want %d", doing, v.State.Back, back)
		}
		var got []int64
		if err := r.Rows(t.Context(), v, relay.Window{Results: 3}, func(e *thingspeak.Entry) error {
			got = append(got, e.ID)
			return nil
		}); err != nil || !slices.Equal(got, numbers) {
			t.Errorf("%s: the newest entries are %d, %v; want %d", doing, got, err, numbers)
		}
		lines, err := r.Lines(t.Context(), v, relay.Window{Results: 3}, thingspeak.Header{})
		var text strings.Builder
		for line := range strings.Lines(string(lines[0]) + string(lines[1])) {
			text.WriteString(strings.Split(strings.TrimSpace(line), ",")[1] + " ")
		}
		if want := strings.Trim(fmt.Sprint(numbers), "[]"); err != nil || strings.TrimSpace(text.String()) != want {
			t.Errorf("%s: the lines are those of %s, %v; want %d", doing, text.String(), err, numbers)
		}
	}
	add := func(second int64) {
		t.Helper()
		u := one(7, "WRITE7")
		u.Entries[0].CreatedAt = time.Unix(second, 0)
		if d, err := s.Commit(t.Context(), []relay.Update{u}); err != nil || d[0].Err != nil {
			t.Fatal(d, err)
		}
	}
	want("after the migration", 5, 5, 4, 3)
	add(1700000003)
	want("after an entry", 6, 4, 6, 3)
	add(1700000004)
	want("after another", 6, 6, 7, 3)
	script(t, dir, `UPDATE states SET last = 9, last1 = 9 WHERE channel = 7;
		INSERT INTO entries (generation, number, created_s, unordered) VALUES (2, 8, 1700000009, 1), (2, 9, 1700000002, 1);`)
	want("after entries of the older program", 9, 7, 8, 3)
	add(1700000005)
	want("after one more", 10, 10, 8, 3)
	// It clears the channel, and writes until the number is the same.
	script(t, dir, `UPDATE states SET generation = 20, last = 10, unordered = 2 WHERE channel = 7;
		INSERT INTO entries (generation, number, created_s, unordered)
			SELECT 20, number, 1750000000 - number, number > 1 FROM (SELECT DISTINCT number FROM entries) WHERE number <= 10;`)
	want("after a clear by the older program", 10, 3, 2, 1)
}

// TestMigrationFails: nothing is left of a migration that fails.
func TestMigrationFails(t *testing.T) {
	dir := firstSchema(t)
	script(t, dir, "CREATE INDEX channels_public ON channels (name)") // which the second migration makes
	s, err := sqlite.Open(dir)
	if err == nil {
		t.Fatalf("the store was opened; closing it: %v", s.Close())
	}
	if !strings.Contains(err.Error(), "0002_public.sql") {
		t.Errorf("the error does not name the migration: %v", err)
	}
	if v := script(t, dir, "DROP INDEX channels_public"); v != 1 {
		t.Errorf("after a migration that failed the schema is %d, want 1", v)
	}
	if p, err := open(t, dir).Position(t.Context(), 7); err != nil || p.Last != 2 {
		t.Errorf("with its cause gone the channel stands at %+v, %v", p, err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := firstSchema(t)
	script(t, dir, "PRAGMA user_version = 99")
	_, err := sqlite.Open(dir)
	if err == nil || !strings.Contains(err.Error(), "schema 99") || !strings.Contains(err.Error(), "newer") {
		t.Errorf("opening a newer schema: %v", err)
	}
	if v := script(t, dir, "SELECT 1"); v != 99 {
		t.Errorf("opening a newer schema made it %d", v)
	}
}
