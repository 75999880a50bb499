package storetest

import (
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/testenv"
)

// testSubscribe: whatever happens to a channel wakes those who have subscribed to it, once it is there to be read.
func testSubscribe(t *testing.T, s relay.Store) {
	c, other := newChannel(t, s, 1), newChannel(t, s, 2)
	woken, end := s.Subscribe(1)
	also, endAlso := s.Subscribe(1)
	gone, endGone := s.Subscribe(1)
	endGone()
	before := stateOf(t, s, 1).Position
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"an entry", func() error { commit(t, s, update(c, "x", time.Time{})); return nil }},
		{"entries among others", func() error {
			commit(t, s, update(other, "x", time.Time{}), update(c, "y", time.Time{}), update(c, "z", time.Time{}))
			return nil
		}},
		{"a bulk call", func() error {
			u := update(c, "x", second(1))
			u.Bulk = true
			commit(t, s, u)
			return nil
		}},
		{"other settings", func() error {
			return s.ChangeChannel(t.Context(), 1, func(c *relay.Channel) error { c.Name = "new"; return nil })
		}},
		{"a clear", func() error { return s.ClearChannel(t.Context(), 1) }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		// A store may wake for nothing, and once for several things.
		for after := before; after == before; after = stateOf(t, s, 1).Position {
			testenv.Receive(t, woken, "being woken by "+step.name)
		}
		testenv.Receive(t, also, "waking the other subscriber by "+step.name)
		before = stateOf(t, s, 1).Position
	}
	if err := s.DeleteChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	testenv.Receive(t, woken, "being woken by the channel's end")
	end()
	endAlso()
	end() // a second time does nothing
	if len(gone) > 0 {
		t.Error("a subscription that had ended was woken")
	}
}
