package gateway

import (
	"errors"
	"fmt"
	"net"
	"testing"
)

// TestLeadsBack: a cloud at the gateway's own address would be asked to take what it has sent.
func TestLeadsBack(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	everywhere := &net.TCPAddr{IP: net.IPv4zero, Port: port}
	for cloud, want := range map[string]bool{
		fmt.Sprintf("http://127.0.0.1:%d", port):      true,
		fmt.Sprintf("http://localhost:%d/x", port):    true,
		fmt.Sprintf("https://127.0.0.1:%d/", port):    true,
		fmt.Sprintf("http://127.0.0.1:%d", port+1):    false,
		"http://127.0.0.1":                            false,
		fmt.Sprintf("http://192.0.2.1:%d", port):      false,
		fmt.Sprintf("http://nobody.invalid:%d", port): false,
		"http://[::1": false,
	} {
		for _, at := range []net.Addr{l.Addr(), everywhere} {
			err := leadsBack(t.Context(), []string{"https://192.0.2.7", cloud}, at)
			if _, loops := errors.AsType[*LoopError](err); loops != want {
				t.Errorf("a gateway at %v with the cloud %s: %v", at, cloud, err)
			}
		}
	}
}
