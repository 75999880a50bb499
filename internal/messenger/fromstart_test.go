package messenger_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// A start from the beginning that ends early must not take the mark back.
func TestAStartFromTheBeginningThatEndsEarlyTakesNoMarkBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.post(2000)
		s := x.follow(messenger.FollowOptions{Mark: "m", FromStart: true})
		take(t, s, 2000)
		s.Close()
		s = x.follow(messenger.FollowOptions{Mark: "m", FromStart: true})
		take(t, s, 1) // up to the first mark
		s.Close()
		x.post(1)
		s = x.follow(messenger.FollowOptions{Mark: "m"})
		got := take(t, s, 1)
		if got[0] != "2001" {
			t.Errorf("the next stream begins with %s", got[0])
		}
		s.Close()
	})
}

// Who begins with the first message gets it also where the first reading of everything breaks off.
func TestFromTheBeginningAlsoAfterABrokenReading(t *testing.T) {
	testenv.Unwatched(t)
	for at := range int64(8) {
		t.Run(fmt.Sprint(at), func(t *testing.T) { fromStartAfterABreak(t, at) })
	}
}

func fromStartAfterABreak(t *testing.T, at int64) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.post(20100)
		r, err := x.engine.Open(x.room, messenger.Face{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(t.Context()); err != nil || r.Passed() == 0 {
			t.Fatal(r.Passed(), err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		var n atomic.Int64
		began := time.Now()
		fails := relaytest.Answer(502, "text/plain", "no")
		x.server.Inject(func(w http.ResponseWriter, q *http.Request, relay http.Handler) {
			if n.Add(1) >= at && time.Since(began) < time.Minute {
				fails(w, q, relay)
				return
			}
			relay.ServeHTTP(w, q)
		})
		s := x.follow(messenger.FollowOptions{Mark: "m", FromStart: true})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		for {
			e, err := s.Next(ctx)
			if err != nil {
				t.Errorf("no message within 10 minutes: %v", err)
				break
			}
			if _, ok := e.(messenger.Message); ok {
				break
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Who begins with the first message gets it first also where others follow the room, who were shown its newest part only.
func TestFromTheBeginningBesideThoseWhoBeganWithTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		x.post(20100)
		r, err := x.engine.Open(x.room, messenger.Face{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(t.Context()); err != nil || r.Passed() == 0 {
			t.Fatal(r.Passed(), err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		others := x.follow(messenger.FollowOptions{Mark: "others"})
		time.Sleep(time.Minute) // it begins with what comes from now on
		x.post(1)
		take(t, others, 1)
		s := x.follow(messenger.FollowOptions{Mark: "m", FromStart: true})
		if got := take(t, s, 1); got[0] != "1" {
			t.Errorf("it begins with %s", got[0])
		}
		for _, s := range []*messenger.Stream{s, others} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
