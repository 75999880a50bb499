package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// script runs SQL on the database in a directory, and then returns its schema's version.
func script(t testing.TB, dir, text string) (version int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.FileName)+"?_pragma=busy_timeout(5000)")
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
	text, err := os.ReadFile("migrations/sqlite/0001_begin.sql")
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

// TestMigrationFails: nothing is left of a migration that fails.
func TestMigrationFails(t *testing.T) {
	dir := firstSchema(t)
	script(t, dir, "CREATE INDEX channels_public ON channels (name)") // which the second migration makes
	s, err := store.OpenSQLite(dir)
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
	_, err := store.OpenSQLite(dir)
	if err == nil || !strings.Contains(err.Error(), "schema 99") || !strings.Contains(err.Error(), "newer") {
		t.Errorf("opening a newer schema: %v", err)
	}
	if v := script(t, dir, "SELECT 1"); v != 99 {
		t.Errorf("opening a newer schema made it %d", v)
	}
}
