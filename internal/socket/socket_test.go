package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/token"
)

func newLine(t testing.TB) *Line {
	t.Helper()
	ring, err := fernet.NewRing(fernet.NewKey([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	return &Line{Keys: ring, Patience: time.Minute}
}

// tokens seals texts.
func (l *Line) tokens(t testing.TB, texts ...string) (all []string) {
	t.Helper()
	for _, text := range texts {
		tok, err := l.Keys.Seal([]byte(text), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tok)
	}
	return all
}

// hear lets write send to a line at the other end of a pipe, and returns what that tells: texts, and errors in words.
func hear(t *testing.T, l *Line, write func(net.Conn)) (all []string) {
	t.Helper()
	near, far := net.Pipe()
	var writing sync.WaitGroup
	writing.Go(func() {
		defer far.Close()
		write(far)
	})
	defer writing.Wait()
	defer near.Close()
	err := l.Listen(t.Context(), near, func(h Heard) error {
		if h.Err != nil {
			all = append(all, h.Err.Error())
		} else {
			all = append(all, string(h.Opened.Plaintext))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFormsOfStreams: tokens stand on lines, or one until the end; carriers' wrappings come off, and what is no token is
// refused without ending the rest.
func TestFormsOfStreams(t *testing.T) {
	l := newLine(t)
	tok := l.tokens(t, "one", "two")
	for stream, want := range map[string][]string{
		"":                                      nil,
		"\n\r\n  \n":                            nil,
		tok[0]:                                  {"one"},
		tok[0] + "\n":                           {"one"},
		tok[0] + "\n" + tok[1]:                  {"one", "two"},
		"\n\n" + tok[0] + "\r\n\r\n" + tok[1]:   {"one", "two"},
		"b'" + tok[0] + "'\n" + tok[1]:          {"one", "two"},
		"garbage!\n" + tok[1]:                   {token.NotBase64.Error(), "two"},
		tok[0][:60] + "\n" + tok[1]:             {fernet.ErrCut.Error(), "two"},
		strings.ToLower(tok[0]) + "\n" + tok[1]: nil, // which refusal it is depends on the letters
		tok[0] + tok[1]:                         nil,
	} {
		got := hear(t, l, func(c net.Conn) { _, _ = io.WriteString(c, stream) })
		if want != nil || stream == "" {
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%.40q: %s", stream, d)
			}
		} else if strings.TrimSpace(stream) != "" && (len(got) == 0 || got[0] == "one") {
			t.Errorf("%.40q: %q", stream, got)
		}
	}
}

// TestPeersThatMisbehave: whatever a peer does, it costs bounded memory and time, and one word.
func TestPeersThatMisbehave(t *testing.T) {
	forever := func(b []byte) func(net.Conn) {
		return func(c net.Conn) {
			for {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}
	}
	l := newLine(t)
	good := l.tokens(t, "good")[0]
	for name, peer := range map[string]struct {
		write func(net.Conn)
		want  []string
	}{
		"no end of a line": {forever([]byte(strings.Repeat("g", 64<<10))), []string{ErrTooLong.Error()}},
		"garbage for ever": {forever([]byte("x\n")), nil},
		"nothing":          {func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }, []string{ErrSilent.Error()}},
		"a byte now and then": {func(c net.Conn) {
			for {
				if _, err := c.Write([]byte("g")); err != nil {
					return
				}
				time.Sleep(10 * time.Second)
			}
		}, nil},
		"a token, and the line stays open": {func(c net.Conn) {
			_, _ = io.WriteString(c, good)
			_, _ = c.Read(make([]byte, 1))
		}, []string{"good", ErrSilent.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := hear(t, l, peer.write)
				if peer.want != nil {
					if d := cmp.Diff(peer.want, got); d != "" {
						t.Error(d)
					}
				} else if len(got) == 0 || len(got) > maxRefused+1 {
					t.Errorf("%d answers", len(got))
				}
			})
		})
	}
}

// TestAge: with a time to live old tokens, and those from the future, are refused.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.TTL = new(time.Minute)
		old := l.tokens(t, "old")[0]
		time.Sleep(2 * time.Minute)
		fresh := l.tokens(t, "fresh")[0]
		got := hear(t, l, func(c net.Conn) { _, _ = io.WriteString(c, old+"\n"+fresh) })
		if len(got) != 2 || !strings.Contains(got[0], fernet.ErrExpired.Error()) || got[1] != "fresh" {
			t.Error(got)
		}
		l.TTL = nil
		if got := hear(t, l, func(c net.Conn) { _, _ = io.WriteString(c, old) }); len(got) != 1 || got[0] != "old" {
			t.Error(got)
		}
	})
}

// serve starts to listen on loopback, and returns the address and what ends it.
func serve(t *testing.T, l *Line, tell func(Heard) error) (address string, end func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(ctx, listener, tell) }()
	t.Cleanup(cancel)
	return listener.Addr().String(), func() error {
		cancel()
		return testenv.Receive(t, ended, "the end of listening")
	}
}

