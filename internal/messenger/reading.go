package messenger

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedPosition is what a room keeps of its feed between readings.
type feedPosition struct {
	exchange.Position

	// Vain is what was read in vain.
	Vain VainHour `json:"barren,omitzero"`
	// Wanted are entries that are to be asked for before others: what is missing depends on them.
	Wanted []exchange.Range `json:"wanted,omitempty"`
	// Passed is the entry up to which a room of texts was not read.
	Passed int64 `json:"passed,omitempty"`
}

// passedOver returns the entry up to which a room of texts was not read, as kept.
func (r *Room) passedOver() (int64, error) {
	if r.signed {
		return 0, nil
	}
	state, err := r.archive.State()
	return positionFrom(state.Position).Passed, err
}

// newestTexts is how many entries the first reading of a room of texts brings: as many as one answer of the service holds.
const newestTexts = thingspeak.MaxResults

// positionFrom reads a position that was kept. Of a damaged one, as where none was, reading begins with the first entry:
// what is kept already is recognised.
func positionFrom(b []byte) feedPosition {
	var at feedPosition
	if len(b) > 0 && json.Unmarshal(b, &at) != nil {
		return feedPosition{} // nothing of what was decoded before the damage
	}
	return at
}

// fetcher brings a visitor what comes after a position.
type fetcher func(context.Context, exchange.Position, exchange.Visitor) (exchange.News, error)

// reading is one reading of a room's feed. What is new is fetched in the background, a little ahead of what is kept, so
// that a message can be written while the relay answers.
type reading struct {
	r      *Room
	fetch  fetcher
	in     *room.Intake
	at     feedPosition
	budget int64 // of bytes
	cancel context.CancelFunc
	// found is what the relay has shown, in order; nil stands for a clear. Whoever fetches closes it, after the two below
	// are set.
	found chan *thingspeak.Entry
	news  exchange.News
	err   error

	of            atomic.Int64 // entries that the relay has named and that are to be read
	began, toldAt time.Time    // when it was told last how far it has come
	failed        error        // of who was told
}

// fetchedAhead is how many entries are fetched before those in front of them are kept.
const fetchedAhead = 1024

// startReading begins to read what is new. Then either finish or abandon must be called.
func (r *Room) startReading(ctx context.Context) (*reading, error) {
	return r.startFetching(ctx, r.client.Follow)
}

