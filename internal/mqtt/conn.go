package mqtt

import (
	"net"
	"slices"
	"sync"
	"time"

	server "github.com/mochi-mqtt/server/v2"
)

// conn is a connection with deadlines of its own: the library knows only one, the client's keep-alive, which a client that
// sends and never reads puts off for ever.
type conn struct {
	net.Conn
	from      Origin
	writeTime time.Duration
	// done is closed when nothing of it is left.
	done chan struct{}

	// client and session are set when the client has connected, by the goroutine that reads.
	client  *server.Client
	session Session

	// mu guards what follows.
	mu       sync.Mutex
	stopping bool
	closed   bool
	// filters are the granted subscriptions.
	filters []string
}

// SetDeadline is part of [net.Conn]. It is for reading; it counts no more when the broker stops.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return nil
	}
	return c.SetReadDeadline(t)
}

// stopReading lets the client's reader end when it has finished what it is doing.
func (c *conn) stopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	_ = c.SetReadDeadline(time.Now()) // it has gone already
}

// Write is part of [net.Conn]. What was written in part cannot be gone on with, so an error closes the connection.
func (c *conn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.writeTime)) // it has gone already, then so says Write
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = c.Close() // err tells more
	}
	return n, err
}

// Close is part of [net.Conn].
func (c *conn) Close() error {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.mu.Unlock()
	if was {
		return nil
	}
	return c.Conn.Close()
}

// grant notes a subscription.
func (c *conn) grant(filter string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.filters = append(c.filters, filter)
}

// granted reports whether a filter is subscribed to, and how many there are.
func (c *conn) granted(filter string) (is bool, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.filters, filter), len(c.filters)
}

// has reports whether a subscription covers a topic. A filter covers itself.
func (c *conn) has(topic string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.filters, func(f string) bool { return f == topic || c.session.Covers(f, topic) })
}

// ended tells the session of the end of a subscription, and reports whether there was one.
func (c *conn) ended(filter string) bool {
	c.mu.Lock()
	before := len(c.filters)
	c.filters = slices.DeleteFunc(c.filters, func(f string) bool { return f == filter })
	had := len(c.filters) < before
	c.mu.Unlock()
	if had {
		c.session.Unsubscribe(filter)
	}
	return had
}

func (c *conn) endSubscriptions() {
	c.mu.Lock()
	all := c.filters
	c.filters = nil
	c.mu.Unlock()
	for _, f := range all {
		c.session.Unsubscribe(f)
	}
}
