package remote_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/remote"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// script is a source that does what a test says. While it lives it gives a sign of life every 15 seconds.
type script struct {
	via  exchange.Via
	says chan remote.Heard
	cut  chan error

	mu sync.Mutex // guards what follows
	// refuses, if set, is what each attempt to listen ends with.
	refuses error
	silent  bool
	tries   []time.Time
	listens bool
}

func newScript(via exchange.Via) *script {
	return &script{via: via, says: make(chan remote.Heard), cut: make(chan error)}
}

func (s *script) Via() exchange.Via { return s.via }

// with changes it, or looks at it.
func (s *script) with(work func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	work()
}

// attempts returns how often it was listened to.
func (s *script) attempts() (n int) {
	s.with(func() { n = len(s.tries) })
	return n
}

func (s *script) Listen(ctx context.Context, _ int64, heard func(remote.Heard) error) (err error) {
	s.with(func() {
		s.tries = append(s.tries, time.Now())
		err, s.listens = s.refuses, s.refuses == nil
	})
	defer s.with(func() { s.listens = false })
	for h := (remote.Heard{}); err == nil; {
		silent := false
		if s.with(func() { silent = s.silent }); !silent {
			if err := heard(h); err != nil {
				return err
			}
		}
		select {
		case h = <-s.says:
		case <-time.After(15 * time.Second):
			h = remote.Heard{}
		case err = <-s.cut:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return err
}

// audience follows a channel that never has anything new, and notes when it was read.
type audience struct {
	*remote.Following

	err     error // of each reading
	entries int   // that each reading brings
	reads   []time.Time
	took    []int64
}

// until goes on until so much time has passed.
func (a *audience) until(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for ctx.Err() == nil {
		pushed, err := a.Next(ctx, nil)
		switch {
		case err != nil:
		case len(pushed) > 0:
			for _, e := range pushed {
				a.took = append(a.took, e.ID)
			}
		default:
			a.reads = append(a.reads, time.Now())
			a.Answered(a.entries, 0, a.err, time.Second, 15*time.Second)
		}
	}
}

func follows(sources ...remote.Source) *audience {
	a := &audience{Following: remote.Follow(sources...)}
	a.Answered(0, 0, nil, time.Second, 15*time.Second)
	return a
}

func entry(n int64) remote.Heard {
	return remote.Heard{Entry: &exchange.Pushed{Entry: thingspeak.Entry{ID: n}, Channel: channel, Fields: 1}}
}

var errCut = errors.New("the line was cut")

// While a stream lives the relay is asked once a minute, once right after it began to, and at once when something was missed.
func TestWhatIsPushedSavesReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(exchange.Stream)
		a := follows(s)
		defer a.Close()
		if a.until(t, 10*time.Minute); len(a.reads) < 10 || len(a.reads) > 12 {
			t.Errorf("within ten minutes it was read %d times", len(a.reads))
		}
		go func() {
			for n := range int64(300) { // more than is handed on at a time
				s.says <- entry(n + 1)
			}
			s.says <- remote.Heard{Missed: true}
		}()
		a.reads = nil
		if a.until(t, 2*time.Second); len(a.reads) != 1 {
			t.Errorf("when something was missed it was read %d times", len(a.reads))
		}
		if !slices.Equal(a.took, countTo(1, 300)) {
			t.Errorf("it took %v", a.took)
		}
		if got := a.Watch.Via; got != exchange.Stream {
			t.Errorf("entries come by %v", got)
		}
	})
}

// Who says again and again that something was missed, and it was not, causes no more readings than who names numbers.
func TestFalseAlarmsCostNoMoreThanPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(exchange.Stream)
		a := follows(s)
		defer a.Close()
		over := make(chan struct{})
		var alarms sync.WaitGroup
		alarms.Go(func() {
			for {
				select {
				case s.says <- remote.Heard{Missed: true}:
					time.Sleep(100 * time.Millisecond)
				case <-over:
					return
				}
			}
		})
		if a.until(t, time.Hour); len(a.reads) > 4*60+20 { // one in 15 s
			t.Errorf("within an hour it was read %d times", len(a.reads))
		}
		close(over)
		alarms.Wait()
	})
}

