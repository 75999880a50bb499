package store

import (
	"context"
	"database/sql/driver"
	"sync"
	"sync/atomic"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/sqlite"
)

// maxPositions is how many channels' positions are remembered.
const maxPositions = 8192

// positions are where channels stood while the log's index looked as it does in seen. Every read of a feed asks for one,
// and a query would be most of the work of a small read.
type positions struct {
	index *walIndex
	// blind says that the index cannot be read, or is not the one that commits change.
	blind atomic.Bool

	// mu guards what follows.
	mu    sync.Mutex
	seen  indexHeader
	known map[int64]relay.Position
}

// open begins to use the index of a database.
func (p *positions) open(database string) {
	p.index, p.known = openIndex(database), map[int64]relay.Position{}
	p.blind.Store(!p.index.usable())
}

// now is what the index looks like, zero when blind.
func (p *positions) now() indexHeader {
	if p.blind.Load() {
		return indexHeader{}
	}
	return p.index.header()
}

// mustDiffer makes sure that a commit has changed the index.
func (p *positions) mustDiffer(before indexHeader) {
	if p.now() == before {
		p.blind.Store(true)
	}
}

// get returns a channel's position if it is known for what the index looks like.
func (p *positions) get(channel int64, now indexHeader) (position relay.Position, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == now {
		position, known = p.known[channel]
	}
	return position, known
}

// put remembers a position that was read since the index looked so, unless somebody has written meanwhile.
func (p *positions) put(channel int64, position relay.Position, before indexHeader) {
	if p.blind.Load() || p.now() != before {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen != before || len(p.known) >= maxPositions {
		clear(p.known)
	}
	p.seen = before
	p.known[channel] = position
}

// Position is part of [relay.Store].
func (s *SQLite) Position(ctx context.Context, channel int64) (relay.Position, error) {
	now := s.positions.now()
	p, known := s.positions.get(channel, now)
	if known {
		return p, nil
	}
	err := s.read(ctx, "reading where a channel stands", func(c *sqlite.Conn) error {
		return c.Query("SELECT settings, generation, last FROM states WHERE channel = ?", func(row []driver.Value) error {
			p = relay.Position{Settings: row[0].(int64), Generation: row[1].(int64), Last: row[2].(int64)}
			known = true
			return nil
		}, channel)
	})
	if err == nil && !known {
		err = relay.ErrNotFound
	}
	if err == nil {
		s.positions.put(channel, p, now)
	}
	return p, err
}
