package relaycmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/check"
	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// checked is what the check command did.
type checked struct {
	code           int
	stdout, stderr string
	report         check.Report
}

// runCheck runs the check command against a relay, without an interval and for a moment.
func runCheck(t *testing.T, url string, args ...string) checked {
	t.Helper()
	args = append([]string{"check", "--relay", url, "--interval", "0s", "--duration", "100ms", "--settle", "1ms"}, args...)
	var stdout, stderr bytes.Buffer
	c := checked{code: relaycmd.Main(args, &stdout, &stderr)}
	c.stdout, c.stderr = stdout.String(), stderr.String()
	return c
}

// runCheckJSON is runCheck with --json.
func runCheckJSON(t *testing.T, url string, args ...string) checked {
	t.Helper()
	c := runCheck(t, url, append(args, "--json", "--quiet")...)
	if err := json.Unmarshal([]byte(c.stdout), &c.report); err != nil {
		t.Fatalf("%v: exit code %d, %q, %q", err, c.code, c.stdout, c.stderr)
	}
	return c
}

func keyFile(t *testing.T, lines ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	r, err := serve.Start(t.Context(), serve.Options{Listen: "127.0.0.1:0", Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()

	c := runCheck(t, r.URL())
	if c.code != 0 || !strings.Contains(c.stdout, "ok: every answered entry is there once") ||
		!strings.HasPrefix(c.stderr, "writing for 100ms, as fast as the relay answers") {
		t.Errorf("exit code %d, %q, %q", c.code, c.stdout, c.stderr)
	}

	var stdout, stderr bytes.Buffer
	if code := relaycmd.Main([]string{"user", "add", "ana", "--data", dir}, &stdout, &stderr); code != 0 {
		t.Fatal(stderr.String())
	}
	key := strings.TrimSpace(stdout.String())
	c = runCheckJSON(t, r.URL(), "--user-key-file", keyFile(t, "", key), "--channels", "2", "--seed", "7")
	if c.code != 0 || !c.report.OK || len(c.report.Channels) != 2 || c.report.Seed != 7 || c.stderr != "" {
		t.Errorf("exit code %d, %q, %q", c.code, c.stdout, c.stderr)
	}
	answer, err := http.Get(r.URL() + "/channels.json?api_key=" + key)
	if err != nil {
		t.Fatal(err)
	}
	var left []any
	if err := json.NewDecoder(answer.Body).Decode(&left); err != nil || len(left) != 0 {
		t.Errorf("the check left the channels %v, %v", left, err)
	}
	answer.Body.Close()

	// A channel that exists, twice: the second check begins behind the entries of the first.
	answer, err = http.PostForm(r.URL()+"/channels.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	channel, err := thingspeak.DecodeChannel(body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c = runCheckJSON(t, r.URL(),
			"--channel", fmt.Sprint(channel.ID), "--write-key-file", keyFile(t, channel.Keys[0].Text))
		if c.code != 0 || !c.report.OK || c.report.Updates.Stored == 0 {
			t.Errorf("exit code %d, %q, %q", c.code, c.stdout, c.stderr)
		}
	}
}

// TestCheckStops: the end of the context, such as a signal, ends writing and not the check.
func TestCheckStops(t *testing.T) {
	r, err := serve.Start(t.Context(), serve.Options{Listen: "127.0.0.1:0", Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout, stderr := &bytes.Buffer{}, &lineWaiter{"writing for 1h", cancel}
	cmd := relaycmd.NewCommand()
	cmd.SetArgs([]string{"check", "--relay", r.URL(), "--interval", "0s", "--duration", "1h", "--json"})
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		t.Error(err)
	}
	var report check.Report
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil || !report.OK {
		t.Errorf("%s, %v", stdout, err)
	}
}

// lineWaiter calls found when it is written a line that begins so.
type lineWaiter struct {
	line  string
	found func()
}

func (w *lineWaiter) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte(w.line)) {
		w.found()
	}
	return len(b), nil
}

// TestCheckFails: a relay that answers and keeps nothing.
func TestCheckFails(t *testing.T) {
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/channels.json":
			fmt.Fprint(w, `{"id":9,"api_keys":[{"api_key":"WRITE","write_flag":true}]}`)
		case r.URL.Path == "/update":
			fmt.Fprint(w, 1)
		case strings.HasSuffix(r.URL.Path, "/feeds.csv"):
			fmt.Fprint(w, "created_at,entry_id,field1,field2\n")
		default:
			fmt.Fprint(w, "-1")
		}
	}))
	defer liar.Close()
	c := runCheckJSON(t, liar.URL, "--channels", "1")
	if c.code != 1 || c.report.OK || c.report.Kinds[check.KindLost] == 0 || c.report.Kinds[check.KindReused] == 0 ||
		!strings.HasPrefix(c.stderr, "error: the relay does not keep what it answers") {
		t.Errorf("exit code %d, %q, %q", c.code, c.stdout, c.stderr)
	}
	if c = runCheck(t, liar.URL); c.code != 1 || !strings.Contains(c.stdout, "FAILED: ") {
		t.Errorf("exit code %d, %q, %q", c.code, c.stdout, c.stderr)
	}
}

func TestCheckUsage(t *testing.T) {
	// Nobody listens there.
	nobody := httptest.NewServer(nil)
	nobody.Close()
	one := keyFile(t, "WRITE")
	for _, args := range [][]string{
		{"--patience", "1ms"},
		{"--writers", "0"},
		{"--readers", "-1"},
		{"--channel", "9"},
		{"--write-key-file", one},
		{"--channel", "9", "--write-key-file", one, "--channels", "1"},
		{"--channel", "9", "--channel", "10", "--write-key-file", one},
		{"--channel", "nine", "--write-key-file", one},
		{"--channel", "9", "--write-key-file", filepath.Join(t.TempDir(), "nothing")},
		{"--user-key-file", keyFile(t, "ONE", "TWO")},
		{"--user-key-file", filepath.Join(t.TempDir(), "nothing")},
		{"more"},
	} {
		if c := runCheck(t, nobody.URL, args...); c.code == 0 || c.stdout != "" || !strings.Contains(c.stderr, "error: ") {
			t.Errorf("%v: exit code %d, %q, %q", args, c.code, c.stdout, c.stderr)
		}
	}
}
