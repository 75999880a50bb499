package game

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/scratch"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/token"
)

// byRelay are the lies that a relay tells.
var byRelay = map[Lie]cheat.Lies{
	Drop: cheat.Drop, Repeat: cheat.Repeat, Reorder: cheat.Reorder, Alter: cheat.Alter, Fork: cheat.Fork, Backdate: cheat.Backdate,
	Wipe: cheat.Wipe,
}

// insiderBackdates is how far back an insider dates what they write.
const insiderBackdates = 24 * time.Hour

// hosts are the names by which the two readers call the relay: one that forks tells them apart by that.
var hosts = [2]string{"127.0.0.1", "localhost"}

// Stage is where rounds are played: a relay on this machine, and a directory for those who write and read.
type Stage struct {
	dir       *scratch.Dir
	relay     *serve.Running
	limits    relay.Limits
	access    channel.Access
	transport *http.Transport
	rounds    int
}

// OpenStage starts a relay on loopback, on a port that is free. How relays are reached is as in access.
func OpenStage(ctx context.Context, access channel.Access) (_ *Stage, err error) {
	s := &Stage{access: access}
	if s.limits, err = relay.Preset(relay.PresetNone); err != nil {
		return nil, err
	}
	if s.dir, err = scratch.New("game"); err != nil {
		return nil, fmt.Errorf("starting the game's relay: %w", err)
	}
	s.relay, err = serve.Start(ctx, serve.Options{Listen: "127.0.0.1:0", Data: s.dir.Join("relay"), Limits: s.limits})
	if err != nil {
		return nil, errors.Join(err, s.dir.Remove())
	}
	// "localhost" may be another address first.
	at := strings.TrimPrefix(s.relay.URL(), "http://")
	s.transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", at)
	}}
	s.access.Transport = s.transport
	return s, nil
}

// Close ends the relay; nothing of what was played stays.
func (s *Stage) Close() error {
	err := s.relay.Close()
	s.transport.CloseIdleConnections()
	return errors.Join(err, s.dir.Remove())
}

// Round is a round that was played.
type Round struct {
	Plan Plan
	// Screens are what the two versions of readers are shown.
	Screens [2]Screen
	// Verdict is what the engine has found out.
	Verdict Verdict
}

// Evidence is what a pair of a version, 0 or 1, may look at.
func (r *Round) Evidence(version int) Evidence {
	return Evidence{r.Screens[version], r.Screens[1-version]}
}

// cast are who takes part in a round.
type cast struct {
	stage   *Stage
	dir     string
	writers [writers]*messenger.Room
	readers [2]*reader
	insider *messenger.Room // who writes under another one's name
	open    []*messenger.Room
}

// Play plays a round. After each message, pace passes, and told is given what the two readers are shown by then; it may be nil.
func (s *Stage) Play(ctx context.Context, p Plan, pace time.Duration, told func([2]Screen)) (round Round, err error) {
	var lies cheat.Lies
	if !p.Insider {
		lies = byRelay[p.Lie]
	}
	if err := s.relay.Change(s.limits, lies); err != nil {
		return round, err
	}
	s.rounds++
	c := &cast{stage: s, dir: s.dir.Join(fmt.Sprint("round", s.rounds))}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.enter(ctx, &p, s.rounds); err != nil {
		return round, err
	}
	round.Plan = p
	for i := range p.Texts {
		if err := c.write(ctx, &p, i); err != nil {
			return round, fmt.Errorf("message %d: %w", i+1, err)
		}
		for _, r := range c.readers {
			if err := r.look(ctx); err != nil {
				return round, fmt.Errorf("reading message %d: %w", i+1, err)
			}
		}
		if told != nil {
			told([2]Screen{c.readers[0].screen, c.readers[1].screen})
		}
		if err := wait(ctx, pace); err != nil {
			return round, err
		}
	}
	for i, r := range c.readers {
		round.Screens[i] = r.screen
	}
	round.Verdict, err = judge(ctx, c.readers)
	return round, err
}

// wait waits for a while.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// enter makes a room, and lets everybody enter it.
func (c *cast) enter(ctx context.Context, p *Plan, n int) error {
	room := model.Room{
		Name: fmt.Sprint("round", n), Relay: c.stage.relay.URL(), Fields: slices.Collect(thingspeak.AllFields.All()),
		Profile: passphrase.Fernpost().Name(), Interval: "0s",
		Keys: []model.Secret{model.Secret(fernet.GenerateKey().Reveal())},
	}
	maker := c.stage.engine(filepath.Join(c.dir, "maker"))
	if err := maker.MakeChannel(ctx, &room, room.Name, true, ""); err != nil {
		return err
	}
	var err error
	for i, name := range names {
		if c.writers[i], err = c.member(c.home(i), name, room); err != nil {
			return err
		}
	}
	if p.Lie == Impersonate { // a stranger with the passphrase, and a name that is taken
		if c.insider, err = c.member(filepath.Join(c.dir, "insider"), names[ana], room); err != nil {
			return err
		}
	}
	room.WriteKey = ""
	for i, host := range hosts {
		if c.readers[i], err = c.reader(ctx, host, room); err != nil {
			return err
		}
	}
	return nil
}

