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
	// startWait is how long is waited for a program on this machine that is just starting.
	startWait = 5 * time.Second
	// startLook is how often is looked for it.
	startLook = 100 * time.Millisecond
)

// awaitRelay waits a moment where nothing listens yet at a relay's address on this machine. Whatever else keeps somebody from reaching
// it, the first request tells.
func (a *app) awaitRelay(ctx context.Context, relay string) {
	u, err := url.Parse(relay)
	if err != nil || a.transport != nil || !channel.IsLoopback(relay) {
		return
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	if conn, err := a.dialStarting(ctx, net.JoinHostPort(u.Hostname(), port), relay); err == nil {
		conn.Close()
	}
}

// dialStarting connects to a program on this machine, which it waits for a moment: a script, or lines that are pasted at once, may have
// started it just now.
func (a *app) dialStarting(ctx context.Context, address, name string) (conn net.Conn, err error) {
	until, said := time.Now().Add(startWait), false
	for {
		conn, err = (&net.Dialer{Timeout: a.timeout}).DialContext(ctx, "tcp", address)
		kind := netfault.Other
		if err != nil {
			kind, _ = netfault.Of(err)
		}
		if kind != netfault.NobodyListens || time.Now().After(until) {
			return conn, err
		}
		if !said {
			a.say("nothing answers at %s yet: waiting up to %v, as it may be starting just now", screen.Line(name), startWait)
			said = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(startLook):
		}
	}
}
