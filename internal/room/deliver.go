package room

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
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

// Deliver posts what is in the outbox, in order, until nothing is left to post. If another process is at it, Deliver
// waits for it. The room must have been read before, in this process: otherwise it returns [ErrNotRead]. What another
// identity has signed is adopted first, see [Conversation.Adopt].
//
// An entry is noted as tried before it is posted, and with its number after. One that was tried before is looked for,
// and posted again, byte for byte, only if it is not there. An error of the poster ends the delivery, and everything
// that was not accepted stays in the outbox. Progress, if not nil, is told of each entry that was accepted.
func (c *Conversation) Deliver(ctx context.Context, relay Poster, progress func(model.Progress)) (done model.Delivered, err error) {
	if !c.read {
		return done, ErrNotRead
	}
	unlock, err := c.store.Lock(ctx)
	if err != nil {
		return done, fmt.Errorf("delivering the outbox: %w", err)
	}
	defer unlock()
	if before, err := c.Predecessor(); err != nil {
		return done, err
	} else if !before.IsZero() {
		if _, err := c.Adopt(time.Now()); err != nil {
			return done, err
		}
	}
	d := delivery{Conversation: c, relay: relay, progress: progress, most: exchange.MaxBulkRows, absent: map[int64]bool{}}
	d.bulk, _ = relay.(BulkPoster)
	if err = d.run(ctx); err != nil {
		err = fmt.Errorf("delivering the outbox: %w", err)
	}
	return d.done, err
}

// delivery is one call of Deliver.
type delivery struct {
	*Conversation

	relay    Poster
	bulk     BulkPoster // nil if there is none
	most     int        // entries of one bulk update
	progress func(model.Progress)
	done     model.Delivered
	left     int // posts that are not accepted

	// absent are the posts that were tried, and looked for in vain.
	absent map[int64]bool
	// stored is the post that was accepted last, and is noted together with the next one: each transaction costs a write
	// to the disk.
	stored   *kept.Post
	promised bool // a bulk update was answered, and its entries were not looked for yet
	broken   int  // how many such promises in a row came to nothing
}

func (d *delivery) run(ctx context.Context) (err error) {
	if d.left, err = d.Unposted(); err != nil {
		return err
	}
	for {
		if d.stored != nil && d.left == 0 {
			if more, err := d.conclude(); err != nil || !more {
				return err
			}
		}
		next, err := d.advance(ctx)
		if err != nil || next == nil {
			return err
		}
		switch {
		case next.settle:
			err = d.settle(ctx)
		case len(next.posts) > 1:
			err = d.postBulk(ctx, next)
		default:
			err = d.post(ctx, next)
		}
		if err != nil {
			return err
		}
	}
}

// step is what a delivery does next: look for the posts that were tried, or post some.
type step struct {
	settle bool
	posts  []kept.Post
	// fresh means that nobody has tried to post them before.
	fresh bool
}

// Sizes of bulk updates.
const (
	// bulkFrom is from how many entries on a bulk update is worth it: it takes a reading to know what became of it.
	bulkFrom = 4
)

// Requests returns how many requests Deliver needs for so many entries, if bulk updates may hold most of them; 0 if
// there are none. It posts the single ones last.
func Requests(entries, most int) (single, bulk int) {
	if most = min(most, exchange.MaxBulkRows); most < bulkFrom {
		return entries, 0
	}
	single, bulk = entries%most, entries/most
	if single >= bulkFrom {
		return 0, bulk + 1
	}
	return single, bulk
}

