package cli

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/socket"
)

// Whoever reaches the port, with the key or without, must not reach the terminal: not by what a token holds, nor by what
// stands in the place of one.
func TestPeersOfASocketReachNoTerminal(t *testing.T) {
	ring, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	const hostile = "\x1b]0;owned\a\x1b[2J\u202eevil\u009b1m"
	tok, err := ring.Seal([]byte(hostile), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := ring.Open(tok)
	if err != nil {
		t.Fatal(err)
	}
	for _, asJSON := range []bool{false, true} {
		var stdout, stderr bytes.Buffer
		tool := socketTool{
			app:      &app{stdout: &stdout, stderr: &stderr, stdoutTerminal: true},
			showWire: true, asJSON: asJSON,
		}
		for _, h := range []socket.Heard{
			{Peer: "127.0.0.1:1", Wire: tok, Opened: opened},
			{Peer: "127.0.0.1:1", Wire: hostile, Err: fernet.ErrMalformed},
			{Peer: "127.0.0.1:1", Wire: strings.Repeat(hostile, 1000), Err: fernet.ErrMalformed},
		} {
			if err := tool.tell(h); err != nil {
				t.Fatal(err)
			}
		}
		shown := stdout.String() + stderr.String()
		if !strings.Contains(shown, "evil") {
			t.Errorf("shown is only %q", shown)
		}
		if at := strings.IndexFunc(shown, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || r == '\u202e' }); at >= 0 {
			t.Errorf("shown is %q", shown[at:])
		}
		if n := stderr.Len(); n > 10*maxWire {
			t.Errorf("%d bytes are shown of what is no token", n)
		}
	}
}

// An answer that was cut ended with 0, as one that came as a whole.
func TestAnAnswerThatWasCutIsTold(t *testing.T) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0) // closing it is a reset
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ring, err := fernet.NewRing(fernet.GenerateKey())
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	tool := socketTool{
		app:  &app{stdout: &stdout, stderr: &stderr, timeout: time.Minute},
		line: socket.Line{Keys: ring, Patience: time.Minute},
	}
	if err := tool.send(t.Context(), conn, false, []string{"hello"}); exitCode(err) != 3 {
		t.Errorf("it ends with %d, %v; want 3", exitCode(err), err)
	}
}
