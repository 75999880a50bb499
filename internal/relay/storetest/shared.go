package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// RunShared holds two stores on the same data against what [relay.Store] promises to each: whatever one has done, the
// other knows as soon as the call has returned. open returns two that use new, empty data, as two processes would, and
// that end with the test.
func RunShared(t *testing.T, open func(testing.TB) (a, b relay.Store)) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, a, b relay.Store)
	}{
		{"both write and read", testBothWrite},
		{"both keep the interval", testSharedInterval},
		{"a change by the other", testSharedChange},
		{"a clear and a delete by the other", testSharedClear},
		{"accounts and channels of the other", testSharedCreate},
		{"crossed batches", crossBatches},
		{"changes at the same time", addLetters},
		{"clears while the other writes", clearWhileWriting},
	} {
		t.Run(part.name, func(t *testing.T) {
			a, b := open(t)
			part.test(t, a, b)
		})
	}
}

func testBothWrite(t *testing.T, a, b relay.Store) {
	c := newChannel(t, a, 1)
	for n := range int64(20) {
		one, other := a, b
		if n%3 == 0 {
			one, other = b, a
		}
		if d := commit(t, one, update(c, fmt.Sprint(n), time.Time{})); d[0].Entries[0].ID != n+1 {
			t.Fatalf("entry %d got number %d", n+1, d[0].Entries[0].ID)
		}
		state := stateOf(t, other, 1)
		if got := entries(t, other, state.Generation, n+1, n+1); len(got) != 1 || got[0].Fields[0].Text != fmt.Sprint(n) {
			t.Fatalf("the other one reads %v", got)
		}
	}
}

func testSharedInterval(t *testing.T, a, b relay.Store) {
	c := newChannel(t, a, 1)
	slow := func(s relay.Store) error {
		u := update(c, "x", time.Time{})
		u.Limits = &relay.Limits{Interval: time.Hour}
		d, err := s.Commit(t.Context(), []relay.Update{u})
		return errors.Join(err, d[0].Err)
	}
	if err := slow(a); err != nil {
		t.Fatal(err)
	}
	for _, s := range []relay.Store{b, a} {
		if _, ok := errors.AsType[*relay.TooSoonError](slow(s)); !ok {
			t.Error("a second update within the interval was taken")
		}
	}
}

func testSharedChange(t *testing.T, a, b relay.Store) {
	c := newChannel(t, a, 1)
	commit(t, a, update(c, "1", time.Time{})) // so that a knows the channel by heart
	before := stateOf(t, a, 1)
	if err := b.ChangeChannel(t.Context(), 1, func(c *relay.Channel) error {
		c.Name, c.Keys = "new", []thingspeak.Key{{Text: "NEW", Write: true}}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if d, err := a.Commit(t.Context(), []relay.Update{update(c, "2", time.Time{})}); err != nil ||
		!errors.Is(d[0].Err, relay.ErrKey) {
		t.Errorf("writing with the old key: %v, %v", d, err)
	}
	_, err := a.Writer(t.Context(), "WRITE1")
	wantErr(t, "the old key", err, relay.ErrNotFound)
	if id, err := a.Writer(t.Context(), "NEW"); err != nil || id != 1 {
		t.Errorf("the new key opens %d, %v", id, err)
	}
	if after := stateOf(t, a, 1); after.Settings == before.Settings {
		t.Error("State.Settings is the same after a change by the other one")
	}
	if got, _, err := a.Channel(t.Context(), 1); err != nil || got.Name != "new" || len(got.Keys) != 1 {
		t.Errorf("the channel is %+v, %v", got, err)
	}
	c.Keys[0].Text = "NEW"
	if d := commit(t, a, update(c, "2", time.Time{})); d[0].Entries[0].ID != 2 {
		t.Errorf("the next entry got number %d", d[0].Entries[0].ID)
	}
}

func testSharedClear(t *testing.T, a, b relay.Store) {
	c := newChannel(t, a, 1)
	for range 3 {
		commit(t, a, update(c, "old", time.Time{}))
	}
	before := stateOf(t, a, 1)
	if err := b.ClearChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if after := stateOf(t, a, 1); after.Last != 0 || after.Generation <= before.Generation {
		t.Errorf("after a clear by the other one the channel stands at %+v, before at %+v", after.Position, before.Position)
	}
	if d := commit(t, a, update(c, "new", time.Time{})); d[0].Entries[0].ID != 1 {
		t.Errorf("the first entry after the clear got number %d", d[0].Entries[0].ID)
	}
	if err := b.DeleteChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, err := a.Position(t.Context(), 1)
	wantErr(t, "a channel that the other one deleted", err, relay.ErrNotFound)
	if d, err := a.Commit(t.Context(), []relay.Update{update(c, "x", time.Time{})}); err != nil ||
		!errors.Is(d[0].Err, relay.ErrKey) {
		t.Errorf("writing to it: %v, %v", d, err)
	}
	again := newChannel(t, b, 1)
	if d := commit(t, a, update(again, "x", time.Time{})); d[0].Entries[0].ID != 1 {
		t.Errorf("a new channel of that number begins at entry %d", d[0].Entries[0].ID)
	}
	if p := stateOf(t, a, 1); p.Generation <= before.Generation {
		t.Errorf("a new channel got the generation %d, an old one had %d", p.Generation, before.Generation)
	}
}

func testSharedCreate(t *testing.T, a, b relay.Store) {
	newChannel(t, a, 1)
	taken := &relay.Channel{
		Owner:   relay.LocalAccountID,
		Channel: thingspeak.Channel{ID: 1, Keys: []thingspeak.Key{{Text: "OTHER", Write: true}}},
	}
	wantErr(t, "a number that the other one gave", b.CreateChannel(t.Context(), taken, 0), relay.ErrTaken)
	taken.ID = 2
	wantErr(t, "one more than allowed", b.CreateChannel(t.Context(), taken, 1), relay.ErrFull)
	ana := relay.Account{Name: "ana", Key: "ANAKEY"}
	if err := a.CreateAccount(t.Context(), &ana); err != nil {
		t.Fatal(err)
	}
	if found, err := b.AccountByKey(t.Context(), "ANAKEY"); err != nil || found.ID != ana.ID {
		t.Errorf("the other one's account is %+v, %v", found, err)
	}
	wantErr(t, "a name that the other one gave",
		b.CreateAccount(t.Context(), &relay.Account{Name: "ana", Key: "X"}), relay.ErrTaken)
}
