package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fernpost/fernpost/internal/attachment"
	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// markName is the name under which the archive remembers how far a room was shown here.
const markName = "chat"

// newestFirst is how many messages are shown before the others are read, so that something is shown at once.
const newestFirst = 100

// Options say what a conversation works with.
type Options struct {
	Engine *messenger.Engine
	// Access is how a channel is read as everybody can read it.
	Access channel.Access
	// Room is the name of the room that is shown first, "" for the default one.
	Room string
	// NewRoom returns the settings of a room that is to be made, and the key of the account that its relay may want.
	NewRoom func(name string) (model.Room, model.Secret, error)
	// Fastest and Slowest are how often the relay is asked, see [messenger.FollowOptions].
	Fastest, Slowest time.Duration
	// Explain returns what is wrong with an error in words, and what to do next, "" if nobody knows.
	Explain func(err error, room string) (what, next string)
	// Stopped says why a reading did not come to its end, "" if it did.
	Stopped func(exchange.Stop) string
	// Colour tells that colours are wanted.
	Colour bool

	// inLines means that there are no screen and no clipboard.
	inLines bool
}

// session is a room that is followed: the stream of what happens in it, and the room itself for what is asked beside
// that.
type session struct {
	o        Options
	settings model.Room
	stream   *messenger.Stream
	begins   model.Mark // where the stream has begun
	inbox    chan<- from
	home     *home

	ctx  context.Context // ends with the session, and with it what it has started
	end  context.CancelFunc
	work sync.WaitGroup

	// sending is what is to be sent, in the order in which it was written; sent is closed when all is, which the end
	// waits for, and leaving when nobody listens any more. unsent is why something could not be sent after that.
	sending       chan effect
	sent, leaving chan struct{}
	unsent        error

	// asking ends when nobody answers questions any more, as at the end.
	asking     context.Context
	stopAsking context.CancelFunc

	mu   sync.Mutex      // guards side
	side *messenger.Room // opened for everything but the stream

	// rowsMu guards how many rows are wanted beside those that are read now; below 0 none are read.
	rowsMu     sync.Mutex
	rowsWanted int
}

// What a session tells besides the events of its stream.
type (
	// held is what this device holds of the room: the newest of it, or, whole, all.
	held struct {
		blocks, findings []*block
		people           []model.Person
		whole            bool
	}
	// readIn is that the relay has answered, with what was found out for good, and what the next reading may find
	// otherwise.
	readIn struct {
		read             messenger.Read
		lasting, passing []item.Finding
	}
	// failed is why something could not be done; ended, why nothing comes any more.
	failed struct{ err error }
	ended  struct{ err error }
	// noted is what was done.
	noted struct {
		role role
		text string
	}
	// known are the people of the room now.
	known struct{ people []model.Person }
	// written is a message that is in the outbox.
	written struct{ block *block }
	// shows is a page to show, and question one to ask.
	shows  struct{ panel *panel }
	asks   struct{ question *question }
	rowsIn struct {
		rows []row
		all  bool
		err  error
	}
	// unread says what is new in a room of the list of rooms, with what nothing tells again.
	unread struct {
		room, note string
		told       messenger.Refreshed
	}
	// called is what the user is called now. Besides, it tells effects: openRoom, copyText.
	called struct{ nick string }
)

// from is what a session tells: an event of its stream, or one of the messages above; nil tells what concerns no room.
type from struct {
	session *session
	what    any
}

