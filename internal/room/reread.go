package room

import (
	"errors"
	"fmt"
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
			b := batch{in: in, pages: pages}
			if err := b.reread(state.Own); err != nil {
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
	err = c.store.Entries(from, last, func(e kept.Entry) error {
		if len(pages) == n {
			return errEnough
		}
		pages = append(pages, page{
			at: e.At, posted: e.Posted, tokens: e.Tokens, unknown: e.Tokens, before: kept.Entry{At: e.At, Wiped: e.Wiped},
		})
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return pages, err
}

// reread takes the entries of a batch in as if they had just come.
func (b *batch) reread(own record.PublicKey) error {
	c := b.in.c
	c.openAll(b.pages)
	for i := range b.pages {
		if err := c.store.PutEntry(kept.Entry{At: b.pages[i].at}); err != nil {
			return err
		}
	}
	if err := b.collect(nil); err != nil {
		return err
	}
	_, _, err := b.judge(partOfFeed(), own, time.Now())
	return err
}
