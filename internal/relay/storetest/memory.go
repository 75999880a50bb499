// Package storetest holds what every engine behind [relay.Store] has to promise, as a suite of tests, and the simplest
// engine that does: Memory, for tests that want a relay without a disk, such as those in a testing/synctest bubble.
package storetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Memory is a store in memory. It keeps every promise but the one about the disk. Its clock is time.Now.
type Memory struct {
	// mu guards everything. It is held during visits, so a visit must not call the store.
	mu       sync.Mutex
	accounts []relay.Account
	channels map[int64]*memoryChannel
	devices  map[string]*relay.Device
	// counter gives generations and settings their numbers.
	counter int64
	trouble error

	subscribers store.Subscribers
}

type memoryChannel struct {
	channel *relay.Channel
	state   relay.State
	entries []thingspeak.Entry // number n at n-1
	bulk    []relay.Span
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		accounts: []relay.Account{{
			ID: relay.LocalAccountID, Name: relay.LocalAccount, Key: relay.NewKey(), CreatedAt: time.Now().UTC(),
		}},
		channels: map[int64]*memoryChannel{},
		devices:  map[string]*relay.Device{},
	}
}

// Fail lets every method fail with an error that wraps relay.ErrUnavailable, until it is called with nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = nil
	if err != nil {
		m.trouble = fmt.Errorf("memory store: %w: %w", relay.ErrUnavailable, err)
	}
}

// lock locks the store, or returns the error of Fail.
func (m *Memory) lock() error {
	m.mu.Lock()
	if trouble := m.trouble; trouble != nil {
		m.mu.Unlock()
		return trouble
	}
	return nil
}

// Commit is part of [relay.Store], as are all further methods.
func (m *Memory) Commit(_ context.Context, updates []relay.Update) ([]relay.Decision, error) {
	if err := m.lock(); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var states []relay.State
	for _, id := range slices.Sorted(maps.Keys(m.channels)) {
		if slices.ContainsFunc(updates, func(u relay.Update) bool { return u.Channel == id }) {
			states = append(states, m.channels[id].state)
		}
	}
	states, decisions := relay.Decide(states, updates, time.Now())
	for _, s := range states {
		m.channels[s.Channel].state = s
	}
	for i, d := range decisions {
		if d.Err == nil {
			c := m.channels[updates[i].Channel]
			c.entries = append(c.entries, d.Entries...)
			if first, last, ok := d.Bulk(&updates[i]); ok {
				c.bulk = append(c.bulk, relay.Span{First: first, Last: last})
			}
			m.subscribers.Wake(updates[i].Channel)
		}
	}
	return decisions, nil
}

func (m *Memory) Writer(_ context.Context, key string) (int64, error) {
	if err := m.lock(); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	for id, c := range m.channels {
		if c.state.WriteKey == key {
			return id, nil
		}
	}
	return 0, relay.ErrNotFound
}

func (m *Memory) Position(_ context.Context, id int64) (relay.Position, error) {
	if err := m.lock(); err != nil {
		return relay.Position{}, err
	}
	defer m.mu.Unlock()
	if c := m.channels[id]; c != nil {
		return c.state.Position, nil
	}
	return relay.Position{}, relay.ErrNotFound
}

func (m *Memory) Channel(_ context.Context, id int64) (*relay.Channel, relay.State, error) {
	if err := m.lock(); err != nil {
		return nil, relay.State{}, err
	}
	defer m.mu.Unlock()
	if c := m.channels[id]; c != nil {
		return c.channel, c.state, nil
	}
	return nil, relay.State{}, relay.ErrNotFound
}

func (m *Memory) Entries(
	_ context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error,
) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	entries, _ := m.generation(generation)
	first, last = max(1, first), min(last, int64(len(entries)))
	for n := first; n <= last; n++ {
		if err := visit(new(entries[n-1])); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) EntriesByTime(
	_ context.Context, s relay.Stretch, limit int, visit func(*thingspeak.Entry) error,
) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	var found []thingspeak.Entry
	entries, unordered := m.generation(s.Generation)
	for _, e := range entries {
		if unordered > 0 && e.ID >= max(unordered, s.First) && e.ID <= s.Last && s.Holds(e.CreatedAt) {
			found = append(found, e)
		}
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

// generation returns the entries of a generation, none if no channel has it, and the first number to be found by time.
func (m *Memory) generation(generation int64) (entries []thingspeak.Entry, unordered int64) {
	for _, c := range m.channels {
		if c.state.Generation == generation {
			return c.entries, c.state.Unordered
		}
	}
	return nil, 0
}

func (m *Memory) CreateChannel(_ context.Context, c *relay.Channel, limit int) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	owned := 0
	for _, other := range m.channels {
		if other.channel.Owner == c.Owner {
			owned++
		}
		if other.channel.ID == c.ID || sharesKey(other.channel, c) {
			return relay.ErrTaken
		}
	}
	if limit > 0 && owned >= limit {
		return relay.ErrFull
	}
	m.channels[c.ID] = &memoryChannel{channel: clone(c), state: relay.State{
		Channel:  c.ID,
		WriteKey: c.Keys[0].Text,
		Position: relay.Position{Settings: m.next(), Generation: m.next()},
	}}
	return nil
}

func sharesKey(a, b *relay.Channel) bool {
	return slices.ContainsFunc(a.Keys, func(k thingspeak.Key) bool {
		return slices.ContainsFunc(b.Keys, func(other thingspeak.Key) bool { return other.Text == k.Text })
	})
}

