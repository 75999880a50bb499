package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/model"
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

// readings keeps the readings of rooms for the ThingSpeak doors: numbered on disk, and in clear in memory only. On disk what
// one says is sealed with its room's key.
//
// It is the store behind the rules of a relay, which knows a room as a channel with a write key and a read key that are made
// anew at each start: what devices show is translated to them. What is not here of [relay.Store] nobody calls: the door
// serves entries only.
type readings struct {
	relay.Store

	rooms rooms
	log   *slog.Logger
	// labels are what the fields of a room are called; nil for nothing.
	labels func(roomID string) [thingspeak.FieldCount]string

	// mu guards what follows.
	mu      sync.Mutex
	conn    *sqlite.Conn
	shelves map[int64]*shelf // by channel
	// generation is the highest that was given to a view.
	generation int64
	// waiting is how many were not handed over yet, in all rooms, and most how many may be.
	waiting, most int

	// home is what this home is called.
	home string

	subscribers store.Subscribers
	// arrived holds a value when there may be something new to deliver.
	arrived chan struct{}
}

// openReadings opens the readings of a home.
func openReadings(home string, rooms rooms, log *slog.Logger) (*readings, error) {
	c, err := openHome(home)
	if err != nil {
		return nil, err
	}
	r := &readings{rooms: rooms, log: log, conn: c, shelves: map[int64]*shelf{}, most: maxWaiting, arrived: make(chan struct{}, 1)}
	if err = r.countWaiting(); err == nil {
		err = c.Query("SELECT name FROM home", func(row sqlite.Row) error {
			r.home = row.Text(0)
			return nil
		})
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return r, nil
}

// anyRoom is the channel of those who want to be woken for all rooms.
const anyRoom = 0

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

// unseal opens a reading with the keys of its room. It fails only where none of them opens it.
func unseal(ring fernet.Ring, sealed string) (e thingspeak.Entry, err error) {
	opened, err := ring.Open(sealed)
	if err != nil {
		return e, fmt.Errorf("%w: %w", errLocked, err)
	}
	if e, err = openReading(opened.Plaintext); err != nil {
		return e, fmt.Errorf("%w: %w", errLocked, err)
	}
	return e, nil
}

// errLocked: no key of the room opens a reading any more.
var errLocked = errors.New("no key of the room opens it")

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
	k, err := r.rooms.find(room)
	if err != nil {
		return nil, err
	}
	if k.Channel != channel {
		return nil, errOtherRoom
	}
	s, err := r.read(room, channel, k.ring)
	if err != nil {
		return nil, fmt.Errorf("reading what waits of room %s: %w", room, err)
	}
	r.shelves[channel] = s
	return s, nil
}

// read reads a shelf. The caller holds mu.
func (r *readings) read(room string, channel int64, ring fernet.Ring) (*shelf, error) {
	now := time.Now().UTC()
	s := &shelf{
		room: room, writeKey: relay.NewKey(), readKey: relay.NewKey(), moved: make(chan struct{}), known: make(chan struct{}),
		authors: []author{here: {}, nobody: {}}, byKey: map[string]int32{}, unseen: map[told][]int64{}, settings: 1,
	}
	s.channel = &relay.Channel{Owner: relay.LocalAccountID, Channel: thingspeak.Channel{
		ID: channel, Name: room, Latitude: "0.0", Longitude: "0.0", CreatedAt: now, UpdatedAt: now,
		Keys: []thingspeak.Key{{Text: s.writeKey, Write: true}, {Text: s.readKey}},
	}}
	for i := range s.channel.Labels {
		s.channel.Labels[i] = fmt.Sprintf("Field %d", i+1)
	}
	s.state = relay.State{Channel: channel, WriteKey: s.writeKey}
	last, err := r.last(room)
	if err != nil {
		return nil, err
	}
	s.state.Last = last
	from := last - maxShown + 1
	// What waits is kept however old it is.
	const old = "SELECT number, sealed FROM readings WHERE room = ? AND handed = 0 AND number < ? ORDER BY number"
	err = r.conn.Query(old, func(col sqlite.Row) error {
		if _, err := unseal(ring, col.Text(1)); err != nil {
			s.locked++
			return nil
		}
		s.queue = append(s.queue, col.Int(0))
		return nil
	}, room, from)
	if err != nil {
		return nil, err
	}
	s.rows = make([]row, 0, last-max(0, from-1))
	const query = `SELECT number, dated_s, sealed, handed, source IS NOT NULL, author FROM readings
		WHERE room = ? AND number >= ? AND sealed IS NOT NULL ORDER BY number`
	err = r.conn.Query(query, func(col sqlite.Row) error {
		on := sealedRow{
			number: col.Int(0), date: col.Int(1), sealed: col.Text(2), handed: col.Truth(3), seen: col.Int(4) == 1,
		}
		if col[5] != nil {
			on.author = new(string(col.Blob(5)))
		}
		s.load(&on, ring)
		return nil
	}, room, from)
	if n := s.locked; n > 0 {
		r.log.Error("readings wait that no key of the room opens any more", "room", room, "count", n)
	}
	if err == nil {
		err = r.conn.Query("SELECT count(*) FROM readings WHERE room = ? AND handed = ?", func(row sqlite.Row) error {
			if n := row.Int(0); n > 0 {
				r.log.Error("readings are set aside that the room cannot carry", "room", room, "count", n)
			}
			return nil
		}, room, setAside)
	}
	return s, err
}

