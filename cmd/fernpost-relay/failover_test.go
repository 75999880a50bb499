package main_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay/check"
	"github.com/fernpost/fernpost/internal/testenv"
)

// TestFailover runs two relays on a PostgreSQL server with a synchronous standby under load, lets things go wrong in
// random order, and has the check prove that whatever a relay had answered is there. FERNPOST_FAULTS says how many
// things go wrong, FERNPOST_SEED repeats the choices of a run that failed.
func TestFailover(t *testing.T) {
	const (
		channels, writers = 50, 24
		// between is how many updates are answered between two faults, at least.
		between = 300
	)
	t.Parallel() // most of it is waiting
	c := newCluster(t)
	count := int(testenv.Number(t, "FERNPOST_FAULTS", uint64(len(faults))))
	seed := testenv.Seed(t)
	c.random = rand.New(rand.NewPCG(seed, 0))
	t.Logf("FERNPOST_FAULTS=%d", count)

	var answered answers
	o := check.Options{
		Channels: channels, Writers: writers, Readers: 1,
		// A killed relay leaves its last COMMIT to the database, which ends it at once unless the standby is away.
		Settle: time.Second,
		Seed:   seed, Say: func(line string) { t.Log(line) }, Answered: answered.add,
	}
	for _, r := range c.relays {
		o.Relays = append(o.Relays, "http://"+r.address)
	}
	run, err := check.Begin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	go func() { // a check that gives up must not leave the test waiting for answers
		select {
		case <-run.Done():
			c.giveUp()
		case <-t.Context().Done():
		}
	}()
	for n, fault := range c.draw(count) {
		if err := answered.await(run, between); err != nil {
			t.Error(err)
			break
		}
		before, _ := answered.count()
		begun := time.Now()
		fault.strike(c)
		c.awaitWrites()
		t.Logf("%d of %d, after %d answers: %s; writing again after %v",
			n+1, count, before, fault.name, time.Since(begun).Round(time.Millisecond))
	}
	if err := answered.await(run, between); err != nil {
		t.Error(err)
	}
	r, err := run.Finish(t.Context())
	if err != nil {
		t.Error(err)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Error(err)
	}
	t.Logf("after %d faults; longest wait for a write after a promotion: %v\n%s", count, c.slowest, text.String())
	if !r.OK {
		t.Error("the relays do not keep what they answer")
	}
	if r.Reads.Late > 0 {
		t.Errorf("%d reads did not show what had been answered", r.Reads.Late)
	}
	if count >= len(faults) && (r.Away.Times == 0 || r.Updates.RepliesLost == 0) {
		t.Error("the writers did not notice that relays were killed")
	}
	c.stop()
}
