package exchange

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// newestPause is how often the newest rows are asked for while the relay names another last number than that of the
	// highest row held, and always the same.
	newestPause = time.Minute
	// maxHeld is how many new entries are put in order before they are visited.
	maxHeld = 10_000
	// passFrom is how many numbers must be lacking for paging through the whole channel, where the relay knows no ranges:
	// fewer are asked for one by one.
	passFrom = 8 * singlesPerCall
)

// News is what a call of [Exchange.Follow] found out.
type News struct {
	// Position is where to go on. It is good also beside an error: it covers what was visited. Its gaps are the entries
	// that are lacking below the highest row held.
	Position Position
	// LastID is the last entry number that the channel names.
	LastID int64
	// Passed is the number up to which entries were passed over, see [Visitor.Newest]; 0 if none were in this call.
	Passed int64
	// Named are the entries above the highest row held that the relay has kept naming for a minute and does not show; both
	// ends are 0 if there are none.
	Named Range
	// Visited is how many entries were visited; Skipped is how many rows could not be read.
	Visited, Skipped int
	// Cleared tells that the channel was emptied since the last call: its numbers have begun anew, and what was visited
	// in this call comes after all that was visited before.
	Cleared bool
	// Rewritten are numbers, ascending, of entries visited before that the relay has not shown for a minute while it shows
	// others: the anchor's, and those that stand among the newest rows.
	Rewritten []int64
	// Twins are numbers, ascending, of which the relay shows the row that was visited before, and another one.
	Twins []int64
	// Doubled are numbers, ascending, of which this call was shown two contents, and Redated those of which it was shown a
	// row with two dates, or with another date than that of the row that was visited before.
	Doubled, Redated []int64
	// Altered are numbers, ascending, of which the relay shows another row than the one that was visited before, and not
	// that one any more; or, of several rows that were visited, not all. Left are the rows that it shows of these.
	Altered []int64
	Left    []thingspeak.Entry
	// Lost are entries that this call has come to take for absent, see [Range.Asked].
	Lost []Range
	// Doubtful tells that the relay shows nothing of what was visited before. Nothing new is visited until it shows that
	// again, or a minute has passed.
	Doubtful bool
	// Header and Date are those of the last feed that was read; they are empty if none was.
	Header thingspeak.Header
	Date   time.Time
	// Hidden are the fields that an answer did not show, and of [Visitor.Fields] those that rows were visited without.
	Hidden thingspeak.FieldSet
	// CutShort tells that an answer of the relay kept ending within a row.
	CutShort bool
	// Bytes is how much the relay has sent. Stopped tells that this was as much as the call may bring, so that it did not
	// come to its end: the next one goes on. Scattered tells that it was stopped so because the numbers of the rows had too
	// many gaps.
	Bytes              int64
	Stopped, Scattered bool
	// Pushed tells that nothing was asked, see [Exchange.Take].
	Pushed bool
	// Compared is how many of the bytes are the newest of the rows visited before, each once, which every look at the newest
	// rows shows again: also an honest relay's.
	Compared int64
}

// Visitor is whom [Exchange.Follow] reads for.
type Visitor struct {
	// Entry gets each new row, and each other row of a number that was visited before: in ascending order as far as they
	// come together. The entry is reused; its texts may be kept. A row in which more fields are shown than before comes
	// again; without Seen with nothing but what stands in those.
	Entry func(*thingspeak.Entry) error
	// Seen, if set, gets the rows of which nothing is known any more but that a row of their number was visited: it may
	// have been another one.
	Seen func(*thingspeak.Entry) error
	// Fields are those in which the visitor expects something: as long as rows were shown without them, each call looks
	// whether they are shown now.
	Fields thingspeak.FieldSet
	// Cleared, if set, is told that the channel was emptied, before Entry gets the first row that came after.
	Cleared func() error
	// Named, if set, is told the number of the newest entry that the relay names, before anything is visited.
	Named func(last int64)
	// Anchor shows that the channel was not cleared. Without one no clear is concluded.
	Anchor Anchor
	// Wanted are numbers that are asked for before others that are lacking, and Again numbers that are to be visited again.
	// Of both only First and Last count.
	Wanted, Again []Range
	// Suspect are numbers that were visited, and may have been shown otherwise than they are: they are visited again, ever
	// more rarely, a few in a call. They are looked at when [Rounds.Due] says so.
	Suspect []Range
	// Newest, if above 0, is how many numbers below the newest rows a reading from the beginning visits: what stands below
	// them is passed over, see [News.Passed]. Passed is up to where an earlier call has done so; where the newest rows turn
	// out to stand there, reading begins anew.
	Newest, Passed int64
	// Look has the newest rows read also where the last entry number tells of nothing new.
	Look bool
	// Budget is how many bytes the call may bring; 0 stands for [Settings.Budget].
	Budget int64
}

