package messenger_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// hears takes what a stream tells of the relay, and messages, until the last of some words comes, and returns them all.
func hears(t *testing.T, s *messenger.Stream, last string) (told []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for !slices.Contains(told, last) {
		e, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", told, err)
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
	return told
}

// Whoever begins to follow while the relay is away hears so at once, and hears when it is back.
func TestWhoJoinsInAnOutageHearsOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		first := x.follow(messenger.FollowOptions{Mark: "first", FromStart: true})
		x.post(1)
		take(t, first, 1)
		x.server.Inject(relaytest.Answer(502, "text/plain", "no"))
		hears(t, first, "away")
		before := time.Now()
		late := x.follow(messenger.FollowOptions{Mark: "late"})
		hears(t, late, "away")
		if took := time.Since(before); took > 0 {
			t.Errorf("it heard of it after %v", took)
		}
		x.server.Inject(nil)
		for _, s := range []*messenger.Stream{first, late} {
			hears(t, s, "back")
		}
		closeAll(t, first, late)
	})
}

// Of several faces the most impatient one sets the pace, and a message that answers another comes sooner than the first one
// did: people answer each other within seconds.
func TestTheMostImpatientFaceSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		slow, err := x.engine.Follow(x.room, messenger.FollowOptions{Mark: "slow", Fastest: time.Hour, Slowest: 2 * time.Hour},
			messenger.Face{})
		if err != nil {
			t.Fatal(err)
		}
		quick := x.follow(messenger.FollowOptions{Mark: "quick", FromStart: true}) // every second to every ten seconds
		x.post(1)
		take(t, quick, 1)
		time.Sleep(time.Hour)
		for _, most := range []time.Duration{11 * time.Second, 2 * time.Second, 2 * time.Second} {
			before := time.Now()
			x.post(1)
			take(t, quick, 1)
			if took := time.Since(before); took > most {
				t.Errorf("message %d took %v, want at most %v", x.posted, took, most)
			}
		}
		closeAll(t, slow, quick)
	})
}

// A room that nobody follows any more is not read.
func TestNobodyReadsWhatNobodyFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		first, second := x.follow(messenger.FollowOptions{Mark: "a"}), x.follow(messenger.FollowOptions{Mark: "b"})
		time.Sleep(time.Minute)
		closeAll(t, first)
		x.server.Requests()         // those until now count no more
		time.Sleep(5 * time.Minute) // of which the slowest pace takes a part
		if len(x.server.Requests()) == 0 {
			t.Error("for the other one nothing is read")
		}
		closeAll(t, second)
		x.server.Requests()
		time.Sleep(time.Hour)
		if n := len(x.server.Requests()); n > 0 {
			t.Errorf("within an hour the relay was asked %d times for nobody", n)
		}
	})
}

// A key that the relay never took is no passing trouble: the stream ends with its first answer. One that was right is tried
// for a minute, since a relay that is restarted may refuse for a moment, and no longer.
func TestARefusalIsWaitedOutForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.server.Inject(relaytest.Answer(404, "text/plain", "-1"))
		before := time.Now()
		never := x.follow(messenger.FollowOptions{Mark: "never"})
		ends(t, never)
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("a key that never was right was tried for %v", took)
		}
		closeAll(t, never)

		x.server.Inject(nil)
		// Over a stream that is open, entries would come all the same.
		s := x.follow(messenger.FollowOptions{Mark: "once", FromStart: true, Via: new(exchange.Polling)})
		x.post(1)
		take(t, s, 1)
		x.server.Inject(relaytest.Answer(404, "text/plain", "-1"))
		time.AfterFunc(30*time.Second, func() { x.server.Inject(nil) })
		x.post(1)
		if got, want := hears(t, s, "2"), []string{"away", "back", "2"}; !slices.Equal(got, want) {
			t.Errorf("of a relay that refused for half a minute it heard %q, want %q", got, want)
		}
		x.server.Inject(relaytest.Answer(404, "text/plain", "-1"))
		before = time.Now()
		ends(t, s)
		if took := time.Since(before); took < 50*time.Second || took > 2*time.Minute {
			t.Errorf("a key that was right was tried for %v, want about a minute", took)
		}
		closeAll(t, s)
	})
}

// A watch that is stopped before anything came goes on from there: what comes while it is away is news.
func TestWhoHasShownNothingGoesOnAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.post(3)
		first := x.follow(messenger.FollowOptions{Mark: "a"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for ctx.Err() == nil {
			if e, err := first.Next(ctx); err == nil {
				if m, ok := e.(messenger.Message); ok {
					t.Errorf("it begins with %q, which was there before", m.Unsigned.Text)
				}
			}
		}
		closeAll(t, first)
		x.post(2)
		again := x.follow(messenger.FollowOptions{Mark: "a"})
		if got := take(t, again, 2); !slices.Equal(got, countTo(4, 5)) {
			t.Errorf("it goes on with %q", got)
		}
		closeAll(t, again)
	})
}

// A face that stands still while the relay is read several times hears of everything that was found to be lost.
func TestASlowFaceHearsOfAllThatIsLost(t *testing.T) {
	var read *messenger.Read
	for _, n := range []int64{3, 5, 8} {
		read = messenger.Joined(read, messenger.Read{News: exchange.News{Lost: []exchange.Range{{First: n, Last: n}}}})
	}
	var lost []int64
	for _, r := range read.News.Lost {
		lost = append(lost, r.First)
	}
	slices.Sort(lost)
	if want := []int64{3, 5, 8}; !slices.Equal(lost, want) {
		t.Errorf("it hears of %v, want %v", lost, want)
	}
}
