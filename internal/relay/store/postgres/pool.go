package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// pool holds the connections to work with. The driver's own pool keeps the place of a connection that it gives up until
// the server has said goodbye, up to 15 seconds; here that must not cost the next call anything.
type pool struct {
	config *config
	// places has one element for each connection that is in use, opened, or refused by the server a moment ago.
	places chan struct{}

	// mu guards what follows.
	mu sync.Mutex
	// idle are open and not in use. The one used last is taken first: its server process has everything at hand.
	idle []*pgx.Conn
	// epoch counts the times that all connections were given up.
	epoch int
}

// conn is a connection in use.
type conn struct {
	*pgx.Conn
	epoch int
}

// errBusy: all connections were in use for too long.
var errBusy = errors.New("all connections to the database are in use")

// refusedFor is how long a place stays empty after the server had no room for its connection.
const refusedFor = time.Second

func newPool(c *config) *pool { return &pool{config: c, places: make(chan struct{}, c.conns)} }

// acquire returns a connection, which release takes back. Waiting for one ends with either context: with the deadline
// of one, or because whoever waits has gone.
func (p *pool) acquire(ctx, waiting context.Context) (*conn, error) {
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return nil, errBusy
	case <-waiting.Done():
		if errors.Is(waiting.Err(), context.DeadlineExceeded) {
			return nil, errBusy
		}
		return nil, refusal{context.Cause(waiting)}
	}
	c := &conn{}
	p.mu.Lock()
	c.epoch = p.epoch
	if n := len(p.idle); n > 0 {
		c.Conn, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	p.mu.Unlock()
	if c.Conn != nil {
		return c, nil
	}
	var err error
	if c.Conn, err = p.config.open(ctx); err == nil {
		return c, nil
	}
	if isCode(err, tooManyConnections) {
		// Whoever comes next waits for a connection that is in use, instead of being refused too.
		time.AfterFunc(refusedFor, p.leave)
	} else {
		p.leave()
	}
	return nil, err
}

// release takes a connection back.
func (p *pool) release(c *conn) {
	defer p.leave()
	p.mu.Lock()
	keep := !c.IsClosed() && c.PgConn().TxStatus() == 'I' && c.epoch == p.epoch
	if keep {
		p.idle = append(p.idle, c.Conn)
	}
	p.mu.Unlock()
	if !keep {
		go closeConn(c.Conn)
	}
}

// leave frees a place.
func (p *pool) leave() { <-p.places }

// renew gives up all connections that were opened as early as c or before: the server has gone, or is the wrong one.
func (p *pool) renew(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.epoch != p.epoch {
		return
	}
	p.epoch++
	for _, idle := range p.idle {
		go closeConn(idle)
	}
	p.idle = nil
}

// close waits until no connection is in use, and closes them. The pool cannot be used afterwards.
func (p *pool) close() {
	for range cap(p.places) {
		p.places <- struct{}{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		closeConn(c)
	}
	p.idle = nil
}

// closeConn ends a connection; a server that is slow to agree is not waited for.
func closeConn(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // nothing is under way on it
}
