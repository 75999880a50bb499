package cli

import (
	"cmp"
	"context"
	"net"
	"net/url"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/netfault"
	"github.com/fernpost/fernpost/internal/screen"
)

const (
	// startWait is how long is waited for a relay on this machine that is just starting.
	startWait = 5 * time.Second
	// startLook is how often is looked for it.
	startLook = 100 * time.Millisecond
)

// awaitRelay waits a moment where nothing listens at a relay's address on this machine: a script, or lines that are pasted at once,
// may have started it just now. Whatever else keeps somebody from reaching it, the first request tells.
func (a *app) awaitRelay(ctx context.Context, relay string) {
	u, err := url.Parse(relay)
	if err != nil || a.transport != nil || !channel.IsLoopback(relay) {
		return
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	address := net.JoinHostPort(u.Hostname(), port)
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for said := false; refuses(ctx, address); said = true {
		if !said {
			a.say("nothing answers at %s yet: waiting up to %v for a relay that is just starting", screen.Line(relay), startWait)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(startLook):
		}
	}
}

// refuses reports whether nobody listens at an address.
func refuses(ctx context.Context, address string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		conn.Close()
		return false
	}
	kind, _ := netfault.Of(err)
	return kind == netfault.NobodyListens
}
