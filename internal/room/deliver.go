package room

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
	"github.com/fernpost/fernpost/internal/wire"
)

// ErrNoBulk means that the relay takes one entry at a time only.
var ErrNoBulk = errors.New("the relay takes no bulk updates")

// TooManyError means that the relay takes bulk updates, but none of so many entries.
type TooManyError struct {
	// Most is how many it takes, 0 if that is not known.
	Most int
}

func (e *TooManyError) Error() string { return "too many entries for one bulk update" }

// ErrNotRead refuses to deliver before the room was read: there may be records of the same identity that this archive
// does not know.
var ErrNotRead = errors.New("the room is to be read before anything is posted to it")

// renumbered notes that messages were signed anew, some of them perhaps once more.
func renumbered(d *model.Delivered, changed []model.Renumbered) {
	again := make(map[uint32]uint32, len(changed))
	for _, r := range changed {
		again[r.Before] = r.Now
	}
	for i := range d.Renumbered {
		r := &d.Renumbered[i]
		if now, ok := again[r.Now]; ok {
			delete(again, r.Now)
			r.Now = now
		}
	}
	for _, r := range changed {
		if again[r.Before] != 0 {
			d.Renumbered = append(d.Renumbered, r)
		}
	}
}

// Deliver begins to post what is in the outbox, in order, until nothing is left to post: see [Delivery.Next]. If another
// process is at it, Deliver waits for it. The room must have been read before, in this process: otherwise it returns
// [ErrNotRead]. What another identity has signed is adopted first, see [Conversation.Adopt]. Progress, if not nil, is told of
// each entry that was accepted. Then End must be called.
func (c *Conversation) Deliver(ctx context.Context, progress func(model.Progress)) (_ *Delivery, err error) {
	if !c.read {
		return nil, ErrNotRead
	}
	d := &Delivery{c: c, bulk: true, progress: progress, most: exchange.MaxBulkRows, absent: map[int64]bool{}}
	if d.unlock, err = c.store.Lock(ctx); err != nil {
		return nil, delivering(err)
	}
	if before, err := c.Predecessor(); err != nil {
		return nil, d.fail(err)
	} else if !before.IsZero() {
		if _, err := c.Adopt(time.Now()); err != nil {
			return nil, d.fail(err)
		}
	}
	if d.left, err = c.Unposted(); err != nil {
		return nil, d.fail(err)
	}
	return d, nil
}

func delivering(err error) error { return fmt.Errorf("delivering the outbox: %w", err) }

// Step is what a delivery asks of a relay next. Whoever asks it waits for the channel's interval and tells the user so.
type Step struct {
	What StepKind
	// Entries are what is to be posted, or looked for. Their fields count, and in bulk their dates.
	Entries []thingspeak.Entry
	// After is the newest entry number that was known before they were first tried.
	After int64
	// Promised tells of what is looked for that the relay has promised just now to store. It may take a while to show it.
	Promised bool

	posts []kept.Post
	// sent tells that the relay has had a bulk update, though it took none, or not so many.
	sent bool
	// before are the states that they were in; none of what is looked for.
	before []model.State
	// found are the entries in which posts were read, 0 for those that were not. Only those are looked for.
	found []int64
}

// StepKind is a kind of step.
type StepKind int

// The steps, and what comes of them. An error that is [exchange.ErrNotStored] means that nothing was stored for certain;
// [exchange.ErrUnknownOutcome], that nobody can say; after any other what was to be posted is looked for before it is posted
// again.
const (
	// Post posts one entry; what comes of it is its number.
	Post StepKind = iota
	// PostBulk posts entries in one request. Success is no more than a promise. The error may be [ErrNoBulk] or
	// [*TooManyError].
	PostBulk
	// Find looks among the entries after a number for those with the whole text of some fields; what comes of it are their
	// numbers, 0 for those that are not there.
	Find
)

// Ask asks for a step over an exchange, and returns what comes of it for [Delivery.Answer]. Most is how many entries a bulk update of
// the relay holds, 0 if that is not known. Waits, if not nil, is told of each wait.
func (s *Step) Ask(ctx context.Context, x *exchange.Exchange, most int, waits func(exchange.Wait)) ([]int64, error) {
	switch s.What {
	case Post:
		entry, err := x.PostEntry(ctx, &s.Entries[0], s.After, waits)
		return []int64{entry}, err
	case PostBulk:
		return nil, s.Bulk(most, func(rows []thingspeak.Entry) error { return x.PostBulk(ctx, rows, waits) })
	}
	fields := make([]thingspeak.Fields, len(s.Entries))
	for i := range fields {
		fields[i] = s.Entries[i].Fields
	}
	return x.Settle(ctx, fields, s.After, s.Promised, waits)
}

