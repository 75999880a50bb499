// Package postgres keeps what a relay knows in PostgreSQL, behind [relay.Store], for when one machine is not enough:
// any number of relays serve one database. It owns the driver pgx.
//
// What was answered is on the database's disk, and where that has a synchronous standby, on the standby's too. A relay
// remembers nothing that another one could have changed: where a channel stands is asked for at each read. Time is the
// database's.
//
// A database that does not answer, is restarted or fails over costs time first: a call tries again for up to ten
// seconds, on whichever of the servers that the URL names takes writes, and fails with relay.ErrUnavailable then. A
// transaction whose answer was lost is not guessed at: each leaves a row with a random number of its own (see settle).
package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
)

// Store keeps a relay's data in a PostgreSQL database. It has no state but connections, and what it has to tell others.
type Store struct {
	config    *config
	pool      *pool
	inserts   *insertTexts
	positions positions
	waker     waker
	unsettled unsettled
	// now is the clock of updates; nil is the database's.
	now func() time.Time

	// opened says that the database was found to be as it should.
	opened bool
	// sweepNow has room for one wish that the sweep should begin.
	sweepNow chan struct{}
	// stop ends what runs in the background.
	stop       context.CancelFunc
	background sync.WaitGroup
}

// Open connects to the database that a URL names, postgres://USER@HOST,HOST/DATABASE, and makes its tables or brings
// them up to date. What can be said in the URL is what libpq understands (PostgreSQL's documentation, "Connection
// URIs"), and pool_max_conns, the most connections to work with; there is one more to listen on. Of several hosts the
// one that can be written to is taken, whatever target_session_attrs says. A database of a newer program is refused.
//
// No error shows a password.
func Open(ctx context.Context, url string) (*Store, error) { return open(ctx, url, nil) }

// open is Open with a clock.
func open(ctx context.Context, url string, now func() time.Time) (*Store, error) {
	config, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	s := &Store{
		config: config, pool: newPool(config), inserts: newInsertTexts(), now: now, sweepNow: make(chan struct{}, 1),
	}
	s.waker.init()
	s.positions.init(s.askPositions)
	if err := s.migrate(ctx, migrations); err != nil {
		s.pool.close()
		return nil, fmt.Errorf("opening the database %s: %w", config.where, config.explain(err))
	}
	s.opened = true
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.background.Go(func() { s.positions.run(running) })
	s.background.Go(func() { s.sweep(running) })
	s.background.Go(func() { s.notify(running) })
	s.background.Go(func() { s.listen(running) })
	return s, nil
}

// Where names the database and its servers, without a password.
func (s *Store) Where() string { return s.config.where }

// Close is part of [relay.Store].
func (s *Store) Close() error {
	s.stop()
	s.background.Wait()
	s.pool.close()
	return nil
}

var _ relay.Store = (*Store)(nil)