// A line that is cut is tried again after 1, 2, 4 … 60 s; meanwhile the relay is asked as if there were none.
func TestACutLineIsTriedAgainEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(exchange.Stream)
		s.with(func() { s.refuses = errCut })
		a := follows(s)
		defer a.Close()
		a.until(t, 5*time.Minute)
		var pauses []string
		for i := range s.tries[1:] {
			pauses = append(pauses, s.tries[i+1].Sub(s.tries[i]).String())
		}
		if got, want := fmt.Sprint(pauses), "[1s 2s 4s 8s 16s 32s 1m0s 1m0s 1m0s]"; got != want {
			t.Errorf("it was tried again after %s, want %s", got, want)
		}
		if len(a.reads) < 20 || a.Watch.Via != exchange.Polling {
			t.Errorf("meanwhile it was read %d times, by %v", len(a.reads), a.Watch.Via)
		}
		s.with(func() { s.refuses = nil })
		if a.until(t, 90*time.Second); a.Watch.Via != exchange.Stream {
			t.Errorf("it is back, and entries come by %v", a.Watch.Via)
		}
		time.Sleep(time.Minute)
		go func() { s.cut <- errCut }()
		before := s.attempts()
		if a.until(t, 3*time.Second); s.attempts() != before+1 || a.Watch.Via != exchange.Stream {
			t.Errorf("one that has lived was tried again %d times, entries come by %v", s.attempts()-before, a.Watch.Via)
		}
	})
}

// A line over which nothing comes for 45 s, not even a sign of life, only pretends to live. One that waits for us does not.
func TestASilentLineIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(exchange.Stream)
		a := follows(s)
		defer a.Close()
		a.until(t, time.Minute)
		s.with(func() { s.silent = true })
		if a.until(t, 59*time.Second); a.Watch.Via != exchange.Polling {
			t.Errorf("entries come by %v, which is silent", a.Watch.Via)
		}
		if n := s.attempts(); n != 2 {
			t.Errorf("it was listened to %d times", n)
		}
		s.with(func() { s.silent = false })
		a.until(t, 2*time.Minute)
		go func() {
			for n := range int64(500) {
				s.says <- entry(n + 1)
			}
		}()
		before := s.attempts()
		time.Sleep(10 * time.Minute) // a reading that takes long
		if a.until(t, time.Minute); s.attempts() != before || len(a.took) != 500 {
			t.Errorf("%d entries came while it was read, and it was listened to again %d times", len(a.took), s.attempts()-before)
		}
	})
}

// The best way is taken that lives: the next one when it is cut, and the best one again when that is back. One that a relay
// does not have is not asked for again.
func TestTheBestWayThatLivesIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, broker := newScript(exchange.Stream), newScript(exchange.MQTT)
		a := follows(stream, broker)
		defer a.Close()
		is := func(via exchange.Via, lines ...bool) {
			t.Helper()
			var listens []bool
			for _, s := range []*script{stream, broker} {
				s.with(func() { listens = append(listens, s.listens) })
			}
			if a.Watch.Via != via || !slices.Equal(listens, lines) {
				t.Errorf("entries come by %v, and listened to are %v, want %v and %v", a.Watch.Via, listens, via, lines)
			}
		}
		a.until(t, time.Minute)
		is(exchange.Stream, true, false)
		go func() {
			stream.with(func() { stream.refuses = errCut })
			stream.cut <- errCut
		}()
		a.until(t, 10*time.Second)
		is(exchange.MQTT, false, true)
		a.reads = nil
		if a.until(t, 10*time.Minute); len(a.reads) < 19 || len(a.reads) > 21 { // twice a minute: it tells of no bulk updates
			t.Errorf("within ten minutes it was read %d times", len(a.reads))
		}
		stream.with(func() { stream.refuses = nil })
		a.until(t, time.Minute)
		is(exchange.Stream, true, false)

		go func() {
			stream.with(func() { stream.refuses = fmt.Errorf("asking for a stream: %w", remote.ErrNotOffered) })
			stream.cut <- errCut
		}()
		a.until(t, 2*time.Minute)
		is(exchange.MQTT, false, true)
		before := stream.attempts()
		if a.until(t, time.Hour); stream.attempts() != before {
			t.Errorf("what is not offered was asked for %d times more", stream.attempts()-before)
		}
	})
}
