package mqttapi

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// A channel that gets many entries at once is announced with a breath after every burst, or the queues of clients that do
// read would overflow.
const (
	burst  = 64
	breath = time.Millisecond
)

// feed announces what comes into one channel, for all who subscribe to it.
type feed struct {
	channel int64
	start   sync.Once
	// err is why it could not be started.
	err  error
	stop context.CancelFunc
	// filters counts the subscriptions of each filter, and over says that a mistake of ours has ended it. The door's mu
	// guards both.
	filters map[string]int
	over    bool
}

// follow adds a subscription. When it returns without error the next entry will be announced.
func (d *Door) follow(ctx context.Context, channel int64, filter string) (*feed, error) {
	d.mu.Lock()
	f := d.feeds[channel]
	if f == nil {
		f = &feed{channel: channel, filters: map[string]int{}}
		d.feeds[channel] = f
	}
	f.filters[filter]++
	d.mu.Unlock()
	f.start.Do(func() { f.err = d.begin(ctx, f) })
	if f.err != nil {
		d.unfollow(f, filter)
		return nil, f.err
	}
	return f, nil
}

// begin starts to announce.
func (d *Door) begin(ctx context.Context, f *feed) error {
	following, err := d.relay.Follow(ctx, f.channel)
	if err != nil {
		d.mu.Lock()
		if d.feeds[f.channel] == f { // the next one tries anew
			delete(d.feeds, f.channel)
		}
		d.mu.Unlock()
		return err
	}
	running, stop := context.WithCancel(context.Background())
	d.mu.Lock()
	f.stop = stop
	d.mu.Unlock()
	d.background.Go(func() { d.announce(running, f, following) })
	return nil
}

// unfollow takes a subscription away, and ends a feed without any.
func (d *Door) unfollow(f *feed, filter string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f.filters[filter]--; f.filters[filter] == 0 {
		delete(f.filters, filter)
	}
	if len(f.filters) > 0 {
		return
	}
	if d.feeds[f.channel] == f {
		delete(d.feeds, f.channel)
	}
	if f.stop != nil {
		f.stop()
	}
}

// isOver reports whether a feed tells nothing any more though its channel is there.
func (d *Door) isOver(f *feed) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return f.over
}

// abandon disconnects those who subscribe to a feed that a mistake of ours has ended: they must not believe that they hear
// everything. Who comes again gets a new one.
func (d *Door) abandon(f *feed) {
	d.mu.Lock()
	f.over = true
	if d.feeds[f.channel] == f {
		delete(d.feeds, f.channel)
	}
	d.mu.Unlock()
	for _, s := range d.connected() {
		if s.follows(f) {
			d.Disconnect(s.device.ID, s)
		}
	}
}

// announce publishes what comes until ctx ends, or the channel is gone: then its subscriptions end with the next look at
// their rights.
func (d *Door) announce(ctx context.Context, f *feed, following *relay.Following) {
	sent := 0
	tell := func(e *thingspeak.Entry) {
		d.mu.Lock()
		filters := slices.Sorted(maps.Keys(f.filters))
		d.mu.Unlock()
		for _, m := range messages(f.channel, e, filters) {
			d.Broker.Publish(m.topic, m.payload)
			if sent++; sent%burst == 0 {
				time.Sleep(breath)
			}
		}
	}
	if !d.survives("announcing entries by MQTT", func() { _ = following.Run(ctx, tell) }) {
		d.abandon(f)
	}
}
