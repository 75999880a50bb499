package httpapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwardingHeaders are what proxies add to a request. A request that has one was not made by a program that connected
// to us, whatever its address.
var forwardingHeaders = [...]string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via"}

// isForwarded reports whether a request shows signs of a proxy.
func isForwarded(h http.Header) bool {
	return slices.ContainsFunc(forwardingHeaders[:], func(name string) bool { return len(h[name]) > 0 })
}

// peer is the address that a connection comes from; it is not valid where the network has no addresses.
func peer(remote string) netip.Addr {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

// clientAddress is the address that a request comes from. Only what a trusted proxy says of others is believed: from
// the right, each address of X-Forwarded-For was added by the one after it, so the first that is no proxy of ours is
// the client, and what stands before it is its own invention. forwarded says that the address was told by a proxy.
func clientAddress(r *http.Request, proxies []netip.Prefix) (client netip.Addr, forwarded bool) {
	client = peer(r.RemoteAddr)
	if !contains(proxies, client) {
		return client, false
	}
	lists := r.Header["X-Forwarded-For"]
	for _, list := range slices.Backward(lists) {
		for list != "" {
			last := list
			if comma := strings.LastIndexByte(list, ','); comma >= 0 {
				list, last = list[:comma], list[comma+1:]
			} else {
				list = ""
			}
			a, ok := forwardedAddress(last)
			if !ok {
				return client, forwarded
			}
			client, forwarded = a, true
			if !contains(proxies, a) {
				return client, forwarded
			}
		}
	}
	return client, forwarded
}

// forwardedAddress reads one address of X-Forwarded-For; some proxies add the port.
func forwardedAddress(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// subscriber is what limits are counted by: an IPv4 address, or the 64 bits of an IPv6 address that name a network,
// since whoever has one such address has them all.
func subscriber(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a // not reached: an IPv6 address has 128 bits
	}
	return p.Addr()
}

// isLocal reports whether a request was made on this machine, to this machine by name, and by no proxy.
func isLocal(r *http.Request) bool {
	return peer(r.RemoteAddr).IsLoopback() && isLoopback(r.Host) && !isForwarded(r.Header)
}

// scheme is "https" where the client's connection is encrypted, as far as the relay or a trusted proxy knows.
func (a *api) scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	if a.options.Clients.trusts(peer(r.RemoteAddr)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https"
	}
	return "http"
}

// ParseProxy reads the address of a proxy, or a network (CIDR) of them.
func ParseProxy(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", s)
	}
	return p.Masked(), nil
}
