package gateway

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/relay/guard"
)

// LoopError refuses a gateway whose own rooms would be sent to itself, and be taken for readings again.
type LoopError struct{ Cloud string }

func (e *LoopError) Error() string {
	return fmt.Sprintf("the relay %s of a room leads back to this gateway", e.Cloud)
}

// lookupTimeout is how long a name may take. One that nobody knows now leads nowhere.
const lookupTimeout = 3 * time.Second

// leadsBack returns a [*LoopError] if one of the clouds is what listens at an address: perhaps by a name that the DNS of this
// network has turned to it, as it does for boards whose library fixes the name.
func leadsBack(ctx context.Context, clouds []string, at net.Addr) error {
	own := guard.Peer(at.String())
	port := fmt.Sprint(at.(*net.TCPAddr).Port)
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	for _, cloud := range clouds {
		u, err := url.Parse(cloud)
		if err != nil || cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]) != port {
			continue
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
		if err != nil {
			continue
		}
		for _, a := range found {
			if a = a.Unmap().WithZone(""); a == own || own.IsUnspecified() && isOwn(a) {
				return &LoopError{cloud}
			}
		}
	}
	return nil
}

// isOwn reports whether an address is one of this machine's.
func isOwn(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(all, func(own net.Addr) bool {
		p, err := netip.ParsePrefix(own.String())
		return err == nil && p.Addr().Unmap() == a
	})
}
