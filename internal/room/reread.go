package room

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// errEnough ends a visit of entries.
var errEnough = errors.New("enough")

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
	last := record.Place{Clear: kept.MaxClear, Entry: kept.MaxEntry}
	err = c.store.Entries(from, last, gather(&pages, n))
	if errors.Is(err, errEnough) {
		err = nil
	}
	return pages, err
}

// gather returns what adds entries to pages, at most n, as if nothing of them were known.
func gather(pages *[]page, n int) func(kept.Entry) error {
	return func(e kept.Entry) error {
		if len(*pages) == n {
			return errEnough
		}
		*pages = append(*pages, page{
			at: e.At, posted: e.Posted, tokens: e.Tokens, unknown: e.Tokens, before: kept.Entry{At: e.At, Wiped: e.Wiped},
		})
		return nil
	}
}

// reread takes the entries of a batch in as if they had just come.
func (b *batch) reread() error {
	c := b.in.c
	c.openAll(b.pages)
	for i := range b.pages {
		p := &b.pages[i]
		if err := c.store.PutEntry(kept.Entry{At: p.at}); err != nil {
			return err
		}
		// A key that comes later could have any other entry read again.
		if p.at.Clear < b.in.clears || p.before.Wiped {
			if err := p.keepUnopened(c.store); err != nil {
				return err
			}
		}
	}
	if err := b.collect(nil); err != nil {
		return err
	}
	_, _, err := b.judge(partOfFeed(), time.Now())
	return err
}

// keepUnopened keeps those tokens of an entry, apart from others, that no key opens.
func (p *page) keepUnopened(store feedStore) error {
	e := kept.Entry{At: p.at, Posted: p.posted, Wiped: p.before.Wiped}
	for field, raw := range kept.Tokens(p.unknown) {
		if p.in(field) == nil {
			e.Tokens = kept.AppendToken(e.Tokens, field, raw)
		}
	}
	p.unopened = false
	return store.PutUnopened(e)
}

// openUnopened takes in what an older version has kept unopened, as far as it cannot be read again and a key that has come
// since opens it.
func (in *Intake) openUnopened() error {
	c := in.c
	c.reader = record.NewReader(c.o.Salt, c.own) // another process may have read on
	for from := (record.Place{}); ; {
		b := batch{in: in, kept: true}
		err := c.store.Unopened(from, gather(&b.pages, entriesAtOnce))
		if err != nil && !errors.Is(err, errEnough) || len(b.pages) == 0 {
			return err
		}
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
		for i := range b.pages {
			p := &b.pages[i]
			p.before.Wiped = p.before.Wiped || wiped[p.at]
			if err := p.keepUnopened(c.store); err != nil {
				return err
			}
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
