package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// TestPromotion kills the primary and promotes the standby between two entries, and then during one.
func TestPromotion(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	s := open(t, pgtest.Via(primary.Database(t), primary.Address, standby.Address))
	key := create(t, s, 1)
	for i := range 3 {
		if _, err := s.Commit(t.Context(), named(1, key, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	primary.StopHard(t)
	written := make(chan error)
	go func() {
		_, err := s.Commit(t.Context(), named(1, key, "3"))
		written <- err
	}()
	standby.Promote(t)
	if err := testenv.Receive(t, written, "the answer"); err != nil {
		t.Fatalf("writing while the standby is promoted: %v", err)
	}
	if got := strings.Join(values(t, s, 1), " "); got != "0 1 2 3" {
		t.Errorf("after the promotion the channel holds %s", got)
	}
	if err := s.ClearChannel(t.Context(), 1); err != nil {
		t.Errorf("clearing after the promotion: %v", err)
	}
}

// TestPausedStandby: while the standby does not answer nothing is stored, as far as is known, and nobody sees what may
// be lost. However long that takes, few of the server's processes wait for it. Afterwards all is as if nothing had
// been.
func TestPausedStandby(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	url := primary.Database(t)
	s := open(t, url)
	key := create(t, s, 1)
	add(t, s, 1, key, 1)
	standby.Pause(t)
	for i := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if _, err := s.Commit(ctx, named(1, key, fmt.Sprint("try ", i))); !errors.Is(err, relay.ErrUnavailable) {
			t.Errorf("writing without the standby: %v, want ErrUnavailable", err)
		}
		cancel()
		if n := len(values(t, s, 1)); n != 1 {
			t.Errorf("while the standby is away there are %d entries, want 1", n)
		}
	}
	waiting := primary.Exec(t, url, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	if waiting != "1" {
		t.Errorf("%s processes wait for the standby, want 1", waiting)
	}
	standby.Resume(t)
	if _, err := s.Commit(t.Context(), named(1, key, "after")); err != nil {
		t.Fatal(err)
	}
	got := values(t, s, 1)
	// The first try was under way, and is there now. The others were not even begun.
	if want := []string{strings.Repeat("x", 248), "try 0", "after"}; !slices.Equal(got, want) {
		t.Errorf("the channel holds %q, want %q", got, want)
	}
}

// TestWaitCanceled: an administrator ends the server's wait for the standby, so that the server answers COMMIT with a
// warning. That is no success.
func TestWaitCanceled(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	standby := primary.Standby(t)
	url := primary.Database(t)
	s := open(t, url)
	key := create(t, s, 1)
	standby.Pause(t)
	written := make(chan error)
	go func() {
		_, err := s.Commit(t.Context(), named(1, key, "one"))
		written <- err
	}()
	const cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	cancelWait := func() {
		testenv.Await(t, "a process that waits for the standby", func() bool { return primary.Exec(t, url, cancel) != "0" })
	}
	cancelWait()
	cancelWait() // of what the relay asks then
	select {
	case err := <-written:
		t.Fatalf("without the standby it was answered with %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	standby.Resume(t)
	if err := testenv.Receive(t, written, "the answer"); err != nil {
		t.Errorf("with the standby back: %v", err)
	}
	if got := values(t, s, 1); len(got) != 1 {
		t.Errorf("the channel holds %q, want one entry", got)
	}
}
