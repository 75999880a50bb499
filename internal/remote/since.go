package remote

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// believedAfter is how long a relay must keep showing less than was visited before that is believed.
	believedAfter = time.Minute
	// maxHeld is how many new entries are put in order before they are visited.
	maxHeld = 10_000
)

// News is what a call of [Client.Since] found out.
type News struct {
	// Position is where to go on. It is good also beside an error: it covers what was visited.
	Position Position
	// LastID is the channel's last entry number.
	LastID int64
	// Visited is how many entries were visited; Skipped is how many rows could not be read.
	Visited, Skipped int
	// Cleared tells that the channel was emptied since the last call: its numbers have begun anew, and what was visited
	// in this call comes after all that was visited before.
	Cleared bool
	// Rewritten are the numbers of entries visited before that are not there any more, or have become other entries,
	// which this call visited.
	Rewritten []int64
	// Lost are entry numbers that have been asked for by themselves for five minutes in vain. They are not waited for
	// any longer.
	Lost []Range
	// Doubtful tells that the relay shows less than was visited before. Nothing new is visited until it shows that
	// again, or a minute has passed.
	Doubtful bool
	// Header and Date are those of the last feed that was read; they are empty if none was.
	Header thingspeak.Header
	Date   time.Time
	// CutShort tells that an answer of the relay kept ending within a row.
	CutShort bool
	// Bytes is how much the relay has sent. Stopped tells that this was as much as the call may bring, so that it did not
	// come to its end: the next one goes on.
	Bytes   int64
	Stopped bool
}

// Start returns the position behind the channel's newest entry: where someone begins who wants no history.
func (c *Client) Start(ctx context.Context) (Position, error) {
	last, err := c.lastID(ctx)
	if err != nil || last == 0 {
		return Position{}, err
	}
	pos := Position{Last: last}
	var newest mark
	take := func(e *thingspeak.Entry) error {
		if e.ID == last {
			newest.take(e)
		}
		return nil
	}
	r := reader{c: c, visit: take}
	if _, err := r.newest(ctx, 2); err != nil {
		return Position{}, err
	}
	if err := r.fetch(ctx, numbers(last, last).minus(r.seen)); err != nil {
		return Position{}, err
	}
	newest.put(&pos, r.header)
	return pos, nil
}

// fetch asks for a few entries by number.
func (r *reader) fetch(ctx context.Context, want ranges) error {
	budget := singlesPerCall
	asked, err := r.fetchRanges(ctx, want, &budget)
	if err == nil && r.c.rangeReads.Load() == rangesIgnored {
		_, err = r.fetchSingles(ctx, want.minus(asked), &budget)
	}
	return err
}

// Since visits the entries that came after a position, each once: those that it can see, in ascending order as far as
// it has them together (up to 10,000), and entries that were waiting when they come. It asks for the last entry number
// first, and where that has not moved and nothing is waiting, for nothing else.
//
// Every read overlaps with the entry that was visited last and compares it. Where it does not match, the answer may be
// stale, so nothing is visited; if that lasts for a minute, the channel was cleared or the entry rewritten, and News
// says so once.
//
// An error of visit ends the call and is returned as it is. The entry is reused; its texts may be kept.
func (c *Client) Since(ctx context.Context, pos Position, visit func(*thingspeak.Entry) error) (News, error) {
	return c.Follow(ctx, pos, Visitor{Entry: visit})
}

// Visitor gets what [Client.Follow] finds, as it finds it.
type Visitor struct {
	// Entry gets each entry.
	Entry func(*thingspeak.Entry) error
	// Cleared, if set, is told that the channel was emptied, before it gets the first entry that came after.
	Cleared func() error
	// Budget is how many bytes the call may bring; 0 stands for [Options.Budget].
	Budget int64
}

// Follow is [Client.Since] for whoever has to know what came before a clear and what after while the entries come. An
// error of the visitor ends the call and is returned as it is. That the budget is spent is no error, see [News].
func (c *Client) Follow(ctx context.Context, pos Position, v Visitor) (News, error) {
	k := c.newCall(v.Budget)
	ctx, end := k.run(ctx)
	defer end()
	news, err := c.follow(ctx, pos, v)
	news.Bytes = k.read()
	if isSpent(err) {
		news.Stopped, err = true, nil
	}
	return news, err
}

