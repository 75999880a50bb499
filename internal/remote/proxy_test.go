package remote_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/remote"
)

// socksServer is a SOCKS5 proxy (RFC 1928) that leads every connection to one address, and notes the names asked for.
func socksServer(t *testing.T, to string, asked chan<- string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go socksPass(conn, to, asked)
		}
	}()
	return l.Addr().String()
}

func socksPass(conn net.Conn, to string, asked chan<- string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		return
	}
	in.Discard(int(head[1]))   // the methods offered
	conn.Write([]byte{5, 0})   // none is needed
	request := make([]byte, 5) // version, connect, 0, kind of address, length of the name
	if _, err := io.ReadFull(in, request); err != nil || request[3] != 3 {
		return
	}
	name := make([]byte, int(request[4])+2)
	if _, err := io.ReadFull(in, name); err != nil {
		return
	}
	asked <- string(name[:len(name)-2])
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() {
		io.Copy(out, in)
		out.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(conn, out)
}

// TestAllProxy: a SOCKS5 proxy that ALL_PROXY names is used, as curl does, and one of an unknown kind is refused in words
// that do not repeat its password.
func TestAllProxy(t *testing.T) {
	relay := relaytest.New(t)
	asked := make(chan string, 8)
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy"} {
		t.Setenv(name, "")
	}
	t.Setenv("ALL_PROXY", "socks5h://"+socksServer(t, strings.TrimPrefix(relay.URL, "http://"), asked))
	c, err := remote.New(remote.Options{BaseURL: "http://relay.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Limits(t.Context()); err != nil {
		t.Errorf("through the proxy: %v", err)
	}
	select {
	case name := <-asked:
		if name != "relay.example" {
			t.Errorf("the proxy was asked for %q", name)
		}
	default:
		t.Error("the proxy was not used")
	}
	t.Setenv("ALL_PROXY", "socks4://user:secret@127.0.0.1:1")
	_, err = remote.New(remote.Options{BaseURL: "http://relay.example"})
	if err == nil || !strings.Contains(err.Error(), "socks4") || strings.Contains(err.Error(), "secret") {
		t.Errorf("a proxy of an unknown kind: %v", err)
	}
	if _, err := remote.New(remote.Options{BaseURL: relay.URL}); err != nil {
		t.Errorf("a relay on this machine needs no proxy: %v", err)
	}
}

// TestProxyThatCannotBeRead: requests do not go past a proxy whose address makes no sense, and no password of it is repeated.
func TestProxyThatCannotBeRead(t *testing.T) {
	for _, address := range []string{"%zz:secret", "http://user:secret@", "http://", "http://[::secret", ":3128"} {
		for _, name := range []string{"all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"} {
			env := map[string]string{name: address}
			_, err := remote.Proxies(func(name string) string { return env[name] })
			if err == nil || !strings.HasPrefix(err.Error(), name+" ") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s=%s: %v", name, address, err)
			}
		}
	}
	t.Setenv("http_proxy", "%zz:secret")
	if _, err := remote.New(remote.Options{BaseURL: "http://relay.example"}); err == nil || !strings.Contains(err.Error(), "http_proxy") {
		t.Errorf("a client is made past the proxy: %v", err)
	}
}
