package guard

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// TestForgetting: there is room for many addresses, and those in use stay.
func TestForgetting(t *testing.T) {
	c := New(Limits{Requests: 1}, nil, nil)
	find := func(n int) *Client {
		return c.Find(Sender{Address: netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)})})
	}
	steady := find(0)
	for n := range 5 * maxClients {
		find(n + 1)
		if n%1000 == 0 && find(0) != steady {
			t.Fatalf("after %d others an address in use was forgotten", n+1)
		}
	}
	if n := c.known.Len(); n > maxClients {
		t.Errorf("%d addresses are remembered", n)
	}
}

// TestConnectionsAreLimited uses a listener whose connections come from anywhere.
func TestConnectionsAreLimited(t *testing.T) {
	c := New(Limits{Connections: 2, AllConnections: 6}, []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}, nil)
	arriving := make(chan net.Conn, 16)
	l := c.Listen(&fakeListener{arriving})
	var far []net.Conn
	arrive := func(from string) {
		near, other := net.Pipe()
		far = append(far, other)
		arriving <- &fakeConn{near, from}
	}
	accept := func() net.Conn {
		t.Helper()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for _, from := range []string{"203.0.113.7:1", "203.0.113.7:2", "203.0.113.7:3", "203.0.113.8:1"} {
		arrive(from)
	}
	first := accept()
	accept()
	if conn := accept(); conn.RemoteAddr().String() != "203.0.113.8:1" {
		t.Errorf("a third connection of one address was accepted: %v", conn.RemoteAddr())
	}
	if _, err := far[2].Read(make([]byte, 1)); err == nil {
		t.Error("the one too many is open")
	}
	if c.Open() != 3 || c.Refused() != 1 {
		t.Errorf("%d are open and %d were refused, want 3 and 1", c.Open(), c.Refused())
	}
	for range 2 { // closing twice counts once
		_ = first.Close()
	}
	arrive("203.0.113.7:4")
	if conn := accept(); conn.RemoteAddr().String() != "203.0.113.7:4" {
		t.Errorf("after one was closed %v was accepted", conn.RemoteAddr())
	}
	// The proxy's and this machine's own count only for the sum.
	for _, from := range []string{"10.0.0.1:1", "10.0.0.1:2", "127.0.0.1:1"} {
		arrive(from)
		accept()
	}
	for _, from := range []string{"10.0.0.1:3", "127.0.0.1:2", "198.51.100.1:1"} {
		arrive(from)
	}
	close(arriving)
	if conn, err := l.Accept(); err == nil {
		t.Errorf("beyond the sum %v was accepted", conn.RemoteAddr())
	}
	if c.Open() != 6 || c.Refused() != 4 {
		t.Errorf("%d are open and %d were refused, want 6 and 4", c.Open(), c.Refused())
	}
}

// fakeListener delivers the connections of a channel.
type fakeListener struct{ conns <-chan net.Conn }

func (l *fakeListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l *fakeListener) Close() error   { return nil }
func (l *fakeListener) Addr() net.Addr { return &net.TCPAddr{} }

// fakeConn has an address of choice.
type fakeConn struct {
	net.Conn
	from string
}

func (c *fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func TestSubscriber(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "::1": "::",
	} {
		if got := subscriber(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("subscriber(%s) = %v, want %s", address, got, want)
		} else if subscriber(got) != got {
			t.Errorf("subscriber(%v) is another one", got)
		}
	}
}

func TestParseProxy(t *testing.T) {
	for s, want := range map[string]string{
		"10.1.2.3": "10.1.2.3/32", "10.1.2.3/8": "10.0.0.0/8", "::1": "::1/128", "fd00::/8": "fd00::/8",
		"::ffff:10.1.2.3": "10.1.2.3/32",
	} {
		if p, err := ParseProxy(s); err != nil || p.String() != want {
			t.Errorf("ParseProxy(%q) = %v, %v; want %s", s, p, err, want)
		}
	}
	for _, s := range []string{"", "proxy.example", "10.0.0.0/33", "10.0.0.0/", "all"} {
		if p, err := ParseProxy(s); err == nil {
			t.Errorf("ParseProxy(%q) = %v", s, p)
		} else if !strings.Contains(err.Error(), "network") {
			t.Errorf("ParseProxy(%q): %v", s, err)
		}
	}
}
