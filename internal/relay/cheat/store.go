package cheat

import (
	"cmp"
	"context"
	"slices"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Stores returns the stores that show what is in s with these lies, one a version: two with [Fork], otherwise one.
// Without lies that is s itself. The rules work on each as on any other store. Whoever closes s closes them.
func Stores(s relay.Store, l Lies) []relay.Store {
	switch {
	case l == 0:
		return []relay.Store{s}
	case l.Has(Fork):
		return []relay.Store{&liar{s, l, 0}, &liar{s, l, 1}}
	}
	return []relay.Store{&liar{s, l, 0}}
}

// liar is a store that lies. It has no state: what it shows of a feed follows from how many entries were posted.
//
// The rules rely on entries that never change within a generation, and keep what they have read. So each moment of a
// feed is a generation of its own. Streams go on through all of them, until the feed looks wiped: as entries come they
// are told as they are shown then.
type liar struct {
	relay.Store
	lies    Lies
	version int
}

// postedBits is how much of a generation tells how many entries were posted.
const postedBits = 32

// moment names a feed as it is with so many posts.
func moment(generation, posted int64) int64 { return generation<<postedBits | posted }

// at is the reverse of moment.
func (l *liar) at(moment int64) (generation int64, f feed) {
	return moment >> postedBits, l.feed(moment & (1<<postedBits - 1))
}

func (l *liar) feed(posted int64) feed { return feed{l.lies, l.version, posted} }

// Position is part of [relay.Store], as are all further methods.
func (l *liar) Position(ctx context.Context, channel int64) (relay.Position, error) {
	p, err := l.Store.Position(ctx, channel)
	return l.position(p), err
}

func (l *liar) position(p relay.Position) relay.Position {
	f := l.feed(p.Last)
	p.Continues = moment(p.Generation, f.began())
	p.Generation, p.Last = moment(p.Generation, p.Last), f.last()
	return p
}

func (l *liar) Channel(ctx context.Context, channel int64) (*relay.Channel, relay.State, error) {
	c, s, err := l.Store.Channel(ctx, channel)
	if err != nil {
		return c, s, err
	}
	s.Position = l.position(s.Position)
	s.Unordered, s.Back = min(1, s.Last), s.Last // whatever the dates are, nothing may rely on their order
	s.LastOf, err = l.lastOf(ctx, &s)
	return c, s, err
}

// lastOf finds the newest entry of each field that has one.
func (l *liar) lastOf(ctx context.Context, s *relay.State) (found [thingspeak.FieldCount]int64, err error) {
	const step = 100
	for last := s.Last; last > 0; last -= step {
		err := l.Entries(ctx, s.Generation, max(1, last-step+1), last, func(e *thingspeak.Entry) error {
			for i, v := range e.Fields {
				if v.Given {
					found[i] = max(found[i], e.ID)
				}
			}
			return nil
		})
		if err != nil {
			return found, err
		}
		all := true
		for i := range found {
			all = all && (found[i] > 0 || s.LastOf[i] == 0)
		}
		if all {
			break
		}
	}
	return found, nil
}

func (l *liar) Entries(
	ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error,
) error {
	generation, f := l.at(generation)
	first, last = max(1, first), min(last, f.last())
	if first > last {
		return nil
	}
	firstCycle, lastCycle, _ := f.cycles()
	each := int64(len(f.show(cycle)))
	from, to := firstCycle+(first-1)/each, min(lastCycle, firstCycle+(last-1)/each)

	// Posts are gathered until their cycle is whole.
	var posts []thingspeak.Entry
	at := from
	flush := func() error {
		number := (at - firstCycle) * each
		for _, s := range f.show(int(min(cycle, f.posted-at*cycle))) {
			if number++; number < first || number > last || max(s.post, s.dated) > len(posts) {
				continue
			}
			e := s.dress(&posts[s.post-1], posts[s.dated-1].CreatedAt, number)
			if err := visit(&e); err != nil {
				return err
			}
		}
		posts = posts[:0]
		return nil
	}
	err := l.Store.Entries(ctx, generation, from*cycle+1, min(to*cycle+cycle, f.posted), func(e *thingspeak.Entry) error {
		if of := (e.ID - 1) / cycle; of != at {
			if err := flush(); err != nil {
				return err
			}
			at = of
		}
		posts = append(posts, *e)
		return nil
	})
	if err != nil || len(posts) == 0 {
		return err
	}
	return flush()
}

func (l *liar) EntriesByTime(
	ctx context.Context, s relay.Stretch, limit int, visit func(*thingspeak.Entry) error,
) error {
	var found []thingspeak.Entry
	err := l.Entries(ctx, s.Generation, s.First, s.Last, func(e *thingspeak.Entry) error {
		if s.Holds(e.CreatedAt) {
			found = append(found, *e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b thingspeak.Entry) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	for i := range min(limit, len(found)) {
		if err := visit(&found[i]); err != nil {
			return err
		}
	}
	return nil
}

func (l *liar) Commit(ctx context.Context, updates []relay.Update) ([]relay.Decision, error) {
	decisions, err := l.Store.Commit(ctx, updates)
	for i := range decisions {
		for j := range decisions[i].Entries {
			e := &decisions[i].Entries[j]
			e.ID = l.feed(e.ID).answered()
		}
	}
	return decisions, err
}

func (l *liar) Channels(ctx context.Context, owner int64) ([]*relay.Channel, error) {
	all, err := l.Store.Channels(ctx, owner)
	l.recount(all)
	return all, err
}

func (l *liar) PublicChannels(ctx context.Context, listing relay.Listing) ([]*relay.Channel, int, error) {
	page, total, err := l.Store.PublicChannels(ctx, listing)
	l.recount(page)
	return page, total, err
}

// recount makes a listing say what the feeds say.
func (l *liar) recount(channels []*relay.Channel) {
	for i, c := range channels {
		told := *c
		told.LastEntryID = l.feed(c.LastEntryID).last()
		channels[i] = &told
	}
}
