package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

func testConcurrent(t *testing.T, s relay.Store) {
	const writers, each = 4, 50
	channels := []*relay.Channel{newChannel(t, s, 1), newChannel(t, s, 2)}
	ctx, cancel := context.WithCancel(t.Context())
	var reading, writing sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			var last [3]int64
			for ctx.Err() == nil {
				for _, c := range channels {
					p, err := s.Position(t.Context(), c.ID)
					if err != nil || p.Last < last[c.ID] {
						t.Errorf("reading: last entry went from %d to %d, %v", last[c.ID], p.Last, err)
						return
					}
					last[c.ID] = p.Last
					count := int64(0)
					err = s.Entries(t.Context(), p.Generation, 1, p.Last, func(*thingspeak.Entry) error {
						count++
						return nil
					})
					if err != nil || count != p.Last {
						t.Errorf("reading: %d entries of %d, %v", count, p.Last, err)
						return
					}
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				c := channels[(w+i)%len(channels)]
				decisions, err := s.Commit(t.Context(), []relay.Update{update(c, fmt.Sprint(w, " ", i), time.Time{})})
				if err != nil || decisions[0].Err != nil {
					t.Errorf("writing: %v, %v", decisions, err)
					return
				}
			}
		})
	}
	writing.Wait()
	cancel()
	reading.Wait()
	checkOnce(t, s, channels, writers*each)
}

// checkOnce makes sure that the channels hold so many different values together, each once, under numbers without gaps.
func checkOnce(t *testing.T, s relay.Store, channels []*relay.Channel, want int) {
	t.Helper()
	seen := map[string]int{}
	for _, c := range channels {
		state := stateOf(t, s, c.ID)
		all := entries(t, s, state.Generation, 1, state.Last)
		if int64(len(all)) != state.Last {
			t.Errorf("channel %d has %d entries, and the last is %d", c.ID, len(all), state.Last)
		}
		for i, e := range all {
			seen[e.Fields[0].Text]++
			if e.ID != int64(i)+1 {
				t.Errorf("channel %d has number %d at place %d", c.ID, e.ID, i+1)
			}
		}
	}
	if len(seen) != want {
		t.Errorf("%d different values are there, want %d", len(seen), want)
	}
	for value, n := range seen {
		if n != 1 {
			t.Errorf("%q is there %d times", value, n)
		}
	}
}

// testCrossedBatches commits batches over the same channels, named in different orders, at the same time: whoever locks
// them in the order in which they are named waits for ever.
func testCrossedBatches(t *testing.T, s relay.Store) { crossBatches(t, s, s) }

func crossBatches(t *testing.T, a, b relay.Store) {
	const each = 20
	var channels []*relay.Channel
	for id := range int64(4) {
		channels = append(channels, newChannel(t, a, id+1))
	}
	var work sync.WaitGroup
	for w, s := range []relay.Store{a, b, a, b} {
		work.Go(func() {
			for i := range each {
				var batch []relay.Update
				for j := range channels {
					place := j
					if w%2 == 1 {
						place = len(channels) - 1 - j
					}
					batch = append(batch, update(channels[place], fmt.Sprint(w, " ", i, " ", place), time.Time{}))
				}
				decisions, err := s.Commit(t.Context(), batch)
				if err != nil {
					t.Errorf("writing: %v", err)
					return
				}
				for _, d := range decisions {
					if d.Err != nil {
						t.Errorf("writing: %v", d.Err)
					}
				}
			}
		})
	}
	work.Wait()
	checkOnce(t, a, channels, 4*each*len(channels))
}

