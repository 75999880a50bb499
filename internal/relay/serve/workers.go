package serve

import (
	"net/http"

	"github.com/fernpost/fernpost/internal/relay/httpapi"
)

// maxIdleWorkers is how many workers wait for requests. More come when they are needed, and go when they are done.
const maxIdleWorkers = 64

// workers answer reads on goroutines of their own. A goroutine's stack stays as large as its deepest call needed, and the
// store's calls are deep: 32 KiB. With workers only as many such stacks exist as reads are answered at once, while the
// goroutines of connections, of which thousands may wait for their next poll, stay small. Writes stay where they are:
// of those that are committed together one makes the deep call. Streams stay too: they last, and make no deep call.
type workers struct {
	handler http.Handler
	idle    chan *worker
}

func newWorkers(h http.Handler) *workers {
	return &workers{handler: h, idle: make(chan *worker, maxIdleWorkers)}
}

// close ends the workers that are idle. Those that are not end when the channel of idle ones is full, or never.
func (p *workers) close() {
	for {
		select {
		case one := <-p.idle:
			close(one.requests)
		default:
			return
		}
	}
}

// worker is a goroutine that answers one request at a time. It ends when requests is closed.
type worker struct {
	requests chan exchange
	// done gets what the handler panicked with, nil if it did not.
	done chan any
}

type exchange struct {
	w http.ResponseWriter
	r *http.Request
}

// ServeHTTP returns when the request is answered.
func (p *workers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || httpapi.IsStream(r) {
		p.handler.ServeHTTP(w, r)
		return
	}
	var one *worker
	select {
	case one = <-p.idle:
	default:
		one = &worker{requests: make(chan exchange), done: make(chan any)}
		go func() {
			for x := range one.requests {
				one.done <- p.answer(x)
			}
		}()
	}
	one.requests <- exchange{w, r}
	panicked := <-one.done
	select {
	case p.idle <- one:
	default:
		close(one.requests)
	}
	if panicked != nil {
		panic(panicked)
	}
}

// answer answers a request, and returns what its handler panicked with.
func (p *workers) answer(x exchange) (panicked any) {
	defer func() { panicked = recover() }()
	p.handler.ServeHTTP(x.w, x.r)
	return nil
}
