package gateway

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// followedRooms are the rooms that scripts and bots use. One is followed from its first use on, or from the start if something of it waits:
// what comes while no consumer asks is in the archive then, whatever becomes of it in the cloud.
type followedRooms struct {
	engine *messenger.Engine
	pace   Pace
	log    *slog.Logger

	mu    sync.Mutex       // guards what follows; nobody opens or closes a room meanwhile
	slots map[string]*slot // by the rooms' names for good
	// ending is closed when nobody is to wait any more.
	ending chan struct{}
	ended  bool
}

// slot is where one room is opened and closed: that may take long, and holds up no other room.
type slot struct {
	mu   sync.Mutex
	room *followedRoom // nil while the room is not followed
}

// Pace is how often a relay is asked that sends nothing by itself: after activity, and while nothing comes.
type Pace struct{ Fastest, Slowest time.Duration }

// recently is how old what is known of a room's settings may be: it may move to another relay while the gateway serves.
const recently = time.Second

func newFollowedRooms(engine *messenger.Engine, pace Pace, log *slog.Logger) *followedRooms {
	return &followedRooms{engine: engine, pace: pace, log: log, slots: map[string]*slot{}, ending: make(chan struct{})}
}

var (
	// errEnding: the gateway stops.
	errEnding = errors.New("the gateway stops")
	// errMoved: the room is followed anew, with other settings.
	errMoved = errors.New("the settings of the room have changed")
)

// get returns the room of a name, which is followed from then on.
func (t *followedRooms) get(name string) (*followedRoom, error) { return t.find(name, t.engine.Find) }

// byID returns the room of an ID, see [Grant], which is followed from then on.
func (t *followedRooms) byID(roomID string) (*followedRoom, error) {
	return t.find(roomID, t.engine.FindByFilesName)
}

func (t *followedRooms) find(name string, find func(string) (model.Room, error)) (*followedRoom, error) {
	settings, err := find(name)
	if err != nil {
		return nil, err
	}
	return t.at(settings)
}

// at returns the room with these settings, which is followed from then on.
func (t *followedRooms) at(settings model.Room) (*followedRoom, error) {
	place, err := t.slot(settings.FilesName())
	if err != nil {
		return nil, err
	}
	place.mu.Lock()
	defer place.mu.Unlock()
	if _, err := t.slot(settings.FilesName()); err != nil { // it has ended meanwhile
		return nil, err
	}
	if place.room != nil && !sameRoom(place.room.settings, settings) {
		t.closeIn(place, errMoved)
	}
	if place.room == nil {
		place.room, err = t.follow(settings)
	}
	return place.room, err
}

// slot returns where a room is opened. The error is errEnding.
func (t *followedRooms) slot(roomID string) (*slot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil, errEnding
	}
	if t.slots[roomID] == nil {
		t.slots[roomID] = &slot{}
	}
	return t.slots[roomID], nil
}

// leave ends to follow a room, unless it is followed anew already.
func (t *followedRooms) leave(one *followedRoom, why error) {
	place, err := t.slot(one.settings.FilesName())
	if err != nil {
		return // all is closed
	}
	place.mu.Lock()
	defer place.mu.Unlock()
	if place.room == one {
		t.closeIn(place, why)
	}
}

// closeIn closes the room of a slot, which is locked.
func (t *followedRooms) closeIn(place *slot, why error) {
	if err := place.room.close(why); err != nil {
		t.log.Warn("closing a room failed", "room", place.room.settings.Name, "err", err)
	}
	place.room = nil
}

// sameRoom reports whether a room that is followed can be followed on. A new key may be what its messages wait for.
func sameRoom(a, b model.Room) bool {
	return a.Name == b.Name && messenger.SameRelay(a, b) && slices.Equal(a.Keys, b.Keys)
}

// takeUp follows the rooms that have a consumer, or of which something is to be posted.
func (t *followedRooms) takeUp() {
	names, _, err := t.engine.Rooms()
	if err != nil {
		t.log.Error("looking for what waits failed", "err", err)
	}
	for _, name := range names {
		waits := false
		settings, err := t.engine.Find(name)
		if err == nil {
			waits, err = t.engine.HasArchive(settings)
		}
		if err == nil && waits {
			waits, err = t.waits(settings)
		}
		if err == nil && waits {
			_, err = t.at(settings)
		}
		if errors.Is(err, errEnding) {
			return
		}
		if err != nil {
			t.log.Warn("a room is not followed", "room", name, "err", err)
		}
	}
}

func (t *followedRooms) waits(settings model.Room) (bool, error) {
	r, err := t.engine.Open(settings, messenger.Face{})
	if err != nil {
		return false, err
	}
	consumers, err := r.Consumers()
	unposted := 0
	if err == nil {
		unposted, err = r.Unposted()
	}
	return len(consumers)+unposted > 0, errors.Join(err, r.Close())
}

// end lets nobody wait any more.
func (t *followedRooms) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.ended = true
		close(t.ending)
	}
}

// close ends it all.
func (t *followedRooms) close() (err error) {
	t.end()
	t.mu.Lock()
	slots := slices.Collect(maps.Values(t.slots)) // there are no more from now on
	t.mu.Unlock()
	for _, place := range slots {
		place.mu.Lock()
		if place.room != nil {
			err = errors.Join(err, place.room.close(errEnding))
			place.room = nil
		}
		place.mu.Unlock()
	}
	return err
}

