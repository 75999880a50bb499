package guard

import (
	"net"
	"strings"
	"testing"
)

// A relay for a whole network told others to look for it at 127.0.0.1, which is their own machine.
func TestOthersAreToldAnAddressOfTheNetwork(t *testing.T) {
	own := ownAddresses()
	for _, listen := range []net.IP{net.IPv4zero, net.IPv6unspecified} {
		all := Reachable(&net.TCPAddr{IP: listen, Port: 3000})
		if len(own) == 0 && all[0] == "127.0.0.1:3000" {
			continue // there is no network
		}
		if len(all) != len(own) {
			t.Errorf("of the addresses %v these are told: %q", own, all)
		}
		for i, a := range all {
			if host, port, err := net.SplitHostPort(a); err != nil || port != "3000" || net.ParseIP(host).IsLoopback() ||
				host != own[i].String() || strings.Count(strings.Join(all, " ")+" ", a+" ") != 1 {
				t.Errorf("it is said to be reached at %q (%v)", all, err)
			}
		}
	}
	for _, one := range []string{"127.0.0.1:3000", "192.0.2.7:3000", "[::1]:3000"} {
		at, err := net.ResolveTCPAddr("tcp", one)
		if err != nil {
			t.Fatal(err)
		}
		if all := Reachable(at); len(all) != 1 || all[0] != one {
			t.Errorf("what listens on %s is said to be reached at %q", one, all)
		}
	}
}
