package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/store/postgres"
)

// briefly is a context for what is to fail after some tries.
func briefly(t testing.TB) context.Context {
	return within(t, 2*time.Second)
}

// within is a context of a length of time.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// change rewrites a part of a URL.
func change(t *testing.T, text string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Scram())
	standby := server.Standby(t, pgtest.Scram())
	good := server.Database(t)
	server.Exec(t, "postgres", "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	server.Exec(t, "postgres", "CREATE DATABASE foreign_one")
	server.Exec(t, "foreign_one", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
	nobody := pgtest.Via(good, "127.0.0.1:1")
	for _, tt := range []struct {
		name, url string
		want      []string
	}{
		{"wrong password", change(t, good, func(u *url.URL) {
			u.User = url.UserPassword(pgtest.Role, "wrong-secret")
		}), []string{"refuses the password", `"relay"`, "PGPASSWORD"}},
		{"unknown user", change(t, good, func(u *url.URL) {
			u.User = url.UserPassword("nobody", "wrong-secret")
		}), []string{"refuses the password", `"nobody"`}},
		{"unknown machine", "postgres://nobody@nohost.invalid/x", []string{"no machine is called nohost.invalid"}},
		{"missing database", server.URL("missing"), []string{"no such database", "createdb", "missing"}},
		{"foreign database", server.URL("foreign_one"), []string{`"relay" may not make tables`}},
		{"other encoding", server.URL("ascii"), []string{"encoding is SQL_ASCII", "UTF8"}},
		{"a standby", pgtest.Via(good, standby.Address), []string{"none of its servers takes writes", "promoted"}},
		{"nobody listens", nobody, []string{"127.0.0.1:1", "refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := postgres.Open(within(t, 8*time.Second), tt.url)
			if err == nil {
				t.Fatalf("it was opened; closing it: %v", s.Close())
			}
			text := err.Error()
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("the error does not say %q: %s", want, text)
				}
			}
			if strings.Contains(text, "secret") || strings.ContainsAny(text, "\n\t") {
				t.Errorf("the error shows a password or has several lines: %q", text)
			}
		})
	}
}

func TestOpenWrongURL(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"", "postgres://"},
		{"relay.db", "postgres://"},
		{"host=localhost password=secret", "postgres://"},
		{"mysql://relay:secret@localhost/relay", "postgres://"},
		{"postgres://relay:secret@localhost:port/relay", "cannot be read"},
		{"postgres://relay:sec%ret@localhost/relay", "cannot be read"},
		{"postgres://relay:secret@localhost/relay?sslmode=nonsense", "sslmode is invalid"},
		{"postgres://relay:sec@ret@localhost/relay", "%40"},
		{"postgres://relay:sec/ret@localhost/relay", "%40"},
		{"postgres://relay:12?secret@localhost/relay", "%40"},
		{"postgres://relay:12:secret@localhost/relay", "%3A"},
		{"postgres://relay:secret@localhost/relay?sslmode=verify-full&sslrootcert=/missing/file", "/missing/file"},
		{"postgres://relay:secret@localhost/relay?password=secret&target_session_attrs=nonsense", "nonsense"},
		{"postgres://relay:secret@localhost/relay?pool_max_conns=0", "pool_max_conns=0"},
		{"postgres://relay:secret@localhost/relay?pool_max_conns=many", "pool_max_conns=many"},
		{"postgres://relay:secret@localhost/relay?pool_min_conns=3", "pool_min_conns is not known"},
	} {
		s, err := postgres.Open(t.Context(), tt.url)
		if err == nil {
			t.Fatalf("%q was opened; closing it: %v", tt.url, s.Close())
		}
		if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("opening %q: %v, want %q in it and no password", tt.url, err, tt.want)
		}
	}
}

// TestOpenAtOnce: several relays that are started at once on an empty database make its tables once.
func TestOpenAtOnce(t *testing.T) {
	url := pgtest.Shared(t).Database(t)
	var work sync.WaitGroup
	stores := make([]*postgres.Store, 4)
	for i := range stores {
		work.Go(func() { stores[i] = open(t, url) })
	}
	work.Wait()
	key := create(t, stores[0], 1)
	for _, s := range stores {
		add(t, s, 1, key, 1)
	}
	first, err := stores[0].Accounts(t.Context())
	if err != nil || len(first) != 1 {
		t.Fatalf("accounts are %v, %v", first, err)
	}
	for _, s := range stores {
		if all, err := s.Accounts(t.Context()); err != nil || len(all) != 1 || all[0].Key != first[0].Key {
			t.Errorf("accounts are %v, %v; want %v", all, err, first)
		}
	}
}