// last returns the number of a room's newest reading.
func (r *readings) last(room string) (last int64, err error) {
	err = r.conn.Query("SELECT max(number) FROM readings WHERE room = ?", func(row sqlite.Row) error {
		if row[0] != nil { // there is none
			last = row.Int(0)
		}
		return nil
	}, room)
	return last, err
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
		for n := range d.Entries {
			e := &d.Entries[n]
			new := row{number: e.ID, date: e.CreatedAt.Unix(), said: pack(e)}
			s.put(new)
			s.expect(&new)
			s.queue = append(s.queue, e.ID)
		}
		r.subscribers.Wake(asked[i].Channel, anyRoom)
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
		err := r.rooms.check(s.room, &e)
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
	for i := range decided {
		s := r.shelves[updates[i].Channel]
		if len(decided[i].Entries) == 0 {
			continue
		}
		ring, err := r.ringOf(s)
		if err != nil {
			return err
		}
		for n := range decided[i].Entries {
			e := &decided[i].Entries[n]
			sealed, err := seal(ring, e)
			if err != nil {
				return err
			}
			err = r.conn.Exec("INSERT INTO readings (room, number, dated_s, sealed) VALUES (?, ?, ?, ?)", s.room, e.ID, e.CreatedAt.Unix(), sealed)
			if err == nil {
				err = r.forgetOld(s, e.ID)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// ringOf returns the keys of a shelf's room, unless another room has that name by now.
func (r *readings) ringOf(s *shelf) (fernet.Ring, error) {
	k, err := r.rooms.find(s.room)
	if err == nil && k.Channel != s.channel.ID {
		err = errOtherRoom
	}
	return k.ring, err
}

func seal(ring fernet.Ring, e *thingspeak.Entry) (string, error) {
	plain, err := sealReading(e)
	if err != nil {
		return "", err
	}
	return ring.Seal(plain, time.Now())
}

// forgetOld forgets what the reading says that is too old now to be shown, unless it waits.
func (r *readings) forgetOld(s *shelf, newest int64) error {
	if newest <= maxShown {
		return nil
	}
	return r.conn.Exec("UPDATE readings SET sealed = NULL WHERE room = ? AND number = ? AND handed = 1", s.room, newest-maxShown)
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
	err := r.conn.Query("SELECT DISTINCT room FROM readings", func(row sqlite.Row) error {
		names = append(names, row.Text(0))
		return nil
	})
	r.mu.Unlock()
	if err != nil {
		r.log.Error("looking for what waits failed", "err", err)
	}
	for _, room := range names {
		k, err := r.rooms.find(room)
		var s *shelf
		if err == nil {
			s, err = r.open(room, k.Channel)
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
		if len(s.queue) > 0 {
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
	return int64(len(s.queue) + s.posting)
}

// next returns the readings of a room that are to be handed over next, as many as are asked for at most. The error is [model.ErrNoRoom] if
// the shelf is not the one of its room any more.
func (r *readings) next(s *shelf, most int) (all []thingspeak.Entry, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shelves[s.channel.ID] != s {
		return nil, model.ErrNoRoom
	}
	for len(all) < min(most, len(s.queue)) {
		next := len(all)
		number := s.queue[next]
		if i := s.at(number); i < len(s.rows) && s.rows[i].number == number {
			all = append(all, s.rows[i].unpack())
			continue
		}
		e, err := r.old(s, number)
		if errors.Is(err, errLocked) { // a key is gone since: it waits, and holds up nobody
			r.log.Error("a reading waits that no key of the room opens any more", "room", nameOf(r.rooms, s.room), "number", number)
			s.queue = slices.Delete(s.queue, next, next+1)
			s.locked++
			continue
		}
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

// old reads a reading that waits, and is too old to be shown.
func (r *readings) old(s *shelf, number int64) (e thingspeak.Entry, err error) {
	ring, err := r.ringOf(s)
	if err != nil {
		return e, err
	}
	err = r.conn.Query("SELECT dated_s, sealed FROM readings WHERE room = ? AND number = ? AND sealed IS NOT NULL", func(col sqlite.Row) error {
		var err error
		e, err = unseal(ring, col.Text(1))
		e.ID, e.CreatedAt = number, time.Unix(col.Int(0), 0).UTC()
		return err
	}, s.room, number)
	if err == nil && e.ID == 0 {
		err = relay.ErrNotFound
	}
	return e, err
}

// setAside is what is noted in place of handed = 1 of a reading that its room cannot carry any more: it is kept, whatever its age.
const setAside int64 = 2

// handOver notes that the next readings of a room are in its outbox, but for some that are set aside, all at once: each note waits for the
// disk, as those do who wait for an answer. It returns the highest number that was handed over, and adds to an error there was before.
func (r *readings) handOver(s *shelf, n int, before error, aside ...int64) (handed int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = r.conn.Transaction(func() error {
		for _, number := range s.queue[:n] {
			oldest, as := s.state.Last-maxShown, int64(1)
			if slices.Contains(aside, number) {
				oldest, as = 0, setAside
			}
			err := r.conn.Exec("UPDATE readings SET handed = ?, sealed = CASE WHEN number > ? THEN sealed END WHERE room = ? AND number = ?",
				as, oldest, s.room, number)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return s.handed, errors.Join(before, fmt.Errorf("noting that readings were handed over: %w", err))
	}
	if n > 0 {
		r.waiting -= n
		s.posting += n
		s.handed = s.queue[n-1]
		s.queue = s.queue[n:]
	}
	return s.handed, before
}

// isGone reports whether somebody has removed a room, with all that was kept of it: then it is forgotten.
func (r *readings) isGone(s *shelf) (gone bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shelves[s.channel.ID] != s {
		return true, nil
	}
	if gone, err = r.isLost(s); gone {
		err = r.forget(s)
	}
	return gone, err
}

// isLost reports whether the numbers that were given are on disk no more: somebody has removed the room. The caller holds mu.
func (r *readings) isLost(s *shelf) (bool, error) {
	last, err := r.last(s.room)
	return err == nil && last < s.state.Last, err
}

// forget lets go of a shelf: whoever wants to use its room asks for it anew. The caller holds mu.
func (r *readings) forget(s *shelf) error {
	if r.shelves[s.channel.ID] == s {
		delete(r.shelves, s.channel.ID)
	}
	close(s.moved)
	s.moved = make(chan struct{})
	return r.countWaiting()
}

// countWaiting counts what waits in all rooms. The caller holds mu.
func (r *readings) countWaiting() error {
	return r.conn.Query("SELECT count(*) FROM readings WHERE handed = 0", func(row sqlite.Row) error {
		r.waiting = int(row.Int(0))
		return nil
	})
}

// leave notes that the cloud has the readings of a room up to a number, and reports whether more wait.
func (r *readings) leave(s *shelf, number int64) (more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.posting = 0
	if number > s.left {
		s.left = number
		close(s.moved)
		s.moved = make(chan struct{})
	}
	return len(s.queue) > 0
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
func (r *readings) Position(ctx context.Context, channel int64) (relay.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.shelves[channel]; s != nil {
		return r.view(s, choiceOf(ctx)).state.Position, nil
	}
	return relay.Position{}, relay.ErrNotFound
}

// Channel is part of [relay.Store].
func (r *readings) Channel(ctx context.Context, channel int64) (*relay.Channel, relay.State, error) {
	r.mu.Lock()
	s := r.shelves[channel]
	if s == nil {
		r.mu.Unlock()
		return nil, relay.State{}, relay.ErrNotFound
	}
	c, v, findings := *s.channel, r.view(s, choiceOf(ctx)), len(s.findings)
	c.LastEntryID = s.state.Last
	if v.choice != (choice{}) && len(v.picked) > 0 {
		c.LastEntryID = v.picked[len(v.picked)-1]
	}
	state := v.state
	if s.following {
		c.Findings = &findings
	}
	r.mu.Unlock()
	c.Name = nameOf(r.rooms, s.room)
	if r.labels != nil {
		for i, label := range r.labels(s.room) {
			c.Labels[i] = cmp.Or(label, c.Labels[i])
		}
	}
	return &c, state, nil
}

// Entries is part of [relay.Store].
func (r *readings) Entries(_ context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error) error {
	p, err := r.part(generation, first, last)
	if err != nil {
		return err
	}
	return p.visit(visit)
}

// EntriesByTime is part of [relay.Store].
func (r *readings) EntriesByTime(_ context.Context, stretch relay.Stretch, limit int, visit func(*thingspeak.Entry) error) error {
	p, err := r.part(stretch.Generation, stretch.First, stretch.Last)
	if err != nil {
		return err
	}
	return p.byTime(&stretch, limit, visit)
}

// BulkCalls is part of [relay.Store]. Nobody needs to know which readings came by one call.
func (r *readings) BulkCalls(context.Context, int64, int64, int64) ([]relay.Span, error) {
	return nil, nil
}

// Subscribe is part of [relay.Store].
func (r *readings) Subscribe(channel int64) (woken <-chan struct{}, end func()) {
	return r.subscribers.Add(channel)
}
