package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/fernpost/fernpost/internal/relay/guard"
)

func proxies(t testing.TB, list ...string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for _, s := range list {
		p, err := guard.ParseProxy(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestClientAddress(t *testing.T) {
	for _, tt := range []struct {
		name, remote string
		headers      []string
		want         string
		forwarded    bool
	}{
		{"direct", "203.0.113.7:5000", nil, "203.0.113.7", false},
		{"direct, IPv6", "[2001:db8::1]:5000", nil, "2001:db8::1", false},
		{"direct, IPv4 in IPv6", "[::ffff:203.0.113.7]:5000", nil, "203.0.113.7", false},
		{"direct, with a zone", "[fe80::1%eth0]:5000", nil, "fe80::1", false},
		{"a stranger invents a client", "203.0.113.7:5000", []string{"1.2.3.4"}, "203.0.113.7", false},
		{"through our proxy", "10.0.0.1:5000", []string{"203.0.113.7"}, "203.0.113.7", true},
		{"our proxy, by itself", "10.0.0.1:5000", nil, "10.0.0.1", false},
		{"the client invented what stands before it", "10.0.0.1:5000", []string{"1.2.3.4, 203.0.113.7"}, "203.0.113.7", true},
		{"in a header of its own", "10.0.0.1:5000", []string{"1.2.3.4", "203.0.113.7"}, "203.0.113.7", true},
		{"two proxies of ours", "10.0.0.1:5000", []string{"203.0.113.7, 10.0.0.2"}, "203.0.113.7", true},
		{"two proxies of ours, two headers", "10.0.0.1:5000", []string{"203.0.113.7", "10.0.0.2"}, "203.0.113.7", true},
		{"proxies only", "10.0.0.1:5000", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", true},
		{"with a port", "10.0.0.1:5000", []string{"203.0.113.7:80"}, "203.0.113.7", true},
		{"IPv6 with brackets and port", "10.0.0.1:5000", []string{"[2001:db8::1]:80"}, "2001:db8::1", true},
		{"IPv6 with brackets", "10.0.0.1:5000", []string{"[2001:db8::1]"}, "2001:db8::1", true},
		{"junk", "10.0.0.1:5000", []string{"unknown"}, "10.0.0.1", false},
		{"junk before a proxy", "10.0.0.1:5000", []string{"unknown, 10.0.0.2"}, "10.0.0.2", true},
		{"empty", "10.0.0.1:5000", []string{""}, "10.0.0.1", false},
		{"commas", "10.0.0.1:5000", []string{",,203.0.113.7"}, "203.0.113.7", true},
		{"a comma at the end", "10.0.0.1:5000", []string{"203.0.113.7,"}, "10.0.0.1", false},
		{"no address at all", "pipe", []string{"203.0.113.7"}, "invalid IP", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.remote
			for _, h := range tt.headers {
				r.Header.Add("X-Forwarded-For", h)
			}
			got, forwarded := clientAddress(r, guard.New(guard.Limits{}, proxies(t, "10.0.0.0/8"), nil))
			if got.String() != tt.want || forwarded != tt.forwarded {
				t.Errorf("clientAddress(%s, %q) = %v, %v; want %s, %v", tt.remote, tt.headers, got, forwarded, tt.want, tt.forwarded)
			}
		})
	}
}

// FuzzClientAddress: whatever strangers send, an address comes out, and without a proxy of ours always the peer's own.
func FuzzClientAddress(f *testing.F) {
	for _, s := range []string{"", "1.2.3.4", "1.2.3.4, 10.0.0.2", "[::1]:80,", ",,,", "fe80::1%eth0", "::ffff:1.2.3.4"} {
		f.Add("10.0.0.1:1", s)
		f.Add("203.0.113.7:1", s)
	}
	f.Fuzz(func(t *testing.T, remote, list string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {list, list}}}
		ours := guard.New(guard.Limits{}, proxies(t, "10.0.0.0/8"), nil)
		got, forwarded := clientAddress(r, ours)
		if own := guard.Peer(remote); !ours.Trusts(own) && (got != own || forwarded) {
			t.Errorf("a stranger at %q made itself %v with %q", remote, got, list)
		}
	})
}

// TestIsLocal: what came through a proxy was not asked for on this machine, nor was what a page of a web site asked for
// under a name that it made lead here.
func TestIsLocal(t *testing.T) {
	for _, tt := range []struct {
		remote, host, header string
		want                 bool
	}{
		{"127.0.0.1:1", "127.0.0.1:3000", "", true},
		{"[::1]:1", "[::1]:3000", "", true},
		{"127.0.0.1:1", "localhost", "", true},
		{"203.0.113.7:1", "localhost", "", false},
		{"127.0.0.1:1", "relay.example", "", false},
		{"127.0.0.1:1", "localhost", "X-Forwarded-For", false},
		{"127.0.0.1:1", "localhost", "X-Real-IP", false},
		{"127.0.0.1:1", "localhost", "Forwarded", false},
		{"127.0.0.1:1", "localhost", "Via", false},
		{"pipe", "localhost", "", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		if tt.header != "" {
			r.Header.Set(tt.header, "x")
		}
		if got := isLocal(r); got != tt.want {
			t.Errorf("isLocal(%+v) = %v", tt, got)
		}
	}
}
