package exchange_test

import (
	"context"
	"iter"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/exchange"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// step is what is to be done next: a request, or to wait until a time.
type step struct {
	request exchange.Request
	row     func(*thingspeak.Entry, thingspeak.FieldSet) error
	until   time.Time
}

// stepper is a port that hands out each step and takes what came of it, for who must not block, as a page in a browser.
type stepper struct {
	yield  func(step) bool
	answer exchange.Answer
	err    error
}

// run returns the steps of f, which asks through the stepper.
func (s *stepper) run(f func()) iter.Seq[step] {
	return func(yield func(step) bool) {
		s.yield = yield
		f()
	}
}

// take hands out a step. Once nobody wants any more, f is to come to its end.
func (s *stepper) take(next step) (exchange.Answer, error) {
	if s.yield == nil || !s.yield(next) {
		s.yield = nil
		return exchange.Answer{}, context.Canceled
	}
	return s.answer, s.err
}

func (s *stepper) Begin(ctx context.Context) (context.Context, func()) { return ctx, func() {} }

func (s *stepper) Ask(
	_ context.Context, r exchange.Request, row func(*thingspeak.Entry, thingspeak.FieldSet) error,
) (exchange.Answer, error) {
	return s.take(step{request: r, row: row})
}

func (s *stepper) Wait(_ context.Context, until time.Time) error {
	_, err := s.take(step{until: until})
	return err
}

// A page in a browser cannot block: it takes the steps of a reading one by one, each when it has answered the one before,
// and between them nothing of the reading runs.
func TestAReadingIsTakenInStepsWithoutGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := &memoryRelay{noRanges: true}
		relay.fill(9000)
		hole := relay.rows[99]
		relay.rows = append(relay.rows[:99:99], relay.rows[100:]...)
		var s stepper
		x := exchange.New(&s, settings)
		var ids []int64
		var news exchange.News
		var failed error
		follow := func() {
			news, failed = x.Follow(t.Context(), news.Position, exchange.Visitor{Entry: collect(&ids)})
		}
		asked, waited := 0, 0
		drive := func(f func()) {
			before := runtime.NumGoroutine()
			next, stop := iter.Pull(s.run(f)) // a coroutine, which runs only while next does
			defer stop()
			for now, more := next(); more; now, more = next() {
				if n := runtime.NumGoroutine(); n > before+1 {
					t.Fatalf("%d goroutines, %d before", n, before)
				}
				if now.until.IsZero() {
					asked++
					s.answer, s.err = relay.Ask(t.Context(), now.request, now.row)
				} else {
					waited++
					s.err = relay.Wait(t.Context(), now.until)
				}
			}
		}
		drive(follow)
		if wantCount(t, ids, 8999); failed != nil || len(news.Position.Gaps) != 1 {
			t.Errorf("%v, gaps %v", failed, news.Position.Gaps)
		}
		relay.rows = append(relay.rows, thingspeak.Entry{ID: 9001, CreatedAt: time.Now(), Fields: oneField("new")})
		relay.rows = append(relay.rows[:99:99], append([]thingspeak.Entry{hole}, relay.rows[99:]...)...)
		time.Sleep(time.Minute)
		drive(follow)
		if wantCount(t, ids, 9001); failed != nil || len(news.Position.Gaps) > 0 {
			t.Errorf("%v, gaps %v", failed, news.Position.Gaps)
		}
		if asked != len(relay.asked) || asked < 5 {
			t.Errorf("%d steps asked, the relay was asked %d times", asked, len(relay.asked))
		}
		// One that is left in the middle comes to its end, and the position is one to go on from.
		next, stop := iter.Pull(s.run(follow))
		if _, more := next(); !more {
			t.Error("nothing to do")
		}
		if stop(); failed != context.Canceled || news.Position.Last != 9001 {
			t.Errorf("stopped with %v at %d", failed, news.Position.Last)
		}
	})
}

// A lost reply is settled step by step as well: the pause, the look back, the number.
func TestALostReplyIsSettledInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := &memoryRelay{}
		relay.fill(3)
		relay.onUpdate = func(a *exchange.Answer) error {
			relay.add(time.Now(), oneField("ours"))
			a.Failure = exchange.Failure{Kind: exchange.Cut, Sent: true}
			return errNotThere
		}
		var s stepper
		x := exchange.New(&s, settings)
		var id int64
		var failed error
		var kinds []exchange.What
		began := time.Now()
		for now := range s.run(func() { id, failed = x.Post(t.Context(), oneField("ours"), -1, nil) }) {
			if now.until.IsZero() {
				kinds = append(kinds, now.request.What)
				s.answer, s.err = relay.Ask(t.Context(), now.request, now.row)
			} else {
				s.err = relay.Wait(t.Context(), now.until)
			}
		}
		if id != 4 || failed != nil || time.Since(began) != settings.Interval {
			t.Errorf("entry %d, %v, after %v", id, failed, time.Since(began))
		}
		if len(kinds) < 4 || kinds[0] != exchange.LastNumber || kinds[1] != exchange.Update {
			t.Errorf("asked %v", kinds)
		}
	})
}
