package gateway

import (
	"net/http"
	"sync"

	"github.com/fernpost/fernpost/internal/record"
)

const (
	// maxBody is the longest body, in bytes.
	maxBody = record.MaxFile
	// maxBodies is how many bytes of bodies are held at once, in all requests: what is sent takes about twice as much memory.
	maxBodies = 4 * maxBody
)

// bodies is how much of requests' bodies is held.
type bodies struct {
	mu   sync.Mutex // guards held
	held int64
}

// hold takes place for the body of a request, until release is called. If there is none the request is to come again: nobody waits for
// who sends slowly.
func (b *bodies) hold(r *http.Request) (release func(), err error) {
	n := min(r.ContentLength, maxBody)
	if n < 0 { // nobody knows how much will come
		n = maxBody
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held+n > maxBodies {
		return nil, refusef(http.StatusServiceUnavailable, "too much is being sent here at once: send it again in a moment")
	}
	b.held += n
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.held -= n
	}), nil
}
