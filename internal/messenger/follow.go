package messenger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/remote"
)

// FollowOptions say how a room is followed.
type FollowOptions struct {
	// Mark is the name under which the archive remembers how far this face has shown the room. Whoever has none there
	// begins with what comes from now on, once the relay has answered, and whoever has no name always does.
	Mark string
	// FromStart begins with the room's first message instead.
	FromStart bool
	// Via, if not nil, is the only way by which entries may come. Of several streams of a room in one process, the
	// first decides.
	Via *exchange.Via
	// Fastest is how often the relay is asked after activity, and Slowest while nothing comes.
	Fastest, Slowest time.Duration
}

// Message says that a message has come, whichever process has read it.
type Message struct{ model.Item }

// Found says that a finding was told, or that one that was told turned out otherwise.
type Found struct {
	record.Finding

	TakenBack bool
}

// Late says what has been lacking for a minute and may still come.
type Late struct{ record.Finding }

// Read says that the relay has answered, what a reading has found out about it, and what it has brought besides
// messages and findings, and by which way entries come now. Where a stream is slow, one stands for several.
type Read struct {
	News     exchange.News
	Stop     exchange.Stop
	Arrivals model.Arrivals
	Via      exchange.Via
}

// Reached says that everything up to a mark was handed out: once it is shown, [Stream.Keep] remembers that.
type Reached struct{ model.Mark }

// RelayAway says that the relay cannot be reached or answers nonsense, and that it is asked again: for good, or, where
// it refuses, for a minute.
type RelayAway struct {
	Err     error
	Refuses bool
}

// RelayBack says that the relay answers again.
type RelayBack struct{}

func (Message) event()   {}
func (Found) event()     {}
func (Late) event()      {}
func (Read) event()      {}
func (Reached) event()   {}
func (RelayAway) event() {}
func (RelayBack) event() {}

// Stream is what happens in a room behind a mark, for one face. What happened while nobody listened comes from the
// archive, so a slow face loses nothing, and holds up nobody. One goroutine uses it, but for Send.
type Stream struct {
	*Room

	// Most is how many messages the next call may take out of the archive; 0 is no limit, and below 0 it takes none.
	Most int

	o     FollowOptions
	watch *watching
	queue []Event
	mark  model.Mark
	// replay has the messages of a room of texts come by place, up to the mark first, of which line was the last: where
	// the beginning was passed over first, it has come behind the rest. before is what was shown then.
	replay        bool
	first, before model.Mark
	line          *record.Held
	// earlier tells that a watch of an earlier version has ended somewhere in the room.
	earlier bool
	// begun tells that the mark is known, and more that there may be something behind it.
	begun, more bool
	late        waiting

	mu   sync.Mutex // guards what follows, which the reader sets
	news relayNews
}

// relayNews is what a stream was not told yet of the relay.
type relayNews struct {
	read     *Read
	away     *RelayAway
	back     bool
	reading  *ReadSoFar
	posting  []Event // the newest of each kind
	changed  bool    // there may be more in the archive
	answered bool    // ever
	whole    bool    // only a reading of all of the room answers
	ended    error   // why nothing is read any more
	// first is the mark behind all that was there when the relay answered first, or when the stream began, if that was
	// later.
	first model.Mark
}