// begin returns up to which number entries are passed over by somebody who wants so many of the newest.
func (k *call) begin(ctx context.Context, newest int64) (int64, error) {
	var shown []int64
	r := reader{call: k}
	r.visit = func(e *thingspeak.Entry, _ bool) error {
		shown = append(shown, e.ID)
		return nil
	}
	if _, err := r.newest(ctx, thingspeak.DefaultResults); err != nil || len(shown) == 0 {
		return 0, err
	}
	slices.Sort(shown)
	// A row far above the others may be a lie, and what really is there would be passed over.
	return max(shown[len(shown)/2]-newest, 0), nil
}

// Follow visits the entries that came after a position, and those that were lacking when they come. It asks for the last
// entry number first, and where that is the highest held and nothing is to be asked for, for nothing else.
//
// Every read overlaps with rows that were visited before and compares them. Where it does not match, the answer may be
// stale, so nothing is visited; if that lasts for a minute, the channel was cleared, and News says so once.
//
// An error of the visitor ends the call and is returned as it is. That the budget is spent is no error, see [News].
func (x *Exchange) Follow(ctx context.Context, pos Position, v Visitor) (News, error) {
	ctx, end := x.port.Begin(ctx)
	defer end()
	k := x.newCall(v.Budget)
	news, err := k.follow(ctx, pos, v)
	news.Bytes = k.bytes
	if spent, ok := errors.AsType[*BudgetError](err); ok {
		news.Stopped, news.Scattered, err = true, spent.Spans > 0, nil
	}
	return news, err
}

func (k *call) follow(ctx context.Context, pos Position, v Visitor) (News, error) {
	now := time.Now().Truncate(time.Millisecond) // as it is kept
	pos.heal(now)
	if len(pos.Rows) == 0 && v.Anchor.Entry > 0 { // nothing says that what was read above it was there
		pos.Last = min(pos.Last, v.Anchor.Entry)
		pos.Gaps = pos.Gaps.valid(pos.Last, now)
	}
	news := News{Position: pos}
	last, err := k.lastNumber(ctx)
	if err != nil {
		return news, err
	}
	if news.LastID = last; v.Named != nil {
		v.Named(last)
	}
	beginning := pos
	if v.Newest > 0 && last > v.Newest && pos.untouched() {
		if pos.Last, err = k.begin(ctx, v.Newest); err != nil {
			return news, err
		}
		news.Passed = pos.Last
	}
	if pos.Address != k.x.set.Address { // whose claims are none of this relay's
		pos.Claims, pos.Address = nil, k.x.set.Address
	}
	pos.Claims = pos.Claims.take(last, pos.Last, now)
	f := follower{pos: pos, last: last, v: v, news: &news, now: now}
	f.prepare(k)
	err = f.follow(ctx)
	if news.Passed > 0 && len(news.Position.Rows) == 0 { // nothing says that what was passed over is there
		news.Position, news.Passed = beginning, 0
	}
	news.Header, news.Date = f.r.header, f.r.date
	news.Hidden |= f.r.hidden
	news.Skipped, news.CutShort = f.r.skipped, f.r.cutShort
	if err != nil || !f.anew {
		return news, err
	}
	if news.Cleared && v.Cleared != nil {
		if err := v.Cleared(); err != nil {
			return news, err
		}
	}
	fresh, err := k.follow(ctx, Position{}, Visitor{Entry: v.Entry, Seen: v.Seen, Fields: v.Fields, Newest: v.Newest})
	fresh.Cleared = news.Cleared
	return fresh, err
}

// follower is one call of Follow.
type follower struct {
	r    reader
	pos  Position
	last int64 // the last entry number that the channel names
	v    Visitor
	news *News
	now  time.Time

	known    ranges                         // what was visited before this call
	more     ranges                         // those of them that are to be shown again: more fields are, or they were pushed
	read     map[thingspeak.FieldSet]ranges // the rows that were visited, or compared, by the fields that were shown
	visited  ranges                         // what is visited, now or before
	held     []heldRow
	trusted  bool // what is held may be visited
	stopped  bool // by the visitor
	newest   newestRows
	anchored bool    // the anchor was shown
	overlaps bool    // a row was shown that was visited before
	shown    ranges  // the numbers among those of pos.Rows of which a row was shown
	looked   []int64 // the numbers of the newest rows
	// same and others are numbers of which the row that was visited was shown, and another one.
	same, others ranges
	// redated are numbers of which the row that was visited was shown with another date.
	redated ranges
	// twins are the rows that were shown of numbers of which several were visited before, and gone are those of the several
	// that the relay shows no more.
	twins map[int64][]shownRow
	gone  Rows
	anew  bool // what was visited before counts no more

	asked ranges // what this call has asked for
	// paged are the lacking numbers for which paging has come back to the reader's first window, in vain so far, and
	// passed those for which it is through.
	paged, passed ranges
}

