// Package mirror copies what one store of a relay keeps into another one, of the same engine or of another, and proves
// that it is all there. It only reads the store that it copies from.
//
// Entries go through the same rules as any update, so they get the numbers and dates that they had. What a copy does not
// carry over is when a channel was written last: its interval begins with the copy.
package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Store is a store that a copy can be made in.
type Store interface {
	relay.Store
	// RenewAccount gives an account another user key.
	RenewAccount(ctx context.Context, id int64, key string) error
}

// Counts tell how much a store holds.
type Counts struct {
	Accounts, Channels int
	Entries            int64
}

// ErrForeign: the store to copy into holds something that the other one does not.
var ErrForeign = errors.New("the store to copy into is in use for something else")

// rowsAtOnce is how many entries are read, or stored in one transaction, at a time.
const rowsAtOnce = 1000

// Copy brings a store to up to what from holds. What is there already stays, so that a copy that was interrupted, or
// made of a store that is still written, is continued by another one. Before anything is written it makes sure that to
// holds nothing else: [ErrForeign]. Tell is told how many entries are there, and how many there will be.
func Copy(ctx context.Context, from relay.Store, to Store, tell func(done, all int64)) error {
	source, err := list(ctx, from)
	if err != nil {
		return err
	}
	target, err := list(ctx, to)
	if err != nil {
		return err
	}
	if err := target.mustBePartOf(source); err != nil {
		return err
	}
	c := &copying{from: from, to: to, tell: tell, all: source.Entries}
	if err := c.accounts(ctx, source, target); err != nil {
		return err
	}
	for _, ch := range source.channels {
		if err := c.channel(ctx, source, target, ch); err != nil {
			return fmt.Errorf("copying channel %d: %w", ch.ID, err)
		}
	}
	if err := c.devices(ctx, source, target); err != nil {
		return err
	}
	return c.flush(ctx)
}

// listing is all that a store holds, but for the entries.
type listing struct {
	Counts
	accounts []relay.Account
	channels []*relay.Channel // in order of number
	devices  []*relay.Device
}

