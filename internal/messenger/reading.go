package messenger

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// fetcher brings a visitor what comes after a position.
type fetcher func(context.Context, exchange.Position, exchange.Visitor) (exchange.News, error)

// reading is one reading of a room's feed. What is new is fetched in the background, a little ahead of what is kept, so
// that a message can be written while the relay answers.
type reading struct {
	r      *Room
	fetch  fetcher
	in     *room.FeedReading
	cancel context.CancelFunc
	// found is what the relay has shown, in order; nil stands for a clear. Whoever fetches closes it, after the two
	// below are set.
	found chan *thingspeak.Entry
	news  exchange.News
	err   error

	of            atomic.Int64 // entries that the relay has named and that are to be read
	began, toldAt time.Time    // when it was told last how far it has come
	failed        error        // of who was told
	crashed       any          // what the fetching has panicked with
}

// fetchedAhead is how many entries are fetched before those in front of them are kept.
const fetchedAhead = 1024

// startReading begins to read what is new. Then either finish or abandon must be called.
func (r *Room) startReading(ctx context.Context) (*reading, error) {
	return r.startFetching(ctx, r.client.Follow)
}

func (r *Room) startFetching(ctx context.Context, fetch fetcher) (*reading, error) {
	r.news, r.stop = exchange.News{}, exchange.Stop{}
	if err := r.takeSent(); err != nil {
		return nil, err
	}
	// Whoever shows messages takes them from the archive: a reading may bring more than fit into memory.
	in, err := r.talk.ReadFeed(r.engine.o.Access.Budget, r.whole)
	if err != nil {
		return nil, err
	}
	g := &reading{r: r, fetch: fetch, in: in, began: time.Now(), found: make(chan *thingspeak.Entry, fetchedAhead)}
	ctx, g.cancel = context.WithCancel(ctx)
	pass := func(e *thingspeak.Entry) error {
		select {
		case g.found <- e:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	visit := in.Visitor()
	visit.Entry = func(e *thingspeak.Entry) error { return pass(new(*e)) }
	visit.Seen, visit.Cleared = visit.Entry, func() error { return pass(nil) }
	visit.Named = func(last int64) {
		of := last - in.Position().Last
		if visit.Newest > 0 {
			of = min(of, visit.Newest)
		}
		g.of.Store(of)
	}
	go func() {
		defer close(g.found)
		defer func() { // else no face could restore its terminal
			if p := recover(); p != nil {
				g.crashed = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
			}
		}()
		g.news, g.err = fetch(ctx, in.Position(), visit)
	}()
	return g, nil
}

// raise raises what the fetching has panicked with.
func (g *reading) raise() {
	if g.crashed != nil {
		panic(g.crashed)
	}
}

// abandon ends a reading of which nothing is wanted.
func (g *reading) abandon() {
	g.cancel()
	for range g.found { // until the other side has noticed
	}
	g.raise()
}

// finish keeps what comes, to the end. Beside an error of the relay the arrivals up to it are good.
func (g *reading) finish() (model.Arrivals, error) {
	defer g.cancel()
	var entries atomic.Int64
	if keeping := g.r.engine.o.Keeping; keeping != nil {
		defer keeping(entries.Load)()
	}
	var failed error
	for e := range g.found {
		g.tellProgress(entries.Add(1))
		switch {
		case failed != nil: // Finish returns it
		case e == nil:
			failed = g.in.Cleared()
		default:
			failed = g.in.Add(e)
		}
		if failed != nil {
			g.cancel()
		}
	}
	g.raise()
	if failed != nil {
		g.err = nil
	}
	arrivals, err := g.in.Finish(&g.news, g.err)
	if g.r.news, g.r.stop, g.r.passed = g.news, g.in.Stop(), g.in.Passed(); g.in.WholeRead() {
		g.r.whole = false
	}
	return arrivals, errors.Join(g.err, err, g.failed)
}

// tellProgress tells, each second, how far a reading has come that is to bring more than is fetched ahead.
func (g *reading) tellProgress(done int64) {
	of, now := g.of.Load(), time.Now()
	if of <= fetchedAhead || now.Sub(g.toldAt) < time.Second {
		return
	}
	g.toldAt = now
	var left time.Duration
	if done = min(done, of); done > 0 {
		left = time.Duration(float64(now.Sub(g.began)) / float64(done) * float64(of-done))
	}
	g.failed = errors.Join(g.failed, g.r.tell(ReadSoFar{done, of, left}))
}

// finishReading finishes a reading, and reads again where another process was quicker to notice a clear.
func (r *Room) finishReading(ctx context.Context, g *reading) (model.Arrivals, error) {
	const tries = 3
	for i := 1; ; i++ {
		arrivals, err := g.finish()
		if i == tries || !errors.Is(err, room.ErrReadElsewhere) {
			return arrivals, errors.Join(err, r.forgetLost(), r.introduce())
		}
		if g, err = r.startFetching(ctx, g.fetch); err != nil {
			return arrivals, err
		}
	}
}

// catchUp is finishReading for whoever sends: neither a full archive nor a flood, which ends a reading at its budget,
// keeps anybody from that.
func (r *Room) catchUp(ctx context.Context, g *reading) error {
	_, err := r.finishReading(ctx, g)
	if full, ok := errors.AsType[*model.FullError](err); ok {
		return r.tell(ArchiveFull{full})
	}
	if r.stop.Why != exchange.AtTheEnd {
		err = errors.Join(err, r.tell(StoppedReading{r.stop}))
	}
	return err
}

// CatchUp reads what is new, for whoever sends or asks who has moved: a full archive and a reading that ends at its
// budget are told, and no errors.
func (r *Room) CatchUp(ctx context.Context) error {
	g, err := r.startReading(ctx)
	if err != nil {
		return err
	}
	return r.catchUp(ctx, g)
}

// Read reads what is new in the channel and keeps it. Beside an error of the relay the arrivals up to it are good.
func (r *Room) Read(ctx context.Context) (model.Arrivals, error) {
	if err := r.tellLost(); err != nil {
		return model.Arrivals{}, err
	}
	return r.read(ctx, false)
}

// read is Read; look has it look at the newest rows in any case.
func (r *Room) read(ctx context.Context, look bool) (model.Arrivals, error) {
	return r.fetch(ctx, func(ctx context.Context, at exchange.Position, v exchange.Visitor) (exchange.News, error) {
		v.Look = look
		return r.client.Follow(ctx, at, v)
	})
}

// take keeps what was pushed as far as it follows what is known, and reports whether that was all.
func (r *Room) take(ctx context.Context, pushed []exchange.Pushed) (_ model.Arrivals, all bool, err error) {
	taken := 0
	arrivals, err := r.fetch(ctx, func(_ context.Context, at exchange.Position, v exchange.Visitor) (news exchange.News, err error) {
		news, taken, err = r.client.Take(at, pushed, v)
		return news, err
	})
	return arrivals, taken == len(pushed), err
}

func (r *Room) fetch(ctx context.Context, fetch fetcher) (model.Arrivals, error) {
	g, err := r.startFetching(ctx, fetch)
	if err != nil {
		return model.Arrivals{}, err
	}
	return r.finishReading(ctx, g)
}