func (c *Client) follow(ctx context.Context, pos Position, v Visitor) (News, error) {
	news := News{Position: pos}
	last, err := c.lastID(ctx)
	if err != nil {
		return news, err
	}
	news.LastID = last
	if pos.Last < 0 {
		news.Position, err = c.Start(ctx)
		return news, err
	}
	f := follower{pos: pos, last: last, visit: v.Entry, news: &news, now: time.Now()}
	f.r = reader{c: c, visit: f.hold, known: f.compare}
	f.r.seen.add(1, pos.Last)
	for _, w := range pos.Waiting {
		f.waiting.add(max(w.First, 1), min(w.Last, maxNumber))
		if w.due(f.now) {
			f.due.add(max(w.First, 1), min(w.Last, maxNumber))
		}
	}
	f.r.seen = f.r.seen.minus(f.waiting)
	f.shown = slices.Clone(f.r.seen)
	err = f.follow(ctx)
	news.Header, news.Date = f.r.header, f.r.date
	news.Skipped, news.CutShort = f.r.skipped, f.r.cutShort
	if err == nil && news.Cleared { // and nothing was visited
		if v.Cleared != nil {
			if err := v.Cleared(); err != nil {
				return news, err
			}
		}
		fresh, err := c.Since(ctx, Position{}, v.Entry)
		fresh.Cleared = true
		return fresh, err
	}
	return news, err
}

func (w Range) due(now time.Time) bool { return !now.Before(w.Next) || now.Before(w.Asked) }

// follower is one call of Since.
type follower struct {
	r     reader
	pos   Position
	last  int64 // the channel's last entry number
	visit func(*thingspeak.Entry) error
	news  *News
	now   time.Time

	waiting, due ranges
	held         []thingspeak.Entry // new entries that were not visited yet
	shown        ranges             // what was visited, now or before
	newest       mark
	asked        ranges
	// overlap is what the relay shows for the number pos.Last.
	overlap overlap
	other   thingspeak.Entry // the entry that stands there now, if overlap is otherEntry
}

type overlap int

const (
	noEntry overlap = iota
	sameEntry
	otherEntry
)

// follow reads, visits, and moves the position in news.
func (f *follower) follow(ctx context.Context) error {
	if f.last < f.pos.Last {
		f.doubt(true)
		return nil
	}
	top := max(f.pos.Last, f.waiting.highest()) // the highest number accounted for
	if f.last <= top && len(f.due) == 0 && f.pos.Low.IsZero() {
		return nil
	}
	reached := true
	if f.last > top || !f.pos.Low.IsZero() {
		n := min(max(f.last-f.pos.Last+1, 2), thingspeak.DefaultResults)
		p, err := f.r.newest(ctx, int(n))
		if err != nil {
			return err
		}
		reached = p.oldestKnown
		if trusted, err := f.trust(ctx); err != nil || !trusted {
			return err
		}
	}
	err := f.gather(ctx, reached)
	whole := err == nil
	if whole || isSpent(err) {
		err = cmp.Or(f.flush(), err)
	}
	f.move(whole && err == nil)
	return err
}

// trust looks at the entry that was visited last, and asks for it by itself if the newest rows do not have it. It
// reports whether the relay's answers may be used.
func (f *follower) trust(ctx context.Context) (bool, error) {
	if !f.pos.compares() {
		f.pos.Low = time.Time{}
		return true, nil
	}
	if f.overlap == noEntry {
		if err := f.r.fetch(ctx, numbers(f.pos.Last, f.pos.Last)); err != nil {
			return false, err
		}
	}
	if f.overlap == sameEntry {
		f.pos.Low = time.Time{}
		return true, nil
	}
	// An entry of the same number with a later date was most likely posted after a clear.
	if !f.doubt(f.overlap == otherEntry && f.other.CreatedAt.After(f.pos.At)) || f.news.Cleared {
		return false, nil
	}
	f.news.Rewritten = []int64{f.pos.Last}
	f.pos.Row, f.pos.At, f.pos.Low = RowDigest{}, time.Time{}, time.Time{}
	if f.overlap == otherEntry {
		f.held = append(f.held, f.other)
	}
	return true, nil
}

