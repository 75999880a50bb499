package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/gateway"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// gatewayRooms are the rooms of this device for the gateway. Its engine prints nothing.
type gatewayRooms struct {
	engine *messenger.Engine
	// pace is how often the relay of a room that is followed is asked, where it does not push.
	pace gateway.Pace

	mu    sync.Mutex           // guards what follows
	known map[string]knownRoom // by the name of its files
}

// knownRoom is a room as it was read of late.
type knownRoom struct {
	room model.Room
	ring fernet.Ring
	read time.Time
}

func (a *app) gatewayRooms(self gateway.Self) *gatewayRooms {
	o := a.engineOptions()
	o.Keeping, o.Access.Slow, o.Access.Mind = nil, nil, self.Mind
	return &gatewayRooms{engine: messenger.New(o), known: map[string]knownRoom{}}
}

// find returns a room as it was a second ago at most: it may move to a new key while the gateway serves.
func (g *gatewayRooms) find(files string) (knownRoom, error) {
	const fresh = time.Second
	g.mu.Lock()
	defer g.mu.Unlock()
	k, ok := g.known[files]
	if ok && time.Since(k.read) < fresh {
		return k, nil
	}
	r, err := g.engine.FindLasting(files)
	if err != nil {
		return k, err
	}
	keys, err := messenger.Keys(r)
	if err != nil {
		return k, err
	}
	ring, err := fernet.NewRing(keys...)
	if err == nil {
		k = knownRoom{r, ring, time.Now()}
		g.known[files] = k
	}
	return k, err
}

// clouds are the relays of all rooms.
func (g *gatewayRooms) clouds() (all []string, err error) {
	names, _, err := g.engine.Rooms()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if r, err := g.engine.Find(name); err == nil { // whoever uses one that cannot be read hears of it
			all = append(all, r.Relay)
		}
	}
	return all, nil
}

// paces returns a line for each room that keys of the gateway write to: what its relay's pace costs.
func (g *gatewayRooms) paces(ctx context.Context, keys []gateway.Grant) (lines []string) {
	told := map[string]bool{}
	for _, key := range keys {
		k, err := g.find(key.Lasting)
		if err != nil || told[key.Lasting] || !key.May(gateway.Write, key.Room) {
			continue // whoever uses it hears why
		}
		told[key.Lasting] = true
		day, err := g.engine.DayOf(ctx, k.room)
		if err != nil || day.Interval == 0 {
			continue
		}
		line := fmt.Sprintf("room %s: an entry every %v at most, which readings that wait share: %d a day where some always wait",
			key.Room, day.Interval, day.Entries)
		if day.Daily > 0 {
			line += fmt.Sprintf(", of which a free licence has about %d for all its channels", day.Daily)
		}
		lines = append(lines, line)
	}
	return lines
}

// Room is part of [gateway.Rooms], as are the next four.
func (g *gatewayRooms) Room(files string) (fernet.Ring, int64, error) {
	k, err := g.find(files)
	return k.ring, k.room.Channel, err
}

func (g *gatewayRooms) Name(files string) string {
	if k, err := g.find(files); err == nil {
		return k.room.Name
	}
	return files
}

func (g *gatewayRooms) Relay(files string) (string, error) {
	k, err := g.find(files)
	return k.room.Relay, err
}

func (g *gatewayRooms) Check(room string, e *thingspeak.Entry) error {
	k, err := g.find(room)
	if err == nil {
		err = messenger.Writable(k.room)
	}
	if err != nil {
		return &gateway.RoomError{Room: room, Err: err}
	}
	return g.engine.CheckReading(k.room, readingOf(e), e.CreatedAt)
}

func (g *gatewayRooms) Outbox(files, mark string) (gateway.Outbox, error) {
	k, err := g.find(files)
	if err != nil {
		return nil, err
	}
	if err := messenger.Writable(k.room); err != nil {
		return nil, err
	}
	r, err := g.engine.Open(k.room, messenger.Face{})
	if err != nil {
		return nil, err
	}
	return &gatewayOutbox{r, mark}, nil
}

// gatewayOutbox is the outbox of a room.
type gatewayOutbox struct {
	r    *messenger.Room
	mark string
}

// Queue is part of [gateway.Outbox]. The number of the reading goes into what names it, so that whoever was killed right then, and comes
// with it again, finds it there, of however many that say the same; and its date, as a home that is put back from a copy gives out
// numbers once more.
func (b *gatewayOutbox) Queue(ctx context.Context, e *thingspeak.Entry) error {
	// No request can name a message so: a header carries no zero byte.
	name := fmt.Sprintf("%s\x00%d %d", b.mark, e.ID, e.CreatedAt.Unix())
	_, err := b.r.Send(ctx, readingOf(e), messenger.SendOptions{Queue: true, At: e.CreatedAt, Once: name})
	if errors.Is(err, model.ErrNamedKeyGone) { // it was put there, under a key that the room has forgotten since
		return nil
	}
	return err
}

func (b *gatewayOutbox) Post(ctx context.Context) error {
	_, _, err := b.r.Retry(ctx, messenger.SendOptions{})
	return err
}

func (b *gatewayOutbox) Close() error { return b.r.Leave() }

// readingOf is an entry of the doors as a room has it.
func readingOf(e *thingspeak.Entry) record.Reading {
	r := record.Reading{
		Status: e.Status.Text, Latitude: e.Latitude.Text, Longitude: e.Longitude.Text, Elevation: e.Elevation.Text,
	}
	for i, v := range e.Fields {
		r.Values[i] = record.Value{Text: v.Text, Given: v.Given}
	}
	return r
}
