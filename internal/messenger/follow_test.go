package messenger_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/fernet"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/thingspeak"
	"github.com/fernpost/fernpost/internal/wire"
)

// texts is a room of texts at a relay of its own, and who posts in it.
type texts struct {
	t      *testing.T
	server *relaytest.Server
	engine *messenger.Engine
	room   model.Room
	ring   fernet.Ring
	posted int
}

func newTexts(t *testing.T, with ...relaytest.Option) *texts {
	t.Helper()
	server := relaytest.InBubble(t, with...)
	channel := server.CreateChannel(t, relaytest.AllFields(true))
	key := fernet.GenerateKey()
	ring, err := fernet.NewRing(key)
	if err != nil {
		t.Fatal(err)
	}
	engine := engineAt(t, t.TempDir(), server)
	room := model.Room{
		Name: "lab", Relay: server.URL, Channel: channel.ID, WriteKey: model.Secret(channel.WriteKey), Fields: []int{1}, Interval: "0s",
		Profile: "custom:kdf=pbkdf2,salt=@room,iterations=1000", Keys: []model.Secret{model.Secret(key.Reveal())},
	}
	if err := engine.Add(room); err != nil {
		t.Fatal(err)
	}
	return &texts{t: t, server: server, engine: engine, room: room, ring: ring}
}

// post has n more messages stored.
func (x *texts) post(n int) {
	x.server.Seed(x.t, x.room.Channel, n, func(int) thingspeak.Entry {
		x.posted++
		tok, err := x.ring.Seal(fmt.Append(nil, x.posted), time.Now())
		if err != nil {
			x.t.Fatal(err)
		}
		return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text(tok)}}
	})
}