// doubt notes that the relay shows less than was visited. It reports whether that has lasted for long enough to be
// believed; if so and it looks like a clear, the news says that the channel was cleared.
func (f *follower) doubt(likeClear bool) bool {
	if f.pos.Low.IsZero() || f.now.Before(f.pos.Low) {
		f.pos.Low = f.now
	}
	if f.now.Sub(f.pos.Low) < believedAfter {
		f.news.Doubtful = true
		f.news.Position.Low = f.pos.Low
		return false
	}
	f.news.Cleared = likeClear
	return true
}

// gather reads what is new and what is due: by date until it meets what is known, and then by number.
func (f *follower) gather(ctx context.Context, reached bool) error {
	lacking := func() ranges { return f.r.seen.missing(f.pos.Last+1, f.last).union(f.due).minus(f.r.seen) }
	for !reached && len(f.r.windows) > 0 && len(lacking()) > 0 {
		p, err := f.r.older(ctx)
		if err != nil {
			return err
		}
		reached = p.oldestKnown || p.fresh == 0 && p.rows > 0
	}
	budget := rangesPerCall
	asked, err := f.r.fetchRanges(ctx, lacking(), &budget)
	f.asked = f.asked.union(asked)
	if err != nil || f.r.c.rangeReads.Load() != rangesIgnored {
		return err
	}
	// More than can be asked for one by one: only paging through what is known already can bring it.
	for lacking().count() > singlesPerCall {
		var p page
		switch {
		case !f.r.opened:
			p, err = f.r.newest(ctx, thingspeak.DefaultResults)
		case len(f.r.windows) > 0:
			p, err = f.r.older(ctx)
		case !f.r.crowded:
			f.asked = f.asked.union(lacking()) // for the relay has shown all that it has
		}
		if err != nil {
			return err
		}
		if p.rows == 0 && len(f.r.windows) == 0 || p.rows > 0 && p.highest < lacking().lowest() {
			break
		}
	}
	if err := f.flush(); err != nil { // before the pauses
		return err
	}
	budget = singlesPerCall
	asked, err = f.r.fetchSingles(ctx, lacking().minus(f.asked), &budget)
	f.asked = f.asked.union(asked)
	return err
}

// hold keeps a new entry until it is its turn.
func (f *follower) hold(e *thingspeak.Entry) error {
	f.held = append(f.held, *e)
	if len(f.held) < maxHeld { // which the newest rows, read before the answers are trusted, never are
		return nil
	}
	return f.flush()
}

// compare looks at an entry that was visited before.
func (f *follower) compare(e *thingspeak.Entry) {
	switch {
	case e.ID != f.pos.Last || !f.pos.compares():
	case f.pos.holds(e):
		f.overlap = sameEntry
	case f.overlap == noEntry:
		f.overlap, f.other = otherEntry, *e
	}
}

// flush visits the entries that are held, in ascending order.
func (f *follower) flush() error {
	slices.SortFunc(f.held, func(a, b thingspeak.Entry) int { return cmp.Compare(a.ID, b.ID) })
	for i := range f.held {
		e := &f.held[i]
		if err := f.visit(e); err != nil {
			f.held = f.held[i:]
			return err
		}
		f.news.Visited++
		f.shown.add(e.ID, e.ID)
		f.newest.take(e)
	}
	f.held = f.held[:0]
	return nil
}

// move works out the position that follows. All numbers up to the channel's last are accounted for if the reading came
// to its end; else only what was visited is.
func (f *follower) move(whole bool) {
	next := f.pos
	next.Last = max(f.pos.Last, f.shown.highest())
	if f.newest.entry.ID == next.Last {
		f.newest.put(&next, f.r.header)
	}
	top := next.Last
	if whole {
		top = max(top, f.last)
	}
	missing := f.shown.missing(f.pos.Last+1, top).union(f.waiting.minus(f.shown))
	next.Waiting = nil
	for _, w := range awaited(missing, f.pos.Waiting, f.asked, f.now) {
		if !w.Asked.IsZero() && f.now.Sub(w.Asked) >= lostAfter && w.Next.After(f.now) &&
			len(f.asked.intersect(numbers(w.First, w.Last))) > 0 {
			f.news.Lost = append(f.news.Lost, w)
			if w.Last > next.Last { // or it would be new again with the next call
				next.Last, next.Row, next.At = w.Last, RowDigest{}, time.Time{}
			}
			continue
		}
		next.Waiting = append(next.Waiting, w)
	}
	f.news.Position = next
}
