package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/fernpost/fernpost/internal/relay/guard"
)

// forwardingHeaders are what proxies add to a request. A request that has one was not made by a program that connected
// to us, whatever its address.
var forwardingHeaders = [...]string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via"}

// isForwarded reports whether a request shows signs of a proxy.
func isForwarded(h http.Header) bool {
	return slices.ContainsFunc(forwardingHeaders[:], func(name string) bool { return len(h[name]) > 0 })
}

// SenderOf tells where a request comes from, as far as trusted proxies tell.
func SenderOf(r *http.Request, known *guard.Clients) guard.Sender {
	address, told := clientAddress(r, known)
	return guard.Sender{Address: address, Told: told, Proxied: isForwarded(r.Header)}
}

// clientAddress is the address that a request comes from. Only what a trusted proxy says of others is believed: from
// the right, each address of X-Forwarded-For was added by the one after it, so the first that is no proxy of ours is
// the client, and what stands before it is its own invention. forwarded says that the address was told by a proxy.
func clientAddress(r *http.Request, known *guard.Clients) (client netip.Addr, forwarded bool) {
	client = guard.Peer(r.RemoteAddr)
	if !known.Trusts(client) {
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
			if !known.Trusts(a) {
				return client, forwarded
			}
		}
	}
	return client, forwarded
}

// clientOf returns the account of a request's sender, nil for one without limits.
func (a *api) clientOf(r *http.Request) *guard.Client { return a.options.Clients.Find(a.senderOf(r)) }

// senderOf tells where a request comes from.
func (a *api) senderOf(r *http.Request) guard.Sender { return SenderOf(r, a.options.Clients) }

// forwardedAddress reads one address of X-Forwarded-For; some proxies add the port.
func forwardedAddress(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

// isLocal reports whether a request was made on this machine, to this machine by name, and by no proxy.
func isLocal(r *http.Request) bool {
	return guard.Peer(r.RemoteAddr).IsLoopback() && isLoopback(r.Host) && !isForwarded(r.Header)
}

// scheme is "https" where the client's connection is encrypted, as far as the relay or a trusted proxy knows.
func (a *api) scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	if a.options.Clients.Trusts(guard.Peer(r.RemoteAddr)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https"
	}
	return "http"
}