// followedRoom is a room that is followed.
type followedRoom struct {
	settings model.Room
	log      *slog.Logger
	stop     context.CancelFunc
	done     chan struct{}
	closed   error // what closing the last stream came to, once done is closed

	reading sync.Mutex      // guards reader
	reader  *messenger.Room // nil at the end

	looking sync.Mutex // guards what follows, and is held while it is looked up
	last    lookedUp

	mu     sync.Mutex // guards what follows
	stream *messenger.Stream
	// changed is closed when there may be something new, and replaced.
	changed chan struct{}
	// away is why nothing comes from the relay, nil while it does.
	away error
	// answered tells that the relay has answered since the stream began.
	answered bool
	// gone is why the room is not followed any more.
	gone error
}

// follow opens a room and begins to follow it.
func (t *followedRooms) follow(settings model.Room) (*followedRoom, error) {
	reader, err := t.engine.Open(settings, messenger.Face{})
	if err != nil {
		return nil, err
	}
	follow := func() (*messenger.Stream, error) {
		now, err := t.engine.Current(settings)
		if err != nil {
			return nil, err
		}
		stream, err := t.engine.Follow(now, messenger.FollowOptions{Fastest: t.pace.Fastest, Slowest: t.pace.Slowest}, messenger.Face{Agree: agree})
		if err != nil {
			return nil, err
		}
		if n, err := stream.Unposted(); err != nil || n > 0 {
			stream.Post()
		}
		return stream, nil
	}
	stream, err := follow()
	if err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	one := &followedRoom{
		settings: settings, log: t.log, stop: stop, done: make(chan struct{}), reader: reader, stream: stream, changed: make(chan struct{}),
	}
	go func() {
		if err := one.run(ctx, follow); err != nil {
			t.log.Info("a room is not followed any more", "room", settings.Name, "err", err)
			t.leave(one, err)
		}
	}()
	return one, nil
}

// run keeps the room followed until ctx ends. The error is [model.ErrNoRoom] if it was removed.
func (t *followedRoom) run(ctx context.Context, follow func() (*messenger.Stream, error)) error {
	defer close(t.done)
	stream, err, pause := t.stream, error(nil), firstPause
	for {
		if err == nil {
			began := time.Now()
			err = t.listen(ctx, stream)
			if t.hasAnswered() && time.Since(began) > time.Minute { // it went well for a while
				pause = firstPause
			}
			closed := stream.Close()
			if ctx.Err() != nil {
				t.closed = closed
				return nil
			}
			err = errors.Join(err, closed)
		}
		if errors.Is(err, model.ErrNoRoom) {
			return err
		}
		t.log.Warn("a room is not followed", "room", t.settings.Name, "again_in", pause, "err", err)
		t.tell(func() { t.stream, t.away, t.answered = nil, err, false })
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
		if stream, err = follow(); err == nil {
			t.tell(func() { t.stream, t.away = stream, nil })
		}
	}
}

// listen passes on what happens in the room.
func (t *followedRoom) listen(ctx context.Context, stream *messenger.Stream) error {
	for {
		e, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		switch e := e.(type) {
		case messenger.Reached:
			t.tell(func() {})
		case messenger.Read:
			if !t.hasAnswered() {
				t.tell(func() { t.answered = true })
			}
		case messenger.RelayAway:
			t.log.Warn("a relay is away", "room", t.settings.Name, "err", e.Err)
			t.tell(func() { t.away = e.Err })
		case messenger.RelayBack:
			t.log.Info("a relay is back", "room", t.settings.Name)
			t.tell(func() { t.away = nil })
		case messenger.NotPosted:
			if !e.Again {
				t.log.Warn("messages wait", "room", t.settings.Name, "err", e.Err)
			}
		}
	}
}

// tell changes what is known, and lets everybody look who waits.
func (t *followedRoom) tell(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
	close(t.changed)
	t.changed = make(chan struct{})
}

// now returns the stream of the room, nil while there is none, what is closed when there may be something new, and why nothing
// comes from the relay.
func (t *followedRoom) now() (stream *messenger.Stream, changed <-chan struct{}, away error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stream, t.changed, t.away
}

// over returns why the room is not followed any more, nil while it is.
func (t *followedRoom) over() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gone
}

func (t *followedRoom) hasAnswered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answered
}

// with runs work on what is kept of the room.
func (t *followedRoom) with(work func(*messenger.Room) error) error {
	t.reading.Lock()
	defer t.reading.Unlock()
	if t.reader == nil {
		return t.over()
	}
	return work(t.reader)
}

// lookedUp is what has come since a mark, as of a time after which nothing has changed.
type lookedUp struct {
	since   model.Mark
	batch   messenger.Batch
	at      time.Time
	changed <-chan struct{}
}

// since returns what has come since a mark, which nobody may change. Of many who listen the first one looks it up.
func (t *followedRoom) since(m model.Mark) (messenger.Batch, error) {
	t.looking.Lock()
	defer t.looking.Unlock()
	_, changed, _ := t.now()
	if l := &t.last; l.changed == changed && l.since == m && time.Since(l.at) < recently && t.over() == nil {
		return l.batch, nil
	}
	next := lookedUp{since: m, at: time.Now(), changed: changed}
	err := t.with(func(r *messenger.Room) (err error) {
		next.batch, err = r.Since(m, defaultBatch)
		return err
	})
	if err == nil {
		t.last = next
	}
	return next.batch, err
}

// close lets go of the room, and has everybody look who waits. It says why to whoever still asks for it.
func (t *followedRoom) close(why error) error {
	t.stop()
	<-t.done
	t.mu.Lock()
	t.gone = why
	close(t.changed) // for good
	t.mu.Unlock()
	t.reading.Lock()
	defer t.reading.Unlock()
	r := t.reader
	t.reader = nil
	return errors.Join(t.closed, r.Close())
}
