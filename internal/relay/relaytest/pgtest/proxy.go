package pgtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes connections on to a server, and cuts them at a moment that a test chooses. It understands what servers
// say (PostgreSQL's documentation, "Frontend/Backend Protocol") as long as they do not encrypt it.
type Proxy struct {
	// Address is where the proxy listens, HOST:PORT.
	Address string

	server   string
	listener net.Listener
	serving  sync.WaitGroup

	// mu guards what follows.
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
	trap   *trap
}

// trap is what a proxy waits for.
type trap struct {
	at     func(Message) bool
	sprung chan struct{}
}

// Message is what a server sends to a client.
type Message struct {
	// Type is the first byte, such as 'C' for CommandComplete and 'Z' for ReadyForQuery.
	Type byte
	// Body is what follows the length.
	Body []byte
}

// Committed is the answer to COMMIT.
func Committed(m Message) bool { return m.Type == 'C' && bytes.Equal(m.Body, []byte("COMMIT\x00")) }

// NewProxy passes connections on to an address, HOST:PORT, until the test ends. It does not matter whether anybody
// listens there yet.
func NewProxy(tb testing.TB, server string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), server: server, listener: l, conns: map[net.Conn]struct{}{}}
	p.serving.Go(p.serve)
	tb.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		l.Close()
		p.Cut()
		p.serving.Wait()
	})
	return p
}

// Cut ends all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close() // both of its loops end, and close the other side
	}
}

// CutAt ends all connections when the server sends a message for which at says true, and keeps that message from the
// client. It happens once; then the channel is closed. A later call takes the place of one that has not come to it.
func (p *Proxy) CutAt(at func(Message) bool) (cut <-chan struct{}) {
	t := &trap{at: at, sprung: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trap = t
	return t.sprung
}

// serve takes connections until the listener is closed.
func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() { p.pass(client) })
	}
}

// hold notes a connection, so that it can be cut. It reports false when the test has ended.
func (p *Proxy) hold(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns[conn] = struct{}{}
	}
	return !p.closed
}

func (p *Proxy) release(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	conn.Close()
}

// pass connects a client with the server, until one of them or the proxy has enough.
func (p *Proxy) pass(client net.Conn) {
	defer p.release(client)
	if !p.hold(client) {
		return
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer p.release(server)
	if !p.hold(server) {
		return
	}
	fromServer := bufio.NewReader(server)
	if err := greet(client, server, fromServer); err != nil {
		return
	}
	p.serving.Go(func() {
		defer server.Close() // so that the loop below ends
		_, _ = io.Copy(server, client)
	})
	p.answer(client, fromServer)
}

// The codes of what a client may ask before it begins (PostgreSQL's documentation, "Message Formats").
const (
	sslRequest    = 80877103
	gssEncRequest = 80877104
)

// greet passes the begin of a conversation on. A client may ask for encryption first, which the server answers with one
// byte instead of a message.
func greet(client io.ReadWriter, server io.Writer, fromServer *bufio.Reader) error {
	for {
		var head [8]byte // length and code
		if _, err := io.ReadFull(client, head[:]); err != nil {
			return err
		}
		if _, err := server.Write(head[:]); err != nil {
			return err
		}
		code := binary.BigEndian.Uint32(head[4:])
		if code != sslRequest && code != gssEncRequest {
			return nil
		}
		answer, err := fromServer.ReadByte()
		if err == nil {
			_, err = client.Write([]byte{answer})
		}
		if err == nil && answer != 'N' {
			err = errors.New("the server encrypts")
		}
		if err != nil {
			return err
		}
	}
}

// answer passes on what the server says, message by message.
func (p *Proxy) answer(client io.Writer, server *bufio.Reader) {
	w := bufio.NewWriter(client)
	for {
		if server.Buffered() == 0 && w.Flush() != nil {
			return
		}
		var head [5]byte // type and length, which counts itself
		if _, err := io.ReadFull(server, head[:]); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(head[1:])
		if length < 4 {
			return
		}
		m := Message{Type: head[0], Body: make([]byte, length-4)}
		if _, err := io.ReadFull(server, m.Body); err != nil {
			return
		}
		if p.springs(m) {
			return
		}
		_, _ = w.Write(head[:]) // an error comes back from Flush
		_, _ = w.Write(m.Body)
	}
}

// springs reports whether a message is what the trap waits for, and cuts all connections if it is.
func (p *Proxy) springs(m Message) bool {
	p.mu.Lock()
	t := p.trap
	if t == nil || !t.at(m) {
		p.mu.Unlock()
		return false
	}
	p.trap = nil
	p.mu.Unlock()
	p.Cut()
	close(t.sprung)
	return true
}