func (r *Room) startFetching(ctx context.Context, fetch fetcher) (*reading, error) {
	r.news, r.stop = exchange.News{}, Stop{}
	if err := r.takeSent(); err != nil {
		return nil, err
	}
	// Whoever shows messages takes them from the archive: a reading may bring more than fit into memory.
	in, err := r.talk.Receive(0)
	if err != nil {
		return nil, err
	}
	g := &reading{
		r: r, fetch: fetch, in: in, began: time.Now(), at: positionFrom(in.Position()), found: make(chan *thingspeak.Entry, fetchedAhead),
	}
	g.budget = g.at.Vain.Left(r.engine.o.Access.Budget, time.Now())
	anchor, err := in.Anchor()
	if err != nil {
		return nil, err
	}
	again, suspect, newest := rangesOf(in.Again()), []exchange.Range(nil), int64(newestTexts)
	if r.signed || r.whole {
		newest = 0
	}
	if r.whole && !r.signed {
		again = append(again, exchange.Range{First: 1, Last: g.at.Last})
	}
	if g.at.Suspected.Due(time.Now()) {
		entries, err := in.Suspect()
		if err != nil {
			return nil, err
		}
		suspect = rangesOf(entries)
	}
	ctx, g.cancel = context.WithCancel(ctx)
	pass := func(e *thingspeak.Entry) error {
		select {
		case g.found <- e:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// Whoever sends changes the room while this reads.
	fields := thingspeak.FieldsOf(r.settings.Fields...)
	go func() {
		defer close(g.found)
		add := func(e *thingspeak.Entry) error { return pass(new(*e)) }
		g.news, g.err = fetch(ctx, g.at.Position, exchange.Visitor{
			Entry: add, Seen: add, Cleared: func() error { return pass(nil) },
			Named: func(last int64) {
				of := last - g.at.Last
				if newest > 0 {
					of = min(of, newest)
				}
				g.of.Store(of)
			},
			Anchor: exchange.Anchor{Entry: anchor.Entry, Shows: anchor.Shows}, Wanted: g.at.Wanted, Again: again,
			Suspect: suspect, Fields: fields, Newest: newest, Passed: g.at.Passed, Budget: g.budget,
		})
	}()
	return g, nil
}

func rangesOf(entries []room.EntryRange) (all []exchange.Range) {
	for _, e := range entries {
		all = append(all, exchange.Range{First: e.First, Last: e.Last})
	}
	return all
}

// abandon ends a reading of which nothing is wanted.
func (g *reading) abandon() {
	g.cancel()
	for range g.found { // until the other side has noticed
	}
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
	// Where a row of several is shown no more, the others tell what was lost with it.
	for i := range g.news.Left {
		if failed == nil {
			failed = g.in.Add(&g.news.Left[i])
		}
	}
	if failed != nil {
		g.err = nil
	}
	g.r.news, g.r.stop = g.news, StopOf(&g.news, g.budget, g.r.engine.o.Access.Budget, &g.at.Vain)
	now := time.Now()
	switch {
	case g.news.Pushed: // nothing was asked
	case g.news.Passed > 0 || g.news.Cleared || g.at.Passed > g.news.Position.Last && g.err == nil:
		g.at.Passed = g.news.Passed
	case g.r.whole && (g.err == nil || g.news.LastID > 0): // it is among the gaps from now on
		g.at.Passed, g.r.whole = 0, false
	}
	g.r.passed = g.at.Passed
	position := func(learnt room.Learnt) ([]byte, error) {
		at := g.at
		at.Position = g.news.Position
		at.Vain.Add(g.news.Bytes-g.news.Compared, learnt.Opened, !g.news.Pushed, now)
		at.Wanted = nil
		for _, h := range learnt.Needed {
			at.Wanted = append(at.Wanted, exchange.Range{First: h.First, Last: h.Last})
		}
		if learnt.Missing {
			at.Suspected.Restart(now)
		}
		return json.Marshal(at)
	}
	facts := room.Facts{
		Position: position, LastID: g.news.LastID, Rewritten: g.news.Rewritten,
		Twins: g.news.Twins, Doubled: g.news.Doubled, Redated: g.news.Redated, Now: now, Failed: g.err != nil || g.news.Pushed,
	}
	facts.View.Holes = holes(g.news.Position.Lacking(now))
	hidden := slices.ContainsFunc(g.r.settings.Fields, g.news.Hidden.Has)
	facts.View.Unread = facts.Failed || g.news.Doubtful || g.news.Stopped || hidden
	arrivals, err := g.in.Finish(facts)
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

// catchUp is finishReading for whoever sends: neither a full archive nor a flood, which ends a reading at its budget, keeps
// anybody from that.
func (r *Room) catchUp(ctx context.Context, g *reading) error {
	_, err := r.finishReading(ctx, g)
	if full, ok := errors.AsType[*model.FullError](err); ok {
		return r.tell(ArchiveFull{full})
	}
	if r.stop.Why != AtTheEnd {
		err = errors.Join(err, r.tell(StoppedReading{r.stop}))
	}
	return err
}

// CatchUp reads what is new, for whoever sends or asks who has moved: a full archive and a reading that ends at its budget
// are told, and no errors.
func (r *Room) CatchUp(ctx context.Context) error {
	g, err := r.startReading(ctx)
	if err != nil {
		return err
	}
	return r.catchUp(ctx, g)
}

// Read reads what is new in the channel and keeps it. Beside an error of the relay the arrivals up to it are good.
func (r *Room) Read(ctx context.Context) (model.Arrivals, error) { return r.read(ctx, false) }

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

// holes are what is lacking, as whoever judges records wants it.
func holes(lacking []exchange.Range) (all []record.Hole) {
	for i := range lacking {
		r := &lacking[i]
		all = append(all, record.Hole{First: r.First, Last: r.Last, Since: r.Since, Asked: r.Asked()})
	}
	return all
}
