package relaycmd_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/serve"
)

// TestTwoRelays serve one database: what was written through one is read through the other at once.
func TestTwoRelays(t *testing.T) {
	database := pgtest.Shared(t).Database(t)
	a := (&beside{T: t, database: database}).serve()
	b := (&beside{T: t, database: database}).serve()
	c := a.create(url.Values{"field1": {"a"}, "public_flag": {"true"}})
	feed := fmt.Sprintf("/channels/%d/feeds.csv?results=1", c.ID)
	for n := 1; n <= 5; n++ {
		values := url.Values{"api_key": {c.Keys[0].Text}, "field1": {fmt.Sprint("through a ", n)}}
		if got := a.post(values); got != fmt.Sprint(n) {
			t.Fatalf("update %d: %q", n, got)
		}
		if got := get(t, b.url+feed); !strings.HasSuffix(got, fmt.Sprintf(",%d,through a %d\n", n, n)) {
			t.Errorf("the other relay answers %q", got)
		}
	}
	if got := b.post(url.Values{"api_key": {c.Keys[0].Text}, "field1": {"through b"}}); got != "6" {
		t.Errorf("the other relay's update is entry %q", got)
	}
}

// TestDatabaseAway: a relay whose database is away says that it is not ready, and serves again when it is back. The
// database's password stands nowhere.
func TestDatabaseAway(t *testing.T) {
	server := pgtest.Start(t, pgtest.Scram())
	var log relaytest.Log
	r := start(t, serve.Options{
		Store: server.Database(t), MetricsListen: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	defer r.Close()
	if code, body := status(t, r.URL()+"/readyz"); code != http.StatusOK {
		t.Errorf("with its database: %d %q", code, body)
	}
	server.Stop(t)
	if code, body := status(t, r.URL()+"/readyz"); code != http.StatusServiceUnavailable ||
		body != "store unavailable\n" {
		t.Errorf("without its database: %d %q", code, body)
	}
	server.Restart(t)
	if code, body := status(t, r.URL()+"/readyz"); code != http.StatusOK {
		t.Errorf("after it came back: %d %q", code, body)
	}
	if !strings.Contains(log.String(), "not ready") {
		t.Errorf("the log does not tell:\n%s", &log)
	}
	for name, text := range map[string]string{
		"the log": log.String(), "the place": r.Place(), "the metrics": get(t, r.MetricsURL()+"/metrics"),
	} {
		if strings.Contains(text, pgtest.Password) {
			t.Errorf("%s shows the database's password:\n%s", name, text)
		}
	}
	if strings.Contains(get(t, r.MetricsURL()+"/metrics"), "fernpost_relay_disk_free_bytes") {
		t.Error("a relay without a directory has a metric of its disk")
	}
}

func TestStoreFlag(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--store", "relay.db"}, 1, "must begin with postgres://"},
		{[]string{"--store", "mysql://relay:secret@localhost/relay"}, 1, "must begin with postgres://"},
		{[]string{"user", "show", "--store", "relay.db"}, 1, "must begin with postgres://"},
		{[]string{"--store", "postgres://relay:secret@localhost:port/relay"}, 1, "cannot be read"},
		{[]string{"user", "add", "x", "--store", "postgres://relay:secret@localhost/relay", "--data", "x"}, 2, "name two places"},
		{[]string{"backup", "x.db", "--store", "postgres://relay:secret@localhost/relay"}, 1, "pg_dump"},
	} {
		var out, talk bytes.Buffer
		code := relaycmd.Main(tt.args, &out, &talk)
		if code != tt.code || !strings.Contains(talk.String(), tt.want) || out.Len() > 0 {
			t.Errorf("%v: exit code %d, want %d\n%s%s", tt.args, code, tt.code, &out, &talk)
		}
		if strings.Contains(talk.String(), "secret") {
			t.Errorf("%v shows the password:\n%s", tt.args, &talk)
		}
	}
}
