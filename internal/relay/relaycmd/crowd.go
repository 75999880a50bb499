package relaycmd

import (
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
)

// Where a crowd begins and ends, in open connections.
const (
	crowdBegins = 2000
	crowdEnds   = 1000
)

// crowdPercent is the garbage that may pile up in a crowd, in percent of what is in use.
const crowdPercent = 50

// crowd keeps memory small while very many connections are open. Go lets as much garbage pile up as there is memory in
// use. For a busy relay that is little, and collecting more often would cost time. But thousands of connections that wait
// are much memory in use, for little work; there, half of it is enough.
type crowd struct {
	// mu guards what follows.
	mu     sync.Mutex
	open   int
	within bool
	// percent is what holds outside of a crowd.
	percent int
}

// connState counts connections; it is a server's ConnState.
func (c *crowd) connState(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		c.count(1)
	case http.StateClosed, http.StateHijacked:
		c.count(-1)
	}
}

func (c *crowd) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += n
	switch {
	case !c.within && c.open >= crowdBegins && os.Getenv("GOGC") == "": // else whoever runs the relay has decided
		c.within, c.percent = true, debug.SetGCPercent(crowdPercent)
	case c.within && c.open <= crowdEnds:
		c.within = false
		debug.SetGCPercent(c.percent)
	}
}