// engine is that of somebody whose device keeps what it has in a directory.
func (s *Stage) engine(dir string) *messenger.Engine {
	return messenger.New(messenger.Options{
		Dir:         func(kind string) (string, error) { return filepath.Join(dir, kind), nil },
		Access:      s.access,
		ArchiveSize: func() int64 { return 0 },
	})
}

// member lets somebody enter a room under a name.
func (c *cast) member(dir, nick string, room model.Room) (*messenger.Room, error) {
	engine := c.stage.engine(dir)
	if err := engine.SetNickname(nick); err != nil {
		return nil, err
	}
	if err := engine.Add(room); err != nil {
		return nil, err
	}
	return c.opened(engine.Open(room, messenger.Face{}))
}

// home is the directory of a bot's device.
func (c *cast) home(bot int) string { return filepath.Join(c.dir, names[bot]) }

// opened notes what is to be closed.
func (c *cast) opened(r *messenger.Room, err error) (*messenger.Room, error) {
	if err == nil {
		c.open = append(c.open, r)
	}
	return r, err
}

func (c *cast) close() (err error) {
	for _, r := range c.open {
		err = errors.Join(err, r.Close())
	}
	for _, r := range c.readers {
		if r != nil {
			r.csv.Close()
		}
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// write lets the author of a message write it, or an insider in their place.
func (c *cast) write(ctx context.Context, p *Plan, i int) error {
	text, author := record.Text(p.Texts[i]), c.writers[p.Authors[i]]
	options := messenger.SendOptions{NoWait: true}
	if p.Insider && i == p.At {
		switch p.Lie {
		case Impersonate:
			author = c.insider
		case Backdate:
			options.At = time.Now().Add(-insiderBackdates)
		case Fork:
			if _, err := author.Send(ctx, text, options); err != nil {
				return err
			}
			return c.fork(ctx, p, i)
		}
	}
	_, err := author.Send(ctx, text, options)
	return err
}

// reader is somebody who reads the room, and looks at the feed without a key.
type reader struct {
	engine *messenger.Engine
	room   *messenger.Room
	csv    *channel.Reader
	screen Screen
	then   map[int64]Row
	// findings are what the engine has told while it read.
	findings tally
}

func (c *cast) reader(ctx context.Context, host string, room model.Room) (*reader, error) {
	at, err := url.Parse(room.Relay)
	if err != nil {
		return nil, err
	}
	room.Relay = "http://" + net.JoinHostPort(host, at.Port())
	r := &reader{engine: c.stage.engine(filepath.Join(c.dir, "reader-"+host)), then: map[int64]Row{}}
	if err := r.engine.Add(room); err != nil {
		return nil, err
	}
	if r.room, err = c.opened(r.engine.Open(room, messenger.Face{})); err != nil {
		return nil, err
	}
	if r.csv, err = c.stage.access.Open(room.Relay, room.Channel, ""); err != nil {
		return nil, err
	}
	return r, r.look(ctx)
}

// look reads what is new, and looks at the feed as it is.
func (r *reader) look(ctx context.Context) error {
	arrivals, err := r.room.Read(ctx)
	if err != nil {
		return err
	}
	r.findings.arrived(&arrivals)
	r.screen = Screen{}
	err = r.room.History(0, func(it *model.Item) error {
		if text, ok := it.Text(); ok && it.Record != nil {
			r.screen.Lines = append(r.screen.Lines, Line{
				Entry: it.At.Entry, Posted: it.Posted, Author: it.Record.Nick, Key: it.Record.Author.Tag().Name(),
				Number: it.Record.Number, Written: it.Record.Time(), Text: text,
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = r.csv.Newest(ctx, 100, func(e *thingspeak.Entry) error {
		row := Row{Entry: e.ID, Posted: e.CreatedAt, Token: e.Fields[0].Text}
		if t, err := token.Parse(row.Token); err == nil {
			row.Sealed = t.SealedAt()
		}
		r.screen.Now = append(r.screen.Now, row)
		if _, ok := r.then[row.Entry]; !ok {
			r.then[row.Entry] = row
		}
		return nil
	})
	for _, n := range slices.Sorted(maps.Keys(r.then)) {
		r.screen.Then = append(r.screen.Then, r.then[n])
	}
	slices.SortFunc(r.screen.Now, func(a, b Row) int { return int(a.Entry - b.Entry) })
	return err
}