func (x *texts) follow(o messenger.FollowOptions) *messenger.Stream {
	x.t.Helper()
	o.Fastest, o.Slowest = time.Second, 10*time.Second
	s, err := x.engine.Follow(x.room, o, messenger.Face{})
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

// take takes messages out of a stream until there are n of them, and shows them.
func take(t *testing.T, s *messenger.Stream, n int) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for reached := false; len(all) < n || !reached; {
		e, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("after %d messages: %v", len(all), err)
		}
		switch e := e.(type) {
		case messenger.Message:
			all, reached = append(all, e.Unsigned.Text), false
		case messenger.Reached:
			reached = true
			if err := s.Keep(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

func countTo(first, last int) (all []string) {
	for n := first; n <= last; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Faces that follow one room get everything, once and in order, also one that stands still for an hour, which holds up
// nobody and piles nothing up.
func TestEveryStreamIsComplete(t *testing.T) {
	const all = 10_000
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		quick, other := x.follow(messenger.FollowOptions{Mark: "quick", FromStart: true}), x.follow(messenger.FollowOptions{Mark: "other", FromStart: true})
		stalled := x.follow(messenger.FollowOptions{Mark: "stalled", FromStart: true})
		x.post(10)
		if got := take(t, stalled, 10); !slices.Equal(got, countTo(1, 10)) {
			t.Fatalf("it begins with %q", got)
		}
		take(t, quick, 10)
		take(t, other, 10)
		before := heap()
		for x.posted < all {
			first := x.posted + 1
			x.post(999)
			for _, s := range []*messenger.Stream{quick, other} {
				if got := take(t, s, 999); !slices.Equal(got, countTo(first, first+998)) {
					t.Fatalf("behind %d came %d from %s to %s", first-1, len(got), got[0], got[len(got)-1])
				}
			}
		}
		// The relay runs in this process, too: what it keeps of the entries, to hand them on, is not the stream's.
		const relays = 8 << 20
		if after := heap(); after > before+8<<20+relays {
			t.Errorf("a stream that stands still has taken %d KiB", (after-before)>>10)
		}
		if got := take(t, stalled, x.posted-10); !slices.Equal(got, countTo(11, x.posted)) {
			t.Errorf("the stream that stood still got %d messages", len(got))
		}
		for _, s := range []*messenger.Stream{quick, other, stalled} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}

		// A process that is started later goes on behind what it has shown.
		x.post(1)
		again := x.follow(messenger.FollowOptions{Mark: "stalled"})
		if got := take(t, again, 1); got[0] != fmt.Sprint(x.posted) {
			t.Errorf("a later stream begins with %q", got)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Whoever follows first begins with what comes from now on; the relay's going and coming reaches each stream.
func TestStreamsTellOfTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.post(3)
		x.server.Inject(relaytest.Answer(502, "text/plain", "no"))
		streams := []*messenger.Stream{x.follow(messenger.FollowOptions{Mark: "a"}), x.follow(messenger.FollowOptions{Mark: "b"})}
		time.AfterFunc(time.Minute, func() { x.server.Inject(nil) })
		time.AfterFunc(2*time.Minute, func() { x.post(1) })
		for i, s := range streams {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			var told []string
			for len(told) == 0 || told[len(told)-1] != "4" {
				e, err := s.Next(ctx)
				if err != nil {
					t.Fatalf("stream %d after %q: %v", i, told, err)
				}
				switch e := e.(type) {
				case messenger.RelayAway:
					told = append(told, "away")
				case messenger.RelayBack:
					told = append(told, "back")
				case messenger.Message:
					told = append(told, e.Unsigned.Text)
				}
			}
			// The second one was not listening while the relay was away.
			if want := [][]string{{"away", "back", "4"}, {"4"}}[i]; !slices.Equal(told, want) {
				t.Errorf("stream %d tells %q, want %q", i, told, want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// ends waits until a stream has ended because the relay refuses.
func ends(t *testing.T, s *messenger.Stream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for {
		_, err := s.Next(ctx)
		if _, refused := errors.AsType[*wire.RefusedError](err); refused {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever joins others that ask rarely does not wait until they do.
func TestWhoJoinsDoesNotWaitForThoseWhoAskRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		slow, err := x.engine.Follow(x.room, messenger.FollowOptions{Mark: "slow", Fastest: time.Hour, Slowest: time.Hour}, messenger.Face{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		x.post(1)
		before := time.Now()
		quick := x.follow(messenger.FollowOptions{Mark: "quick", FromStart: true})
		take(t, quick, 1)
		if took := time.Since(before); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		for _, s := range []*messenger.Stream{slow, quick} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// Whoever follows a room whose settings have changed is told by these, and whoever followed it before learns that it is over:
// both would wait for ever for a relay that the room has left.
func TestStreamsOfChangedSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.post(1)
		before := x.follow(messenger.FollowOptions{Mark: "a", FromStart: true})
		take(t, before, 1)
		left := x.room
		if _, err := x.engine.Update("lab", func(r *model.Room) error { r.Interval = "1s"; return nil }); err != nil {
			t.Fatal(err)
		}
		x.room.Interval = "1s"
		now := x.follow(messenger.FollowOptions{Mark: "b", FromStart: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			_, err := before.Next(ctx)
			if err == nil {
				continue
			}
			if !errors.Is(err, messenger.ErrRoomChanged) {
				t.Errorf("the first stream ends with %v", err)
			}
			break
		}
		if err := before.Close(); err != nil {
			t.Error(err)
		}
		x.post(1)
		if got := take(t, now, 2); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("the second stream shows %q", got)
		}
		if err := now.Close(); err != nil {
			t.Error(err)
		}
		if messenger.SameRelay(left, x.room) {
			t.Error("the settings count as the same")
		}
	})
}

// A stream at a relay that refuses for good ends, and does not hang.
func TestStreamsEndWithTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.server.Inject(relaytest.Answer(404, "text/plain", "-1"))
		first := x.follow(messenger.FollowOptions{Mark: "a"})
		ends(t, first)
		ends(t, x.follow(messenger.FollowOptions{Mark: "b"})) // beside one that has ended and is open still
		x.server.Inject(nil)
		x.post(1)
		late := x.follow(messenger.FollowOptions{Mark: "c", FromStart: true})
		take(t, late, 1)
		for _, s := range []*messenger.Stream{first, late} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// What the first reading of a room of texts had passed over came, from the start, behind what it had not.
func TestFromTheStartIsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.post(8100)
		read := func(whole bool) {
			r, err := x.engine.Open(x.room, messenger.Face{})
			if err != nil {
				t.Fatal(err)
			}
			if whole {
				r.ReadWhole()
			}
			if _, err := r.Read(t.Context()); err != nil || whole == (r.Passed() > 0) {
				t.Fatalf("passed over %d, %v", r.Passed(), err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		read(false)
		for _, mark := range []string{"first of all", "once all is read"} {
			s := x.follow(messenger.FollowOptions{Mark: mark, FromStart: true})
			if got := take(t, s, x.posted); !slices.Equal(got, countTo(1, x.posted)) {
				t.Errorf("%s: %d messages from %s to %s", mark, len(got), got[0], got[len(got)-1])
			}
			x.post(1)
			if got := take(t, s, 1); got[0] != fmt.Sprint(x.posted) {
				t.Errorf("%s: then comes %q", mark, got)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			read(true)
		}
	})
}
