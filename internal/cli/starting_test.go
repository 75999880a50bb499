package cli

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
)

// In lines that are pasted at once "init" came before the relay listened, and failed.
func TestARelayThatIsJustStartingIsWaitedFor(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	var said bytes.Buffer
	then := func() {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { l.Close() })
	}
	a := &app{stderr: onWrite(func(p []byte) {
		said.Write(p)
		then()
	})}
	a.awaitRelay(t.Context(), "http://"+address)
	if got := said.String(); strings.Count(got, "waiting up to 5s") != 1 {
		t.Errorf("it says %q", got)
	}
	if conn, err := net.Dial("tcp", address); err != nil {
		t.Errorf("nobody listens yet, and it goes on: %v", err)
	} else {
		conn.Close()
	}

	// One that listens, one elsewhere, and one behind a transport of its own is not waited for.
	said.Reset()
	a.awaitRelay(t.Context(), "http://"+address)
	a.awaitRelay(t.Context(), "http://192.0.2.1:1")
	(&app{stderr: a.stderr, transport: http.DefaultTransport}).awaitRelay(t.Context(), "http://127.0.0.1:1")
	if said.Len() > 0 {
		t.Errorf("it says %q", said.String())
	}

	// Ctrl-C ends the wait.
	ctx, cancel := context.WithCancel(t.Context())
	then = cancel
	a.awaitRelay(ctx, "http://127.0.0.1:1")
	if !strings.Contains(said.String(), "waiting") {
		t.Errorf("it says %q", said.String())
	}
}