// Bulk posts the entries of a step in one request, unless that is too many, and returns what [Delivery.Answer] wants to know.
func (s *Step) Bulk(most int, post func([]thingspeak.Entry) error) error {
	if most > 0 && len(s.Entries) > most {
		return &TooManyError{Most: most}
	}
	err := post(s.Entries)
	s.sent = exchange.WasSent(err)
	if e, ok := errors.AsType[*wire.RefusedError](err); ok && e.Reason == wire.TooLarge {
		return &TooManyError{}
	}
	if wire.HasNoBulk(err) {
		return ErrNoBulk
	}
	return err
}

// notStored is the error of a bulk update that the relay does not take.
func (s *Step) notStored() error {
	if s.sent {
		return exchange.ErrNotStored
	}
	return exchange.NotStored(ErrNoBulk)
}

// Delivery is the posting of what is in the outbox. It asks nothing of anybody, and waits for nothing.
//
// An entry is noted as tried before it is posted, and with its number after. One that was tried before is looked for,
// and posted again, byte for byte, only if it is not there. An error ends the delivery, and everything that was not accepted
// stays in the outbox.
type Delivery struct {
	// Delivered is what was done so far.
	Delivered model.Delivered

	c        *Conversation
	unlock   func()
	bulk     bool // the relay takes bulk updates, as far as is known
	most     int  // entries of one
	progress func(model.Progress)
	left     int // posts that were not accepted when it began, without those that were since; others may have come

	next *Step // that was handed out
	// absent are the posts that were tried, and looked for in vain.
	absent map[int64]bool
	// stored is the post that was accepted last, and is noted together with the next one: each transaction costs a write
	// to the disk.
	stored   *kept.Post
	promised bool // a bulk update was answered, and its entries were not looked for yet
	broken   int  // how many such promises in a row came to nothing
}

// Run has each step asked until all is done.
func (d *Delivery) Run(ctx context.Context, ask func(context.Context, *Step) ([]int64, error)) error {
	for {
		step, err := d.Next(ctx)
		if err == nil && step != nil {
			err = d.Answer(ask(ctx, step))
		}
		if err != nil || step == nil {
			return err
		}
	}
}

// End ends a delivery, wherever it is.
func (d *Delivery) End() { d.unlock() }

func (d *Delivery) fail(err error) error {
	d.End()
	return err
}

// Next returns what to ask of the relay next, nil when all is done. What comes of it goes to [Delivery.Answer] before Next is
// called again. Once ctx has ended it returns its error.
func (d *Delivery) Next(ctx context.Context) (*Step, error) {
	next, err := d.step(ctx)
	if err != nil {
		return nil, delivering(err)
	}
	d.next = next
	return next, nil
}

func (d *Delivery) step(ctx context.Context) (*Step, error) {
	for {
		if d.stored != nil && d.left == 0 {
			if more, err := d.conclude(); err != nil || !more {
				return nil, err
			}
		}
		next, err := d.advance(ctx)
		if err != nil || next == nil {
			return nil, err
		}
		if next.What == Find {
			if err := d.find(next); err != nil {
				return nil, err
			}
			if len(next.Entries) == 0 { // all were read
				if err := d.settle(next); err != nil {
					return nil, err
				}
				continue
			}
		}
		return next, nil
	}
}

// Answer notes what came of a step: entry numbers, one for each entry that was asked for, or an error. After an error that it
// returns the delivery has ended.
func (d *Delivery) Answer(entries []int64, err error) error {
	switch d.next.What {
	case Post:
		err = d.posted(entries, err)
	case PostBulk:
		err = d.postedBulk(err)
	case Find:
		if err == nil {
			for i := range d.next.found {
				if d.next.found[i] == 0 {
					d.next.found[i], entries = entries[0], entries[1:]
				}
			}
			err = d.settle(d.next)
		}
	}
	if err != nil {
		return delivering(err)
	}
	return nil
}

// conclude notes what was stored last and reports whether there is more to post: others may have written meanwhile. If
// the note gets lost, the entry is looked for.
func (d *Delivery) conclude() (more bool, err error) {
	err = d.c.note(func() error {
		if err := d.noteStored(); err != nil {
			return err
		}
		posts, err := d.c.store.Posts(kept.PostQuery{Only: kept.OpenPost, Limit: 1})
		more = len(posts) > 0
		return err
	})
	if err == nil {
		d.stored = nil
	}
	return more, err
}

