package relaycmd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

func start(t *testing.T, o relaycmd.Options) *relaycmd.Running {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	r, err := relaycmd.Start(t.Context(), o)
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

func TestStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "place")
	r := start(t, relaycmd.Options{Data: dir})
	if !strings.HasPrefix(r.URL(), "http://127.0.0.1:") || !r.Loopback() {
		t.Errorf("it serves on %s, loopback %v", r.URL(), r.Loopback())
	}
	created, err := http.PostForm(r.URL()+"/channels.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	created.Body.Close()
	if created.StatusCode != http.StatusOK {
		t.Errorf("creating a channel from this machine: status %d", created.StatusCode)
	}
	_, err = relaycmd.Start(t.Context(), relaycmd.Options{Listen: "127.0.0.1:0", Data: dir})
	if served, ok := errors.AsType[*sqlite.ServedError](err); !ok || served.PID != os.Getpid() {
		t.Errorf("a second relay on the same data: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, relaycmd.Options{Data: dir})
	if err := again.Close(); err != nil {
		t.Errorf("closing the next one: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	r := start(t, relaycmd.Options{Data: dir})
	defer r.Close()
	other := t.TempDir()
	address := strings.TrimPrefix(r.URL(), "http://")
	if _, err := relaycmd.Start(t.Context(), relaycmd.Options{Listen: address, Data: other}); err == nil {
		t.Error("two relays listen on one port")
	}
	// What failed has let go of the data.
	if err := start(t, relaycmd.Options{Data: other}).Close(); err != nil {
		t.Error(err)
	}
	file := filepath.Join(other, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := relaycmd.Start(t.Context(), relaycmd.Options{Listen: "127.0.0.1:0", Data: file}); err == nil {
		t.Error("a file was taken for a data directory")
	}
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

// serve runs the command until stop, and returns what it printed.
func serve(t *testing.T, args ...string) (url string, stop func() (stdout, stderr string, err error)) {
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
	url, stop := serve(t, "--data", dir, "--limits", "none", "--interval", "0s")
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
	url, stop := serve(t, "--data", dir)
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

// TestCloseFinishesRequests: a request under way is answered, and what comes later is not accepted.
func TestCloseFinishesRequests(t *testing.T) {
	r := start(t, relaycmd.Options{Data: t.TempDir()})
	body, sent := io.Pipe()
	answered, reading := make(chan error, 1), make(chan struct{})
	// The server answers "100 Continue" when the handler begins to read.
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	go func() {
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL()+"/update", body)
		if err == nil {
			q.Header.Set("Expect", "100-continue")
			var answer *http.Response
			if answer, err = client.Do(q); err == nil {
				answer.Body.Close()
				if answer.StatusCode != http.StatusBadRequest {
					err = fmt.Errorf("status %d", answer.StatusCode)
				}
			}
		}
		answered <- err
	}()
	<-reading
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	for refused := false; !refused; {
		c, err := http.Get(r.URL() + "/update")
		if refused = err != nil; !refused {
			c.Body.Close()
		}
	}
	if _, err := io.WriteString(sent, "field1=x"); err != nil {
		t.Fatal(err)
	}
	sent.Close()
	if err := <-answered; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
}