// heldRow is a row that is to be visited; unsure tells that it may have been visited before. With only, that is all that is
// handed out of it.
type heldRow struct {
	shownRow

	unsure bool
	only   thingspeak.FieldSet
}

func (f *follower) prepare(k *call) {
	for _, w := range f.v.Again {
		again := numbers(max(w.First, 1), min(w.Last, f.pos.Last)).minus(f.pos.Gaps.numbers())
		f.pos.Gaps = f.pos.Gaps.with(again, f.now)
	}
	f.pos.Gaps = f.pos.Gaps.bounded(maxGaps, f.now)
	f.known = numbers(1, f.pos.Last).minus(f.pos.Gaps.numbers())
	f.read, f.twins = map[thingspeak.FieldSet]ranges{}, map[int64][]shownRow{}
	f.visited = slices.Clone(f.known)
	f.r = reader{call: k, visit: f.take, seen: slices.Clone(f.known), doubles: &doubles{first: map[int64]firstRow{}}}
	f.news.Position = f.pos
}

// follow reads, visits, and moves the position in news.
func (f *follower) follow(ctx context.Context) error {
	if all, _ := f.suspects(); len(all) == 0 && f.pos.Suspected.Due(f.now) {
		f.pos.Suspected.advance(0, false, f.now)
	}
	if !f.looks() { // a poll of a quiet channel costs one request of a few bytes
		f.move(nil)
		return nil
	}
	p, err := f.r.newest(ctx, thingspeak.DefaultResults)
	if err != nil {
		return err
	}
	// One false answer would have all that is there passed over for ever.
	if slices.Sort(f.looked); f.v.Passed > 0 && len(f.looked) > 0 && f.looked[len(f.looked)/2] <= f.v.Passed {
		f.anew = true
		return nil
	}
	// A stale answer, or one of another channel, would be taken for news.
	f.trusted, err = f.trust(ctx, p)
	if err != nil || !f.trusted {
		f.news.Position = f.pos
		return err
	}
	f.askMore()
	// The row that was visited before may be there as well, among those of its own date.
	if altered := f.others.minus(f.same); len(altered) > 0 {
		err = f.r.fetch(ctx, altered)
	}
	if err == nil {
		// Where the newest page meets what is known, all above it has been read: there is no need to page on.
		err = f.gather(ctx, p.oldestKnown && len(f.more) == 0)
	}
	if err == nil {
		err = f.revisit(ctx)
	}
	if err == nil {
		err = f.findTwins(ctx)
	}
	if !f.stopped { // also beside an error: a call that is interrupted must get further
		err = cmp.Or(f.flush(), err)
	}
	f.move(err)
	return err
}

// askMore has the rows read again of which the newest answer shows fields that are unread, and those that were pushed, as far
// as they are not in it.
func (f *follower) askMore() {
	fields := f.r.header.Fields
	there := slices.Clone(f.read[fields])
	for i := range f.held {
		if f.held[i].fields == fields {
			there.add(f.held[i].ID, f.held[i].ID)
		}
	}
	f.more = f.pos.Unread.in(fields).intersect(f.known).union(f.pos.Pushed).minus(there)
	f.r.seen = f.r.seen.minus(f.more)
}

// looks reports whether the newest rows are to be read.
func (f *follower) looks() bool {
	switch {
	case f.v.Look || !f.pos.Absent.Since.IsZero() || len(f.pos.Gaps.due(f.now)) > 0 || f.pos.Suspected.Due(f.now),
		slices.ContainsFunc(f.pos.Withheld, func(a Absence) bool { return a.lasted(f.now) }),
		len(f.pos.Unread.in(f.v.Fields).intersect(f.known)) > 0:
		return true
	case f.last == f.pos.Last && !f.pos.loose() && len(f.pos.Pushed) == 0:
		return false
	}
	return f.last != f.pos.Named || f.now.Sub(f.pos.Looked) >= newestPause || f.now.Before(f.pos.Looked)
}

// gaps returns what is lacking below the highest row that is there, with its age.
func (f *follower) gaps(there ranges) Gaps {
	return f.pos.Gaps.without(there).with(there.missing(f.pos.Last+1, there.highest()), f.now)
}

