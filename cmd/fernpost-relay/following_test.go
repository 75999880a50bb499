package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	access "github.com/fernpost/fernpost/internal/channel"
	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay"
	administered "github.com/fernpost/fernpost/internal/relay/serve"
	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// follower shows the messages of a room as they come to it, by one way, from one relay of a cluster.
type follower struct {
	name  string
	shown []string
	// last is the newest message shown, for whoever waits for it.
	last atomic.Pointer[string]
	err  error
}

// follow follows a room until ctx ends.
func (f *follower) follow(ctx context.Context, home string, room model.Room, via exchange.Via) {
	engine := messenger.New(messenger.Options{
		Dir:         func(kind string) (string, error) { return filepath.Join(home, kind), nil },
		Access:      access.Access{Timeout: 5 * time.Second},
		ArchiveSize: func() int64 { return 0 },
	})
	f.err = engine.Add(room)
	if f.err != nil {
		return
	}
	s, err := engine.Follow(room, messenger.FollowOptions{
		Mark: "test", FromStart: true, Via: &via, Fastest: 200 * time.Millisecond, Slowest: time.Second,
	}, messenger.Face{})
	if err != nil {
		f.err = err
		return
	}
	for {
		e, err := s.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				f.err = err
			}
			f.err = errors.Join(f.err, s.Close())
			return
		}
		switch e := e.(type) {
		case messenger.Message:
			f.shown = append(f.shown, e.Unsigned.Text)
			f.last.Store(&e.Unsigned.Text)
		case messenger.Found:
			if !e.TakenBack {
				f.err = errors.Join(f.err, fmt.Errorf("it is told of %+v", e.Finding))
			}
		}
	}
}

// TestFollowersMissNothing: relays are killed, the primary fails and its standby is promoted, and both servers fail, while
// messages are written through both relays. Whoever follows the room, by a stream, by MQTT or by polling, from either relay,
// shows exactly what is stored in the end, in order, each message once. FERNPOST_FAULTS says how many things go wrong,
// FERNPOST_SEED repeats the choices of a run that failed.
func TestFollowersMissNothing(t *testing.T) {
	t.Parallel() // most of it is waiting
	c := newCluster(t)
	defer c.giveUp()
	seed := testenv.Seed(t)
	c.random = rand.New(rand.NewPCG(seed, 0))
	id, key := (&serving{url: "http://" + c.relays[0].address}).newChannel(t)
	admin, err := administered.OpenPostgres(t.Context(), c.relays[0].store)
	if err != nil {
		t.Fatal(err)
	}
	secret := fernet.GenerateKey()
	ring, err := fernet.NewRing(secret)
	if err != nil {
		t.Fatal(err)
	}
	following, stop := context.WithCancel(t.Context())
	defer stop()
	var all []*follower
	var running sync.WaitGroup
	for _, r := range c.relays {
		for _, via := range []exchange.Via{exchange.Polling, exchange.Stream, exchange.MQTT} {
			d, password := relay.NewDevice()
			if err := errors.Join(d.Allow(relay.Right{Channel: id, Subscribe: true}), admin.CreateDevice(t.Context(), d)); err != nil {
				t.Fatal(err)
			}
			room := model.Room{
				Name: "lab", Relay: "http://" + r.address, Channel: id, Fields: []int{1}, Interval: "0s",
				Profile: "custom:kdf=pbkdf2,salt=@room,iterations=1000", Keys: []model.Secret{model.Secret(secret.Reveal())},
				MQTT: model.MQTT{
					URL: "mqtt://" + r.mqtt, ClientID: model.Secret(d.ID), Username: model.Secret(d.ID), Password: model.Secret(password),
				},
			}
			f := &follower{name: fmt.Sprintf("by %v from %s", via, r.address)}
			all = append(all, f)
			home := t.TempDir()
			running.Go(func() { f.follow(following, home, room, via) })
		}
	}
	if err := admin.Close(); err != nil {
		t.Fatal(err)
	}

	// Each text is tried once: what was not answered may be stored, or not.
	var wrote, answered atomic.Int64
	write := func(ctx context.Context, r *node, text string) bool {
		tok, err := ring.Seal([]byte(text), time.Now())
		if err != nil {
			t.Error(err)
			return false
		}
		answer, err := r.send(ctx, http.MethodPost, "/update?field1="+url.QueryEscape(tok), key)
		return err == nil && strings.HasPrefix(answer, "200 ")
	}
	writing, enough := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for n := range 2 {
		writers.Go(func() {
			for writing.Err() == nil {
				text := strconv.FormatInt(wrote.Add(1), 10)
				if write(t.Context(), c.relays[n], text) {
					answered.Add(1)
				} else {
					time.Sleep(20 * time.Millisecond) // a relay that is away refuses at once
				}
			}
		})
	}
	between := func() {
		to := answered.Load() + 150
		testenv.Await(t, "answers", func() bool { return answered.Load() >= to })
	}
	wrong := []fault{
		{"a relay is killed", (*cluster).killRelay},
		{"the primary fails, and the standby is promoted", (*cluster).failOver},
		{"both relays are killed", (*cluster).killRelays},
		{"both servers fail and come back", (*cluster).failServers},
	}
	for n := range int(testenv.Number(t, "FERNPOST_FAULTS", uint64(len(wrong)))) {
		between()
		w := wrong[n%len(wrong)]
		w.strike(c)
		c.awaitWrites()
		t.Logf("%s; %d messages of %d were answered", w.name, answered.Load(), wrote.Load())
	}
	between()
	enough()
	writers.Wait()
	end := "the end"
	for !write(t.Context(), c.relays[0], end) {
		end += "!"
	}
	for _, f := range all {
		testenv.Await(t, "the last message "+f.name, func() bool {
			last := f.last.Load()
			return last != nil && *last == end
		})
	}
	stop()
	running.Wait()

	want := stored(t, c.relays[0], id, ring)
	if len(want) < int(answered.Load()) {
		t.Errorf("%d messages are stored, and %d were answered", len(want), answered.Load())
	}
	for _, f := range all {
		if f.err != nil {
			t.Errorf("%s: %v", f.name, f.err)
		}
		if !slices.Equal(f.shown, want) {
			t.Errorf("%s %d messages were shown, and %d are stored", f.name, len(f.shown), len(want))
		}
	}
	c.stop()
}

// stored reads the messages of a channel, in order.
func stored(t *testing.T, r *node, channel int64, ring fernet.Ring) (texts []string) {
	t.Helper()
	answer, err := http.Get(fmt.Sprintf("http://%s/stream/channels/%d/feeds.csv", r.address, channel))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	feed := thingspeak.NewCSVReader(answer.Body)
	for {
		var e thingspeak.Entry
		err := feed.Read(&e)
		if err == io.EOF {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		opened, err := ring.Open(e.Fields[0].Text)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(opened.Plaintext))
	}
}