// open follows a room. Everything that happens goes into the inbox, and what concerns no room to device, also when the
// room is left.
func open(o Options, settings model.Room, inbox chan<- from, device func(any)) (*session, error) {
	s := &session{
		o: o, settings: settings, inbox: inbox, home: &home{o: o, tell: device},
		sending: make(chan effect, maxSending), sent: make(chan struct{}), leaving: make(chan struct{}),
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.asking, s.stopAsking = context.WithCancel(s.ctx)
	s.rowsWanted = -1
	face := messenger.Face{
		Tell: func(e messenger.Event) error {
			s.tell(e)
			return nil
		},
		Agree: s.agree,
	}
	var err error
	if s.side, err = o.Engine.Open(settings, face); err != nil {
		return nil, err
	}
	s.settings = s.side.Settings()
	if err = s.beginHere(); err == nil {
		s.stream, err = o.Engine.Follow(s.settings, messenger.FollowOptions{
			Mark: markName, Fastest: o.Fastest, Slowest: o.Slowest,
		}, face)
	}
	if err != nil {
		return nil, errors.Join(err, s.side.Close())
	}
	return s, nil
}

// agree asks whether a long transfer is wanted, until nobody is there to answer.
func (s *session) agree(_ context.Context, e exchange.Estimate) error {
	return confirm(s.asking, s.tell, "It takes "+e.Text()+". Send it? y/n")
}

// tell tells something, unless nobody listens any more.
func (s *session) tell(what any) { s.told(what) }

// told is tell, and reports whether somebody listened.
func (s *session) told(what any) bool {
	select {
	case s.inbox <- from{s, what}:
		return true
	case <-s.leaving:
		return false
	}
}

// beginHere has a room that was never shown here begin with what comes from now on: what this device holds was read
// elsewhere.
func (s *session) beginHere() (err error) {
	var ok bool
	if s.begins, ok, err = s.side.Shown(markName); err != nil || ok {
		return err
	}
	if s.begins, err = s.side.Now(); err != nil {
		return err
	}
	return s.side.SetShown(markName, s.begins)
}

// view is what is shown of the room itself.
func (s *session) view() roomView {
	key, name := s.side.Own()
	return roomView{
		name: s.settings.Name, relay: screen.Line(s.settings.Relay), own: screen.Line(name), ownKey: key,
		signed: s.side.Signed(), writable: messenger.Writable(s.settings) == nil, fields: len(s.settings.Fields),
	}
}

// start begins to tell: what is held first, as much of it as these say, one after the other, 0 for all; then what
// happens.
func (s *session) start(newest ...int) {
	go s.sendInOrder()
	s.work.Go(func() {
		defer s.crashed()
		if err := s.tellHeld(newest); err != nil {
			s.tell(failed{err})
		}
		s.tell(done{})
		debug.FreeOSMemory() // of what was read, a small part is kept
		for {
			e, err := s.stream.Next(s.ctx)
			if s.ctx.Err() != nil {
				return
			}
			if err != nil {
				s.tell(ended{err})
				return
			}
			if read, ok := e.(messenger.Read); ok {
				s.tellRead(read)
			} else {
				s.tell(e)
			}
		}
	})
	s.stream.Post() // what an earlier call has left
}

// tellRead tells that the relay has answered, and what was found out then.
func (s *session) tellRead(e messenger.Read) {
	r, stopped := s.stream.Room, ""
	if s.o.Stopped != nil {
		stopped = s.o.Stopped(e.Stop)
	}
	in := readIn{e, r.Lasting(&e.News, &e.Arrivals), r.Passing(&e.News, &e.Arrivals, stopped, record.WaitingAfter)}
	elsewhere, noted, err := r.FreshElsewhere()
	in.lasting = append(in.lasting, elsewhere...)
	if s.told(in) && noted != nil { // what nobody listened to is told again
		err = errors.Join(err, noted())
	}
	if err != nil {
		s.tell(failed{err})
	}
}

// crash is a panic of a goroutine, to be raised where the terminal is restored.
type crash struct{ value any }

func (s *session) crashed() {
	if v := recover(); v != nil {
		s.tell(crash{v})
	}
}

// tellHeld tells what this device holds.
func (s *session) tellHeld(each []int) error {
	for _, newest := range each {
		h := held{whole: newest == 0}
		err := s.with(func(r *messenger.Room) (err error) {
			if h.people, err = r.People(); err != nil {
				return err
			}
			err = r.History(newest, func(it *model.Item) error {
				if it.ForPeople() {
					h.blocks = append(h.blocks, blockOf(it))
				}
				return s.ctx.Err()
			})
			if err == nil && h.whole {
				h.findings, err = standing(r)
			}
			return err
		})
		if err != nil {
			return err
		}
		s.tell(h)
	}
	return nil
}

// standing are the findings that still hold.
func standing(r *messenger.Room) (blocks []*block, err error) {
	found, _, err := r.Standing()
	for i := range found {
		if b := findingBlock(&found[i], false, time.Time{}); b != nil && b.at.Entry > 0 {
			blocks = append(blocks, b)
		}
	}
	return blocks, err
}

// now is behind all that has come into the room.
func (s *session) now() (at model.Mark, err error) {
	err = s.with(func(r *messenger.Room) error {
		at, err = r.Now()
		return err
	})
	return at, err
}

// with works with the room beside its stream, one call at a time.
func (s *session) with(work func(*messenger.Room) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return work(s.side)
}

// close ends it. What is in the outbox stays there.
func (s *session) close() error {
	close(s.leaving)
	s.stopAsking() // a message whose question nobody answers is not sent
	close(s.sending)
	<-s.sent
	s.end()
	s.work.Wait()
	return errors.Join(s.unsent, s.stream.Close(), s.with((*messenger.Room).Close))
}

// maxSending is how many messages may wait to be put into the outbox: nobody types faster than that takes.
const maxSending = 1000

// do does what the state asks for, beside the loop that asks for it.
func (s *session) do(e effect) {
	switch e := e.(type) {
	case send, sendFile:
		select {
		case s.sending <- e:
		default:
			s.work.Go(func() {
				s.tell(failed{errors.New("too much waits to be sent already; this message was not taken")})
			})
		}
		return
	case loadRows:
		s.wantRows(e.newest)
		return
	}
	s.work.Go(func() { s.try(e) })
}

// wantRows reads the newest rows of the feed. One reading is under way at a time: what is wanted meanwhile is read
// once, after it.
func (s *session) wantRows(newest int) {
	s.rowsMu.Lock()
	defer s.rowsMu.Unlock()
	if s.rowsWanted >= 0 {
		s.rowsWanted = max(s.rowsWanted, newest)
		return
	}
	s.rowsWanted = newest
	s.work.Go(func() {
		for newest := s.nextRows(); newest > 0; newest = s.nextRows() {
			s.try(loadRows{newest})
		}
	})
}

func (s *session) nextRows() (newest int) {
	s.rowsMu.Lock()
	defer s.rowsMu.Unlock()
	if newest = s.rowsWanted; newest == 0 || s.ctx.Err() != nil {
		s.rowsWanted = -1
		return 0
	}
	s.rowsWanted = 0
	return newest
}

func (s *session) try(e effect) {
	defer s.crashed()
	s.tellError(s.doNow(e))
}

// tellError tells why something could not be done; not where somebody has said no, or has left.
func (s *session) tellError(err error) {
	switch {
	case err == nil, s.ctx.Err() != nil:
	case errors.Is(err, errDeclined):
		s.tell(noted{plain, "not done"})
	default:
		s.tell(failed{err})
	}
}

// sendInOrder puts messages into the outbox in the order in which they were written, also those that were written just
// before the end.
func (s *session) sendInOrder() {
	defer close(s.sent)
	for e := range s.sending {
		func() {
			defer s.crashed()
			err := s.doNow(e)
			select {
			case <-s.leaving:
				s.unsent = errors.Join(s.unsent, err)
			default:
				s.tellError(err)
			}
		}()
	}
}

func (s *session) doNow(e effect) error {
	switch e := e.(type) {
	case send:
		return s.send(e.body)
	case sendFile:
		file, err := readFile(s.ctx, homed(e.name), fileWithin)
		if err != nil {
			return err
		}
		return s.send(file)
	case saveFile:
		return s.saveFile(e)
	case retry:
		s.stream.Post()
		s.tell(noted{plain, "posting what waits in the outbox"})
	case lookUpPeople:
		return s.tellPeople(func(people []model.Person) any { return known{people} })
	case showPeople:
		own, name := s.side.Own()
		return s.tellPeople(func(people []model.Person) any { return shows{whoPanel(people, own, name)} })
	case verify:
		return s.verify(e.who)
	case markVerified:
		return s.markVerified(e.person)
	case inviteOthers:
		return s.invite(e.write)
	case rotate:
		return s.rotate()
	case loadRows:
		s.tell(s.readRows(e.newest))
	case markShown:
		return s.with(func(r *messenger.Room) error { return r.SetPrinted(e.printed) })
	case keepMark:
		return s.with(func(r *messenger.Room) error { return r.SetShown(markName, e.at.Mark) })
	default:
		_, err := s.home.does(s.ctx, e)
		return err
	}
	return nil
}

// homed is a file's name with the home directory in place of the sign for it.
func homed(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return name
}

func (s *session) send(body record.Body) error {
	sent, err := s.stream.Send(s.ctx, body, messenger.SendOptions{})
	if sent.Number > 0 {
		s.tell(written{ownBlock(&sent.Queued, body, time.Now())})
	}
	return err
}

// fileWithin is how long a file may take to be read: of what is sent in order, a pipe that nobody writes to would hold
// up the rest.
const fileWithin = 15 * time.Second

// readFile reads a file that is to be sent, within so long.
func readFile(ctx context.Context, name string, within time.Duration) (record.File, error) {
	limited, end := context.WithTimeout(ctx, within)
	defer end()
	file, err := attachment.Read(limited, name)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s has not come to its end within %v, so it was not sent: if it is a pipe, save what comes out "+
			"of it as a file first", screen.Line(name), within)
	}
	return file, err
}

