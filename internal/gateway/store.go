package gateway

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/form"
	"github.com/fernpost/fernpost/internal/relay/store"
	"github.com/fernpost/fernpost/internal/sqlite"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

const (
	// maxWaiting is how many readings may wait for the cloud, in all rooms together.
	maxWaiting = 100_000
	// maxShown is how many of the newest readings of a room are kept, to be read.
	maxShown = 100_000
	// fullWait is when somebody whose reading was not taken may try again.
	fullWait = 15 * time.Second
)

// Rooms are the rooms of this device, as the gateway needs them. It calls them by names for good, those of their files, so that a
// room that is renamed keeps its keys and what waits for it. Methods may be called from several goroutines.
type Rooms interface {
	// Room returns a room's keys, the newest first, and its channel's number.
	Room(files string) (fernet.Ring, int64, error)
	// Name is how a room is called now, or its name for good if there is none.
	Name(files string) string
	// Check says in words why a reading, with its date, cannot be sent in a room, nil if it can. A [*RoomError] says nothing of the
	// reading.
	Check(room string, e *thingspeak.Entry) error
	// Outbox opens a room's outbox, to be used by one goroutine.
	Outbox(room string) (Outbox, error)
}

// Outbox is where readings leave by: what is in it outlives the process.
type Outbox interface {
	// Queue puts a reading, which has its number and date, into the outbox. One that is there already, or has left from there, is
	// not put there again.
	Queue(ctx context.Context, e *thingspeak.Entry) error
	// Post posts what is in the outbox. It returns nil when the cloud has all of it.
	Post(ctx context.Context) error
	Close() error
}

// readings keeps the readings of rooms for the ThingSpeak doors: numbered on disk, and in clear in memory only. On disk what
// one says is sealed with its room's key.
//
// It is the store behind the rules of a relay, which knows a room as a channel with a write key and a read key that are made
// anew at each start: what devices show is translated to them. What is not here of [relay.Store] nobody calls: the door
// serves entries only.
type readings struct {
	relay.Store

	rooms Rooms
	log   *slog.Logger

	// mu guards what follows.
	mu      sync.Mutex
	conn    *sqlite.Conn
	shelves map[int64]*shelf // by channel
	// waiting is how many were not handed over yet, in all rooms, and most how many may be.
	waiting, most int

	subscribers store.Subscribers
	// arrived holds a value when there may be something new to deliver.
	arrived chan struct{}
}

// shelf are the readings of one room.
type shelf struct {
	room              string
	channel           *relay.Channel
	writeKey, readKey string
	state             relay.State
	// shown are the newest entries, by number. Those that no key of the room opens are among them, saying nothing; the ones of these
	// that wait are locked, and wait on.
	shown  []thingspeak.Entry
	locked map[int64]bool
	// handed is the highest number that is in the room's outbox, or was, and left the highest that the cloud has taken; both go
	// on in order. moved is closed when left goes on, and replaced.
	handed, left int64
	moved        chan struct{}
}

