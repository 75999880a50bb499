package exchange_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
)

var errTooSoon = errors.New("too soon")

// postAtOnce has writers post to one channel at the same moment, each an entry, and returns how many gave up.
func postAtOnce(t *testing.T, writers int, known func() int) (gaveUp int) {
	const interval = 15 * time.Second
	var mu sync.Mutex // guards what follows
	stored := time.Now().Add(-time.Hour)
	onUpdate := func(a *exchange.Answer) error {
		mu.Lock()
		defer mu.Unlock()
		if left := interval - time.Since(stored); left > 0 {
			a.Failure = exchange.Failure{Kind: exchange.TooSoon, Wait: (left + time.Second - 1).Truncate(time.Second)}
			return errTooSoon
		}
		stored = time.Now()
		return nil
	}
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			x := exchange.New(&memoryRelay{onUpdate: onUpdate}, settings)
			x.SetWriters(known)
			if _, err := x.Post(t.Context(), oneField("x"), 0, nil); err != nil {
				mu.Lock()
				defer mu.Unlock()
				gaveUp++
			}
		})
	}
	all.Wait()
	return gaveUp
}

// Whoever was refused came back at the moment that the relay had named to all who were: of six writers one gave up, always.
func TestWritersWhoWereRefusedGetOutOfEachOthersWay(t *testing.T) {
	const channels = 20
	for name, c := range map[string]struct {
		writers int
		known   func() int
		most    int // of them may give up: chance would have to be as of one in 100 million
	}{
		"five who know of each other": {5, func() int { return 5 }, 0},
		"five who know of nobody":     {5, nil, 0},
		"six who know of each other":  {6, func() int { return 6 }, channels / 2},
		"six who know of nobody":      {6, nil, channels - 4},
	} {
		t.Run(name, func(t *testing.T) {
			gaveUp := 0
			for range channels {
				synctest.Test(t, func(t *testing.T) { gaveUp += postAtOnce(t, c.writers, c.known) })
			}
			if gaveUp > c.most {
				t.Errorf("at %d channels %d gave up, of which %d may", channels, gaveUp, c.most)
			}
		})
	}
}
