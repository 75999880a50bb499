package serve_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
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

func TestStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "place")
	r := start(t, serve.Options{Data: dir})
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
	_, err = serve.Start(t.Context(), serve.Options{Listen: "127.0.0.1:0", Data: dir})
	if served, ok := errors.AsType[*sqlite.ServedError](err); !ok || served.PID != os.Getpid() {
		t.Errorf("a second relay on the same data: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, serve.Options{Data: dir})
	if err := again.Close(); err != nil {
		t.Errorf("closing the next one: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	r := start(t, serve.Options{Data: dir})
	defer r.Close()
	other := t.TempDir()
	address := strings.TrimPrefix(r.URL(), "http://")
	if _, err := serve.Start(t.Context(), serve.Options{Listen: address, Data: other}); err == nil {
		t.Error("two relays listen on one port")
	}
	// What failed has let go of the data.
	if err := start(t, serve.Options{Data: other}).Close(); err != nil {
		t.Error(err)
	}
	file := filepath.Join(other, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := serve.Start(t.Context(), serve.Options{Listen: "127.0.0.1:0", Data: file}); err == nil {
		t.Error("a file was taken for a data directory")
	}
}

// TestCloseFinishesRequests: a request under way is answered, and what comes later is not accepted.
func TestCloseFinishesRequests(t *testing.T) {
	r := start(t, serve.Options{Data: t.TempDir()})
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
