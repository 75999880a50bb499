package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// rooms are the rooms of this device, as those need them who serve readings: [deviceRooms]; tests have others. They are called by their
// IDs, see [Grant], so that a room that is renamed keeps its keys and what waits for it. Methods may be called from several goroutines.
type rooms interface {
	// find returns a room as it was a moment ago.
	find(roomID string) (knownRoom, error)
	// check says in words why a reading, with its date, cannot be sent in a room, nil if it can. A [*roomError] says nothing of the
	// reading.
	check(roomID string, e *thingspeak.Entry) error
	// deliver has fill put readings, which have their numbers and dates, into a room's outbox, and posts what is in it. One that is there
	// already, or has left from there, under the same mark, is not put there again. It returns nil when the cloud has all of it; what is in
	// the outbox when fill has returned outlives the process.
	deliver(ctx context.Context, roomID, mark string, fill func(put func(*thingspeak.Entry) error) error) error
	// follow tells take what is in a room and what comes, until the context ends or the room cannot be followed: at first who writes
	// there, at once. What was told is on disk when take returns without error; what was told before under the same mark is not told
	// again, but for a little. It is told from the room's first message on under a mark that is new.
	follow(ctx context.Context, roomID, mark string, take func(*news) error) error
}

// knownRoom is a room as it was read of late.
type knownRoom struct {
	model.Room
	ring fernet.Ring // its keys, the newest first
	read time.Time
}

// nameOf is how a room is called now, or its ID if there is none.
func nameOf(all rooms, roomID string) string {
	if k, err := all.find(roomID); err == nil {
		return k.Name
	}
	return roomID
}

// roomError says that a room cannot be found, or read, now.
type roomError struct {
	room string
	err  error
}

func (e *roomError) Error() string { return "room " + e.room + ": " + e.err.Error() }
func (e *roomError) Unwrap() error { return e.err }

// deviceRooms are the rooms that an engine has.
type deviceRooms struct {
	engine   *messenger.Engine
	followed *followedRooms

	mu    sync.Mutex           // guards what follows
	known map[string]knownRoom // by ID
	open  map[string]*openRoom // by ID
}

// keptOpen is how long a room stays open after readings were delivered to it: to open it takes longer than to post one.
const keptOpen = 10 * time.Second

// openRoom is a room that readings are delivered to.
type openRoom struct {
	mu    sync.Mutex      // held while it is used
	room  *messenger.Room // nil while it is closed
	as    model.Room      // its settings when it was opened
	until time.Time       // when it is to be closed
}

// closeIfIdle closes the room if nobody has used it for long.
func (o *openRoom) closeIfIdle() error {
	if !o.mu.TryLock() { // it is in use
		return nil
	}
	defer o.mu.Unlock()
	if time.Now().Before(o.until) {
		return nil
	}
	return o.close()
}

// close closes the room. The caller holds mu.
func (o *openRoom) close() error {
	r := o.room
	if r == nil {
		return nil
	}
	o.room = nil
	return r.Close()
}

// close closes all rooms that are open.
func (d *deviceRooms) close() (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.open {
		o.mu.Lock()
		err = errors.Join(err, o.close())
		o.mu.Unlock()
	}
	return err
}

func newDeviceRooms(engine *messenger.Engine, followed *followedRooms) *deviceRooms {
	return &deviceRooms{engine: engine, followed: followed, known: map[string]knownRoom{}, open: map[string]*openRoom{}}
}

// NameIn returns what tells how a room of an engine is called now, by its ID, as [Grants] want it.
func NameIn(engine *messenger.Engine) func(roomID string) string {
	all := newDeviceRooms(engine, nil)
	return func(roomID string) string { return nameOf(all, roomID) }
}

// find is part of [rooms], as are the next two and [deviceRooms.follow].
func (d *deviceRooms) find(roomID string) (knownRoom, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.known[roomID]
	if ok && time.Since(k.read) < recently {
		return k, nil
	}
	r, err := d.engine.FindByFilesName(roomID)
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
		d.known[roomID] = k
	}
	return k, err
}

func (d *deviceRooms) check(roomID string, e *thingspeak.Entry) error {
	k, err := d.find(roomID)
	if err == nil {
		err = messenger.Writable(k.Room)
	}
	if err != nil {
		return &roomError{roomID, err}
	}
	return d.engine.CheckReading(k.Room, readingOf(e), e.CreatedAt)
}

func (d *deviceRooms) deliver(ctx context.Context, roomID, mark string, fill func(put func(*thingspeak.Entry) error) error) error {
	k, err := d.find(roomID)
	if err == nil {
		err = messenger.Writable(k.Room)
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	o := d.open[roomID]
	if o == nil {
		o = &openRoom{}
		d.open[roomID] = o
	}
	d.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.room != nil && !sameRoom(o.as, k.Room) {
		err = o.close()
	}
	if o.room == nil && err == nil {
		o.as = k.Room
		o.room, err = d.engine.Open(k.Room, messenger.Face{})
	}
	if err != nil {
		return err
	}
	err = fill(func(e *thingspeak.Entry) error { return putOnce(ctx, o.room, mark, e) })
	if err == nil {
		_, _, err = o.room.Retry(ctx, messenger.SendOptions{})
	}
	if err != nil { // it may be gone, or have other settings
		return errors.Join(err, o.close())
	}
	o.until = time.Now().Add(keptOpen)
	time.AfterFunc(keptOpen, func() { _ = o.closeIfIdle() })
	return nil
}

// putOnce puts a reading into an outbox. Its number goes into what names it, so that whoever was killed right then, and comes with it
// again, finds it there, of however many that say the same; and its date, as a home that is put back from a copy gives out numbers once
// more.
func putOnce(ctx context.Context, r *messenger.Room, mark string, e *thingspeak.Entry) error {
	// No request can name a message so: a header carries no zero byte.
	name := fmt.Sprintf("%s\x00%d %d", mark, e.ID, e.CreatedAt.Unix())
	_, err := r.Send(ctx, readingOf(e), messenger.SendOptions{Queue: true, At: e.CreatedAt, Once: name})
	if errors.Is(err, model.ErrNamedKeyGone) { // it was put there, under a key that the room has forgotten since
		return nil
	}
	return err
}

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

// relaysOf are the relays of all rooms of an engine.
func relaysOf(engine *messenger.Engine) (all []string, err error) {
	names, _, err := engine.Rooms()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if r, err := engine.Find(name); err == nil { // whoever uses one that cannot be read hears of it
			all = append(all, r.Relay)
		}
	}
	return all, nil
}

// RoomPace is how fast the relay of a room takes entries.
type RoomPace struct {
	Room string
	messenger.Day
}

// paces returns the paces of the rooms that keys write to, where a relay has one. Whoever uses a key of a room that is away hears why.
func (d *deviceRooms) paces(ctx context.Context, keys []Grant) (all []RoomPace) {
	asked := map[string]bool{}
	for i := range keys {
		g := &keys[i]
		if asked[g.RoomID] || !g.May(Write, g.Room) {
			continue
		}
		asked[g.RoomID] = true
		k, err := d.find(g.RoomID)
		if err != nil {
			continue
		}
		if day, err := d.engine.DayOf(ctx, k.Room); err == nil && day.Interval > 0 {
			all = append(all, RoomPace{k.Name, day})
		}
	}
	return all
}
