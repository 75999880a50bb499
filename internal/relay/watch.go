package relay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// lookEvery is how often a channel that is watched is looked at without being woken: another process may write to the
	// same data without a word.
	lookEvery = 5 * time.Second
	// lookAgain is when it is looked at again after the store did not answer.
	lookAgain = time.Second
	// maxBehind is how many bytes of entries may come for a watch that still takes those before them.
	maxBehind = 256 << 10
)

// ErrSlow ends a watch that does not keep up. Nothing is lost for whoever goes on from its last mark.
var ErrSlow = errors.New("too slow")

// Mark is a place in a channel's feed: the entries up to Number are known, those after it are not.
type Mark struct {
	// Feed is what Position.Feed was.
	Feed int64
	// Number is that of an entry, 0 for the beginning.
	Number int64
}

// Begin returns where a watch of the channel begins that goes on behind a mark; known says that it can. If not, as the feed
// is another one or has not come that far, it begins with the first entry. A mark that names no feed (0) means this one.
func (v *View) Begin(after Mark) (at Mark, known bool) {
	at.Feed = v.State.Feed()
	if known = (after.Feed == 0 || after.Feed == at.Feed) && after.Number >= 0 && after.Number <= v.State.Last; known {
		at.Number = after.Number
	}
	return at, known
}

// End returns the mark of the newest entry.
func (v *View) End() Mark { return Mark{v.State.Feed(), v.State.Last} }

// Watched is a channel that somebody is to be told of.
type Watched struct {
	// View is the channel as it was opened, and Key what it was opened with; when it does not open any more, the watch ends.
	View *View
	Key  string
	// From is the mark behind which entries are wanted.
	From Mark
}

// Watch tells somebody what comes into channels, in order and each entry once. It keeps nothing for them: what they have not
// taken yet is in the store. One goroutine at a time uses it.
type Watch struct {
	relay *Relay
	woken chan struct{}
	parts []watchPart
	// turn is the part whose turn it is, so that a busy channel does not hide the others.
	turn int
}

// watchPart is one channel of a watch.
type watchPart struct {
	feed *liveFeed
	key  string
	at   Mark
	// since is the first look at the channel that began after the watch did. What was seen before may be older than at.
	since uint64
	// settings are those with which the key was tried last.
	settings int64
	// waited says that all was taken when it looked last, and behind that it never has been.
	waited, behind bool
	// goal is how far the feed went at some moment, and made how much had come then: what comes before the goal is reached
	// is what the watch is behind.
	goal, made int64
}

// Watch begins to watch channels. End ends it.
func (r *Relay) Watch(channels []Watched) *Watch {
	w := &Watch{relay: r, woken: make(chan struct{}, 1), parts: make([]watchPart, len(channels))}
	for i, c := range channels {
		f, since := r.live.join(r, c.View.State.Channel, w)
		w.parts[i] = watchPart{
			feed: f, since: since, key: c.Key, at: c.From, settings: c.View.State.Settings, waited: true, behind: true,
		}
	}
	return w
}

// End ends the watch.
func (w *Watch) End() {
	for i := range w.parts {
		w.relay.live.leave(w.relay, w.parts[i].feed, w)
	}
}

// Woken gets a value when Next may have something again.
func (w *Watch) Woken() <-chan struct{} { return w.woken }

// At returns how far the news of a channel went.
func (w *Watch) At(channel int) Mark { return w.parts[channel].at }

// News is what has come into a channel.
type News struct {
	// Channel is its place in the list.
	Channel int
	// Reset says that the feed has begun anew, or was not known to the watch: all its entries follow.
	Reset bool
	// Events are the next entries.
	Events Events
}

// Next returns the next news, found is false if there are none. It fails with [ErrSlow], with ErrKey and ErrNotFound when a
// channel is not to be seen any more, and when the store cannot be read.
func (w *Watch) Next() (news News, found bool, err error) {
	for i := range w.parts {
		n := (w.turn + i) % len(w.parts)
		news, found, err = w.parts[n].next(w.relay)
		if found || err != nil {
			news.Channel, w.turn = n, n+1
			return news, found, err
		}
	}
	return news, false, nil
}

func (p *watchPart) next(r *Relay) (news News, found bool, err error) {
	v, made, err := p.feed.seen(p.since)
	if v == nil || err != nil {
		return news, false, err
	}
	if p.settings != v.State.Settings {
		if !v.Channel.Public && !v.Opens(p.key) {
			return news, false, ErrKey
		}
		p.settings = v.State.Settings
	}
	last := v.State.Last
	if feed := v.State.Feed(); p.at.Feed != feed || p.at.Number > last {
		p.at, p.waited, p.behind = Mark{Feed: feed}, true, true
		return News{Reset: true}, true, nil
	}
	switch {
	case p.at.Number == last:
		p.waited, p.behind = true, false
		return news, false, nil
	case p.waited: // for all that is there now, however much it is
		p.waited, p.goal, p.made = false, last, made
	case !p.behind && made-p.made > maxBehind:
		return news, false, ErrSlow
	case p.at.Number >= p.goal:
		p.goal, p.made = last, made
	}
	news.Events, err = r.events(v, p.at.Number+1)
	if err != nil || news.Events.Len() == 0 {
		return news, false, err
	}
	p.at.Number = news.Events.Last()
	return news, true, nil
}