// TestSeveralClients: one that hangs keeps nobody else from being heard, and all are let go at the end.
func TestSeveralClients(t *testing.T) {
	l := newLine(t)
	heard := make(chan string, 10)
	address, end := serve(t, l, func(h Heard) error {
		if h.Err == nil {
			heard <- string(h.Opened.Plaintext)
		}
		return nil
	})
	dial := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	hanging := dial()
	if _, err := io.WriteString(hanging, "gAAAA"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two", "three"} {
		c := dial()
		if _, err := l.Send(c, []byte(text), ""); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := testenv.Receive(t, heard, text); got != text {
			t.Errorf("heard %q, want %q", got, text)
		}
	}
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := hanging.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
}

// TestCrowd: one too many is refused, and there is room again when another one has gone.
func TestCrowd(t *testing.T) {
	l := newLine(t)
	heard := make(chan Heard, maxClients)
	address, end := serve(t, l, func(h Heard) error { heard <- h; return nil })
	var all []net.Conn
	for range maxClients {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := l.Send(c, []byte("hello"), "\n"); err != nil {
			t.Fatal(err)
		}
		if h := testenv.Receive(t, heard, "a message"); h.Err != nil {
			t.Fatal(h.Err)
		}
		all = append(all, c)
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if h := testenv.Receive(t, heard, "a refusal"); !errors.Is(h.Err, ErrCrowded) || !h.Ended() {
		t.Errorf("%+v", h)
	}
	all[0].Close()
	testenv.Await(t, "a place that is free again", func() bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = l.Send(c, []byte("again"), "\n")
		return testenv.Receive(t, heard, "a message or a refusal").Err == nil
	})
	_ = end()
}

// TestTheLastIsTheLast: after tell has had enough nothing more is told.
func TestTheLastIsTheLast(t *testing.T) {
	l := newLine(t)
	enough, told := errors.New("enough"), 0
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- l.Serve(t.Context(), listener, func(Heard) error {
			told++
			return enough
		})
	}()
	for range 3 {
		if c, err := net.Dial("tcp", listener.Addr().String()); err == nil {
			_, _ = io.WriteString(c, strings.Join(l.tokens(t, "1", "2"), "\n"))
			c.Close()
		}
	}
	if err := testenv.Receive(t, ended, "the end"); !errors.Is(err, enough) || told != 1 {
		t.Errorf("%v after %d messages", err, told)
	}
}

// TestPythonPeers: what a client of ten lines sends is heard, and a server of ten lines opens what is sent.
func TestPythonPeers(t *testing.T) {
	python := testenv.Python(t)
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	l := &Line{Keys: ring, Patience: testenv.Patience}
	heard := make(chan string, 2)
	address, end := serve(t, l, func(h Heard) error {
		heard <- string(h.Opened.Plaintext)
		return h.Err
	})
	run := func(script string, args ...string) *exec.Cmd {
		cmd := testenv.Command(t, python, append([]string{"testdata/" + script, key.Reveal()}, args...)...)
		cmd.Stderr = t.Output()
		return cmd
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := run("client.py", host, port, "grüße").Run(); err != nil {
		t.Fatal(err)
	}
	if got := testenv.Receive(t, heard, "Python's message"); got != "grüße" {
		t.Errorf("heard %q", got)
	}
	_ = end()

	server := run("server.py")
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 6)
	n, err := out.Read(first)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(string(first[:n])))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := l.Send(c, []byte("größe"), ""); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	opened, err := io.ReadAll(out)
	if err != nil || strings.TrimSpace(string(opened)) != "größe" {
		t.Errorf("Python has opened %q, %v", opened, err)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}

// FuzzLines: whatever a stream holds, its lines are its own bytes, none is longer than may be, and an end comes.
func FuzzLines(f *testing.F) {
	tok := newLine(f).tokens(f, "hello")[0]
	for _, s := range []string{"", "\n", tok, tok + "\n", "b'" + tok + "'\r\n\r\nx", "\x00\xff\n \n", strings.Repeat("g", 5000)} {
		f.Add([]byte(s), uint8(7))
	}
	l := newLine(f)
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		r := newLines(&inPieces{stream, int(piece) + 1})
		rest := string(stream)
		for {
			text, err := r.next()
			if text != "" {
				at := strings.Index(rest, text)
				if at < 0 || len(text) > maxLine || strings.Contains(text, "\n") || strings.TrimSpace(rest[:at]) != "" {
					t.Fatalf("%q is read as %q", rest, text)
				}
				rest = rest[at+len(text):]
				if h := l.open(text); h.Err == nil && !strings.Contains(text, tok) && len(h.Opened.Plaintext) == 0 {
					t.Fatalf("%q is opened", text)
				}
			}
			if err != nil {
				break
			}
		}
		if strings.TrimSpace(rest) != "" {
			t.Fatalf("%q was left", rest)
		}
	})
}

// inPieces reads a few bytes at a time.
type inPieces struct {
	b     []byte
	piece int
}

func (p *inPieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.piece, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}
