package guard

import (
	"fmt"
	"net/netip"
	"slices"
)

// Peer is the address that a connection comes from; it is not valid where the network has no addresses.
func Peer(remote string) netip.Addr {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
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
