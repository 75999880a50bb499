package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
)

// TestPositionIsNeverOld asks after each commit by somebody where the channel stands, of all who have the database open.
func TestPositionIsNeverOld(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	key := create(t, a, 1)
	create(t, b, 2)
	var want relay.Position
	look := func(doing string) {
		t.Helper()
		for range 3 {
			pa, errA := a.Position(t.Context(), 1)
			pb, errB := b.Position(t.Context(), 1)
			if pa != pb || errA != nil || errB != nil || pa.Last != want.Last {
				t.Fatalf("after %s the channel stands at %+v, %v and at %+v, %v; want entry %d", doing, pa, errA, pb, errB, want.Last)
			}
			want = pa
		}
	}
	for range 30 {
		for _, s := range []relay.Store{a, b} {
			add(t, s, 1, key, 1)
			want.Last++
			look("an update")
		}
		before := want
		if err := b.ChangeChannel(t.Context(), 1, func(*relay.Channel) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if look("a change"); want.Settings == before.Settings {
			t.Error("a change of settings went unnoticed")
		}
	}
	if err := b.ClearChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	want.Last = 0
	look("a clear")
	script(t, dir, "UPDATE states SET last = 77 WHERE channel = 1") // somebody with a tool of his own
	want.Last = 77
	look("an intervention")
	if err := b.DeleteChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if p, err := a.Position(t.Context(), 1); !errors.Is(err, relay.ErrNotFound) {
		t.Errorf("a deleted channel stands at %+v, %v", p, err)
	}
}

// TestPositionGrows: while somebody writes, nobody ever sees the channel go back, or miss a commit that was answered.
func TestPositionGrows(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	key := create(t, a, 1)
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	for _, s := range []relay.Store{a, b} {
		reading.Go(func() {
			for last := int64(0); ctx.Err() == nil; {
				p, err := s.Position(t.Context(), 1)
				if err != nil || p.Last < last {
					t.Errorf("from entry %d the channel went to %+v, %v", last, p, err)
					return
				}
				last = p.Last
			}
		})
	}
	for n := range int64(100) {
		add(t, a, 1, key, 1)
		for _, s := range []relay.Store{a, b} {
			if p, err := s.Position(t.Context(), 1); err != nil || p.Last != n+1 {
				t.Errorf("after entry %d was answered the channel stands at %+v, %v", n+1, p, err)
			}
		}
	}
	stop()
	reading.Wait()
}

// TestMemoryIsBounded: what is remembered of channels does not grow with their number.
func TestMemoryIsBounded(t *testing.T) {
	const channels, batch = sqlite.MaxRemembered + 1000, 512
	dir := t.TempDir()
	fill(t, dir, 0, channels, 0, false)
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for first := int64(1); first <= channels; first += batch {
		var updates []relay.Update
		for id := first; id < first+batch && id <= channels; id++ {
			updates = append(updates, one(id, fmt.Sprint("WRITE", id)))
		}
		decisions, err := s.Commit(t.Context(), updates)
		if err != nil || decisions[0].Err != nil {
			t.Fatalf("Commit = %v, %v", decisions[0].Err, err)
		}
	}
	if n := s.Remembered(); n == 0 || n > sqlite.MaxRemembered+batch {
		t.Errorf("%d states are remembered, want at most %d", n, sqlite.MaxRemembered)
	}
}
