package gateway

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/model"
)

// TestARemovedRoomIsLeftAlone: a room that was removed was asked for every five minutes as long as the gateway ran, and what came of it in
// the second after that was kept once more.
func TestARemovedRoomIsLeftAlone(t *testing.T) {
	all := newRooms(t)
	r, grants, s := openLab(t, all, t.TempDir())
	mustCommit(t, r, s, "1", "2")
	late := newArrival([]byte("late"), newEntries("late")[0], testTime)
	all.following = func(_ context.Context, take func(*news) error) error {
		if err := grants.Forget("lab"); err != nil {
			t.Error(err)
		}
		return take(&news{arrivals: []arrival{late}})
	}
	r.begin(s)
	r.follow(t.Context(), s)
	if _, left, _, err := grants.Left("lab"); left > 0 || err != nil || r.all() != 0 || r.shelves[labChannel] != nil {
		t.Errorf("of the room are left %d readings, %v, and %d wait", left, err, r.all())
	}
	if last, err := r.last("lab"); last != 0 || err != nil {
		t.Errorf("what came late is number %d, %v", last, err)
	}
	if err := r.take(s, &news{arrivals: []arrival{late}}); !errors.Is(err, model.ErrNoRoom) {
		t.Errorf("what comes then ends with %v", err)
	}
	if gone, err := r.isGone(s); !gone || err != nil {
		t.Errorf("who delivers goes on, %v", err)
	}
	again, err := r.open("lab", labChannel)
	if err != nil || again == s || !r.begin(again) {
		t.Errorf("a room that is there again is not followed: %v", err)
	}
}

// TestARoomThatIsGoneWithNothingWaiting: whoever delivers asked for it for ever.
func TestARoomThatIsGoneWithNothingWaiting(t *testing.T) {
	r, s := openShelf(t)
	mustCommit(t, r, s, "1")
	if _, err := r.handOver(s, 1, nil); err != nil {
		t.Fatal(err)
	}
	if gone, err := r.isGone(s); gone || err != nil {
		t.Errorf("it is there: %v, %v", gone, err)
	}
	if err := r.conn.Exec("DELETE FROM readings"); err != nil {
		t.Fatal(err)
	}
	if gone, err := r.isGone(s); !gone || err != nil {
		t.Errorf("it is gone: %v, %v", gone, err)
	}
}

// TestARoomThatWentWellIsReadAgainSoon: one that was cut off now and then, in weeks, was read again only after five minutes.
func TestARoomThatWentWellIsReadAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		all := newRooms(t)
		var pauses []time.Duration
		ended := time.Now()
		all.following = func(context.Context, func(*news) error) error {
			pauses = append(pauses, time.Since(ended))
			switch len(pauses) {
			case 10, 11:
				time.Sleep(7 * 24 * time.Hour)
			case 14:
				cancel()
			}
			ended = time.Now()
			return errors.New("cut off")
		}
		r, _, s := openLab(t, all, t.TempDir())
		r.follow(ctx, s)
		want := []time.Duration{firstPause, firstPause, 2 * firstPause, 4 * firstPause}
		if pauses[9] != longestPause || !slices.Equal(pauses[10:], want) {
			t.Errorf("it is read again after %v", pauses)
		}
	})
}

// TestWhatARoomCannotCarryAnyMoreIsKept: a reading that was answered, and whose room was changed before it left, was thrown away with a line
// in the log.
func TestWhatARoomCannotCarryAnyMoreIsKept(t *testing.T) {
	all := newRooms(t)
	r, grants, s := openLab(t, all, t.TempDir())
	mustCommit(t, r, s, "1", "2", "3")
	s.rows[1].said = pack(&newEntries("impossible")[0]) // by now
	if more, err := (&deliverer{r, all, discard}).handOver(t.Context(), s); more || err != nil {
		t.Fatalf("%v, %v", more, err)
	}
	if got := all.arrived("lab"); !slices.Equal(got, []string{"1:1", "3:3"}) {
		t.Errorf("the cloud has %q", got)
	}
	left := func() {
		t.Helper()
		if _, waiting, aside, err := grants.Left("lab"); waiting != 0 || aside != 1 || err != nil || r.all() != 0 {
			t.Errorf("%d wait, %d are set aside, %v", waiting, aside, err)
		}
	}
	left()
	if err := r.forgetOld(s, maxShown+2); err != nil {
		t.Fatal(err)
	}
	delete(r.shelves, labChannel)
	s, err := r.open("lab", labChannel)
	if err != nil {
		t.Fatal(err)
	}
	left()
	if len(s.queue) > 0 || len(s.rows) != 3 {
		t.Errorf("at the next start %d wait, and %d are shown", len(s.queue), len(s.rows))
	}
}
