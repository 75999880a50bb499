package relaycmd_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/relay/serve"
)

func start(t *testing.T, o serve.Options) *serve.Running {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	r, err := serve.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// status asks for a path and returns the status and the body.
func status(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode, get(t, url)
}

// lines is a writer whose first line can be waited for.
type lines struct {
	mu    sync.Mutex
	text  bytes.Buffer
	first chan string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	had := bytes.Contains(l.text.Bytes(), []byte{'\n'})
	l.text.Write(b)
	if line, _, ok := strings.Cut(l.text.String(), "\n"); ok && !had {
		l.first <- line
	}
	return len(b), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serveCommand runs the command until stop, and returns what it printed.
func serveCommand(t *testing.T, args ...string) (url string, stop func() (stdout, stderr string, err error)) {
	t.Helper()
	stdout, stderr := &lines{first: make(chan string, 1)}, &lines{first: make(chan string, 1)}
	cmd := relaycmd.NewCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append(args, "--listen", "127.0.0.1:0"))
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	select {
	case line := <-stdout.first:
		var ok bool
		if url, ok = strings.CutPrefix(line, "listening on "); !ok {
			t.Fatalf("the first line is %q", line)
		}
	case err := <-ended:
		t.Fatalf("the command ended: %v\n%s", err, stderr)
	case <-time.After(30 * time.Second):
		t.Fatalf("nothing was printed\n%s", stderr)
	}
	return url, func() (string, string, error) {
		cancel()
		err := <-ended
		return stdout.String(), stderr.String(), err
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	url, stop := serveCommand(t, "--data", dir, "--limits", "none", "--interval", "0s")
	if body := get(t, url+"/update"); body != "0" {
		t.Errorf("/update without a key answers %q", body)
	}
	stdout, stderr, err := stop()
	if err != nil {
		t.Errorf("it ended with %v", err)
	}
	if stdout != "listening on "+url+"\n" {
		t.Errorf("standard output is %q", stdout)
	}
	for _, want := range []string{dir, "fernpost init lab --relay " + url} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not told: %q", want, stderr)
		}
	}
	if strings.Contains(stderr, "warning") {
		t.Errorf("there is a warning on loopback: %q", stderr)
	}
}

func TestCommandUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--limits", "cheap"},
		{"--interval", "soon"},
		{"--interval", "-1s", "--data", t.TempDir()},
		{"nonsense"},
		{"user", "add"},
		{"user", "show", "--data", filepath.Join(t.TempDir(), "nothing")},
		{"--max-results", "0", "--data", t.TempDir()},
		{"--trust-proxy", "everybody", "--data", t.TempDir()},
		{"--tls-cert", "cert.pem", "--data", t.TempDir()},
		{"--client-requests", "many"},
	} {
		var stderr bytes.Buffer
		if code := relaycmd.Main(args, io.Discard, &stderr); code == 0 || !strings.HasPrefix(stderr.String(), "error: ") {
			t.Errorf("%v: exit code %d, %q", args, code, stderr.String())
		}
	}
}

func TestUsers(t *testing.T) {
	dir := t.TempDir()
	url, stop := serveCommand(t, "--data", dir)
	// Beside the serving relay.
	run := func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := relaycmd.Main(append(args, "--data", dir), &stdout, &stderr); code != 0 {
			t.Fatalf("%v: exit code %d, %s", args, code, stderr.String())
		}
		return stdout.String()
	}
	key := strings.TrimSpace(run("user", "add", "ana"))
	if got := get(t, url+"/channels.json?api_key="+key); got != "[]" {
		t.Errorf("the new account's channels are %s", got)
	}
	shown := run("user", "show")
	if !strings.Contains(shown, "local  ") || !strings.Contains(shown, "ana    "+key) {
		t.Errorf("the accounts are shown as %q", shown)
	}
	var stderr bytes.Buffer
	if code := relaycmd.Main([]string{"user", "add", "ana", "--data", dir}, io.Discard, &stderr); code != 1 {
		t.Errorf("a second ana: exit code %d, %s", code, stderr.String())
	}
	if _, _, err := stop(); err != nil {
		t.Error(err)
	}
}