// liveFeeds are the channels that somebody watches.
type liveFeeds struct {
	// running waits for what looks after them.
	running sync.WaitGroup

	// mu guards what follows, and which watches a feed has.
	mu     sync.Mutex
	all    map[int64]*liveFeed
	closed bool
}

// close ends them all, and returns when none reads from the store any more.
func (l *liveFeeds) close() {
	l.mu.Lock()
	l.closed = true
	for _, f := range l.all {
		f.stop()
	}
	l.mu.Unlock()
	l.running.Wait()
}

// liveFeed looks after a channel for all who watch it.
type liveFeed struct {
	relay   *Relay
	channel int64
	// nudge has room for one wish that it looks.
	nudge chan struct{}
	stop  context.CancelFunc

	// mu guards what follows.
	mu      sync.Mutex
	watches map[*Watch]struct{}
	// fresh are those who wait for the first look that began after they came.
	fresh []*Watch
	// begun counts the looks, and done is the last one that has succeeded.
	begun, done uint64
	view        *View
	// made is how many bytes of entries have come since the feed is watched. Of more than maxBehind at once it is not known
	// how many.
	made int64
	// err is why there is nothing more to come.
	err error
}

// join adds a watch of a channel, and returns which look at it is the first that counts.
func (l *liveFeeds) join(r *Relay, channel int64, w *Watch) (f *liveFeed, since uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f = l.all[channel]; f == nil {
		ctx, stop := context.WithCancel(context.Background())
		f = &liveFeed{
			relay: r, channel: channel, nudge: make(chan struct{}, 1), stop: stop, watches: map[*Watch]struct{}{},
		}
		if l.all == nil {
			l.all = map[int64]*liveFeed{}
		}
		l.all[channel] = f
		if !l.closed {
			l.running.Go(func() { f.run(ctx) })
		}
	}
	f.mu.Lock()
	f.watches[w] = struct{}{}
	f.fresh = append(f.fresh, w)
	since = f.begun + 1
	f.mu.Unlock()
	wake(f.nudge)
	return f, since
}

// leave takes a watch off a feed, and ends one that nobody watches.
func (l *liveFeeds) leave(r *Relay, f *liveFeed, w *Watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.mu.Lock()
	delete(f.watches, w)
	f.fresh = slices.DeleteFunc(f.fresh, func(other *Watch) bool { return other == w })
	over, v := len(f.watches) == 0, f.view
	f.mu.Unlock()
	if !over || l.all[f.channel] != f {
		return
	}
	f.stop()
	delete(l.all, f.channel)
	if v != nil {
		r.dropBlocks(v.State.Generation)
	}
}

// dropBlocks forgets the encoded entries of a generation. Nobody looks any more whether the store still has them.
func (r *Relay) dropBlocks(generation int64) {
	r.blocks.drop(func(k blockKey) bool { return k.generation == generation })
}

// run looks at the channel whenever there may be something new, until ctx ends.
func (f *liveFeed) run(ctx context.Context) {
	woken, end := f.relay.store.Subscribe(f.channel)
	defer end()
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		timer.Reset(f.look(ctx))
		select {
		case <-woken:
		case <-f.nudge:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// look looks where the channel stands, wakes those for whom there is news, and returns when to look again.
func (f *liveFeed) look(ctx context.Context) (again time.Duration) {
	f.mu.Lock()
	f.begun++
	look, before := f.begun, f.view
	f.mu.Unlock()
	var v *View
	more := int64(0)
	err := elsewhere(func() (err error) {
		if v, err = f.relay.view(ctx, f.channel); err == nil && v != before {
			more, err = f.news(before, v)
		}
		return err
	})
	if ctx.Err() != nil || err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, errPanicked) {
		return lookAgain
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done, f.err = look, err
	if err == nil {
		f.view = v
		f.made += more
	}
	if v != before || err != nil {
		for w := range f.watches {
			wake(w.woken)
		}
	} else {
		for _, w := range f.fresh {
			wake(w.woken)
		}
	}
	f.fresh = f.fresh[:0]
	return lookEvery
}

// news reads what a view has more than the one before, so that it is there when it is wanted, and returns how many bytes it
// is. It reads no more than that what nobody has to take at once.
func (f *liveFeed) news(before, v *View) (more int64, err error) {
	if before == nil {
		return 0, nil
	}
	if before.State.Feed() != v.State.Feed() || before.State.Last > v.State.Last {
		// It was cleared, or a standby was promoted that had not got everything.
		f.relay.dropBlocks(before.State.Generation)
		return 0, nil
	}
	for last := before.State.Last; last < v.State.Last && more <= maxBehind; {
		events, err := f.relay.events(v, last+1)
		if err != nil || events.Len() == 0 {
			return more, err
		}
		more += int64(len(events.Text()))
		last = events.Last()
	}
	return more, nil
}

// seen returns the channel as it was looked at last, unless that was before a look, and how many bytes of entries have come.
func (f *liveFeed) seen(since uint64) (v *View, made int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done < since {
		return nil, 0, nil
	}
	return f.view, f.made, f.err
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was woken already
	}
}
