package mqttapi

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/guard"
)

// session is a device that is connected; it is a [mqtt.Session].
type session struct {
	door *Door
	// device is what it was when it connected.
	device *relay.Device
	client *guard.Client
	// leave gives the place back that it takes among the streams of entries.
	leave func()

	// mu guards joined, the feeds by the filter that they are followed for.
	mu     sync.Mutex
	joined map[string]*feed
}

// Publish is part of [mqtt.Session].
func (s *session) Publish(ctx context.Context, name string, payload []byte) {
	now := time.Now()
	if s.client.Admit(now) > 0 {
		return
	}
	t, ok := parsePublish(name)
	if !ok {
		return
	}
	e, ok := entryOf(t, payload)
	if !ok {
		return
	}
	u := relay.Update{Channel: t.channel, Key: t.key, Entries: []relay.NewEntry{e}}
	var err error
	switch {
	case t.key == "":
		_, err = s.door.relay.UpdateBy(ctx, s.device, u)
	case s.client.AdmitKey(now) == 0:
		if _, err = s.door.relay.Update(ctx, u); errors.Is(err, relay.ErrKey) {
			s.client.WrongKey(now)
		}
	}
	if errors.Is(err, relay.ErrUnavailable) {
		s.door.log.Error("storing what was published by MQTT", "channel", t.channel, "err", err)
	}
}

// Subscribe is part of [mqtt.Session].
func (s *session) Subscribe(ctx context.Context, filter string) bool {
	t, ok := parseSubscribe(filter)
	if !ok || s.client.Admit(time.Now()) > 0 {
		return false
	}
	device, err := s.door.relay.Still(ctx, s.device)
	if err != nil {
		return false
	}
	now := time.Now()
	if t.key != "" && s.client.AdmitKey(now) > 0 {
		return false
	}
	if err := s.refusal(ctx, device, t); err != nil {
		if t.key != "" && errors.Is(err, relay.ErrKey) {
			s.client.WrongKey(now)
		}
		return false
	}
	f, err := s.door.follow(ctx, t.channel, filter)
	if err != nil {
		return false
	}
	s.mu.Lock()
	s.joined[filter] = f
	s.mu.Unlock()
	if s.door.isOver(f) {
		s.Unsubscribe(filter)
		return false
	}
	return true
}

// refusal says why a device may not subscribe: relay.ErrKey, or that this cannot be told now. A key in the topic counts
// instead of the device's rights. How many wrong keys the address has shown is not asked here: it says nothing of a key that
// was granted, and whoever has lost one could put off its end by it.
func (s *session) refusal(ctx context.Context, device *relay.Device, t topic) error {
	if t.key == "" {
		if !device.MaySubscribe(t.channel) {
			return relay.ErrKey
		}
		return nil
	}
	_, err := s.door.relay.View(ctx, t.channel, t.key)
	return err
}

// Unsubscribe is part of [mqtt.Session].
func (s *session) Unsubscribe(filter string) {
	s.mu.Lock()
	f := s.joined[filter]
	delete(s.joined, filter)
	s.mu.Unlock()
	if f != nil {
		s.door.unfollow(f, filter)
	}
}

// Close is part of [mqtt.Session].
func (s *session) Close() {
	s.leave()
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	delete(s.door.sessions, s)
}

// Covers is part of [mqtt.Session].
func (s *session) Covers(filter, topic string) bool { return covers(filter, topic) }

// check ends what the device, nil if it may not be here at all, may not have any more.
func (s *session) check(ctx context.Context, device *relay.Device) {
	if device == nil {
		s.door.Disconnect(s.device.ID, s)
		return
	}
	s.mu.Lock()
	filters := slices.Collect(maps.Keys(s.joined))
	s.mu.Unlock()
	for _, filter := range filters {
		t, _ := parseSubscribe(filter) // it was granted
		if err := s.refusal(ctx, device, t); errors.Is(err, relay.ErrKey) || errors.Is(err, relay.ErrNotFound) {
			s.door.Refuse(s.device.ID, s, filter)
		}
	}
}

// follows reports whether the device subscribes to something of a feed.
func (s *session) follows(f *feed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, joined := range s.joined {
		if joined == f {
			return true
		}
	}
	return false
}
