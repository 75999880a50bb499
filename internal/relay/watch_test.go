package relay_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// interrupted is a store that visits some entries and fails then, or waits before it tells where a channel stands.
type interrupted struct {
	*storetest.Memory
	after atomic.Int64
	// reads counts the reads that are open.
	reads atomic.Int64
	hold  atomic.Pointer[chan struct{}]
}

var errInterrupted = errors.New("interrupted")

func (s *interrupted) Entries(
	ctx context.Context, generation, first, last int64, visit func(*thingspeak.Entry) error,
) error {
	s.reads.Add(1)
	defer s.reads.Add(-1)
	return s.Memory.Entries(ctx, generation, first, last, func(e *thingspeak.Entry) error {
		if e.ID > s.after.Load() {
			return errInterrupted
		}
		return visit(e)
	})
}

func (s *interrupted) Position(ctx context.Context, channel int64) (relay.Position, error) {
	if hold := s.hold.Load(); hold != nil {
		<-*hold
	}
	return s.Memory.Position(ctx, channel)
}

// watchInterrupted watches a public channel with ten entries, from the first on, and returns when it was looked at once.
func watchInterrupted(t *testing.T) (*relaytest.Server, *interrupted, []relay.Watched, *relay.Watch) {
	t.Helper()
	store := &interrupted{Memory: storetest.NewMemory()}
	s := relaytest.InBubble(t, relaytest.WithStore(func(testing.TB) relay.Store { return store }))
	c := s.CreateChannel(t, relaytest.AllFields(true))
	s.Seed(t, c.ID, 10, func(int) thingspeak.Entry {
		return thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("value")}}
	})
	v, err := s.Relay.View(t.Context(), c.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	at, _ := v.Begin(relay.Mark{})
	watched := []relay.Watched{{View: v, From: at}}
	w := s.Relay.Watch(watched)
	synctest.Wait()
	return s, store, watched, w
}

// TestInterruptedReadIsAccounted: entries that were read before the store failed are kept, so they count for the budget.
func TestInterruptedReadIsAccounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, _, w := watchInterrupted(t)
		defer w.End()
		store.after.Store(5)
		if _, _, err := w.Next(); !errors.Is(err, errInterrupted) {
			t.Fatalf("an interrupted read: %v", err)
		}
		part := s.Relay.BlocksKept()
		if part == 0 {
			t.Error("of what was kept nothing counts")
		}
		store.after.Store(100)
		news, found, err := w.Next()
		if err != nil || !found || news.Events.Len() != 10 || news.Events.First != 1 {
			t.Errorf("after that: %+v, %v, %v", news, found, err)
		}
		if whole := s.Relay.BlocksKept(); whole < part || whole < len(news.Events.Text()) {
			t.Errorf("%d bytes count for %d, after %d", whole, len(news.Events.Text()), part)
		}
	})
}

// TestCloseWaitsForLooks: when a relay is closed nothing of it reads from the store any more, so that can be closed.
func TestCloseWaitsForLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, watched, w := watchInterrupted(t)
		hold := make(chan struct{})
		store.hold.Store(&hold)
		another := s.Relay.Watch(watched) // for which the channel is looked at
		synctest.Wait()
		w.End()
		another.End()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			s.Relay.Close()
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("it is closed while the store is being read")
		default:
		}
		close(hold)
		<-closed
	})
}

// TestWhoeverIsToldLateHoldsUpNoStore: what comes into a channel is told outside the read, in order, each entry once.
func TestWhoeverIsToldLateHoldsUpNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, watched, w := watchInterrupted(t)
		w.End()
		store.after.Store(1 << 40)
		channel := watched[0].View.State.Channel
		following, err := s.Relay.Follow(t.Context(), channel)
		if err != nil {
			t.Fatal(err)
		}
		first := watched[0].View.State.Last + 1
		for range 300 { // one by one, since what comes in bulk is not told
			var none relay.Limits
			update := relay.Update{Channel: channel, Key: watched[0].View.State.WriteKey, Limits: &none}
			update.Entries = []relay.NewEntry{{Entry: thingspeak.Entry{Fields: thingspeak.Fields{thingspeak.Text("more")}}}}
			if d, err := store.Commit(t.Context(), []relay.Update{update}); err != nil || d[0].Err != nil {
				t.Fatal(d, err)
			}
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		var told []int64
		_ = following.Run(ctx, func(e *thingspeak.Entry) {
			if n := store.reads.Load(); n != 0 {
				t.Errorf("entry %d is told while %d reads are open", e.ID, n)
			}
			if told = append(told, e.ID); len(told) == 300 {
				stop()
			}
		})
		stop()
		for i, id := range told {
			if want := first + int64(i); id != want {
				t.Fatalf("told %d: entry %d, want %d", i, id, want)
			}
		}
		if len(told) != 300 {
			t.Errorf("told of %d entries", len(told))
		}
	})
}