// advance notes what was stored last and returns the next step, nil if all is done. Posts that nobody can have stored
// are noted as tried: those that are queued, and those that were looked for in vain.
func (d *Delivery) advance(ctx context.Context) (*Step, error) {
	var next *Step
	var changed []model.Renumbered
	var stopped error
	err := d.c.transact(func() (err error) {
		next, changed, stopped = nil, nil, ctx.Err()
		if d.stored != nil {
			if err := d.noteStored(); err != nil {
				return err
			}
		}
		if stopped != nil {
			return nil
		}
		posts, err := d.openPosts()
		if err != nil || len(posts) == 0 {
			return err
		}
		if !d.mayPost(&posts[0]) {
			next = &Step{What: Find}
			return nil
		}
		now := time.Now()
		if changed, err = d.c.renumber(now); err != nil {
			return err
		}
		sealed, err := d.c.sealAnew(posts, now)
		if err != nil {
			return err
		}
		if len(changed) > 0 || sealed {
			if posts, err = d.openPosts(); err != nil {
				return err
			}
		}
		next, err = d.take(posts, now)
		return err
	})
	if err == nil {
		d.stored = nil
		renumbered(&d.Delivered, changed)
		err = stopped
	}
	return next, err
}

// noteStored notes what was stored last.
func (d *Delivery) noteStored() error {
	seq := d.stored.Seq
	settled := kept.Settled{Seq: seq, State: model.StateAccepted, At: d.stored.At}
	return d.c.applySent(kept.Change{Settled: []kept.Settled{settled}}, seq, seq)
}

// mayPost reports whether a post may be posted without being looked for: nobody has had it, the relay has refused it, or it was
// looked for in vain.
func (d *Delivery) mayPost(p *kept.Post) bool {
	return p.State == model.StateQueued || p.State == model.StateRefused || d.absent[p.Seq]
}

// openPosts returns the posts that may go out together.
func (d *Delivery) openPosts() ([]kept.Post, error) {
	q := kept.PostQuery{Only: kept.OpenPost, Limit: d.most}
	if !d.bulk {
		q.Limit = 1
	}
	return d.c.store.Posts(q)
}

// take chooses from posts that are not accepted, of which the first may be posted, and notes those as tried.
func (d *Delivery) take(posts []kept.Post, now time.Time) (*Step, error) {
	n := 1
	for n < len(posts) && d.mayPost(&posts[n]) {
		n++
	}
	posts = posts[:n]
	if n >= exchange.BulkFrom {
		if err := d.date(posts, now); err != nil {
			return nil, err
		}
		for n = 0; n < len(posts) && !posts[n].Dated.IsZero(); n++ {
		}
	}
	if n < exchange.BulkFrom {
		n = 1
	}
	next := &Step{posts: posts[:n], before: make([]model.State, n), Entries: make([]thingspeak.Entry, n)}
	if n > 1 {
		next.What = PostBulk
	}
	for i := range next.posts {
		p := &next.posts[i]
		next.Entries[i].CreatedAt, next.Entries[i].Fields, next.Entries[i].Status = p.Dated, p.Fields, p.Status
		if next.before[i] = p.State; p.State == model.StateQueued {
			p.After = d.c.newest
		}
		p.State = model.StateTried
	}
	next.After = d.c.since(next.posts[0].After)
	return next, d.c.applySent(kept.Change{Posts: next.posts}, next.posts[0].Seq, next.posts[n-1].Seq)
}

// longestTransfer is how far back the dates of posts reach.
const longestTransfer = 24 * time.Hour

// date gives the posts their dates, if they have none, together with all that is left: that is one transfer. They get
// the last seconds that have passed and that no other post has, in order. Where there are not enough, the last posts
// get none.
func (d *Delivery) date(posts []kept.Post, now time.Time) error {
	if !slices.ContainsFunc(posts, func(p kept.Post) bool { return p.Dated.IsZero() }) {
		return nil
	}
	left, err := d.c.store.Posts(kept.PostQuery{Only: kept.UndatedPost})
	if err != nil {
		return err
	}
	state, err := d.c.store.State()
	if err != nil {
		return err
	}
	free, used := lastSeconds(state.Dates, now, len(left))
	dates := make(map[int64]time.Time, len(left))
	change := kept.Change{State: &state}
	for i, second := range free {
		dated := kept.PostDate{Seq: left[i].Seq, At: time.Unix(second, 0).UTC()}
		dates[dated.Seq] = dated.At
		change.Dated = append(change.Dated, dated)
	}
	for i := range posts {
		if posts[i].Dated.IsZero() {
			posts[i].Dated = dates[posts[i].Seq]
		}
	}
	state.Dates = used
	return d.c.store.Apply(&change)
}