// gather reads what is new and what is due: by date until it meets what is known, and then by number.
func (f *follower) gather(ctx context.Context, reached bool) error {
	// Pages come first: one brings thousands of rows, a request by number a few.
	lacks := func() bool { return !f.r.seen.covers(1, max(f.last, f.r.seen.highest())) }
	for !reached && len(f.r.windows) > 0 && lacks() {
		f.paged = numbers(1, MaxNumber) // whatever is lacking, if this is interrupted: see move
		p, err := f.r.older(ctx)
		if err != nil {
			return err
		}
		// A page without anything new says as well that what is older is known, or will not be shown by date.
		reached = p.oldestKnown || p.fresh == 0 && p.rows > 0
	}
	f.paged = nil
	budget := rangesPerCall
	asked, err := f.r.fetchRanges(ctx, f.inTurn(0), f.wants(), &budget)
	f.asked = f.asked.union(asked)
	if err != nil || f.r.x.rangeReads.Load() != rangesIgnored {
		return err
	}
	if err := f.pass(ctx); err != nil {
		return err
	}
	if err := f.flush(); err != nil { // before the pauses
		return err
	}
	budget = singlesPerCall
	asked, err = f.r.fetchSingles(ctx, f.inTurn(singlesPerCall), &budget)
	f.asked = f.asked.union(asked)
	return err
}

// wants returns the numbers that are to be asked for still: those that are due, and those that the relay claims.
func (f *follower) wants() ranges {
	claimed := f.r.seen.missing(max(f.pos.Last, f.r.seen.highest())+1, f.last)
	return f.gaps(f.r.seen).due(f.now).numbers().union(claimed).union(f.more.minus(f.r.seen)).minus(f.asked)
}

// inTurn returns them in the order in which they are asked for.
func (f *follower) inTurn(singles int) []span {
	var wanted ranges
	for _, w := range f.v.Wanted {
		wanted.add(max(w.First, 1), min(w.Last, MaxNumber))
	}
	return f.gaps(f.r.seen).inTurn(wanted, f.wants(), singles)
}

// pass pages through what was visited before, for gaps that are too many to be asked for one by one. It goes on where an
// earlier call was interrupted: a channel is long, and from its newest row the end might never be reached.
func (f *follower) pass(ctx context.Context) error {
	todo := f.gaps(f.r.seen).due(f.now).without(f.asked)
	if todo.numbers().count() <= passFrom {
		return nil
	}
	for len(todo) > 0 {
		from, all := todo.latestBack()
		if w := f.r.windows; !all && len(w) > 0 && w[0].low.IsZero() && from.Before(w[0].end) {
			w[0].end = from // an earlier call has looked through what is newer
		}
		f.paged = todo.numbers()
		if len(f.r.windows) == 0 { // all has been shown that dates can show
			// In a crowded second rows may stand that no page shows. So those are not taken for asked for.
			if f.passed = f.paged; !f.r.beyondPages {
				f.asked = f.asked.union(f.passed)
			}
			break
		}
		p, err := f.r.older(ctx)
		if err != nil {
			return err
		}
		if p.fresh > 0 {
			todo = todo.without(f.r.seen)
		}
		if len(f.r.windows) > 0 {
			todo.backTo(f.r.windows[0].end)
		}
	}
	f.paged = nil
	return nil
}

// take keeps a row until it is its turn.
func (f *follower) take(e *thingspeak.Entry, known bool) error {
	if !f.trusted {
		f.looked = append(f.looked, e.ID)
	}
	if a := &f.v.Anchor; e.ID == a.Entry && a.Entry > 0 && a.Shows(e) {
		f.anchored = true
	}
	row := heldRow{shownRow: shownRow{*e, f.r.fields}}
	before := len(f.pos.Rows.of(e.ID))
	if before > 0 {
		f.shown.add(e.ID, e.ID)
	}
	if before > 1 {
		f.twins[e.ID] = append(f.twins[e.ID], row.shownRow)
	}
	// Suspects are known too, but taken out of what the reader has seen: they are visited and not compared.
	if f.known.has(e.ID) && (known || f.more.has(e.ID)) {
		if !f.compare(&row) {
			f.note(row.fields, numbers(e.ID, e.ID))
			return nil
		}
	} else if f.pos.Rows.tell(e, 0) { // one that is to be visited again shows, too, that the answer is not stale
		f.overlaps = true
	}
	f.held = append(f.held, row)
	// Held rows take memory, so order is given up beyond a bound, but never trust: until then it is one page.
	if !f.trusted || len(f.held) < maxHeld {
		return nil
	}
	return f.flush()
}