// Follow follows a room. Of all streams of this process that follow it, one reading of the channel serves all.
func (e *Engine) Follow(settings model.Room, o FollowOptions, face Face) (*Stream, error) {
	if tell := face.Tell; tell != nil { // Send may do so at the same time
		var telling sync.Mutex
		face.Tell = func(e Event) error {
			telling.Lock()
			defer telling.Unlock()
			return tell(e)
		}
	}
	r, err := e.Open(settings, face)
	if err != nil {
		return nil, err
	}
	s := &Stream{Room: r, o: o}
	if o.Mark != "" {
		s.mark, s.begun, err = r.Shown(o.Mark)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if o.FromStart {
		s.before, s.mark = s.mark, model.Mark{}
	}
	s.news.first, err = r.Now()
	switch {
	case err != nil:
	case o.FromStart:
		var passed int64
		if passed, err = r.talk.PassedOver(); err == nil && passed == 0 {
			err = s.fromStart(s.news.first)
		} else {
			s.begun = false // what was passed over is read first
		}
	case !s.begun && o.Mark != "":
		_, s.earlier, _ = r.watched() // what cannot be read is told when the stream begins
	case s.begun:
		s.more = true
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	s.watch = e.watch(s)
	return s, nil
}

// Close ends the stream.
func (s *Stream) Close() error {
	return errors.Join(s.watch.leave(s), s.Room.Close())
}

// Keep remembers in the archive how far a face has shown the room.
func (s *Stream) Keep(at Reached) error { return s.SetShown(s.o.Mark, at.Mark) }

// ReadWhole has what the first reading of a room of texts has passed over read as well.
func (s *Stream) ReadWhole() {
	s.watch.mu.Lock()
	s.watch.whole = true
	s.watch.mu.Unlock()
	wake(s.watch.hurry)
}

// Next returns what has happened next, and waits for it. The error is that of ctx, of the archive, or the one with
// which the relay ended it all: a wrong key will not become right.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(s.queue) > 0 {
			e := s.queue[0]
			s.queue = s.queue[1:]
			return e, nil
		}
		changed := s.watch.changed()
		ended := s.takeRelayNews()
		if err := s.begin(); err != nil {
			return nil, err
		}
		if s.begun && s.more && s.Most >= 0 {
			if err := s.takeArchived(); err != nil {
				return nil, err
			}
		}
		if len(s.queue) > 0 {
			continue
		}
		if ended != nil {
			return nil, ended
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// firstAnswer reports whether the relay has answered since the room is followed, and the mark behind what was there
// then.
func (s *Stream) firstAnswer() (bool, model.Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news.answered, s.news.first
}

// takeRelayNews queues what was found out about the relay.
func (s *Stream) takeRelayNews() error {
	s.mu.Lock()
	n := s.news
	s.news.read, s.news.away, s.news.back, s.news.reading, s.news.posting, s.news.changed = nil, nil, false, nil, nil, false
	s.mu.Unlock()
	s.more = s.more || n.changed
	s.queue = append(s.queue, n.posting...)
	if n.reading != nil {
		s.queue = append(s.queue, *n.reading)
	}
	if n.back {
		s.queue = append(s.queue, RelayBack{})
	}
	if n.read != nil {
		for _, f := range s.late.ripe(n.read.Arrivals.Waiting, time.Now()) {
			s.queue = append(s.queue, Late{f})
		}
		s.queue = append(s.queue, *n.read)
		s.more = true
	}
	if n.away != nil {
		s.queue = append(s.queue, *n.away)
	}
	return n.ended
}

// begin finds the mark where a face begins that has shown nothing of the room: behind all that is there, or where a
// watch of an earlier version has ended, once that is read.
func (s *Stream) begin() error {
	answered, first := s.firstAnswer()
	if s.begun || !answered {
		return nil
	}
	if s.o.FromStart {
		return s.fromStart(first)
	}
	s.mark = first
	if s.o.Mark == "" {
		s.begun, s.more = true, true
		return nil
	}
	entry, ok, err := s.watched()
	if err != nil {
		s.queue = append(s.queue, PositionLost{err})
	}
	if err = nil; ok {
		s.mark, err = s.talk.MarkBehind(entry)
	}
	if err == nil {
		err = s.SetShown(s.o.Mark, s.mark)
	}
	if err == nil {
		err = s.engine.forgetWatched(s.settings)
	}
	s.begun, s.more = true, true
	return err
}

// fromStart begins with the first message of those that had come at a mark.
func (s *Stream) fromStart(now model.Mark) (err error) {
	s.begun, s.more, s.first = true, true, now
	if !s.signed {
		s.replay, err = s.talk.Disordered()
	}
	return err
}

// PositionLost says that nobody knows where an earlier version has ended to show the room, so that it begins with what
// comes from now on.
type PositionLost struct{ Err error }

func (PositionLost) event() {}

// takeArchived queues what stands behind the mark.
func (s *Stream) takeArchived() error {
	if s.replay {
		return s.takeReplayed()
	}
	if err := s.renewOwner(); err != nil {
		return err
	}
	if err := s.renewLost(); err != nil { // another process may have been told of one
		return err
	}
	if err := s.takeSent(); err != nil { // or what another process has sent would be taken for somebody else's
		return err
	}
	if err := s.introduce(); err != nil { // whose key an invitation has vouched for is no stranger when the first message is told
		return err
	}
	news, err := s.talk.Since(s.mark, s.Most)
	if err != nil {
		return err
	}
	for i := range news.Items {
		s.queue = append(s.queue, Message{news.Items[i]})
	}
	for i := range news.Found {
		s.queue = append(s.queue, Found{news.Found[i].Finding, news.Found[i].TakenBack})
	}
	for i := range news.States {
		s.queue = append(s.queue, State{news.States[i]})
	}
	if news.Until != s.mark {
		s.mark = news.Until
		s.queue = append(s.queue, Reached{s.mark})
	}
	s.more = news.More
	return nil
}

// takeReplayed queues what stands behind the line, and goes on with what came meanwhile when that is all. Whoever ends
// before has shown as much as before.
func (s *Stream) takeReplayed() error {
	items, next, err := s.talk.Replay(s.first, s.line, s.Most)
	if err != nil {
		return err
	}
	for i := range items {
		s.queue = append(s.queue, Message{items[i]})
	}
	if s.line = next; next == nil {
		s.replay, s.mark.Message = false, s.first.Message
		s.before = s.mark
	}
	s.queue = append(s.queue, Reached{s.before})
	return nil
}

// waiting is what waits, since when, and whether that was told.
type waiting map[record.FindingID]awaiting

type awaiting struct {
	since time.Time
	told  bool
}

// ripe returns what has been lacking for a minute and was not told yet, and forgets what waits no longer. Where nobody
// knows since when it is lacking, it is since this stream has found it so.
func (w *waiting) ripe(all []record.Finding, now time.Time) (tell []record.Finding) {
	still := make(waiting, len(all))
	for i := range all {
		f := &all[i]
		id := f.ID()
		is := (*w)[id]
		switch {
		case !f.Since.IsZero():
			is.since = f.Since
		case is.since.IsZero():
			is.since = now
		}
		if !is.told && now.Sub(is.since) >= record.WaitingAfter {
			is.told = true
			tell = append(tell, *f)
		}
		still[id] = is
	}
	*w = still
	return tell
}

// watching reads a room again and again, for all streams of this process that follow it.
type watching struct {
	engine   *Engine
	name     string
	settings model.Room
	via      *exchange.Via // as in FollowOptions
	end      context.CancelFunc
	done     chan struct{} // closed when reading and posting have ended
	// following says what to do next, once reading has begun.
	following atomic.Pointer[remote.Following]

	mu      sync.Mutex // guards what follows
	streams []*Stream
	signal  chan struct{} // closed when something has changed
	// answered tells that the relay has answered, and away that it does not now.
	answered bool
	away     *RelayAway
	why      error // it ends, if not for the relay's sake

	hurry   chan struct{} // gets a value when the relay is to be asked now
	written chan struct{} // gets a value when something waits in the outbox
	whole   bool          // the whole of a room of texts is to be read
}

// ErrRoomChanged ends the streams of a room that another one follows by other settings: whoever follows anew goes on
// there.
var ErrRoomChanged = errors.New("the room has other settings now")

// SameRelay reports whether two settings of a room lead to the same channel, with the same keys of it and in the same
// ways.
func SameRelay(a, b model.Room) bool {
	return a.FilesName() == b.FilesName() && a.Relay == b.Relay && a.Channel == b.Channel && a.WriteKey == b.WriteKey &&
		a.ReadKey == b.ReadKey && a.Interval == b.Interval && a.MQTT == b.MQTT
}

// watch enters a stream among those that follow its room, and begins to read if it is the first.
func (e *Engine) watch(s *Stream) *watching {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := s.settings.FilesName()
	w := e.watched[name]
	if w != nil && !SameRelay(w.settings, s.settings) { // or the stream would be told of a relay that the room has left
		w.mu.Lock()
		w.why = ErrRoomChanged
		w.mu.Unlock()
		w.end()
		w = nil
	}
	if w == nil {
		ctx, cancel := context.WithCancel(context.Background())
		w = &watching{
			engine: e, name: name, settings: s.settings, via: s.o.Via, end: cancel, done: make(chan struct{}), signal: make(chan struct{}),
			hurry: make(chan struct{}, 1), written: make(chan struct{}, 1),
		}
		if e.watched == nil {
			e.watched = map[string]*watching{}
		}
		e.watched[name] = w
		defer func() { go w.run(ctx) }()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.news.whole = s.o.FromStart && !s.begun
	s.news.answered, s.news.away = w.answered && !s.news.whole, w.away
	w.streams = append(w.streams, s)
	w.whole = w.whole || s.o.FromStart || s.earlier
	wake(w.hurry) // it may want to know sooner, or more
	return w
}

// leave takes a stream out; with the last one reading ends.
func (w *watching) leave(s *Stream) error {
	w.engine.mu.Lock()
	w.mu.Lock()
	for i, other := range w.streams {
		if other == s {
			w.streams = append(w.streams[:i:i], w.streams[i+1:]...)
			break
		}
	}
	last := len(w.streams) == 0
	w.mu.Unlock()
	if last && w.engine.watched[w.name] == w {
		delete(w.engine.watched, w.name)
	}
	w.engine.mu.Unlock()
	if last {
		w.end()
		<-w.done
	}
	return nil
}

// changed returns what is closed when something has changed next.
func (w *watching) changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signal
}

// tell lets every stream know.
func (w *watching) tell(change func(*relayNews)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.streams {
		s.mu.Lock()
		change(&s.news)
		s.mu.Unlock()
	}
	close(w.signal)
	w.signal = make(chan struct{})
}

// pace returns how often the streams want the relay to be asked.
func (w *watching) pace() (fastest, slowest time.Duration, whole bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range w.streams {
		if i == 0 || s.o.Fastest < fastest {
			fastest = s.o.Fastest
		}
		if i == 0 || s.o.Slowest < slowest {
			slowest = s.o.Slowest
		}
	}
	whole, w.whole = w.whole, false
	return fastest, slowest, whole
}

// run reads, quickly after news and slowly while nothing comes, until nobody follows or there is no use in going on.
func (w *watching) run(ctx context.Context) {
	defer close(w.done)
	ctx, end := context.WithCancel(ctx)
	var posting sync.WaitGroup
	posting.Go(func() { w.post(ctx) })
	defer posting.Wait()
	defer end()
	r, err := w.engine.Open(w.settings, Face{Tell: w.tellReading})
	if err == nil {
		err = errors.Join(w.read(ctx, r), r.Close())
	}
	w.engine.mu.Lock()
	if w.engine.watched[w.name] == w { // whoever follows from here on reads anew
		delete(w.engine.watched, w.name)
	}
	w.engine.mu.Unlock()
	w.mu.Lock()
	if w.why != nil {
		err = w.why
	}
	w.mu.Unlock()
	w.tell(func(n *relayNews) { n.ended = err })
}

// tellReading tells every stream how far a reading has come. What else is to be told of the room, each of them tells.
func (w *watching) tellReading(e Event) error {
	if at, ok := e.(ReadSoFar); ok {
		w.tell(func(n *relayNews) { n.reading = &at })
	}
	return nil
}

// ErrNotPushed says that a relay does not offer the only way by which entries were to come.
var ErrNotPushed = errors.New("the relay does not offer this")

// notPushed is an ErrNotPushed with its reason.
type notPushed struct {
	via exchange.Via
	why error
}

func (e *notPushed) Error() string {
	return fmt.Sprintf("entries were to come by %v only: %v", e.via, e.why)
}
func (e *notPushed) Unwrap() []error { return []error{ErrNotPushed, e.why} }

// Heard returns by which way entries come now, and when something was heard of the relay last, the zero time if never.
// It may be called from any goroutine.
func (s *Stream) Heard() (exchange.Via, time.Time) {
	if f := s.watch.following.Load(); f != nil {
		return f.Heard()
	}
	return exchange.Polling, time.Time{}
}

func (w *watching) read(ctx context.Context, r *Room) error {
	sources := w.engine.sources(r.client)
	if w.via != nil {
		sources = slices.DeleteFunc(sources, func(s remote.Source) bool { return s.Via() != *w.via })
	}
	f := remote.Follow(sources...)
	defer f.Close()
	w.following.Store(f)
	var taken model.Arrivals // since the last reading
	for {
		fastest, slowest, whole := w.pace()
		if whole {
			r.ReadWhole()
		}
		if err := r.renewOwner(); err != nil {
			return err
		}
		arrivals, err := r.read(ctx, f.Watch.Look())
		if ctx.Err() != nil {
			return ctx.Err()
		}
		news, stop := r.News()
		turn := f.Answered(arrivals.Entries, news.Position.Last, err, fastest, slowest)
		var first model.Mark
		if err == nil {
			if first, err = r.Now(); err != nil {
				return err
			}
		}
		if err == nil && arrivals.More { // or a quiet relay would keep what has come already from being shown
			f.Watch.Hurry()
		}
		arrivals.AddCounts(&taken)
		w.tellRead(r, err, turn, first, Read{news, stop, arrivals, f.Watch.Via})
		if turn.Over {
			return err
		}
		if err := f.NotOffered(); w.via != nil && err != nil {
			return &notPushed{*w.via, err}
		}
		if taken, err = w.takePushed(ctx, r, f); err != nil {
			return err
		}
	}
}

// tellRead tells what a reading has come to.
func (w *watching) tellRead(r *Room, err error, turn exchange.Turn, first model.Mark, read Read) {
	var away *RelayAway
	if turn.Away {
		away = &RelayAway{err, turn.Refuses}
	}
	w.tell(func(n *relayNews) {
		if w.answered = w.answered || err == nil; turn.Back || turn.Away {
			w.away = away
		}
		if turn.Back { // where nobody was told that it was away, it is not back either
			n.back, n.away = n.away == nil, nil
		}
		if !n.answered && err == nil && (!n.whole || r.Passed() == 0) {
			n.answered, n.first = true, first
		}
		if err == nil || read.Arrivals.Entries > 0 || len(read.News.Lost) > 0 {
			n.read = n.read.with(read)
		}
		if away != nil {
			n.away, n.back = away, false
		}
	})
}

// takePushed takes what is pushed until the channel is to be read.
func (w *watching) takePushed(ctx context.Context, r *Room, f *remote.Following) (taken model.Arrivals, err error) {
	for {
		pushed, err := f.Next(ctx, w.hurry)
		if err != nil || len(pushed) == 0 {
			return taken, err
		}
		arrivals, all, err := r.take(ctx, pushed)
		if err != nil {
			return taken, err
		}
		if !all {
			f.Watch.Missed()
		}
		if arrivals.More {
			f.Watch.Hurry()
		}
		arrivals.AddCounts(&taken)
		taken = arrivals
		w.tell(func(n *relayNews) { n.changed = true })
	}
}

// with returns what a reading and the one after it have found out.
func (before *Read) with(next Read) *Read {
	if before != nil {
		next.News.Passed, next.News.Cleared = max(next.News.Passed, before.News.Passed), next.News.Cleared || before.News.Cleared
		next.News.Lost = slices.Concat(before.News.Lost, next.News.Lost) // others have it, too
		next.Arrivals.AddCounts(&before.Arrivals)
	}
	return &next
}