// openReadings opens the readings of a home.
func openReadings(home string, rooms Rooms, log *slog.Logger) (*readings, error) {
	c, err := openHome(home)
	if err != nil {
		return nil, err
	}
	r := &readings{rooms: rooms, log: log, conn: c, shelves: map[int64]*shelf{}, most: maxWaiting, arrived: make(chan struct{}, 1)}
	err = c.Query("SELECT count(*) FROM readings WHERE handed = 0", func(row []driver.Value) error {
		r.waiting = int(row[0].(int64))
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return r, nil
}

// Close is part of [relay.Store]. Requests that were cut off may come later still.
func (r *readings) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.conn
	r.conn = nil
	return c.Close()
}

// sealedReading is what is sealed of a reading on disk.
type sealedReading struct {
	Fields                                 [thingspeak.FieldCount]*string
	Status, Latitude, Longitude, Elevation *string
}

func sealReading(e *thingspeak.Entry) ([]byte, error) {
	text := func(v thingspeak.Value) *string {
		if !v.Given {
			return nil
		}
		return &v.Text
	}
	s := sealedReading{
		Status: text(e.Status), Latitude: text(e.Latitude), Longitude: text(e.Longitude), Elevation: text(e.Elevation),
	}
	for i, v := range e.Fields {
		s.Fields[i] = text(v)
	}
	return json.Marshal(s)
}

func openReading(plain []byte) (e thingspeak.Entry, err error) {
	var s sealedReading
	if err := json.Unmarshal(plain, &s); err != nil {
		return e, err
	}
	value := func(text *string) thingspeak.Value {
		if text == nil {
			return thingspeak.Value{}
		}
		return thingspeak.Text(*text)
	}
	for i, text := range s.Fields {
		e.Fields[i] = value(text)
	}
	e.Status, e.Latitude, e.Longitude, e.Elevation = value(s.Status), value(s.Latitude), value(s.Longitude), value(s.Elevation)
	return e, nil
}

// RoomError says that a room cannot be found, or read, now.
type RoomError struct {
	Room string
	Err  error
}

func (e *RoomError) Error() string { return "room " + e.Room + ": " + e.Err.Error() }
func (e *RoomError) Unwrap() error { return e.Err }

// errOtherRoom: the room of a key is another one by now.
var errOtherRoom = errors.New("the room has another channel than the key was made for")

// open returns the shelf of a room, which is read from disk at first.
func (r *readings) open(room string, channel int64) (*shelf, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil, relay.ErrUnavailable
	}
	if s := r.shelves[channel]; s != nil {
		if s.room != room {
			return nil, errOtherRoom
		}
		return s, nil
	}
	ring, now, err := r.rooms.Room(room)
	if err != nil {
		return nil, err
	}
	if now != channel {
		return nil, errOtherRoom
	}
	s, err := r.read(room, channel, ring)
	if err != nil {
		return nil, fmt.Errorf("reading what waits of room %s: %w", room, err)
	}
	r.shelves[channel] = s
	return s, nil
}

// read reads a shelf. The caller holds mu.
func (r *readings) read(room string, channel int64, ring fernet.Ring) (*shelf, error) {
	now := time.Now().UTC()
	s := &shelf{room: room, writeKey: relay.NewKey(), readKey: relay.NewKey(), moved: make(chan struct{})}
	s.channel = &relay.Channel{Owner: relay.LocalAccountID, Channel: thingspeak.Channel{
		ID: channel, Name: room, Latitude: "0.0", Longitude: "0.0", CreatedAt: now, UpdatedAt: now,
		Keys: []thingspeak.Key{{Text: s.writeKey, Write: true}, {Text: s.readKey}},
	}}
	for i := range s.channel.Labels {
		s.channel.Labels[i] = fmt.Sprintf("Field %d", i+1)
	}
	s.state = relay.State{Channel: channel, WriteKey: s.writeKey, Position: relay.Position{Settings: 1, Generation: channel}}
	s.locked = map[int64]bool{}
	const query = "SELECT number, dated_s, sealed, handed FROM readings WHERE room = ? AND sealed IS NOT NULL ORDER BY number"
	err := r.conn.Query(query, func(row []driver.Value) error {
		number, sealed, handed := row[0].(int64), row[2].(string), row[3].(int64) == 1
		if handed {
			s.handed, s.left = number, number
		}
		opened, err := ring.Open(sealed)
		if err != nil {
			if !handed {
				s.locked[number] = true
			}
			// Whoever reads wants every number.
			opened.Plaintext = []byte("{}")
		}
		e, err := openReading(opened.Plaintext)
		if err != nil {
			return err
		}
		e.CreatedAt = time.Unix(row[1].(int64), 0).UTC()
		s.state.Last = number - 1
		states, decided := relay.Decide([]relay.State{s.state}, []relay.Update{{
			Channel: channel, Key: s.writeKey, Entries: []relay.NewEntry{{Entry: e}}, Limits: &relay.Limits{},
		}}, now)
		s.state = states[0]
		s.shown = append(s.shown, decided[0].Entries...)
		return nil
	}, room)
	if n := len(s.locked); n > 0 {
		r.log.Error("readings wait that no key of the room opens any more", "room", room, "count", n)
	}
	return s, err
}