// flush visits the rows that are held, in ascending order.
func (f *follower) flush() error {
	slices.SortStableFunc(f.held, func(a, b heldRow) int { return cmp.Compare(a.ID, b.ID) })
	var visited ranges
	read := map[thingspeak.FieldSet]ranges{}
	defer func() { // at once, however they are scattered
		f.visited = f.visited.with(visited)
		for fields, rows := range read {
			f.note(fields, rows)
		}
	}()
	for i := range f.held {
		e := &f.held[i]
		visit := f.v.Entry
		if e.unsure {
			visit = f.v.Seen
		}
		shown := e.Entry
		if e.only != 0 {
			only(&shown, e.only)
		}
		if err := visit(&shown); err != nil {
			f.stopped = true
			return err
		}
		f.news.Visited++
		visited.add(e.ID, e.ID)
		rows := read[e.fields]
		rows.add(e.ID, e.ID)
		read[e.fields] = rows
		f.newest.take(&e.Entry, e.fields)
	}
	f.held = f.held[:0]
	return nil
}

// note notes that rows of which some fields were asked for were visited, or need not be.
func (f *follower) note(fields thingspeak.FieldSet, rows ranges) {
	f.read[fields] = f.read[fields].with(rows)
}

// move works out the position that follows. Only what was visited is accounted for; err tells that the reading has not
// come to its end.
func (f *follower) move(err error) {
	next := f.pos
	// What the relay names above the highest row that it has shown is a claim, and no part of the position's end.
	next.Last = max(f.pos.Last, f.visited.highest())
	var shown ranges
	for _, rows := range f.read {
		shown = shown.union(rows)
	}
	rewritten, lost := f.others.minus(f.same), f.gone.numbers()
	next.Withheld = f.withheld()
	known := slices.DeleteFunc(slices.Clone(f.pos.Rows), func(d RowDigest) bool { // what is told now is not to be told again
		return rewritten.has(d.Entry) || slices.Contains(f.gone, d) || slices.Contains(f.news.Rewritten, d.Entry)
	})
	next.Rows = known.with(f.newest.trim(), shown)
	next.Unread = f.pos.Unread.after(f.read, f.known)
	next.Claims = f.pos.Claims.above(next.Last)
	f.news.Altered, f.news.Twins = rewritten.union(lost).list(), f.others.intersect(f.same).minus(lost).list()
	if f.news.Redated = f.redated.union(f.r.doubles.dates).list(); !f.r.cutShort { // or it may be part of a row
		f.news.Doubled = f.r.doubles.contents.list()
	}
	for _, n := range lost.list() {
		for i := range f.twins[n] {
			f.news.Left = append(f.news.Left, f.twins[n][i].Entry)
		}
	}
	// A row that should show more now and did not come is lacking like any other, or it would never be asked for again; one
	// that was pushed, once it is told that it is not there.
	waits := f.unshown()
	for _, n := range f.news.Rewritten {
		waits = waits.minus(numbers(n, n))
	}
	gaps := f.gaps(f.visited).with(f.more.intersect(f.asked).minus(f.r.seen).minus(waits), f.now)
	gaps = gaps.change(f.passed, func(r *Range) { r.Back = time.Time{} })
	// Of a long channel a call may never see the end: the next one goes on where this one was interrupted.
	if err != nil && len(f.r.windows) > 0 {
		back := f.r.windows[0].end
		gaps = gaps.change(f.paged, func(r *Range) {
			if r.Back.IsZero() || r.Back.After(back) {
				r.Back = back
			}
		})
	}
	gaps = gaps.change(f.asked, func(r *Range) {
		before := r.Asked()
		if r.ask(f.now); r.Asked() && !before {
			f.news.Lost = append(f.news.Lost, *r)
		}
	})
	next.Gaps = gaps.bounded(maxGaps, f.now)
	next.Pushed = f.pos.Pushed.minus(shown).minus(next.Gaps.numbers())
	// Only a reading that came to its end counts as a look: else what it has left would wait until the channel grows.
	if err == nil && f.trusted {
		next.Looked, next.Named = f.now, f.last
	}
	there := numbers(1, next.Last).minus(next.Gaps.numbers())
	for n := range f.v.Fields.All() {
		if len(next.Unread[n-1].intersect(there)) > 0 {
			f.news.Hidden |= thingspeak.FieldsOf(n)
		}
	}
	f.news.Position = next
	if top := next.Claims.confirmed(f.now); top > next.Last {
		f.news.Named = Range{First: next.Last + 1, Last: top, Since: next.Claims[0].Since}
	}
}
