package postgres

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
)

// TestQuestionsAreShared: those who come while a question is under way share the next one, and only that one, as the
// answer to an earlier one may be older than what they have to see.
func TestQuestionsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p positions
		var asked [][]int64
		p.init(func(_ context.Context, channels []int64) (map[int64]relay.Position, error) {
			asked = append(asked, channels)
			now := int64(len(asked))
			time.Sleep(time.Second)
			answer := map[int64]relay.Position{}
			for _, c := range channels {
				if c != 404 {
					answer[c] = relay.Position{Generation: c, Last: now}
				}
			}
			return answer, nil
		})
		ctx, stop := context.WithCancel(t.Context())
		go p.run(ctx)
		read := func(channel, question int64) {
			got, err := p.of(t.Context(), channel)
			if err != nil || got.Generation != channel || got.Last != question {
				t.Errorf("channel %d: %+v, %v; want the answer to question %d", channel, got, err, question)
			}
		}
		go read(1, 1)
		synctest.Wait()
		for _, channel := range []int64{1, 2, 3, 2} {
			go read(channel, 2)
		}
		go func() {
			if _, err := p.of(t.Context(), 404); !errors.Is(translate("", err), relay.ErrNotFound) {
				t.Errorf("a channel that is not there: %v", err)
			}
		}()
		time.Sleep(1500 * time.Millisecond) // the second question is under way
		go read(9, 3)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, channels := range asked {
			slices.Sort(channels)
		}
		if want := [][]int64{{1}, {1, 2, 2, 3, 404}, {9}}; !slices.EqualFunc(asked, want, slices.Equal) {
			t.Errorf("asked for %v, want %v", asked, want)
		}
		stop()
		synctest.Wait()
		if _, err := p.of(t.Context(), 1); !errors.Is(err, errClosed) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestQuestionsAreNotWaitedForTooLong: a question that is not answered costs those who wait for the next one no more
// time than itself, and those who go away none.
func TestQuestionsAreNotWaitedForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p positions
		p.init(func(ctx context.Context, _ []int64) (map[int64]relay.Position, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		running, stop := context.WithCancel(t.Context())
		defer stop()
		go p.run(running)
		wait := func(ctx context.Context, want error, longest time.Duration) {
			began := time.Now()
			_, err := p.of(ctx, 1)
			if took := time.Since(began); !errors.Is(translate("", err), want) || took != longest {
				t.Errorf("%v after %v, want %v after %v", err, took, want, longest)
			}
		}
		go wait(t.Context(), context.DeadlineExceeded, patience)
		synctest.Wait()
		go wait(t.Context(), errSlow, patience)
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go wait(hurried, errSlow, time.Second)
		gone, leave := context.WithCancelCause(t.Context())
		errGone := errors.New("hung up")
		go wait(gone, errGone, 2*time.Second)
		time.Sleep(2 * time.Second)
		leave(errGone)
		time.Sleep(30 * time.Second)
	})
}

// TestNothingIsPlannedAgain: planning a statement anew for each list of channels took the server longer than answering.
func TestNothingIsPlannedAgain(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), pgtest.Shared(t).Database(t)+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	planned := 0
	for n := range int64(12) {
		if _, err := s.askPositions(t.Context(), make([]int64, n)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(t.Context(), make([]relay.Update, n)); err != nil {
			t.Fatal(err)
		}
	}
	err = s.try(t.Context(), "", func(ctx context.Context, c *conn) error {
		return c.read(ctx, func(r row) error {
			planned++
			if r.Number(1) != 0 {
				t.Errorf("planned %d times: %s", r.Number(1), r.Text(0))
			}
			return nil
		}, "SELECT statement, custom_plans FROM pg_prepared_statements WHERE generic_plans + custom_plans > 0")
	})
	if err != nil || planned < 2 {
		t.Errorf("%d statements, %v", planned, err)
	}
}
