package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestFloods: requests without end are cut off, and others are served meanwhile.
func TestFloods(t *testing.T) {
	s := serve(t, t.TempDir())
	id, _ := s.newChannel(t)
	address := strings.TrimPrefix(s.url, "http://")
	send := func(parts ...string) (status int, err error) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		go func() {
			for _, p := range parts {
				if _, err := io.WriteString(conn, p); err != nil {
					return // the relay has had enough
				}
			}
		}()
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return 0, err
		}
		r.Body.Close()
		return r.StatusCode, nil
	}
	served := func(during string) {
		t.Helper()
		r, err := http.Get(fmt.Sprintf("%s/channels/%d/feeds.csv", s.url, id))
		if err != nil {
			t.Fatalf("%s: %v", during, err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", during, r.StatusCode)
		}
	}
	begin := "GET /update HTTP/1.1\r\nHost: relay\r\n"
	for name, parts := range map[string][]string{
		"one endless header": {begin, "X-Big: " + strings.Repeat("x", 1<<20)},
		"endless headers":    {begin, strings.Repeat("X-Many: x\r\n", 100_000)},
		"an endless address": {"GET /" + strings.Repeat("x", 1<<20)},
	} {
		if code, err := send(parts...); code != http.StatusRequestHeaderFieldsTooLarge && err == nil {
			t.Errorf("%s: status %d", name, code)
		}
		served(name)
	}
	// Half a request each, which never goes on.
	var slow []net.Conn
	defer func() {
		for _, c := range slow {
			_ = c.Close()
		}
	}()
	for i := range 500 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
		half := begin
		if i%2 == 0 {
			half = "POST /update HTTP/1.1\r\nHost: relay\r\nContent-Length: 60000\r\n\r\napi_key="
		}
		if _, err := io.WriteString(conn, half); err != nil {
			t.Fatal(err)
		}
	}
	served("slow writers")
	if code, _ := send("GARBAGE\r\n\r\n"); code != http.StatusBadRequest {
		t.Errorf("what is no HTTP: status %d", code)
	}
	if text := s.talk.String(); strings.Contains(text, "panic") || strings.Contains(text, "level=ERROR") {
		t.Errorf("it logged\n%s", text)
	}
}