// conclude notes what was stored last and reports whether there is more to post: others may have written meanwhile. If
// the note gets lost, the entry is looked for.
func (d *delivery) conclude() (more bool, err error) {
	err = d.note(func() error {
		if err := d.noteStored(); err != nil {
			return err
		}
		posts, err := d.store.Posts(kept.PostQuery{Only: kept.OpenPost, Limit: 1})
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
func (d *delivery) advance(ctx context.Context) (*step, error) {
	var next *step
	var changed []model.Renumbered
	var stopped error
	err := d.transact(func() (err error) {
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
		if posts[0].State != model.StateQueued && !d.absent[posts[0].Seq] {
			next = &step{settle: true}
			return nil
		}
		now := time.Now()
		if changed, err = d.renumber(now); err != nil {
			return err
		}
		if len(changed) > 0 {
			if posts, err = d.openPosts(); err != nil {
				return err
			}
		}
		next, err = d.take(posts, now)
		return err
	})
	if err == nil {
		d.stored = nil
		renumbered(&d.done, changed)
		err = stopped
	}
	return next, err
}

// noteStored notes what was stored last.
func (d *delivery) noteStored() error {
	seq := d.stored.Seq
	settled := kept.Settled{Seq: seq, State: model.StateAccepted, At: d.stored.At}
	return d.applySent(kept.Change{Settled: []kept.Settled{settled}}, seq, seq)
}

// openPosts returns the posts that may go out together.
func (d *delivery) openPosts() ([]kept.Post, error) {
	q := kept.PostQuery{Only: kept.OpenPost, Limit: d.most}
	if d.bulk == nil {
		q.Limit = 1
	}
	return d.store.Posts(q)
}

// take chooses from posts that are not accepted, of which the first may be posted, and notes those as tried.
func (d *delivery) take(posts []kept.Post, now time.Time) (*step, error) {
	n := 1
	for n < len(posts) && (posts[n].State == model.StateQueued || d.absent[posts[n].Seq]) {
		n++
	}
	posts = posts[:n]
	if n >= bulkFrom {
		if err := d.date(posts, now); err != nil {
			return nil, err
		}
		for n = 0; n < len(posts) && !posts[n].Dated.IsZero(); n++ {
		}
	}
	if n < bulkFrom {
		n = 1
	}
	next := &step{posts: posts[:n], fresh: true}
	for i := range next.posts {
		p := &next.posts[i]
		if p.State == model.StateQueued {
			p.After = d.newest
		} else {
			next.fresh = false
		}
		p.State = model.StateTried
	}
	return next, d.applySent(kept.Change{Posts: next.posts}, next.posts[0].Seq, next.posts[n-1].Seq)
}

// longestTransfer is how far back the dates of posts reach.
const longestTransfer = 24 * time.Hour

// date gives the posts their dates, if they have none, together with all that is left: that is one transfer. They get
// the last seconds that have passed and that no other post has, in order. Where there are not enough, the last posts
// get none.
func (d *delivery) date(posts []kept.Post, now time.Time) error {
	if !slices.ContainsFunc(posts, func(p kept.Post) bool { return p.Dated.IsZero() }) {
		return nil
	}
	left, err := d.store.Posts(kept.PostQuery{Only: kept.UndatedPost})
	if err != nil {
		return err
	}
	state, err := d.store.State()
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
	return d.store.Apply(&change)
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

// post posts one entry.
func (d *delivery) post(ctx context.Context, next *step) error {
	p := &next.posts[0]
	entry, err := d.relay.Post(ctx, p.Fields, d.since(p.After))
	if err != nil {
		return errors.Join(err, d.failed(next, err))
	}
	p.At = record.Place{Clear: d.newest.Clear, Entry: entry}
	d.stored = p
	d.accepted(1, entry)
	return nil
}

// postBulk posts many entries, which are looked for in the next step.
func (d *delivery) postBulk(ctx context.Context, next *step) error {
	entries := make([]thingspeak.Entry, len(next.posts))
	for i := range next.posts {
		entries[i].CreatedAt, entries[i].Fields = next.posts[i].Dated, next.posts[i].Fields
		delete(d.absent, next.posts[i].Seq)
	}
	err := d.bulk.PostBulk(ctx, entries)
	d.promised = err == nil
	if many, ok := errors.AsType[*TooManyError](err); ok {
		if d.most = len(entries) / 2; many.Most > 0 {
			d.most = min(many.Most, len(entries)-1)
		}
		if d.most < bulkFrom {
			err = ErrNoBulk
		} else {
			return d.failed(next, exchange.ErrNotStored)
		}
	}
	if errors.Is(err, ErrNoBulk) {
		d.bulk = nil
		return d.failed(next, exchange.ErrNotStored)
	}
	if err != nil {
		return errors.Join(err, d.failed(next, err))
	}
	return nil
}

// settle looks for all posts that were tried: among what was read, and then at the relay. Those that are not there may
// be posted again.
func (d *delivery) settle(ctx context.Context) error {
	posts, err := d.store.Posts(kept.PostQuery{Only: kept.TriedPost})
	if err != nil {
		return err
	}
	entries, err := d.readAt(posts)
	if err != nil {
		return err
	}
	var unread []int
	for i := range posts {
		if entries[i] == 0 {
			unread = append(unread, i)
		}
	}
	if err := d.look(ctx, posts, unread, entries); err != nil {
		return err
	}
	var settled []kept.Settled
	last := int64(0)
	for i := range posts {
		if entries[i] != 0 {
			at := record.Place{Clear: d.newest.Clear, Entry: entries[i]}
			settled = append(settled, kept.Settled{Seq: posts[i].Seq, State: model.StateAccepted, At: at})
			last = max(last, entries[i])
		}
	}
	err = d.transact(func() error {
		return d.applySent(kept.Change{Settled: settled}, posts[0].Seq, posts[len(posts)-1].Seq)
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
		d.accepted(len(settled), last)
		d.broken = 0
	} else if d.promised {
		d.broken++
	}
	d.promised = false
	if d.broken < maxBroken {
		return nil
	}
	return errors.Join(exchange.ErrUnknownOutcome, d.failed(&step{posts: posts}, exchange.ErrUnknownOutcome))
}

// maxBroken is how many times in a row a relay may promise to store entries and store none.
const maxBroken = 3

// look asks the relay for posts and notes where they are stored.
func (d *delivery) look(ctx context.Context, posts []kept.Post, which []int, entries []int64) error {
	if len(which) == 0 {
		return nil
	}
	fields := make([]thingspeak.Fields, len(which))
	after := d.since(posts[which[0]].After)
	for n, i := range which {
		fields[n] = posts[i].Fields
		after = min(after, d.since(posts[i].After))
	}
	found, err := d.relay.Find(ctx, fields, after, d.promised)
	if err != nil {
		return err
	}
	for n, i := range which {
		entries[i] = found[n]
	}
	return nil
}

// accepted counts posts that were accepted, the last as entry.
func (d *delivery) accepted(n int, entry int64) {
	d.newest.Entry = max(d.newest.Entry, entry)
	d.done.Posted, d.done.Last = d.done.Posted+n, entry
	d.left = max(d.left-n, 0) // more may have come meanwhile
	if d.progress != nil {
		d.progress(model.Progress{Posted: d.done.Posted, Total: d.done.Posted + d.left, Entry: entry})
	}
}

// readAt returns the entries in which posts were read, 0 for those that were not.
func (c *Conversation) readAt(posts []kept.Post) ([]int64, error) {
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
	entries := make([]int64, len(posts))
	for i, first := 0, 0; i < len(posts); i++ {
		for _, mac := range macs[first:ends[i]] {
			if entries[i] = found[mac].Entry; entries[i] == 0 {
				break // one that lacks a cell was not read
			}
		}
		first = ends[i]
	}
	return entries, nil
}

// failed notes what is known about posts after an error.
func (d *delivery) failed(next *step, err error) error {
	state := model.StateTried
	switch {
	case errors.Is(err, exchange.ErrUnknownOutcome):
		state = model.StateUnknown
	case errors.Is(err, exchange.ErrNotStored):
		state = model.StateQueued
	}
	if state == model.StateTried || state == model.StateQueued && !next.fresh {
		return nil
	}
	var change kept.Change
	for i := range next.posts {
		change.Settled = append(change.Settled, kept.Settled{Seq: next.posts[i].Seq, State: state})
	}
	return d.transact(func() error {
		return d.applySent(change, next.posts[0].Seq, next.posts[len(next.posts)-1].Seq)
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

// renumber signs anew what another copy of this identity has taken the numbers of: a restored backup, or a copied home.
// The first post must not be one that was tried and may be stored. It runs inside a transaction.
func (c *Conversation) renumber(now time.Time) ([]model.Renumbered, error) {
	author, ok, err := c.store.Author(c.own)
	if err != nil || !ok {
		return nil, err
	}
	own, err := c.store.Own(kept.OwnQuery{Author: c.own, First: 1, Last: author.Top})
	if err != nil {
		return nil, err
	}
	first := -1
	for i := range own {
		q, err := c.queued(&own[i])
		if err != nil {
			return nil, err
		}
		if q.Sent != model.StateAccepted {
			first = i
			break
		}
	}
	if first < 0 {
		return nil, nil
	}
	own, err = c.store.Own(kept.OwnQuery{Author: c.own, First: own[first].Number, Last: math.MaxUint32})
	if err != nil {
		return nil, err
	}
	state, err := c.store.State()
	if err != nil || state.Own != c.own {
		return nil, err
	}
	t := tip{number: author.Top, previous: author.TopHash, seq: state.Seq}
	return c.signAnew(&state, t, own, func(*record.Record) bool { return true }, now)
}