// lastSeconds returns the last n seconds up to now that are not in use, in ascending order, and what is in use then.
// What lies too far back is not returned, and forgotten.
func lastSeconds(used []kept.Seconds, now time.Time, n int) (free []int64, after []kept.Seconds) {
	earliest := now.Add(-longestTransfer).Unix()
	used = slices.DeleteFunc(slices.Clone(used), func(s kept.Seconds) bool { return s.Last < earliest })
	i := len(used) - 1
	for at := now.Unix(); at >= earliest && len(free) < n; at-- {
		for i >= 0 && used[i].First > at {
			i--
		}
		if i >= 0 && at <= used[i].Last {
			at = used[i].First
			continue
		}
		free = append(free, at)
	}
	slices.Reverse(free)
	for _, second := range free {
		used = append(used, kept.Seconds{First: second, Last: second})
	}
	slices.SortFunc(used, func(a, b kept.Seconds) int { return cmp.Compare(a.First, b.First) })
	for _, s := range used {
		if n := len(after); n > 0 && s.First <= after[n-1].Last+1 {
			after[n-1].Last = max(after[n-1].Last, s.Last)
		} else {
			after = append(after, s)
		}
	}
	return free, after
}

// posted notes what came of posting one entry.
func (d *Delivery) posted(entries []int64, err error) error {
	// Whatever came of it: to post it again without looking would be to post it twice.
	delete(d.absent, d.next.posts[0].Seq)
	d.Delivered.Tried++
	if err != nil {
		return errors.Join(err, d.failed(d.next, err))
	}
	p := &d.next.posts[0]
	if others, err := d.wasThere(entries[0]); err != nil || others {
		d.promised = true // a number that something else has is no more than a promise: what was posted is looked for
		return err
	}
	p.At = record.Place{Clear: d.c.newest.Clear, Entry: entries[0]}
	d.stored = p
	d.accepted(1, entries[0]) // The newest entry is not that: were it far too high, later ones would be looked for above it.
	return nil
}

// postedBulk notes what came of posting many entries, which are looked for in the next step.
func (d *Delivery) postedBulk(err error) error {
	for i := range d.next.posts {
		delete(d.absent, d.next.posts[i].Seq)
	}
	d.Delivered.Tried += len(d.next.posts)
	d.promised = err == nil
	if many, ok := errors.AsType[*TooManyError](err); ok {
		n := len(d.next.posts)
		if d.most = n / 2; many.Most > 0 {
			d.most = min(many.Most, n-1)
		}
		if d.most < exchange.BulkFrom {
			err = ErrNoBulk
		} else {
			return d.failed(d.next, d.next.notStored())
		}
	}
	if errors.Is(err, ErrNoBulk) {
		d.bulk = false
		return d.failed(d.next, d.next.notStored())
	}
	if err != nil {
		return errors.Join(err, d.failed(d.next, err))
	}
	return nil
}

// find has all posts that were tried looked for: among what was read, and what is not there at the relay.
func (d *Delivery) find(next *Step) (err error) {
	if next.posts, err = d.c.store.Posts(kept.PostQuery{Only: kept.TriedPost}); err != nil {
		return err
	}
	read, err := d.c.readAt(next.posts)
	if err != nil {
		return err
	}
	next.found = nil
	for _, at := range read {
		next.found = append(next.found, at.Entry)
	}
	for i, p := range next.posts {
		if next.found[i] != 0 {
			continue
		}
		if after := d.c.since(p.After); len(next.Entries) == 0 || after < next.After {
			next.After = after
		}
		next.Entries = append(next.Entries, thingspeak.Entry{Fields: p.Fields})
	}
	next.Promised = d.promised
	return nil
}

