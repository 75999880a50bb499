package remote

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/wire"
)

// Source is a way in which a relay pushes entries. Polling is always there besides, so a source may fail, lie, and leave out
// what it likes: see [exchange.Exchange.Take].
type Source interface {
	// Via is which way it is.
	Via() exchange.Via
	// Listen connects and hands on what comes, from the entry after a number on if it can. What it hands on first says that the
	// line is there. It returns when ctx ends, heard fails, or the line is cut; its error is never nil, and [ErrNotOffered] where
	// there is no use in trying again.
	Listen(ctx context.Context, after int64, heard func(Heard) error) error
}

// ErrNotOffered says that a relay does not push in some way.
var ErrNotOffered = errors.New("the relay does not offer this")

// Heard is what was heard of a source. The zero Heard is a sign of life.
type Heard struct {
	// Entry, if not nil, was pushed.
	Entry *exchange.Pushed
	// Missed says that the source could not tell of everything, or not where it is: the channel is to be read.
	Missed bool
}

// longestSilence is how long nothing may be heard over a line, not even a sign of life, until it is given up.
const longestSilence = 45 * time.Second

// Following tells somebody who follows a channel what to do next: to read it, or to take what was pushed. One goroutine uses
// it.
type Following struct {
	Watch *exchange.Watch

	sources []Source
	lines   []*line // nil where nobody listens
	heard   chan heardBy
	after   int64
	refused error // why a source is not offered, nil if all may be
	closed  chan struct{}
	ended   sync.WaitGroup

	mu sync.Mutex // guards what follows
	// last is when something was heard of the relay last, and via the way by which entries came then.
	last time.Time
	via  exchange.Via
}

// line is a source that is listened to.
type line struct {
	of   int
	hang context.CancelFunc
}

// heardBy is what was heard over a line, or why it was cut.
type heardBy struct {
	Heard

	by  *line
	cut error
}

// pushedAhead is how many entries may be pushed while nobody takes them. Then the source waits.
const pushedAhead = 100

// Follow begins to follow a channel over sources, the best one first. The channel is to be read first. Close ends it.
func Follow(sources ...Source) *Following {
	var vias []exchange.Via
	for _, s := range sources {
		vias = append(vias, s.Via())
	}
	return &Following{
		Watch: exchange.NewWatch(vias...), sources: sources, lines: make([]*line, len(sources)),
		heard: make(chan heardBy, pushedAhead), closed: make(chan struct{}),
	}
}

// Close ends listening.
func (f *Following) Close() {
	close(f.closed)
	for _, l := range f.lines {
		if l != nil {
			l.hang()
		}
	}
	f.ended.Wait()
}

// Heard returns by which way entries come now, and when something was heard of the relay last, the zero time if never. It may be
// called from any goroutine.
func (f *Following) Heard() (exchange.Via, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.via, f.last
}

// NotOffered returns why none of the sources is to be had, an [ErrNotOffered], and nil if one may be.
func (f *Following) NotOffered() error {
	if !f.Watch.NotOffered() {
		return nil
	}
	return f.refused
}

// note notes by which way entries come from now on, and that something was heard now.
func (f *Following) note(heard bool, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.via = f.Watch.Via; heard {
		f.last = now
	}
}

// Answered notes what a reading has come to, as [exchange.Watch.Answered]: how many entries it has brought, and the highest
// number that is known now. Of an error that is not the relay's it says that it is over.
func (f *Following) Answered(entries int, last int64, err error, fastest, slowest time.Duration) exchange.Turn {
	failure := wire.FailureOf(err)
	if err != nil && failure.Kind == exchange.NoFailure {
		return exchange.Turn{Over: true}
	}
	now := time.Now()
	defer f.note(failure.Kind == exchange.NoFailure, now)
	f.after = last
	return f.Watch.Answered(entries, failure, fastest, slowest, now)
}

// Next waits for what is to be done next: pushed entries are to be taken, and where there are none the channel is to be read.
// A value from hurry has it read now. The error is that of ctx.
func (f *Following) Next(ctx context.Context, hurry <-chan struct{}) (pushed []exchange.Pushed, err error) {
	for {
		now := time.Now()
		f.dial(now)
		at, redial := f.Watch.ReadAt(), f.Watch.RedialAt(now)
		if !now.Before(at) {
			return nil, ctx.Err()
		}
		if !redial.IsZero() && redial.Before(at) {
			at = redial
		}
		timer := time.NewTimer(at.Sub(now))
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-timer.C:
		case <-hurry:
			f.Watch.Hurry()
		case h := <-f.heard:
			pushed = f.take(h)
		}
		if timer.Stop(); err != nil || len(pushed) > 0 {
			return pushed, err
		}
	}
}

// take notes what was heard, and all that waits behind it, and returns the entries.
func (f *Following) take(h heardBy) (pushed []exchange.Pushed) {
	for {
		now := time.Now()
		switch {
		case f.lines[h.by.of] != h.by: // it was hung up meanwhile
		case h.cut != nil:
			f.lines[h.by.of] = nil
			never := errors.Is(h.cut, ErrNotOffered)
			if never {
				f.refused = h.cut
			}
			f.Watch.Cut(h.by.of, never, now)
		default:
			f.Watch.Heard(h.by.of, now)
			if h.Missed {
				f.Watch.Missed()
			}
			if h.Entry != nil {
				pushed = append(pushed, *h.Entry)
			}
		}
		f.note(h.cut == nil, now)
		if len(pushed) == pushedAhead {
			return pushed
		}
		select {
		case h = <-f.heard:
		default:
			return pushed
		}
	}
}

// dial begins and ends to listen to the sources, as is wanted now.
func (f *Following) dial(now time.Time) {
	for i, l := range f.lines {
		switch wanted := f.Watch.Wants(i, now); {
		case wanted && l == nil:
			ctx, hang := context.WithCancel(context.Background())
			l, after := &line{i, hang}, f.after
			f.lines[i] = l
			f.Watch.Opened(i, now)
			f.ended.Go(func() { f.listen(ctx, l, after) })
		case !wanted && l != nil:
			l.hang()
			f.lines[i] = nil
			f.Watch.Cut(i, false, now)
		}
	}
}

// listen hands on what a source brings until it is silent for too long.
func (f *Following) listen(ctx context.Context, l *line, after int64) {
	defer l.hang()
	silence := time.AfterFunc(longestSilence, l.hang)
	defer silence.Stop()
	err := f.sources[l.of].Listen(ctx, after, func(h Heard) error {
		silence.Stop() // whoever waits for us is not silent
		defer silence.Reset(longestSilence)
		select {
		case f.heard <- heardBy{Heard: h, by: l}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	select {
	case f.heard <- heardBy{by: l, cut: err}:
	case <-f.closed:
	}
}
