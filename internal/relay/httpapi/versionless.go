package httpapi

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
)

// AnswerVersionless returns a listener on which a request without an HTTP version is understood: "GET /update?field1=12"
// and a line end, as AT-command sketches send it. It is answered as HTTP/0.9 was, with the bare body and a close (contract
// section 1.2). net/http refuses such a line before any handler sees it, so it gets one of HTTP/1.0, and the head of its
// reply is left out. Only the first request of a connection can be one. Over TLS it is the listener above that of crypto/tls.
func AnswerVersionless(l net.Listener) net.Listener { return versionlessListener{l} }

type versionlessListener struct{ net.Listener }

// Accept is part of [net.Listener].
func (l versionlessListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if encrypted, ok := conn.(*tls.Conn); ok {
		return &encryptedConn{versionlessConn: versionlessConn{Conn: conn}, encrypted: encrypted}, nil
	}
	return &versionlessConn{Conn: conn}, nil
}

// encryptedConn is a versionlessConn over TLS. net/http knows a connection of crypto/tls by its type, which this one has
// not: what it does about that is done here. The handshake comes with the first read, under the deadline of the head.
type encryptedConn struct {
	versionlessConn

	encrypted *tls.Conn
}

// ConnectionState tells net/http that there is TLS, and so whoever gets the request.
func (c *encryptedConn) ConnectionState() tls.ConnectionState { return c.encrypted.ConnectionState() }

// Read is part of [net.Conn]. Whoever speaks HTTP without TLS is told so without it.
func (c *encryptedConn) Read(p []byte) (int, error) {
	n, err := c.versionlessConn.Read(p)
	plain, ok := errors.AsType[tls.RecordHeaderError](err)
	if ok && plain.Conn != nil && slices.Contains(requestHeads, string(plain.RecordHeader[:])) {
		_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		_ = plain.Conn.Close()
	}
	return n, err
}

// requestHeads are the beginnings of requests, as long as the head of a TLS record.
var requestHeads = []string{"GET /", "HEAD ", "POST ", "PUT /", "DELET", "OPTIO"}

// versionlessConn is a connection whose first line is looked at. net/http reads from one goroutine at a time, and writes
// the reply after it has read the request.
type versionlessConn struct {
	net.Conn
	// seen says that the first line was looked at, bare that it had no version.
	seen, bare bool
	// rest is what is still to be read of the line that stands in for it.
	rest []byte
	// ended is how much of the end of the reply's head was written.
	ended int
}

// Read is part of [net.Conn].
func (c *versionlessConn) Read(p []byte) (int, error) {
	switch {
	case !c.seen:
		return c.readFirst(p)
	case len(c.rest) > 0:
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	case c.bare:
		return c.swallow(p)
	}
	return c.Conn.Read(p)
}

// maxFirstLine is the longest line without a version that is understood, in bytes. An update of eight full values, each
// byte percent-encoded, has 7 KiB.
const maxFirstLine = 16 << 10

// readFirst reads until the first line is there. A longer one than maxFirstLine stays as it is.
func (c *versionlessConn) readFirst(p []byte) (n int, err error) {
	line := make([]byte, 0, len(p))
	end := -1
	for end < 0 && len(line) <= maxFirstLine && err == nil {
		if len(line) == cap(line) {
			line = slices.Grow(line, len(line))
		}
		begin := len(line)
		var more int
		more, err = c.Conn.Read(line[begin:cap(line)])
		line = line[:begin+more]
		if end = bytes.IndexByte(line[begin:], '\n'); end >= 0 {
			end += begin
		}
	}
	if len(line) == 0 {
		return 0, err
	}
	c.seen, c.rest = true, line
	if target, found := versionlessTarget(line[:max(0, end)]); found && end <= maxFirstLine {
		// What stands behind the line is of no account: HTTP/0.9 has no headers, and some sketches end with a Ctrl-Z.
		c.bare = true
		c.rest = append(append([]byte("GET "), target...), " HTTP/1.0\r\n\r\n"...)
	}
	n = copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil // an error comes again with the next read
}

// versionlessTarget returns what a line asks for, if it is a GET without a version. It has no blank in it: what stands
// behind one is a version that is misspelt, and would be stored as part of a value.
func versionlessTarget(line []byte) (target []byte, found bool) {
	target, isGet := bytes.CutPrefix(line, []byte("GET "))
	target = bytes.TrimSpace(target)
	return target, isGet && !bytes.ContainsAny(target, " \t") &&
		(bytes.HasPrefix(target, []byte("/")) || bytes.HasPrefix(target, []byte("http")))
}

// swallow waits for the end of the connection. Bytes that nobody reads would have the system reset it, and the reply with
// it.
func (c *versionlessConn) swallow(p []byte) (int, error) {
	for {
		if _, err := c.Conn.Read(p); err != nil {
			return 0, err
		}
	}
}

// Write is part of [net.Conn]. It leaves out the head of a reply to a request without a version.
func (c *versionlessConn) Write(p []byte) (int, error) {
	const end = "\r\n\r\n"
	if !c.bare || c.ended == len(end) {
		return c.Conn.Write(p)
	}
	for i, b := range p {
		switch {
		case b == end[c.ended]:
			c.ended++
		case b == end[0]:
			c.ended = 1
		default:
			c.ended = 0
		}
		if c.ended == len(end) && i+1 < len(p) {
			n, err := c.Conn.Write(p[i+1:])
			return i + 1 + n, err
		}
	}
	return len(p), nil
}

// CloseWrite lets net/http end a reply before the connection, so that a client that still sends gets to read it.
func (c *versionlessConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
