package remote

import (
	"testing"
	"time"
)

// A proxy is for the world outside; what it would make of "localhost" is another machine.
func TestProxyForOtherMachinesOnly(t *testing.T) {
	for host, proxied := range map[string]bool{
		"127.0.0.1:3000": false, "127.8.9.1": false, "localhost:3000": false, "LOCALHOST": false,
		"[::1]:3000": false, "[::ffff:127.0.0.1]": false,
		"api.thingspeak.com": true, "192.168.1.7:3000": true, "localhost.example:3000": true, "[2001:db8::1]:3000": true,
	} {
		transport, err := newTransport(host, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if got := transport.Proxy != nil; got != proxied {
			t.Errorf("%s: proxied %v, want %v", host, got, proxied)
		}
	}
}
