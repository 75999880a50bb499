package store

import "sync"

// Subscribers are those who wait for something new in channels. They are woken too often rather than too seldom, and told
// no more than that: what is new they read from the store. The zero value has none.
type Subscribers struct {
	// mu guards all.
	mu  sync.Mutex
	all map[int64]map[chan struct{}]struct{}
}

// Add adds one for a channel, as [relay.Store] has it.
func (s *Subscribers) Add(channel int64) (woken <-chan struct{}, end func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[int64]map[chan struct{}]struct{}{}
	}
	if s.all[channel] == nil {
		s.all[channel] = map[chan struct{}]struct{}{}
	}
	s.all[channel][c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all[channel], c)
		if len(s.all[channel]) == 0 {
			delete(s.all, channel)
		}
	}
}

// Wake wakes those of some channels.
func (s *Subscribers) Wake(channels ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, channel := range channels {
		s.wake(channel)
	}
}

// WakeAll wakes everybody.
func (s *Subscribers) WakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for channel := range s.all {
		s.wake(channel)
	}
}

// wake wakes those of a channel. The caller holds mu.
func (s *Subscribers) wake(channel int64) {
	for c := range s.all[channel] {
		select {
		case c <- struct{}{}:
		default: // it has not looked since it was woken
		}
	}
}
