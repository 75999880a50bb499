package guard

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Listen returns a listener that closes the connections that are too many as soon as they are accepted. The ones of
// this machine and of trusted proxies count only for Limits.AllConnections.
func (c *Clients) Listen(l net.Listener) net.Listener {
	return &clientListener{Listener: l, clients: c}
}

type clientListener struct {
	net.Listener
	clients *Clients
}

// Accept is part of [net.Listener].
func (l *clientListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := Peer(conn.RemoteAddr().String())
		if l.clients.enter(address) {
			return &clientConn{Conn: conn, leave: sync.OnceFunc(func() { l.clients.leave(address) })}, nil
		}
		_ = conn.Close() // nothing was sent
	}
}

// enter counts a connection, unless there are too many.
func (c *Clients) enter(address netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.limits.Connections
	free := address.IsLoopback() || contains(c.proxies, address)
	address = subscriber(address)
	if c.limits.AllConnections > 0 && c.allOpen >= c.limits.AllConnections ||
		most > 0 && !free && c.open[address] >= most {
		c.refused++
		return false
	}
	c.allOpen++
	c.open[address]++
	return true
}

func (c *Clients) leave(address netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allOpen--
	address = subscriber(address)
	if c.open[address]--; c.open[address] == 0 {
		delete(c.open, address)
	}
}

// Open is how many connections there are now.
func (c *Clients) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.allOpen
}

// Refused is how many connections were closed at once because there were too many.
func (c *Clients) Refused() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// clientConn is a connection that is counted.
type clientConn struct {
	net.Conn
	leave func()
}

// Close is part of [net.Conn].
func (c *clientConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// CloseWrite lets net/http end a reply before the connection, so that a client that still sends gets to read it.
func (c *clientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// ListenError says in words what is wrong with an address on which nothing can listen.
func ListenError(address string, err error) error {
	const want = "want HOST:PORT, such as 127.0.0.1:8080, localhost:0 or :8080"
	host, port, split := net.SplitHostPort(address)
	_, isName := errors.AsType[*net.DNSError](err)
	number, notNumber := strconv.Atoi(port)
	switch {
	case strings.Contains(address, "://"):
		return errors.New("that is a URL: " + want)
	case split != nil && strings.Count(address, ":") > 1 && !strings.HasPrefix(address, "["):
		return errors.New("an IPv6 address stands in brackets, as in [::1]:8080")
	case split != nil:
		return errors.New("the port is lacking: " + want)
	case notNumber != nil && isName || notNumber == nil && (number < 0 || number > 65535):
		return fmt.Errorf("%q is no port, a number up to 65535: %s", port, want)
	case isName:
		return fmt.Errorf("no machine is called %q", host)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program listens there already: port 0 picks one that is free (%w)", syscall.EADDRINUSE)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine", host)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("port %s is not for everybody: take one above 1023 (%w)", port, os.ErrPermission)
	}
	return err
}

// Reachable returns each HOST:PORT by which a listener is reached.
func Reachable(a net.Addr) []string {
	at, ok := a.(*net.TCPAddr)
	if !ok || !at.IP.IsUnspecified() {
		return []string{a.String()}
	}
	port := strconv.Itoa(at.Port)
	var hosts []string
	for _, ip := range ownAddresses() {
		hosts = append(hosts, net.JoinHostPort(ip.String(), port))
	}
	if len(hosts) == 0 {
		hosts = append(hosts, net.JoinHostPort("127.0.0.1", port))
	}
	return hosts
}

// ownAddresses returns the addresses of this machine's network interfaces: the one that leads outside first, and those of IPv6 last.
func ownAddresses() []net.IP {
	var own []net.IP
	// Nothing is sent: the system only looks up which way it would go.
	if c, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
		own = append(own, c.LocalAddr().(*net.UDPAddr).IP)
		c.Close()
	}
	addresses, _ := net.InterfaceAddrs()
	for _, v4 := range []bool{true, false} {
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && (n.IP.To4() != nil) == v4 {
				own = append(own, n.IP)
			}
		}
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(own, func(ip net.IP) bool {
		again := seen[ip.String()]
		seen[ip.String()] = true
		return again || !ip.IsGlobalUnicast()
	})
}