func (m *Memory) ChangeChannel(_ context.Context, id int64, change func(*relay.Channel) error) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	c := m.channels[id]
	if c == nil {
		return relay.ErrNotFound
	}
	changed := clone(c.channel)
	if err := change(changed); err != nil {
		return err
	}
	for other, taken := range m.channels {
		if other != id && sharesKey(taken.channel, changed) {
			return relay.ErrTaken
		}
	}
	c.channel, c.state.Settings, c.state.WriteKey = changed, m.next(), changed.Keys[0].Text
	m.subscribers.Wake(id)
	return nil
}

func (m *Memory) ClearChannel(_ context.Context, id int64) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	c := m.channels[id]
	if c == nil {
		return relay.ErrNotFound
	}
	c.entries, c.bulk, c.state = nil, nil, c.state.Cleared(m.next())
	m.subscribers.Wake(id)
	return nil
}

func (m *Memory) DeleteChannel(_ context.Context, id int64) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.channels[id] == nil {
		return relay.ErrNotFound
	}
	delete(m.channels, id)
	for _, d := range m.devices {
		d.Rights = slices.DeleteFunc(d.Rights, func(r relay.Right) bool { return r.Channel == id })
	}
	m.subscribers.Wake(id)
	return nil
}

func (m *Memory) BulkCalls(_ context.Context, generation, first, last int64) (all []relay.Span, err error) {
	if err := m.lock(); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	for _, c := range m.channels {
		if c.state.Generation != generation {
			continue
		}
		for _, s := range c.bulk {
			if s.Last >= first && s.First <= last {
				all = append(all, s)
			}
		}
	}
	return all, nil
}

func (m *Memory) Subscribe(channel int64) (woken <-chan struct{}, end func()) {
	return m.subscribers.Add(channel)
}

func (m *Memory) Channels(_ context.Context, owner int64) ([]*relay.Channel, error) {
	if err := m.lock(); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var owned []*relay.Channel
	for _, id := range slices.Sorted(maps.Keys(m.channels)) {
		if c := m.channels[id]; c.channel.Owner == owner {
			listed := clone(c.channel)
			listed.LastEntryID = c.state.Last
			owned = append(owned, listed)
		}
	}
	return owned, nil
}

func (m *Memory) PublicChannels(_ context.Context, l relay.Listing) (page []*relay.Channel, total int, err error) {
	if err := m.lock(); err != nil {
		return nil, 0, err
	}
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.channels)) {
		c := m.channels[id]
		if !l.Holds(c.channel) {
			continue
		}
		if total++; total > l.Skip && len(page) < l.Limit {
			listed := clone(c.channel)
			listed.LastEntryID = c.state.Last
			page = append(page, listed)
		}
	}
	return page, total, nil
}

func (m *Memory) CreateAccount(_ context.Context, a *relay.Account) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, other := range m.accounts {
		if other.Name == a.Name || other.Key == a.Key {
			return relay.ErrTaken
		}
	}
	a.ID = int64(len(m.accounts)) + 1
	m.accounts = append(m.accounts, *a)
	return nil
}

func (m *Memory) AccountByKey(_ context.Context, key string) (relay.Account, error) {
	if err := m.lock(); err != nil {
		return relay.Account{}, err
	}
	defer m.mu.Unlock()
	for _, a := range m.accounts {
		if a.Key == key {
			return a, nil
		}
	}
	return relay.Account{}, relay.ErrNotFound
}

func (m *Memory) Accounts(context.Context) ([]relay.Account, error) {
	if err := m.lock(); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return slices.Clone(m.accounts), nil
}

func (m *Memory) CreateDevice(_ context.Context, d *relay.Device) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.devices[d.ID] != nil {
		return relay.ErrTaken
	}
	return m.keepDevice(d)
}

// keepDevice keeps a copy of a device if the channels of its rights are there.
func (m *Memory) keepDevice(d *relay.Device) error {
	for _, r := range d.Rights {
		if m.channels[r.Channel] == nil {
			return relay.ErrTaken
		}
	}
	m.devices[d.ID] = copyDevice(d)
	return nil
}

func copyDevice(d *relay.Device) *relay.Device {
	c := *d
	c.Rights = slices.Clone(d.Rights)
	return &c
}

func (m *Memory) ChangeDevice(_ context.Context, id string, change func(*relay.Device) error) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.devices[id] == nil {
		return relay.ErrNotFound
	}
	d := copyDevice(m.devices[id])
	if err := change(d); err != nil {
		return err
	}
	return m.keepDevice(d)
}

func (m *Memory) RemoveDevice(_ context.Context, id string) error {
	if err := m.lock(); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.devices[id] == nil {
		return relay.ErrNotFound
	}
	delete(m.devices, id)
	return nil
}

func (m *Memory) Device(_ context.Context, id string) (*relay.Device, error) {
	if err := m.lock(); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if m.devices[id] == nil {
		return nil, relay.ErrNotFound
	}
	return copyDevice(m.devices[id]), nil
}

func (m *Memory) Devices(_ context.Context) (all []*relay.Device, err error) {
	if err := m.lock(); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.devices)) {
		all = append(all, copyDevice(m.devices[id]))
	}
	return all, nil
}

func (m *Memory) Close() error { return nil }

// next returns a number that was not given out before. The caller holds mu.
func (m *Memory) next() int64 {
	m.counter++
	return m.counter
}

// clone copies a channel with everything in it.
func clone(c *relay.Channel) *relay.Channel {
	copied := *c
	copied.Keys = slices.Clone(c.Keys)
	copied.Tags = slices.Clone(c.Tags)
	return &copied
}
