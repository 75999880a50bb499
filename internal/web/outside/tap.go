// Package outside shows what is sent to a relay as those see it who have no key: on the way there, to the byte, and in the feed that
// everybody downloads. It links no code that could open a token.
package outside

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
)

// maxTapped is how much is kept of what comes by one connection until it is taken, in bytes. An update has a few thousand.
const maxTapped = 32 << 10

// Tap keeps what comes in by connections, as it was on the wire, until it is taken.
type Tap struct {
	mu    sync.Mutex // guards conns
	conns map[string]*tapped
}

// NewTap returns one that looks at nothing yet.
func NewTap() *Tap { return &Tap{conns: map[string]*tapped{}} }

// Listen returns a listener whose connections are looked at. Above TLS it would see what nobody else sees.
func (t *Tap) Listen(l net.Listener) net.Listener { return &tapListener{l, t} }

type tapListener struct {
	net.Listener
	tap *Tap
}

// Accept is part of [net.Listener].
func (l *tapListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &tapped{Conn: conn, tap: l.tap, remote: conn.RemoteAddr().String()}
	l.tap.mu.Lock()
	l.tap.conns[c.remote] = c
	l.tap.mu.Unlock()
	return c, nil
}

// tapped is a connection that is looked at.
type tapped struct {
	net.Conn
	tap    *Tap
	remote string

	mu   sync.Mutex // guards what follows
	kept []byte
	came int
}

// Read is part of [net.Conn].
func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	c.came += n
	c.kept = append(c.kept, b[:min(n, maxTapped-len(c.kept))]...)
	c.mu.Unlock()
	return n, err
}

// Close is part of [net.Conn].
func (c *tapped) Close() error {
	c.tap.mu.Lock()
	if c.tap.conns[c.remote] == c { // the address may be in use again
		delete(c.tap.conns, c.remote)
	}
	c.tap.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http end a reply before the connection.
func (c *tapped) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Take returns what has come by the connection from an address since it was taken last, and how many bytes that were: of more than
// 32 KiB only the first are kept. What stands behind the end of an HTTP request belongs to the next one, and stays.
func (t *Tap) Take(remote string) (wire []byte, came int) {
	t.mu.Lock()
	c := t.conns[remote]
	t.mu.Unlock()
	if c == nil {
		return nil, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	wire, came = c.kept, c.came
	c.kept, c.came = nil, 0
	if end := requestEnd(wire); end < len(wire) && came == len(wire) {
		c.kept, c.came = wire[end:], came-end
		wire, came = wire[:end:end], end
	}
	return wire, came
}

// requestEnd returns where the first HTTP request in b ends; len(b) if b is no request, or only the beginning of one.
func requestEnd(b []byte) int {
	unread := bytes.NewReader(b)
	buffered := bufio.NewReader(unread)
	r, err := http.ReadRequest(buffered)
	if err != nil {
		return len(b)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return len(b)
	}
	return len(b) - unread.Len() - buffered.Buffered()
}
