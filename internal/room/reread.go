package room

import (
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// reread learns anew from the entries what an older version has learnt from them, if one has kept the store.
func (c *Conversation) reread() error {
	return c.forgetful(c.store.Reread(func() error {
		state, err := c.store.State()
		if err != nil {
			return err
		}
		// Whoever only looks at the room has no identity here, but what others have seen of ours is learnt all the same.
		c.reader = record.NewReader(c.o.Salt, state.Own)
		defer func() { c.reader = record.NewReader(c.o.Salt, c.own) }()
		in := &Intake{c: c, state: state, clears: state.Clears}
		for from := (record.Place{}); ; {
			pages, err := c.entriesFrom(from, entriesAtOnce)
			if err != nil {
				return fmt.Errorf("reading through what an older version has kept: %w", err)
			}
			if len(pages) == 0 {
				return nil
			}
			b := batch{in: in, pages: pages, kept: true}
			if err := b.reread(); err != nil {
				return fmt.Errorf("reading through what an older version has kept: %w", err)
			}
			from = pages[len(pages)-1].at
			from.Entry++
		}
	}))
}

// entriesFrom returns the entries that are kept from a place on, at most n, as if nothing of them were known.
func (c *Conversation) entriesFrom(from record.Place, n int) (pages []page, err error) {
	return c.keptPages(kept.EntryQuery{First: from, Last: kept.Highest(), Limit: n})
}

// keptPages returns entries that are kept, as if nothing of them were known.
func (c *Conversation) keptPages(q kept.EntryQuery) (pages []page, err error) {
	err = c.store.Entries(q, func(e kept.Entry) error {
		pages = append(pages, page{
			at: e.At, posted: e.Posted, tokens: e.Tokens, unknown: e.Tokens, before: kept.Entry{At: e.At, Wiped: e.Wiped},
		})
		return nil
	})
	return pages, err
}

// reread takes the entries of a batch in as if they had just come.
func (b *batch) reread() error {
	c := b.in.c
	c.openAll(b.pages)
	var change kept.Change
	for i := range b.pages {
		p := &b.pages[i]
		change.Entries = append(change.Entries, kept.Entry{At: p.at})
		// A key that comes later could have any other entry read again.
		if p.at.Clear < b.in.clears || p.before.Wiped {
			change.Unopened = append(change.Unopened, p.takeUnopened())
		}
	}
	if err := c.store.Apply(&change); err != nil {
		return err
	}
	if err := b.collect(nil); err != nil {
		return err
	}
	_, _, err := b.judge(partOfFeed(), time.Now())
	return err
}

// takeUnopened takes those tokens out of an entry, to be kept apart from others, that no key opens.
func (p *page) takeUnopened() kept.Entry {
	e := kept.Entry{At: p.at, Posted: p.posted, Wiped: p.before.Wiped}
	for field, raw := range kept.Tokens(p.unknown) {
		if p.in(field) == nil {
			e.Tokens = kept.AppendToken(e.Tokens, field, raw)
		}
	}
	p.unopened = false
	return e
}

// openUnopened takes in what an older version has kept unopened, as far as it cannot be read again and a key that has come
// since opens it.
func (in *Intake) openUnopened() error {
	c := in.c
	c.reader = record.NewReader(c.o.Salt, c.own) // another process may have read on
	for from := (record.Place{}); ; {
		pages, err := c.keptPages(kept.EntryQuery{
			First: from, Last: kept.Highest(), Limit: entriesAtOnce, Unopened: true,
		})
		if err != nil || len(pages) == 0 {
			return err
		}
		b := batch{in: in, kept: true, pages: pages}
		from = b.pages[len(b.pages)-1].at
		from.Entry++
		wiped := map[record.Place]bool{}
		for i := range b.pages {
			wiped[b.pages[i].at] = b.pages[i].before.Wiped
		}
		if err := b.prepare(); err != nil {
			return err
		}
		b.pages = slices.DeleteFunc(b.pages, func(p page) bool { return len(p.opened) == 0 })
		var change kept.Change
		for i := range b.pages {
			p := &b.pages[i]
			p.before.Wiped = p.before.Wiped || wiped[p.at]
			change.Unopened = append(change.Unopened, p.takeUnopened())
		}
		if err := c.store.Apply(&change); err != nil {
			return err
		}
		if err := b.collect(nil); err != nil {
			return err
		}
		results, elsewhere, err := b.judge(partOfFeed(), time.Now())
		if err != nil {
			return err
		}
		b.report(results, elsewhere)
	}
}
