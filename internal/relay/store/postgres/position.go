package postgres

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
)

const selectPositions = "SELECT channel, settings, generation, last FROM states WHERE channel = ANY($1)"

var (
	// errSlow: the question before was not answered for too long.
	errSlow = errors.New("the database does not answer")
	// errClosed: nobody asks any more.
	errClosed = errors.New("the connections to the database are closed")
)

// positions ask the database where channels stand, which every read begins with. Those who come while a question is
// under way share the next one, which begins after all of them came: the busier a relay is, the less a read costs.
type positions struct {
	ask func(ctx context.Context, channels []int64) (map[int64]relay.Position, error)
	// waiting has a value while somebody waits for the next question.
	waiting chan struct{}
	// over is closed when no question is asked any more.
	over chan struct{}

	// mu guards what follows.
	mu sync.Mutex
	// next gathers those who wait for the next question, nil if nobody does.
	next *question
}

// question asks for several channels at once.
type question struct {
	channels []int64
	// deadline is when those who wait have waited for too long.
	deadline time.Time
	// done is closed when the answer is there.
	done   chan struct{}
	answer map[int64]relay.Position
	err    error
}

func (p *positions) init(ask func(ctx context.Context, channels []int64) (map[int64]relay.Position, error)) {
	p.ask, p.waiting, p.over = ask, make(chan struct{}, 1), make(chan struct{})
}

// join adds a channel to the next question.
func (p *positions) join(channel int64) *question {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = &question{deadline: time.Now().Add(patience), done: make(chan struct{})}
		p.waiting <- struct{}{}
	}
	p.next.channels = append(p.next.channels, channel)
	return p.next
}

// take returns the next question, which nobody can join any more.
func (p *positions) take() *question {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.next
	p.next = nil
	return q
}

// run asks one question after the other until ctx ends.
func (p *positions) run(ctx context.Context) {
	defer close(p.over)
	for {
		select {
		case <-p.waiting:
		case <-ctx.Done():
			return
		}
		runtime.Gosched() // whoever is about to ask can still join
		q := p.take()
		if time.Now().Before(q.deadline) {
			// The end of ctx leaves the answer time: others wait for it.
			asking, cancel := context.WithDeadline(context.WithoutCancel(ctx), q.deadline)
			q.answer, q.err = p.ask(asking, q.channels)
			cancel()
		} else {
			q.err = errSlow
		}
		close(q.done)
	}
}

// of returns where a channel stands.
func (p *positions) of(ctx context.Context, channel int64) (relay.Position, error) {
	q := p.join(channel)
	select {
	case <-q.done:
		return q.position(channel)
	case <-p.over:
		return relay.Position{}, errClosed
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return relay.Position{}, errSlow
		}
		return relay.Position{}, refusal{context.Cause(ctx)}
	}
}

// position is the answer for one channel.
func (q *question) position(channel int64) (relay.Position, error) {
	if q.err != nil {
		return relay.Position{}, q.err
	}
	if p, ok := q.answer[channel]; ok {
		return p, nil
	}
	return relay.Position{}, refusal{relay.ErrNotFound}
}

// Position is part of [relay.Store].
func (s *Store) Position(ctx context.Context, channel int64) (relay.Position, error) {
	p, err := s.positions.of(ctx, channel)
	return p, translate("reading where a channel stands", err)
}

// askPositions returns where those channels stand that are there.
func (s *Store) askPositions(ctx context.Context, channels []int64) (answer map[int64]relay.Position, err error) {
	err = s.attempt(ctx, func(ctx context.Context, c *conn) error {
		answer = make(map[int64]relay.Position, len(channels))
		return c.read(ctx, func(r row) error {
			answer[r.Number(0)] = relay.Position{Settings: r.Number(1), Generation: r.Number(2), Last: r.Number(3)}
			return nil
		}, selectPositions, channels)
	})
	return answer, err
}
