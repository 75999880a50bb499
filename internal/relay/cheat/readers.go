package cheat

import (
	"net"
	"net/http"
	"strings"
	"sync"
)

// maxReaders bounds how many readers are told apart; further ones get the first version.
const maxReaders = 10_000

// Versions gives each reader one of several handlers, in turn, as they come: the first reader the first one. They are
// told apart by their address, and by the name that they call the relay by, so that two people on one machine are two
// readers when one of them says localhost instead of 127.0.0.1. It is remembered as long as the handler lives.
func Versions(handlers ...http.Handler) http.Handler {
	if len(handlers) == 1 {
		return handlers[0]
	}
	return &versions{handlers: handlers, readers: map[reader]int{}}
}

type versions struct {
	handlers []http.Handler

	mu      sync.Mutex // guards readers
	readers map[reader]int
}

type reader struct{ address, host string }

func (v *versions) ServeHTTP(w http.ResponseWriter, r *http.Request) { v.of(r).ServeHTTP(w, r) }

func (v *versions) of(r *http.Request) http.Handler {
	who := reader{r.RemoteAddr, strings.ToLower(r.Host)}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		who.address = host
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	n, known := v.readers[who]
	if !known && len(v.readers) < maxReaders {
		n = len(v.readers) % len(v.handlers)
		v.readers[who] = n
	}
	return v.handlers[n]
}