// Commit is part of [relay.Store]. When all places are taken a reading is refused as one that came too soon, as the
// service does.
func (r *readings) Commit(_ context.Context, updates []relay.Update) ([]relay.Decision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil, relay.ErrUnavailable
	}
	now := time.Now()
	decisions := make([]relay.Decision, len(updates))
	var at []int // of asked in updates
	var asked []relay.Update
	free := r.most - r.waiting
	for i, u := range updates {
		if err := r.check(&u, now); err != nil {
			decisions[i].Err = err
			continue
		}
		if len(u.Entries) > free {
			decisions[i].Err = &relay.TooSoonError{Wait: fullWait}
			continue
		}
		free -= len(u.Entries)
		at, asked = append(at, i), append(asked, u)
	}
	states, decided := relay.Decide(r.states(asked), asked, now)
	if err := r.conn.Transaction(func() error { return r.insert(asked, decided) }); err != nil {
		return nil, fmt.Errorf("keeping readings: %w: %w", relay.ErrUnavailable, err)
	}
	for _, s := range states {
		r.shelves[s.Channel].state = s
	}
	for i, d := range decided {
		decisions[at[i]] = d
		if d.Err != nil {
			continue
		}
		r.waiting += len(d.Entries)
		s := r.shelves[asked[i].Channel]
		s.shown = append(s.shown, d.Entries...)
		if n := len(s.shown); n > maxShown+maxShown/8 {
			s.shown = slices.Clone(s.shown[n-maxShown:])
		}
		r.subscribers.Wake(asked[i].Channel)
	}
	select {
	case r.arrived <- struct{}{}:
	default:
	}
	return decisions, nil
}

// check refuses what cannot be sent in its room as it was meant: nothing is answered with a number and never sent. The caller holds mu.
func (r *readings) check(u *relay.Update, now time.Time) error {
	s := r.shelves[u.Channel]
	if s == nil {
		return relay.ErrKey
	}
	for i := range u.Entries {
		e := u.Entries[i].Entry
		e.CreatedAt = u.Entries[i].Date(now)
		err := r.rooms.Check(s.room, &e)
		if why := u.Entries[i].LeftOut; why != "" {
			err = errors.New(why)
		}
		if err != nil {
			r.log.Warn("reading refused", "room", s.room, "why", err)
			return &form.Error{Fault: form.NotValue, Hint: err.Error()}
		}
	}
	return nil
}

// states returns the states of the channels of updates, in order. The caller holds mu.
func (r *readings) states(updates []relay.Update) (states []relay.State) {
	for _, channel := range store.ChannelsOf(updates) {
		if s := r.shelves[channel]; s != nil {
			states = append(states, s.state)
		}
	}
	slices.SortFunc(states, func(a, b relay.State) int { return cmp.Compare(a.Channel, b.Channel) })
	return states
}

// insert writes what was decided. The caller holds mu, and a transaction is open.
func (r *readings) insert(updates []relay.Update, decided []relay.Decision) error {
	now := time.Now()
	rings := map[string]fernet.Ring{}
	for i := range decided {
		room := r.shelves[updates[i].Channel]
		for n := range decided[i].Entries {
			e := &decided[i].Entries[n]
			ring, known := rings[room.room]
			if !known {
				var err error
				var channel int64
				if ring, channel, err = r.rooms.Room(room.room); err != nil {
					return err
				}
				if channel != room.channel.ID {
					return errOtherRoom
				}
				rings[room.room] = ring
			}
			plain, err := sealReading(e)
			if err != nil {
				return err
			}
			sealed, err := ring.Seal(plain, now)
			if err != nil {
				return err
			}
			err = r.conn.Exec("INSERT INTO readings (room, number, dated_s, sealed) VALUES (?, ?, ?, ?)",
				room.room, e.ID, e.CreatedAt.Unix(), sealed)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// await waits until a reading has left for the cloud, as long as it may take.
func (r *readings) await(ctx context.Context, channel, number int64, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		r.mu.Lock()
		s := r.shelves[channel]
		if s == nil {
			r.mu.Unlock()
			return
		}
		left, moved := s.left, s.moved
		r.mu.Unlock()
		if left >= number {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// openAll opens the shelves of all rooms that have readings.
func (r *readings) openAll() (all []*shelf) {
	var names []string
	r.mu.Lock()
	err := r.conn.Query("SELECT DISTINCT room FROM readings", func(row []driver.Value) error {
		names = append(names, row[0].(string))
		return nil
	})
	r.mu.Unlock()
	if err != nil {
		r.log.Error("looking for what waits failed", "err", err)
	}
	for _, room := range names {
		_, channel, err := r.rooms.Room(room)
		var s *shelf
		if err == nil {
			s, err = r.open(room, channel)
		}
		if err != nil {
			r.log.Error("what waits cannot be sent", "room", room, "err", err)
			continue
		}
		all = append(all, s)
	}
	return all
}

// waits returns the shelves of which something waits to be handed over.
func (r *readings) waits() (all []*shelf) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.shelves {
		if s.next() != nil {
			all = append(all, s)
		}
	}
	return all
}

// all returns how many readings wait to be handed over, in all rooms.
func (r *readings) all() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}

// count returns how many readings of a room the cloud has not taken yet.
func (r *readings) count(s *shelf) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.state.Last - s.left
}

// handed returns the highest number that was handed over.
func (r *readings) handed(s *shelf) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.handed
}

// next returns the reading of a room that is to be handed over next, nil if there is none.
func (r *readings) next(s *shelf) *thingspeak.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.next()
}