// settle notes which posts that were tried were found. Those that are not there may be posted again.
func (d *Delivery) settle(next *Step) error {
	posts, entries := next.posts, next.found
	if len(posts) == 0 { // whoever reads the room beside this has read them all since it was seen that they were tried
		d.promised, d.broken = false, 0
		return nil
	}
	var settled []kept.Settled
	last := int64(0)
	for i := range posts {
		if entries[i] != 0 {
			at := record.Place{Clear: d.c.newest.Clear, Entry: entries[i]}
			settled = append(settled, kept.Settled{Seq: posts[i].Seq, State: model.StateAccepted, At: at})
			last = max(last, entries[i])
		}
	}
	err := d.c.transact(func() error {
		return d.c.applySent(kept.Change{Settled: settled}, posts[0].Seq, posts[len(posts)-1].Seq)
	})
	if err != nil {
		return err
	}
	for i := range posts {
		if entries[i] == 0 {
			d.absent[posts[i].Seq] = true
		}
	}
	if len(settled) > 0 {
		d.c.newest.Entry = max(d.c.newest.Entry, last)
		d.accepted(len(settled), last)
		d.broken = 0
	} else if d.promised {
		d.broken++
	}
	d.promised = false
	if d.broken < maxBroken {
		return nil
	}
	return errors.Join(exchange.ErrUnknownOutcome, d.failed(next, exchange.ErrUnknownOutcome))
}

// maxBroken is how many times in a row a relay may promise to store entries and store none.
const maxBroken = 3

// accepted counts posts that were accepted, the last as entry.
func (d *Delivery) accepted(n int, entry int64) {
	d.Delivered.Posted, d.Delivered.Last = d.Delivered.Posted+n, entry
	d.left = max(d.left-n, 0) // more may have come meanwhile
	if d.progress != nil {
		d.progress(model.Progress{Posted: d.Delivered.Posted, Total: d.Delivered.Posted + d.left, Entry: entry})
	}
}

// wasThere reports whether there was an entry of a number before a post, which therefore cannot have it: one that this device
// holds, or its own message before. What the relay names as its newest number does not count: a false one would hold up all
// that is sent.
func (d *Delivery) wasThere(entry int64) (others bool, err error) {
	if entry <= d.Delivered.Last {
		return true, nil
	}
	at := record.Place{Clear: d.c.newest.Clear, Entry: entry}
	err = d.c.store.Entries(kept.EntryQuery{First: at, Last: at, Limit: 1}, func(kept.Entry) error {
		others = true
		return nil
	})
	return others, err
}

// readAt returns where posts were read, zero for those that were not.
func (c *Conversation) readAt(posts []kept.Post) ([]record.Place, error) {
	var macs [][16]byte
	ends := make([]int, len(posts)) // of each one's among the MACs
	for i := range posts {
		for n := range posts[i].Cells.All() {
			bare, _ := token.Unwrap(posts[i].Fields[n-1].Text)
			tok, err := token.Parse(bare)
			if err != nil {
				return nil, fmt.Errorf("the outbox holds what is no token: %w", err)
			}
			mac := tok.MAC()
			macs = append(macs, [16]byte(mac[:16]))
		}
		ends[i] = len(macs)
	}
	found, err := c.store.MACs(macs)
	if err != nil {
		return nil, err
	}
	places := make([]record.Place, len(posts))
	for i, first := 0, 0; i < len(posts); i++ {
		for _, mac := range macs[first:ends[i]] {
			if places[i] = found[mac]; places[i].Entry == 0 {
				break // one that lacks a cell was not read
			}
		}
		first = ends[i]
	}
	return places, nil
}

// failed notes what is known about posts after an error.
func (d *Delivery) failed(next *Step, err error) error {
	unknown, notStored := errors.Is(err, exchange.ErrUnknownOutcome), errors.Is(err, exchange.ErrNotStored)
	var change kept.Change
	for i := range next.posts {
		settled := kept.Settled{Seq: next.posts[i].Seq, State: model.StateUnknown}
		if !unknown {
			before := next.before[i]
			if !notStored || before != model.StateQueued && before != model.StateRefused {
				return nil
			}
			if settled.State = before; exchange.WasSent(err) {
				settled.State = model.StateRefused
			}
		}
		change.Settled = append(change.Settled, settled)
	}
	return d.c.transact(func() error {
		return d.c.applySent(change, next.posts[0].Seq, next.posts[len(next.posts)-1].Seq)
	})
}

// since returns the entry number after which to look for what was tried when at was the newest: 0 if the channel was
// cleared since.
func (c *Conversation) since(at record.Place) int64 {
	if at.Clear != c.newest.Clear {
		return 0
	}
	return at.Entry
}
