package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fernpost/fernpost/internal/testenv"
)

const (
	// maxPollers is how many clients poll, if the system lets a process have as many connections.
	maxPollers = 10_000
	// perPoller is the most memory of the relay that one of them may take while it is idle, in bytes.
	perPoller = 40 << 10
)

// TestManyPollers: many pollers stay connected, each takes little, and others are served as before.
func TestManyPollers(t *testing.T) {
	s := serve(t, t.TempDir())
	id, key := s.newChannel(t)
	form := url.Values{"api_key": {key}, "field1": {"hello"}}
	if _, err := http.PostForm(s.url+"/update", form); err != nil {
		t.Fatal(err)
	}
	many := min(maxPollers, openFiles(t)-500)
	before := s.memory(t)
	conns := make([]net.Conn, many)
	poll := func() {
		var polling sync.WaitGroup
		for worker := range 8 {
			polling.Go(func() {
				for i := worker; i < many; i += 8 {
					if err := pollOnce(&conns[i], strings.TrimPrefix(s.url, "http://"), id); err != nil {
						t.Errorf("poller %d: %v", i, err)
						return
					}
				}
			})
		}
		polling.Wait()
	}
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	for range testenv.Cases(10) {
		poll()
	}
	if t.Failed() {
		return
	}
	after := s.memory(t)
	t.Logf("%d idle pollers: %d bytes each; the relay takes %d MiB instead of %d",
		many, (after-before)/many, after>>20, before>>20)
	// Few connections say little: what the process takes for itself comes on top.
	if many >= maxPollers/2 && (after-before)/many > perPoller {
		t.Errorf("an idle poller takes %d bytes, want at most %d", (after-before)/many, perPoller)
	}
	r, err := http.PostForm(s.url+"/update", form)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if answer, err := io.ReadAll(r.Body); err != nil || string(answer) != "2" {
		t.Errorf("an update beside them: %q, %v", answer, err)
	}
	metrics, err := http.Get(s.ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Body.Close()
	text, err := io.ReadAll(metrics.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^fernpost_relay_connections (\d+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("the metrics do not tell the connections\n%s", text)
	}
	if n, err := strconv.Atoi(string(found[1])); err != nil || n < many {
		t.Errorf("the relay counts %s connections", found[1])
	}
}

// openFiles is how many files the process may have open; Go has raised that as far as it may.
func openFiles(t *testing.T) int {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	return int(min(l.Cur, 1<<30))
}

// pollOnce asks for the last entry number over a connection that is kept.
func pollOnce(conn *net.Conn, address string, id int64) (err error) {
	if *conn == nil {
		if *conn, err = net.Dial("tcp", address); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(*conn, "GET /channels/%d/last_entry_id.txt HTTP/1.1\r\nHost: relay\r\n\r\n", id); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReaderSize(*conn, 1024), nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && string(body) != "1" {
		err = fmt.Errorf("the answer is %q", body)
	}
	return err
}

// memory is the resident memory of the relay in bytes.
func (s *serving) memory(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if found == nil {
		t.Fatalf("the system does not tell:\n%s", b)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
