package cli

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// feedPosition is what a conversation keeps of its feed between readings.
type feedPosition struct {
	exchange.Position

	// Barren is what was read in vain.
	Barren barren `json:"barren,omitzero"`
	// Wanted are entries that are to be asked for before others: what is missing depends on them.
	Wanted []exchange.Range `json:"wanted,omitempty"`
}

// positionFrom reads a position that was kept. Of a damaged one, as where none was, reading begins with the first entry:
// what is kept already is recognised.
func positionFrom(b []byte) feedPosition {
	var at feedPosition
	if len(b) > 0 && json.Unmarshal(b, &at) != nil {
		return feedPosition{} // nothing of what was decoded before the damage
	}
	return at
}

// reading is one reading of a conversation's feed. What is new is fetched in the background, a little ahead of what is
// kept, so that a message can be written while the relay answers.
type reading struct {
	c      *conversation
	in     *room.Intake
	at     feedPosition
	budget int64 // of bytes
	cancel context.CancelFunc
	// found is what the relay has shown, in order; nil stands for a clear. Whoever fetches closes it, after the two below
	// are set.
	found chan *thingspeak.Entry
	news  exchange.News
	err   error
}

// fetchedAhead is how many entries are fetched before those in front of them are kept.
const fetchedAhead = 1024

// startReading begins to read what is new. Then either finish or abandon must be called.
func (c *conversation) startReading(ctx context.Context) (*reading, error) {
	// Whoever shows messages takes them from the archive: a reading may bring more than fit into memory.
	in, err := c.Receive(0)
	if err != nil {
		return nil, err
	}
	r := &reading{c: c, in: in, at: positionFrom(in.Position()), found: make(chan *thingspeak.Entry, fetchedAhead)}
	r.budget = r.at.Barren.left(int64(c.budget), time.Now())
	anchor, err := in.Anchor()
	if err != nil {
		return nil, err
	}
	again, suspect := rangesOf(in.Again()), []exchange.Range(nil)
	if r.at.Suspected.Due(time.Now()) {
		entries, err := in.Suspect()
		if err != nil {
			return nil, err
		}
		suspect = rangesOf(entries)
	}
	ctx, r.cancel = context.WithCancel(ctx)
	pass := func(e *thingspeak.Entry) error {
		select {
		case r.found <- e:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	// Whoever sends changes the room while this reads.
	fields := thingspeak.FieldsOf(c.room.Fields...)
	go func() {
		defer close(r.found)
		add := func(e *thingspeak.Entry) error { return pass(new(*e)) }
		r.news, r.err = c.client.Follow(ctx, r.at.Position, exchange.Visitor{
			Entry: add, Seen: add, Cleared: func() error { return pass(nil) },
			Anchor: exchange.Anchor{Entry: anchor.Entry, Shows: anchor.Shows}, Wanted: r.at.Wanted, Again: again,
			Suspect: suspect, Fields: fields, Budget: r.budget,
		})
	}()
	return r, nil
}

func rangesOf(entries []room.EntryRange) (all []exchange.Range) {
	for _, e := range entries {
		all = append(all, exchange.Range{First: e.First, Last: e.Last})
	}
	return all
}

// abandon ends a reading of which nothing is wanted.
func (r *reading) abandon() {
	r.cancel()
	for range r.found { // until the other side has noticed
	}
}

// finish keeps what comes, to the end. Beside an error of the relay the arrivals up to it are good.
func (r *reading) finish() (room.Arrivals, error) {
	defer r.cancel()
	var entries atomic.Int64
	defer r.c.computing(func() string { return "working on " + count(int(entries.Load()), "entry") + " that came" })()
	var failed error
	for e := range r.found {
		entries.Add(1)
		switch {
		case failed != nil: // Finish returns it
		case e == nil:
			failed = r.in.Cleared()
		default:
			failed = r.in.Add(e)
		}
		if failed != nil {
			r.cancel()
		}
	}
	// Where a row of several is shown no more, the others tell what was lost with it.
	for i := range r.news.Left {
		if failed == nil {
			failed = r.in.Add(&r.news.Left[i])
		}
	}
	if failed != nil {
		r.err = nil
	}
	r.c.news, r.c.cut = r.news, r.c.stopped(&r.news, r.budget, &r.at.Barren)
	now := time.Now()
	position := func(learnt room.Learnt) ([]byte, error) {
		at := r.at
		at.Position = r.news.Position
		at.Barren.add(r.news.Bytes-r.news.Compared, learnt.Opened, now)
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
		Position: position, LastID: r.news.LastID, Rewritten: r.news.Rewritten,
		Twins: r.news.Twins, Now: now,
	}
	facts.View.Holes = holes(r.news.Position.Gaps)
	facts.View.Unread = r.err != nil || r.news.Doubtful || r.news.Stopped || hiddenText(r.c.room, r.news.Hidden) != ""
	arrivals, err := r.in.Finish(facts)
	return arrivals, errors.Join(r.err, err)
}

// finishReading finishes a reading, and reads again where another process was quicker to notice a clear.
func (c *conversation) finishReading(ctx context.Context, r *reading) (room.Arrivals, error) {
	const tries = 3
	for i := 1; ; i++ {
		arrivals, err := r.finish()
		if i == tries || !errors.Is(err, room.ErrReadElsewhere) {
			return arrivals, err
		}
		if r, err = c.startReading(ctx); err != nil {
			return arrivals, err
		}
	}
}

// catchUp is finishReading for whoever sends: neither a full archive nor a flood, which ends a reading at its budget, keeps
// anybody from that.
func (c *conversation) catchUp(ctx context.Context, r *reading) error {
	_, err := c.finishReading(ctx, r)
	if full, ok := errors.AsType[*room.FullError](err); ok {
		c.say("%s", c.style.warn(full.Error()))
		return nil
	}
	if c.cut != "" {
		c.say("%s", c.style.warn(c.cut))
	}
	return err
}

// read reads what is new in the channel and keeps it. Beside an error of the relay the arrivals up to it are good.
func (c *conversation) read(ctx context.Context) (room.Arrivals, error) {
	r, err := c.startReading(ctx)
	if err != nil {
		return room.Arrivals{}, err
	}
	return c.finishReading(ctx, r)
}

// holes are what is lacking, as whoever judges records wants it.
func holes(lacking []exchange.Range) (all []record.Hole) {
	for i := range lacking {
		r := &lacking[i]
		all = append(all, record.Hole{First: r.First, Last: r.Last, Since: r.Since, Asked: r.Asked()})
	}
	return all
}