// testWholeBatches: readers see a batch as a whole or not at all.
func testWholeBatches(t *testing.T, s relay.Store) {
	const batches, size = 30, 7
	c := newChannel(t, s, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range batches {
			var batch []relay.Update
			for i := range size {
				batch = append(batch, update(c, fmt.Sprint(i), time.Time{}))
			}
			if _, err := s.Commit(t.Context(), batch); err != nil {
				t.Errorf("writing: %v", err)
				return
			}
		}
	}()
	for writing := true; writing; {
		select {
		case <-done:
			writing = false
		default:
		}
		p, err := s.Position(t.Context(), 1)
		if err != nil || p.Last%size != 0 {
			t.Fatalf("reading while batches of %d are written: position %+v, %v", size, p, err)
		}
	}
	if p, err := s.Position(t.Context(), 1); err != nil || p.Last != batches*size {
		t.Errorf("after all of them: position %+v, %v", p, err)
	}
}

// testLimitHolds creates more channels at once than an account may have.
func testLimitHolds(t *testing.T, s relay.Store) {
	const limit = 3
	var created atomic.Int64
	var work sync.WaitGroup
	for id := range int64(10) {
		work.Go(func() {
			err := s.CreateChannel(t.Context(), &relay.Channel{
				Owner:   relay.LocalAccountID,
				Channel: thingspeak.Channel{ID: id + 1, Keys: []thingspeak.Key{{Text: fmt.Sprint("W", id), Write: true}}},
			}, limit)
			if err == nil {
				created.Add(1)
			} else if !errors.Is(err, relay.ErrFull) {
				t.Errorf("creating: %v, want ErrFull", err)
			}
		})
	}
	work.Wait()
	if n := created.Load(); n != limit {
		t.Errorf("%d channels were created, want %d", n, limit)
	}
}

// testChangesAreNotLost changes a channel from several sides at once, each building on what it finds.
func testChangesAreNotLost(t *testing.T, s relay.Store) { addLetters(t, s, s) }

func addLetters(t *testing.T, a, b relay.Store) {
	c := newChannel(t, a, 1)
	const each = 10
	var work sync.WaitGroup
	for _, s := range []relay.Store{a, b, a, b} {
		work.Go(func() {
			for range each {
				if err := s.ChangeChannel(t.Context(), 1, func(c *relay.Channel) error {
					c.Description += "x"
					return nil
				}); err != nil {
					t.Errorf("changing: %v", err)
				}
			}
		})
	}
	work.Wait()
	got, _, err := b.Channel(t.Context(), c.ID)
	if err != nil || len(got.Description) != 4*each {
		t.Errorf("after %d changes the description has %d letters, %v", 4*each, len(got.Description), err)
	}
}

// testClearWhileWriting clears a channel again and again while others write it.
func testClearWhileWriting(t *testing.T, s relay.Store) { clearWhileWriting(t, s, s) }

func clearWhileWriting(t *testing.T, a, b relay.Store) {
	c := newChannel(t, a, 1)
	var writing sync.WaitGroup
	for w := range 3 {
		writing.Go(func() {
			for i := range 30 {
				value := fmt.Sprint(w, " ", i)
				decisions, err := a.Commit(t.Context(), []relay.Update{update(c, value, time.Time{}), update(c, value+"+", time.Time{})})
				if err != nil || decisions[0].Err != nil || decisions[1].Entries[0].ID != decisions[0].Entries[0].ID+1 {
					t.Errorf("writing: %v, %v", decisions, err)
					return
				}
			}
		})
	}
	generation := int64(0)
	for range 10 {
		if err := b.ClearChannel(t.Context(), 1); err != nil {
			t.Errorf("clearing: %v", err)
		}
		p, err := b.Position(t.Context(), 1)
		if err != nil || p.Generation <= generation {
			t.Errorf("after a clear the generation went from %d to %d, %v", generation, p.Generation, err)
		}
		generation = p.Generation
	}
	writing.Wait()
	state := stateOf(t, a, 1)
	all := entries(t, a, state.Generation, 1, state.Last)
	if int64(len(all)) != state.Last || state.Last%2 != 0 {
		t.Errorf("in the end there are %d entries, and the last is %d", len(all), state.Last)
	}
	for i, e := range all {
		if e.ID != int64(i)+1 {
			t.Errorf("number %d is at place %d", e.ID, i+1)
		}
	}
}
