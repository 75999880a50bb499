package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
)

// talks are the rooms that scripts and bots use. One is followed from its first use on, or from the start if something of it waits:
// what comes while no consumer asks is in the archive then, whatever becomes of it in the cloud.
type talks struct {
	engine *messenger.Engine
	pace   Pace
	log    *slog.Logger

	mu   sync.Mutex // guards what follows
	open map[string]*talk
	// ending is closed when nobody is to wait any more.
	ending chan struct{}
	ended  bool
}

// Pace is how often a relay is asked that sends nothing by itself: after activity, and while nothing comes.
type Pace struct{ Fastest, Slowest time.Duration }

// recently is how old what is known of a room's settings may be: it may move to another relay while the gateway serves.
const recently = time.Second

func newTalks(engine *messenger.Engine, pace Pace, log *slog.Logger) *talks {
	return &talks{engine: engine, pace: pace, log: log, open: map[string]*talk{}, ending: make(chan struct{})}
}

// errEnding: the gateway stops.
var errEnding = errors.New("the gateway stops")

// get returns a room, which is followed from then on.
func (t *talks) get(name string) (*talk, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil, errEnding
	}
	one := t.open[name]
	if one != nil && time.Since(one.looked) < recently {
		return one, nil
	}
	settings, err := t.engine.Find(name)
	if one != nil && (err != nil || !sameRoom(one.settings, settings)) {
		delete(t.open, name)
		err = errors.Join(err, one.close())
		one = nil
	}
	if err != nil {
		return nil, err
	}
	if one == nil {
		if one, err = t.follow(settings); err != nil {
			return nil, err
		}
		t.open[name] = one
	}
	one.looked = time.Now()
	return one, nil
}

// sameRoom reports whether a room that is followed can be followed on. New keys of it are noticed by whoever reads it.
func sameRoom(a, b model.Room) bool {
	return a.FilesName() == b.FilesName() && a.Relay == b.Relay && a.Channel == b.Channel && a.WriteKey == b.WriteKey &&
		a.ReadKey == b.ReadKey && a.Interval == b.Interval && a.MQTT == b.MQTT
}

// takeUp follows the rooms that have a consumer, or of which something is to be posted.
func (t *talks) takeUp() {
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
			_, err = t.get(name)
		}
		if errors.Is(err, errEnding) {
			return
		}
		if err != nil {
			t.log.Warn("a room is not followed", "room", name, "err", err)
		}
	}
}

func (t *talks) waits(settings model.Room) (bool, error) {
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
func (t *talks) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.ended = true
		close(t.ending)
	}
}

// close ends it all.
func (t *talks) close() (err error) {
	t.end()
	for _, one := range t.open {
		err = errors.Join(err, one.close())
	}
	return err
}

// talk is a room that is followed.
type talk struct {
	settings model.Room
	looked   time.Time // guarded by talks.mu
	log      *slog.Logger
	stop     context.CancelFunc
	done     chan struct{}

	reading sync.Mutex      // guards reader
	reader  *messenger.Room // nil at the end

	mu     sync.Mutex // guards what follows
	stream *messenger.Stream
	// changed is closed when there may be something new, and replaced.
	changed chan struct{}
	// away is why nothing comes from the relay, nil while it does.
	away error
	// answered tells that the relay has answered since the room is followed.
	answered bool
}

// follow opens a room and begins to follow it.
func (t *talks) follow(settings model.Room) (*talk, error) {
	reader, err := t.engine.Open(settings, messenger.Face{})
	if err != nil {
		return nil, err
	}
	follow := func() (*messenger.Stream, error) {
		return t.engine.Follow(settings, messenger.FollowOptions{Fastest: t.pace.Fastest, Slowest: t.pace.Slowest}, messenger.Face{Agree: agree})
	}
	stream, err := follow()
	if err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	one := &talk{
		settings: settings, log: t.log, stop: stop, done: make(chan struct{}), reader: reader, stream: stream, changed: make(chan struct{}),
	}
	if n, err := reader.Unposted(); err == nil && n > 0 {
		stream.Post()
	}
	go one.run(ctx, follow)
	return one, nil
}

// run keeps the room followed until ctx ends.
func (t *talk) run(ctx context.Context, follow func() (*messenger.Stream, error)) {
	defer close(t.done)
	for pause, stream := firstPause, t.stream; ; pause = min(2*pause, longestPause) {
		var err error
		if stream != nil {
			err = errors.Join(t.listen(ctx, stream), stream.Close())
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.log.Warn("a room is not followed", "room", t.settings.Name, "again_in", pause, "err", err)
			t.tell(func() { t.stream, t.away = nil, err })
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		stream, err = follow()
		if err != nil {
			stream = nil
			t.log.Warn("a room is not followed", "room", t.settings.Name, "again_in", 2*pause, "err", err)
		}
		t.tell(func() { t.stream, t.away = stream, err })
	}
}

// listen passes on what happens in the room.
func (t *talk) listen(ctx context.Context, stream *messenger.Stream) error {
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
func (t *talk) tell(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
	close(t.changed)
	t.changed = make(chan struct{})
}

// now returns the stream of the room, nil while there is none, what is closed when there may be something new, and why nothing
// comes from the relay.
func (t *talk) now() (stream *messenger.Stream, changed <-chan struct{}, away error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stream, t.changed, t.away
}

func (t *talk) hasAnswered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answered
}

// with runs work on what is kept of the room.
func (t *talk) with(work func(*messenger.Room) error) error {
	t.reading.Lock()
	defer t.reading.Unlock()
	if t.reader == nil {
		return errEnding
	}
	return work(t.reader)
}

func (t *talk) close() error {
	t.stop()
	<-t.done
	t.reading.Lock()
	defer t.reading.Unlock()
	r := t.reader
	t.reader = nil
	return r.Close()
}