func TestReopen(t *testing.T) {
	url := pgtest.Shared(t).Database(t)
	s, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, 7, create(t, s, 7), 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if p, err := open(t, url).Position(t.Context(), 7); err != nil || p.Last != 3 {
		t.Errorf("after reopening the channel stands at %+v, %v", p, err)
	}
}

// TestMigrate brings a database with a channel to the schema of a newer program.
func TestMigrate(t *testing.T) {
	server := pgtest.Shared(t)
	url := server.Database(t)
	s := open(t, url)
	key := create(t, s, 7)
	add(t, s, 7, key, 2)
	known := server.Exec(t, url, "SELECT version FROM schema_version")
	ours, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	// next are migrations of which all but the last were applied before.
	next := func(text string) fstest.MapFS {
		files := fstest.MapFS{"migrations/9999_more.sql": {Data: []byte(text)}}
		for _, name := range ours {
			files[name] = &fstest.MapFile{Data: []byte("SELECT 1 / 0")}
		}
		return files
	}
	newer, failing := next("CREATE TABLE more (); CREATE TABLE even_more ()"), next("CREATE TABLE more (); SELECT 1 / 0")
	version := fmt.Sprint(len(ours) + 1)
	if err := s.Migrate(t.Context(), failing); err == nil || !strings.Contains(err.Error(), "9999_more.sql") {
		t.Errorf("a migration that fails: %v, want its name", err)
	}
	if got := server.Exec(t, url, "SELECT max(version) FROM schema_version"); got != known {
		t.Errorf("a migration that fails made the schema %s", got)
	}
	for range 2 { // the second time there is nothing to do
		if err := s.Migrate(t.Context(), newer); err != nil {
			t.Fatal(err)
		}
	}
	if got := server.Exec(t, url, "SELECT max(version) FROM schema_version"); got != version {
		t.Errorf("the schema is %s, want %s", got, version)
	}
	add(t, s, 7, key, 1) // a relay of the version before goes on
	if p, err := s.Position(t.Context(), 7); err != nil || p.Last != 3 {
		t.Errorf("the channel stands at %+v, %v", p, err)
	}
	again, err := postgres.Open(t.Context(), url)
	if err == nil {
		t.Fatalf("a newer schema was opened; closing it: %v", again.Close())
	}
	if !strings.Contains(err.Error(), "schema is "+version) || !strings.Contains(err.Error(), "newer") {
		t.Errorf("opening a newer schema: %v", err)
	}
}

// TestRoom: a relay that may have more connections than the server makes do with those that it gets.
func TestRoom(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Setting("max_connections", "20"))
	url := server.Database(t)
	first := open(t, url+"&pool_max_conns=200")
	second := open(t, url+"&pool_max_conns=200")
	key := create(t, first, 1)
	const writers = 60 // three times as many as there are connections
	var work sync.WaitGroup
	for i := range writers {
		s := []*postgres.Store{first, second}[i%2]
		work.Go(func() {
			decisions, err := s.Commit(t.Context(), []relay.Update{one(1, key)})
			if err != nil || decisions[0].Err != nil {
				t.Errorf("writing: %v, %v", decisions, err)
			}
			if _, _, err := s.Channel(t.Context(), 1); err != nil {
				t.Errorf("reading: %v", err)
			}
		})
	}
	work.Wait()
	if p, err := first.Position(t.Context(), 1); err != nil || p.Last != writers {
		t.Errorf("the channel stands at %+v, %v; want %d entries", p, err, writers)
	}
}

// TestNoRoom: a server that lets nobody in for too long.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Setting("max_connections", "12"))
	url := server.Database(t)
	s, greedy := open(t, url+"&pool_max_conns=1"), open(t, url)
	key := create(t, s, 1)
	_, err := greedy.Position(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	// The server lets the relay's role have as many connections as there are, so that the next one is refused.
	server.Exec(t, "postgres", "ALTER ROLE relay CONNECTION LIMIT 1")
	server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'relay'")
	held := make(chan struct{})
	go func() {
		defer close(held)
		_ = s.ChangeChannel(t.Context(), 1, func(*relay.Channel) error {
			_, err := greedy.Commit(briefly(t), []relay.Update{one(1, key)})
			if !errors.Is(err, relay.ErrUnavailable) {
				t.Errorf("writing where the server has no room: %v, want ErrUnavailable", err)
			}
			return errors.New("enough")
		})
	}()
	<-held
	server.Exec(t, "postgres", "ALTER ROLE relay CONNECTION LIMIT -1")
	add(t, greedy, 1, key, 1)
}