func (s *session) saveFile(e saveFile) error {
	var items []model.Item
	err := s.with(func(r *messenger.Room) (err error) {
		items, err = r.Numbered(e.author, e.number)
		return err
	})
	if err != nil {
		return err
	}
	for i := range items {
		file, ok := items[i].Record.Body.(record.File)
		if !ok {
			continue
		}
		dir, err := attachment.OpenDir(homed(cmp.Or(e.dir, ".")))
		if err != nil {
			return err
		}
		defer dir.Close()
		name, there, err := dir.Save(file)
		if err != nil {
			return err
		}
		how := "saved as "
		if there {
			how = "was there already, as "
		}
		s.tell(noted{good, how + filepath.Join(cmp.Or(e.dir, "."), name)})
		return nil
	}
	return errors.New("this message has no file any more")
}

func (s *session) tellPeople(as func([]model.Person) any) error {
	return s.with(func(r *messenger.Room) error {
		people, err := r.People()
		if err == nil {
			s.tell(as(people))
		}
		return err
	})
}

// readRows reads the feed as everybody can.
func (s *session) readRows(newest int) rowsIn {
	r, err := s.o.Access.Open(s.settings.Relay, s.settings.Channel, s.settings.ReadKey.Reveal())
	if err != nil {
		return rowsIn{err: err}
	}
	defer r.Close()
	var in rowsIn
	end, err := r.Newest(s.ctx, newest, func(e *thingspeak.Entry) error {
		in.rows = append(in.rows, rowOf(e))
		return nil
	})
	slices.SortFunc(in.rows, func(a, b row) int { return cmp.Compare(a.entry, b.entry) })
	in.all, in.err = !end.More, err
	return in
}
