package room

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

// People returns all authors of whom something was read.
func (c *Conversation) People() ([]model.Person, error) {
	authors, err := c.store.Authors(record.AuthorQuery{})
	if err != nil {
		return nil, fmt.Errorf("listing the authors: %w", err)
	}
	pins, err := c.store.Pins(record.PinQuery{})
	if err != nil {
		return nil, fmt.Errorf("listing the authors: %w", err)
	}
	pinned := map[record.PublicKey][]string{}
	for _, p := range pins {
		pinned[p.Key] = append(pinned[p.Key], p.Form)
	}
	slices.SortFunc(authors, func(a, b record.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	names := c.names()
	people := make([]model.Person, len(authors))
	for i, a := range authors {
		people[i] = *c.personOf(a)
		people[i].Names, people[i].Name, people[i].Person = pinned[a.Key], names.Of(a.Key), names.Person(a.Key)
	}
	for i := range people {
		people[i].Left = c.leftBy(names, people[i].Key)
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("listing the authors: %w", err)
	}
	return people, nil
}

// leftBy tells who has taken back that a key is a device of theirs, nil if nobody has.
func (c *Conversation) leftBy(names *record.Names, key record.PublicKey) *model.Left {
	by := names.LeftBy(key)
	if len(by) == 0 {
		return nil
	}
	left := model.Left{By: by, Own: slices.Contains(by, c.own)}
	for _, key := range by {
		left.Names = append(left.Names, names.Of(key))
	}
	return &left
}

// personOf is an author without what is theirs by name.
func (c *Conversation) personOf(a record.Author) *model.Person {
	p := &model.Person{Author: a, Own: a.Key == c.own, Lost: c.isLost(a.Key)}
	p.Compared = a.Compared && !p.Lost // also before somebody has let go of that
	return p
}

// Who has written in the last ten minutes is heard of. A channel that is written to by the interval has 40 rows of them.
const (
	heardFor  = 10 * time.Minute
	heardRows = 100
)

// Writers returns how many authors have written in the ten minutes before a relay's date, the zero time for now, we ourselves
// included: as many share the channel's interval. It looks at the newest 100 messages only. Where they cannot be read, it knows of
// none: posting goes on.
func (c *Conversation) Writers(date time.Time) int {
	if date.IsZero() {
		date = time.Now()
	}
	n, err := c.writers(date)
	if err != nil {
		return 0
	}
	return n
}

func (c *Conversation) writers(now time.Time) (int, error) {
	rows, err := c.store.Messages(kept.MessageQuery{Newest: true, Signed: true, Limit: heardRows})
	if err != nil {
		return 0, err
	}
	posted := map[record.Place]time.Time{}
	newest := kept.EntryQuery{Last: kept.Highest(), Newest: true, Limit: heardRows}
	err = c.store.Entries(newest, func(e kept.Entry) error {
		posted[e.At] = e.Posted
		return nil
	})
	if err != nil {
		return 0, err
	}
	heard := map[record.PublicKey]bool{c.own: true}
	for i := range rows {
		h := &rows[i].Held
		if at, ok := posted[h.At.Place]; ok && !h.Author.IsZero() && now.Sub(at) <= heardFor {
			heard[h.Author] = true
		}
	}
	return len(heard), nil
}

// Vouch has keys that an invitation has vouched for count as compared once something of theirs was read, and returns those that are
// so settled: also those of which the user has let go meanwhile, or that were lost, and that do not count.
func (c *Conversation) Vouch(introduced []string, now time.Time) (settled []string, err error) {
	if len(introduced) == 0 || c.own.IsZero() {
		return nil, nil
	}
	people, err := c.People()
	if err != nil {
		return nil, err
	}
	for i := range people {
		p := &people[i]
		key := p.Key.String()
		if !slices.Contains(introduced, key) {
			continue
		}
		if !p.Compared && !p.Own && !p.Lost && !p.Nameless {
			if err := c.Verified(p.Key, now); err != nil {
				return settled, err
			}
		}
		settled = append(settled, key)
	}
	return settled, nil
}

// Verified notes that the user has compared a key with its owner, aloud. The key has the name of its newest record at once:
// somebody else who took that first, and was not compared, is the namesake. The error is [model.ErrNobody].
func (c *Conversation) Verified(key record.PublicKey, now time.Time) error {
	return c.change("noting that a key was compared", key, func() error {
		if err := c.store.Apply(&kept.Change{Compared: []kept.KeyDate{{Key: key, At: now}}}); err != nil {
			return err
		}
		author, _, err := c.store.Author(key)
		if err != nil {
			return err
		}
		mark := kept.Mark{Name: comparedMark(key), Message: int64(author.Top)}
		if err := c.store.Apply(&kept.Change{Marks: []kept.Mark{mark}}); err != nil {
			return err
		}
		change, err := record.Compare(c.known(), key)
		if err != nil {
			return err
		}
		return c.store.Apply(&kept.Change{Learnt: &change})
	})
}

// comparedMark is the name of the mark at the number of the newest record that a key had when the user compared it.
func comparedMark(key record.PublicKey) string { return "compared " + key.String() }

// comparedAs returns the nicknames under which the user has compared keys.
func (c *Conversation) comparedAs() (map[record.PublicKey]string, error) {
	authors, err := c.store.Authors(record.AuthorQuery{Only: record.Compared})
	if err != nil {
		return nil, err
	}
	nicks := map[record.PublicKey]string{}
	for i := range authors {
		a := &authors[i]
		mark, ok, err := c.store.Mark(comparedMark(a.Key))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		number := uint32(mark.Message)
		held, err := c.store.Held(record.HeldQuery{Author: a.Key, First: number, Last: number})
		if err != nil {
			return nil, err
		}
		if len(held) > 0 {
			nicks[a.Key] = held[0].Nick
		}
	}
	return nicks, nil
}

// Forget lets go of the nicknames that are pinned to a key, which gets none until it is compared. Known by one of them is
// from now on who was compared under it, or else who has used it first, or is the next to. What the key has written stays,
// and is shown with its tag: it is a namesake. The heirs are who has such a nickname now, as they have used it: it may only
// look like that of the key. The error is [model.ErrNobody].
func (c *Conversation) Forget(key record.PublicKey, now time.Time) (heirs []record.Named, err error) {
	err = c.change("forgetting a key", key, func() error {
		pinned, err := c.store.Pins(record.PinQuery{Key: key})
		if err != nil {
			return err
		}
		forms := make([]string, len(pinned))
		for i := range pinned {
			forms[i] = pinned[i].Form
		}
		if err := c.store.Apply(&kept.Change{Forgotten: []kept.KeyDate{{Key: key, At: now}}}); err != nil {
			return err
		}
		compared, err := c.comparedAs()
		if err != nil {
			return err
		}
		var change record.Change
		each := func(visit func(record.Held) error) error {
			return c.records(func(_ int64, h record.Held) error { return visit(h) })
		}
		if change, heirs, err = record.HandOn(c.known(), forms, compared, each); err != nil {
			return err
		}
		return c.store.Apply(&kept.Change{Learnt: &change})
	})
	return heirs, err
}

// Author returns what is known of a key; the zero Author if no record of it was read.
func (c *Conversation) Author(key record.PublicKey) (record.Author, error) {
	author, ok, err := c.store.Author(key)
	if err != nil {
		return record.Author{}, fmt.Errorf("looking up an author: %w", err)
	}
	if !ok {
		author = record.Author{}
	}
	return author, nil
}

// Related returns the keys that records of ours have called devices, or have taken that back, and those whose records did so of ours.
func (c *Conversation) Related() (keys []record.PublicKey, err error) {
	claims, waiting, err := c.claimsWith(c.own)
	for _, d := range claims {
		keys = append(keys, d.Author, d.Device)
	}
	for i := range waiting {
		if d, ok := waiting[i].Record.Body.(record.Device); ok {
			keys = append(keys, d.Key)
		}
	}
	return slices.DeleteFunc(keys, func(k record.PublicKey) bool { return k == c.own }), err
}

// claimsWith returns what a key claims of others, and others of it, with the messages of ours that are on their way: one that
// another process reads back meanwhile is among the ones or the others.
func (c *Conversation) claimsWith(key record.PublicKey) (claims []record.DeviceClaim, waiting []model.Item, err error) {
	err = c.ofOneMoment(func() (err error) {
		if claims, err = c.store.Devices(key); err == nil {
			waiting, err = c.onTheirWay()
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading which devices are whose: %w", err)
	}
	return claims, waiting, nil
}

// Claims returns what our own newest record about a key says, and what its newest one says about ours: whether it calls
// the other a device; nil where there is none. Ours counts as soon as it is in the outbox.
func (c *Conversation) Claims(key record.PublicKey) (ours, theirs *bool, err error) {
	all, waiting, err := c.claimsWith(key)
	for i := range all {
		switch d := &all[i]; {
		case d.Author == c.own && d.Device == key:
			ours = &d.Claims
		case d.Author == key && d.Device == c.own:
			theirs = &d.Claims
		}
	}
	for i := range waiting {
		if d, ok := waiting[i].Record.Body.(record.Device); ok && d.Key == key && waiting[i].Record.Author == c.own {
			ours = new(!d.Withdraws())
		}
	}
	return ours, theirs, err
}

func (c *Conversation) change(doing string, key record.PublicKey, work func() error) error {
	err := c.transact(func() error {
		if _, ok, err := c.store.Author(key); err != nil {
			return err
		} else if !ok {
			return model.ErrNobody
		}
		return work()
	})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// Known returns what is known here of whose names are whose, as somebody wants it who reads the room afresh: the pins; of
// each author how many there are, whether the user has compared the key, and whether its names were let go of; and which
// devices are whose.
func (c *Conversation) Known() (known record.Change, err error) {
	people, err := c.People()
	if err != nil {
		return known, err
	}
	for i := range people {
		p := &people[i]
		known.Authors = append(known.Authors, record.Author{
			Key: p.Key, Pinned: p.Pinned, Compared: p.Compared, Nameless: p.Nameless,
		})
		for _, form := range p.Names {
			known.Pins = append(known.Pins, record.Pin{Form: form, Key: p.Key})
		}
		if p.Person == p.Key {
			continue
		}
		claims, err := c.store.Devices(p.Key)
		if err != nil {
			return known, fmt.Errorf("reading which devices are whose: %w", err)
		}
		for _, d := range claims {
			if d.Author == p.Person && d.Device == p.Key {
				known.Devices = append(known.Devices, d)
			}
		}
	}
	return known, nil
}

// Introduce makes known what another archive has of whose names are whose, before anything was read.
func (c *Conversation) Introduce(known record.Change, now time.Time) error {
	change := kept.Change{Learnt: &known}
	for i := range known.Authors {
		switch a := &known.Authors[i]; {
		case a.Compared:
			change.Compared = append(change.Compared, kept.KeyDate{Key: a.Key, At: now})
		case a.Nameless:
			change.Forgotten = append(change.Forgotten, kept.KeyDate{Key: a.Key, At: now})
		}
	}
	err := c.transact(func() error { return c.store.Apply(&change) })
	if err != nil {
		return fmt.Errorf("noting whose names are whose: %w", err)
	}
	return nil
}