// list reads the channels after their entries were counted, so none has fewer than that.
func list(ctx context.Context, s relay.Store) (*listing, error) {
	accounts, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	l := &listing{accounts: accounts}
	if l.devices, err = s.Devices(ctx); err != nil {
		return nil, err
	}
	for _, a := range accounts {
		owned, err := s.Channels(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		l.channels = append(l.channels, owned...)
	}
	slices.SortFunc(l.channels, func(a, b *relay.Channel) int { return cmp.Compare(a.ID, b.ID) })
	l.Accounts, l.Channels = len(l.accounts), len(l.channels)
	for _, c := range l.channels {
		l.Entries += c.LastEntryID
	}
	return l, nil
}

func (l *listing) account(name string) (relay.Account, bool) {
	i := slices.IndexFunc(l.accounts, func(a relay.Account) bool { return a.Name == name })
	if i < 0 {
		return relay.Account{}, false
	}
	return l.accounts[i], true
}

// owner returns the name of the account that a channel belongs to.
func (l *listing) owner(c *relay.Channel) string {
	i := slices.IndexFunc(l.accounts, func(a relay.Account) bool { return a.ID == c.Owner })
	if i < 0 {
		return ""
	}
	return l.accounts[i].Name
}

func (l *listing) device(id string) *relay.Device {
	i := slices.IndexFunc(l.devices, func(d *relay.Device) bool { return d.ID == id })
	if i < 0 {
		return nil
	}
	return l.devices[i]
}

func (l *listing) channel(id int64) *relay.Channel {
	i, found := slices.BinarySearchFunc(l.channels, id, func(c *relay.Channel, id int64) int {
		return cmp.Compare(c.ID, id)
	})
	if !found {
		return nil
	}
	return l.channels[i]
}

// mustBePartOf refuses what is no copy of an earlier state of source: it could be somebody's relay, or the arguments
// could be in the wrong order.
func (l *listing) mustBePartOf(source *listing) error {
	for _, a := range l.accounts {
		if _, ok := source.account(a.Name); !ok {
			return fmt.Errorf("%w: it has an account %q, the other one has not", ErrForeign, a.Name)
		}
	}
	for _, d := range l.devices {
		if source.device(d.ID) == nil {
			return fmt.Errorf("%w: it has a device %q, the other one has not", ErrForeign, d.ID)
		}
	}
	for _, c := range l.channels {
		other := source.channel(c.ID)
		if other == nil {
			return fmt.Errorf("%w: it has channel %d, the other one has not", ErrForeign, c.ID)
		}
		if !other.CreatedAt.Equal(c.CreatedAt) || source.owner(other) != l.owner(c) {
			return fmt.Errorf("%w: its channel %d is another one", ErrForeign, c.ID)
		}
		if c.LastEntryID > other.LastEntryID {
			return fmt.Errorf("%w: its channel %d has %d entries, the other one has %d: it was cleared, or written here",
				ErrForeign, c.ID, c.LastEntryID, other.LastEntryID)
		}
	}
	return nil
}

// copying is one copy.
type copying struct {
	from relay.Store
	to   Store
	tell func(done, all int64)
	done int64
	all  int64

	// waiting are entries that are to be stored together, of one channel or of many small ones.
	waiting []relay.Update
	rows    int
}

// limits let everything through: it was let through before.
var limits = relay.Limits{}

// accounts makes the accounts that are not there, and gives those that are the keys that they have.
func (c *copying) accounts(ctx context.Context, source, target *listing) error {
	for _, a := range source.accounts {
		there, ok := target.account(a.Name)
		var err error
		switch {
		case !ok:
			there = relay.Account{Name: a.Name, Key: a.Key, CreatedAt: a.CreatedAt}
			err = c.to.CreateAccount(ctx, &there)
			target.accounts = append(target.accounts, there)
		case there.Key != a.Key:
			err = c.to.RenewAccount(ctx, there.ID, a.Key)
		}
		if err != nil {
			return fmt.Errorf("copying the account %q: %w", a.Name, err)
		}
	}
	return nil
}

// devices makes the devices that are not there, and gives those that are the passwords and rights that they have. All
// channels are there by then.
func (c *copying) devices(ctx context.Context, source, target *listing) error {
	for _, d := range source.devices {
		var err error
		switch there := target.device(d.ID); {
		case there == nil:
			err = c.to.CreateDevice(ctx, d)
		case !sameDevice(there, d):
			err = c.to.ChangeDevice(ctx, d.ID, func(changed *relay.Device) error {
				changed.Password, changed.Rights = d.Password, d.Rights
				return nil
			})
		}
		if err != nil {
			return fmt.Errorf("copying the device %q: %w", d.ID, err)
		}
	}
	return nil
}

// channel copies one channel: its settings, and the entries that are not there.
func (c *copying) channel(ctx context.Context, source, target *listing, listed *relay.Channel) error {
	settings, state, err := c.from.Channel(ctx, listed.ID)
	if errors.Is(err, relay.ErrNotFound) {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return err
	}
	owner, _ := target.account(source.owner(listed)) // accounts are there
	wanted := *settings
	wanted.Owner, wanted.LastEntryID = owner.ID, 0
	there := target.channel(listed.ID)
	switch {
	case there == nil:
		err = c.to.CreateChannel(ctx, &wanted, 0)
		there = &wanted
	case !sameSettings(there, &wanted):
		err = c.to.ChangeChannel(ctx, listed.ID, func(changed *relay.Channel) error {
			*changed = wanted
			return nil
		})
	}
	if err != nil {
		return err
	}
	c.done += there.LastEntryID
	c.tell(c.done, c.all)
	if err := c.lastIsSame(ctx, there, state.Generation); err != nil {
		return err
	}
	return c.entries(ctx, listed.ID, wanted.Keys[0].Text, there.LastEntryID, state)
}

// lastIsSame makes sure that the entry to go on from is the one it was: a channel that was cleared and filled again is
// not the continuation of what is there.
func (c *copying) lastIsSame(ctx context.Context, there *relay.Channel, generation int64) error {
	n := there.LastEntryID
	if n == 0 {
		return nil
	}
	_, state, err := c.to.Channel(ctx, there.ID)
	if err != nil {
		return err
	}
	a, err := window(ctx, c.from, generation, n, n)
	if err != nil {
		return err
	}
	b, err := window(ctx, c.to, state.Generation, n, n)
	if err != nil {
		return err
	}
	if len(a) != 1 || len(b) != 1 || !sameEntry(&a[0], &b[0]) {
		return fmt.Errorf("%w: entry %d is another one: the channel was cleared since", ErrForeign, n)
	}
	return nil
}

// entries copies what comes after a number.
func (c *copying) entries(ctx context.Context, channel int64, key string, after int64, state relay.State) error {
	for after < state.Last {
		if err := ctx.Err(); err != nil {
			return err
		}
		last := min(after+int64(rowsAtOnce-c.rows), state.Last)
		found, err := window(ctx, c.from, state.Generation, after+1, last)
		if err != nil {
			return err
		}
		if int64(len(found)) != last-after {
			return errors.New("entries are missing: it was cleared meanwhile, or its data is damaged")
		}
		rows := make([]relay.NewEntry, len(found))
		for i, e := range found {
			rows[i].Entry = e
		}
		c.waiting = append(c.waiting, relay.Update{
			Channel: channel, Key: key, Entries: rows, Bulk: true, Limits: &limits,
		})
		after = last
		if c.rows += len(rows); c.rows == rowsAtOnce {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush stores what waits.
func (c *copying) flush(ctx context.Context) error {
	if c.rows == 0 {
		return nil
	}
	decisions, err := c.to.Commit(ctx, c.waiting)
	if err != nil {
		return err
	}
	for i, d := range decisions {
		u := &c.waiting[i]
		if d.Err != nil {
			return fmt.Errorf("storing entries of channel %d: %w", u.Channel, d.Err)
		}
		if want := u.Entries[0].ID; d.Entries[0].ID != want {
			return fmt.Errorf("%w: channel %d is written there: entry %d became entry %d",
				ErrForeign, u.Channel, want, d.Entries[0].ID)
		}
	}
	c.done += int64(c.rows)
	c.waiting, c.rows = nil, 0
	c.tell(c.done, c.all)
	return nil
}

// window returns entries of a feed.
func window(ctx context.Context, s relay.Store, generation, first, last int64) (found []thingspeak.Entry, err error) {
	err = s.Entries(ctx, generation, first, last, func(e *thingspeak.Entry) error {
		found = append(found, *e)
		return nil
	})
	return found, err
}