// next is the same for whoever holds the lock.
func (s *shelf) next() *thingspeak.Entry {
	at, _ := slices.BinarySearchFunc(s.shown, s.handed+1, byNumber)
	for at < len(s.shown) && s.locked[s.shown[at].ID] {
		at++
	}
	if at == len(s.shown) {
		return nil
	}
	return new(s.shown[at])
}

// isGone reports whether somebody has removed a room of which something waits, with all that waits: then it is forgotten.
func (r *readings) isGone(s *shelf) (gone bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone = true
	err = r.conn.Query("SELECT 1 FROM readings WHERE room = ? LIMIT 1", func([]driver.Value) error {
		gone = false
		return nil
	}, s.room)
	if gone = gone && err == nil && s.next() != nil; gone {
		for i := range s.shown {
			if s.shown[i].ID > s.handed {
				r.waiting--
			}
		}
		delete(r.shelves, s.channel.ID)
	}
	return gone, err
}

func byNumber(e thingspeak.Entry, number int64) int { return cmp.Compare(e.ID, number) }

// handOver notes that the next reading of a room is in its outbox.
func (r *readings) handOver(s *shelf, number int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.conn.Exec("UPDATE readings SET handed = 1 WHERE room = ? AND number = ? AND handed = 0", s.room, number)
	changed := int(r.conn.Changed())
	if err == nil {
		err = r.conn.Exec("UPDATE readings SET sealed = NULL WHERE room = ? AND number = ?", s.room, number-maxShown)
	}
	if err != nil {
		return fmt.Errorf("noting that a reading was handed over: %w", err)
	}
	r.waiting -= changed
	s.handed = number
	return nil
}

// leave notes that the cloud has the readings of a room up to a number.
func (r *readings) leave(s *shelf, number int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number > s.left {
		s.left = number
		close(s.moved)
		s.moved = make(chan struct{})
	}
}

// Writer is part of [relay.Store].
func (r *readings) Writer(_ context.Context, key string) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for channel, s := range r.shelves {
		if s.writeKey == key {
			return channel, nil
		}
	}
	return 0, relay.ErrNotFound
}

// Position is part of [relay.Store].
func (r *readings) Position(_ context.Context, channel int64) (relay.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.shelves[channel]; s != nil {
		return s.state.Position, nil
	}
	return relay.Position{}, relay.ErrNotFound
}

// Channel is part of [relay.Store].
func (r *readings) Channel(_ context.Context, channel int64) (*relay.Channel, relay.State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.shelves[channel]; s != nil {
		return s.channel, s.state, nil
	}
	return nil, relay.State{}, relay.ErrNotFound
}

// part returns the entries first to last of a generation, as they are now: they never change. Of what follows them in
// memory nobody but Commit knows.
func (r *readings) part(generation, first, last int64) []thingspeak.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.shelves[generation] // they are called like the channel
	if s == nil {
		return nil
	}
	from, _ := slices.BinarySearchFunc(s.shown, first, byNumber)
	to, _ := slices.BinarySearchFunc(s.shown, last+1, byNumber)
	return s.shown[from:max(from, to)]
}

// Entries is part of [relay.Store].
func (r *readings) Entries(_ context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error) error {
	for _, e := range r.part(generation, first, last) {
		if err := visit(&e); err != nil {
			return err
		}
	}
	return nil
}

// EntriesByTime is part of [relay.Store].
func (r *readings) EntriesByTime(_ context.Context, stretch relay.Stretch, limit int, visit func(*thingspeak.Entry) error) error {
	var found []thingspeak.Entry
	for _, e := range r.part(stretch.Generation, stretch.First, stretch.Last) {
		if stretch.Holds(e.CreatedAt) {
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

// BulkCalls is part of [relay.Store]. Nobody needs to know which readings came by one call.
func (r *readings) BulkCalls(context.Context, int64, int64, int64) ([]relay.Span, error) {
	return nil, nil
}

// Subscribe is part of [relay.Store].
func (r *readings) Subscribe(channel int64) (woken <-chan struct{}, end func()) {
	return r.subscribers.Add(channel)
}
