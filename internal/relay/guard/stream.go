package guard

import (
	"errors"
	"sync"
)

// Why a stream of entries is refused.
var (
	// ErrStreams: its address has all that it may have.
	ErrStreams = errors.New("too many streams from one address")
	// ErrAllStreams: there are as many as there may be.
	ErrAllStreams = errors.New("too many streams")
)

// OpenStream counts a stream of entries, or an MQTT client, until leave is called. It fails with [ErrStreams] or [ErrAllStreams]. Programs on
// this machine count for Limits.AllStreams only.
func (c *Clients) OpenStream(from Sender) (leave func(), err error) {
	if c == nil {
		return func() {}, nil
	}
	own := from.Address.IsLoopback() && !from.Told && !from.Proxied
	address := subscriber(from.Address)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limits.AllStreams > 0 && c.allStreams >= c.limits.AllStreams {
		return nil, ErrAllStreams
	}
	if c.limits.Streams > 0 && !own && c.streams[address] >= c.limits.Streams {
		return nil, ErrStreams
	}
	c.allStreams++
	c.streams[address]++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.allStreams--
		if c.streams[address]--; c.streams[address] == 0 {
			delete(c.streams, address)
		}
	}), nil
}
