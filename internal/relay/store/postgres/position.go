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

// grace is how much longer than the database's patience one waits for a question: its error is better than ours.
const grace = 200 * time.Millisecond

// errSlow: the question before was not answered for too long.
var errSlow = errors.New("the database does not answer")

// positions ask the database where channels stand, which every read begins with. Those who come while a question is
// under way share the next one, which begins after all of them came: the busier a relay is, the less a read costs.
// There is no goroutine for it: the first of those who wait asks, when the question before is answered.
type positions struct {
	ask func(channels []int64) (map[int64]relay.Position, error)

	// mu guards what follows.
	mu sync.Mutex
	// next gathers those who wait for the next question, nil if nobody does.
	next *question
	// busy says that somebody asks, or was told to.
	busy bool
	// standIns ask for those who could not wait.
	standIns sync.WaitGroup
}

// question asks for several channels at once.
type question struct {
	channels []int64
	// turn gets one value, when the first who joined has to ask.
	turn chan struct{}
	// done is closed when the answer is there.
	done   chan struct{}
	answer map[int64]relay.Position
	err    error
}

// join adds a channel to the next question. The first who joins has to ask it when turn has a value, which may be at
// once; for others turn is nil.
func (p *positions) join(channel int64) (q *question, turn <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q = p.next
	if q == nil {
		q = &question{turn: make(chan struct{}, 1), done: make(chan struct{})}
		p.next, turn = q, q.turn
		if !p.busy {
			p.busy = true
			q.turn <- struct{}{}
		}
	}
	q.channels = append(q.channels, channel)
	return q, turn
}

// lead asks a question and lets the next one begin.
func (p *positions) lead(q *question) {
	runtime.Gosched() // whoever is about to ask can still join
	p.mu.Lock()
	p.next = nil
	p.mu.Unlock()
	q.answer, q.err = p.ask(q.channels)
	close(q.done)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy = p.next != nil; p.busy {
		p.next.turn <- struct{}{}
	}
}

// leadLater asks a question for somebody who cannot wait for its turn.
func (p *positions) leadLater(q *question) {
	p.standIns.Go(func() {
		<-q.turn
		p.lead(q)
	})
}

// Position is part of [relay.Store].
func (s *Store) Position(ctx context.Context, channel int64) (relay.Position, error) {
	p := &s.positions
	q, turn := p.join(channel)
	if _, hurried := ctx.Deadline(); hurried && turn != nil {
		// Whoever asks cannot stop in the middle, as others wait for the answer.
		p.leadLater(q)
		turn = nil
	}
	if len(turn) > 0 {
		p.lead(q)
		return q.position(channel)
	}
	overdue := time.NewTimer(patience + grace)
	defer overdue.Stop()
	var err error
	select {
	case <-q.done:
		return q.position(channel)
	case <-turn:
		p.lead(q)
		return q.position(channel)
	case <-overdue.C:
		err = translate("reading where a channel stands", errSlow)
	case <-ctx.Done():
		if err = context.Cause(ctx); errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = translate("reading where a channel stands", errSlow)
		}
	}
	if turn != nil {
		p.leadLater(q)
	}
	return relay.Position{}, err
}

// position is the answer for one channel.
func (q *question) position(channel int64) (relay.Position, error) {
	if q.err != nil {
		return relay.Position{}, q.err
	}
	if p, ok := q.answer[channel]; ok {
		return p, nil
	}
	return relay.Position{}, relay.ErrNotFound
}

// askPositions returns where those channels stand that are there.
func (s *Store) askPositions(channels []int64) (answer map[int64]relay.Position, err error) {
	err = s.try(context.Background(), "reading where channels stand", func(ctx context.Context, c *conn) error {
		answer = make(map[int64]relay.Position, len(channels))
		return c.read(ctx, func(r row) error {
			answer[r.number(0)] = relay.Position{Settings: r.number(1), Generation: r.number(2), Last: r.number(3)}
			return nil
		}, selectPositions, channels)
	})
	return answer, err
}
