package relaycmd_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/serve"
)

// copied runs "relay copy" and returns what it says.
func copied(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	if got := relaycmd.Main(append([]string{"copy"}, args...), &out, &talk); got != code {
		t.Fatalf("copy %v: exit code %d, want %d\n%s%s", args, got, code, &out, &talk)
	}
	return out.String(), talk.String()
}

// A relay moves to PostgreSQL with a short break, and back.
func TestCopyToPostgreSQLAndBack(t *testing.T) {
	database := pgtest.Shared(t).Database(t)
	dir := filepath.Join(t.TempDir(), "old")
	r := start(t, serve.Options{Data: dir})
	b := &beside{T: t, dir: dir, url: r.URL()}
	c := b.create(url.Values{"name": {"lab"}, "field1": {"text"}, "public_flag": {"true"}})
	b.run(0, "user", "add", "school")
	post := func(text string) {
		if got := b.post(url.Values{"api_key": {c.Keys[0].Text}, "field1": {text}}); got == "0" {
			t.Fatal("the update was refused")
		}
	}
	post("one")
	post("two\nzwei 🌿")
	out, _ := copied(t, 0, dir, database)
	if want := "2 accounts, 1 channel and 2 entries are in both, and the same\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	post("three")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	out, _ = copied(t, 0, "--json", dir, database)
	if want := `{"accounts":2,"channels":1,"entries":3,"same":true}` + "\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}

	moved := start(t, serve.Options{Store: database})
	b.url = moved.URL()
	post("four")
	feed := get(t, fmt.Sprintf("%s/channels/%d/feeds.csv", b.url, c.ID))
	if !strings.Contains(feed, ",4,four") || !strings.Contains(feed, "zwei 🌿") {
		t.Errorf("the feed is\n%s", feed)
	}
	if err := moved.Close(); err != nil {
		t.Fatal(err)
	}

	back := filepath.Join(t.TempDir(), "back")
	out, _ = copied(t, 0, database, back)
	if want := "2 accounts, 1 channel and 4 entries are in both, and the same\n"; out != want {
		t.Errorf("printed %q, want %q", out, want)
	}
	exported := func(args ...string) string {
		var out, talk bytes.Buffer
		args = append([]string{"export", "--channel", fmt.Sprint(c.ID)}, args...)
		if code := relaycmd.Main(args, &out, &talk); code != 0 {
			t.Fatalf("%v: %s", args, &talk)
		}
		return out.String()
	}
	if here, there := exported("--data", back), exported("--store", database); here != there {
		t.Errorf("the copy exports\n%s\nnot\n%s", here, there)
	}
	_, talk := copied(t, 1, dir, back)
	if !strings.Contains(talk, "has 4 entries, the other one has 3") || !strings.Contains(talk, "the other way round") {
		t.Errorf("copying an old relay over a newer one: %s", talk)
	}
}

func TestCopyRefuses(t *testing.T) {
	dir := t.TempDir()
	r := start(t, serve.Options{Data: dir})
	t.Cleanup(func() { _ = r.Close() })
	empty := t.TempDir()
	for name, tt := range map[string]struct{ from, to, want string }{
		"itself":  {dir, dir + "/.", "the same place"},
		"nothing": {empty, t.TempDir(), "there is no relay's data in"},
		"no URL":  {dir, "postgres://127.0.0.1:port/relay", "TO: the database's URL cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, talk := copied(t, 1, tt.from, tt.to); !strings.Contains(talk, tt.want) {
				t.Errorf("it says %q, want %q in it", talk, tt.want)
			}
		})
	}
	other := t.TempDir()
	copied(t, 0, dir, other)
	if _, talk := copied(t, 1, other, dir); !strings.Contains(talk, "already served by process") {
		t.Errorf("into a relay that is served: %s", talk)
	}
	if _, err := os.Stat(filepath.Join(empty, "relay.db")); !os.IsNotExist(err) {
		t.Errorf("a place without data has some now: %v", err)
	}
}
