package main_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/testenv"
)

const (
	// maxWatchers is how many clients watch a channel, if the system lets a process have as many connections.
	maxWatchers = 2000
	// perWatcher is the most memory of the relay that one of them may take while it is idle, in bytes.
	perWatcher = 40 << 10
)

// TestManyWatchers: many watch one channel, each takes little, and all have an entry soon after it was written.
func TestManyWatchers(t *testing.T) {
	s := serve(t, t.TempDir())
	id, key := s.newChannel(t)
	form := url.Values{"api_key": {key}, "field1": {strings.Repeat("x", 248)}}
	write := func() {
		answer, err := http.PostForm(s.url+"/update", form)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	write()
	many := min(maxWatchers, openFiles(t)-500)
	before := s.memory(t)
	var ready, got, watching sync.WaitGroup
	var lost atomic.Int64
	conns := make([]net.Conn, many)
	ready.Add(many)
	got.Add(many)
	for i := range conns {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = conn
		watching.Go(func() {
			if _, err := fmt.Fprintf(conn, "GET /channels/%d/feeds/stream HTTP/1.1\r\nHost: relay\r\n\r\n", id); err != nil {
				t.Error(err)
			}
			var all bytes.Buffer
			piece := make([]byte, 1024)
			await := func(text string, done func()) {
				defer done()
				for !strings.Contains(all.String(), text) {
					n, err := conn.Read(piece)
					if all.Write(piece[:n]); err != nil {
						lost.Add(1)
						return
					}
				}
			}
			await("id: ", ready.Done)
			await(`"entry_id":2,`, got.Done)
		})
	}
	defer watching.Wait()
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	await := func(what string, all *sync.WaitGroup) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			all.Wait()
			close(done)
		}()
		testenv.Receive(t, done, what)
	}
	await("all watch", &ready)
	each := (s.memory(t) - before) / many
	began := time.Now()
	write()
	await("all have the entry", &got)
	t.Logf("%d watchers: %d bytes each while idle; all have an entry %v after it was sent", many, each, time.Since(began))
	if n := lost.Load(); n > 0 {
		t.Errorf("%d streams were cut", n)
	}
	// Few connections say little: what the process takes for itself comes on top.
	if many >= maxWatchers/2 && each > perWatcher {
		t.Errorf("an idle watcher takes %d bytes, want at most %d", each, perWatcher)
	}
}
