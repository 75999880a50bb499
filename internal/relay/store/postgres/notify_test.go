package postgres_test

import (
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/testenv"
)

// listening waits until the server knows n listeners.
func listening(t *testing.T, server *pgtest.Server, url, n string) {
	t.Helper()
	testenv.Await(t, n+" listeners", func() bool {
		return server.Exec(t, url, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%listening' AND "+
			"datname = current_database()") == n
	})
}

// drain takes the value that a subscription begins with.
func drain(woken <-chan struct{}) {
	select {
	case <-woken:
	case <-time.After(50 * time.Millisecond):
	}
}

func TestWake(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.Database(t)
	a, b := open(t, url), open(t, url)
	key, other := create(t, a, 1), create(t, a, 2)
	woken, end := b.Subscribe(1)
	defer end()
	own, end := a.Subscribe(1)
	defer end()
	listening(t, server, url, "2")
	drain(woken)
	drain(own)
	for _, tt := range []struct {
		name string
		do   func() error
	}{
		{"an entry", func() error { _, err := a.Commit(t.Context(), named(1, key, "x")); return err }},
		{"a second one", func() error { _, err := a.Commit(t.Context(), named(1, key, "y")); return err }},
		{"a change", func() error { return a.ChangeChannel(t.Context(), 1, func(*relay.Channel) error { return nil }) }},
		{"a clear", func() error { return a.ClearChannel(t.Context(), 1) }},
		{"an entry among others", func() error {
			_, err := a.Commit(t.Context(), append(named(2, other, "x"), named(1, key, "z")...))
			return err
		}},
	} {
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		testenv.Receive(t, own, "waking the node that wrote")
		testenv.Receive(t, woken, "waking the other node")
		t.Logf("%s: the other node's subscriber woke %v later", tt.name, time.Since(began))
	}
}

// TestWakeAgain: a relay that was cut off listens again, and lets everybody look for what was written meanwhile.
func TestWakeAgain(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.Database(t)
	proxy := pgtest.NewProxy(t, server.Address)
	a, b := open(t, url), open(t, pgtest.Via(url, proxy.Address))
	key := create(t, a, 1)
	woken, end := b.Subscribe(1)
	listening(t, server, url, "1")
	drain(woken)
	proxy.Cut()
	testenv.Receive(t, woken, "waking after the cut")
	listening(t, server, url, "1")
	drain(woken)
	if _, err := a.Commit(t.Context(), named(1, key, "x")); err != nil {
		t.Fatal(err)
	}
	testenv.Receive(t, woken, "waking by what was written")
	end()
	if _, err := a.Commit(t.Context(), named(1, key, "y")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-woken:
		t.Error("a subscription that has ended was woken")
	case <-time.After(50 * time.Millisecond):
	}
}

// TestWakeMany: one notification has room for some hundred channels only.
func TestWakeMany(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.Database(t)
	a, b := open(t, url), open(t, url)
	var batch []relay.Update
	var all []<-chan struct{}
	const channels = 1000
	for id := range int64(channels) {
		key := create(t, a, 9_000_000_000_000_000_000+id)
		batch = append(batch, one(9_000_000_000_000_000_000+id, key))
		woken, _ := b.Subscribe(9_000_000_000_000_000_000 + id)
		all = append(all, woken)
	}
	listening(t, server, url, "1")
	for _, woken := range all {
		select {
		case <-woken:
		default:
		}
	}
	if _, err := a.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for _, woken := range all {
		testenv.Receive(t, woken, "waking one of many")
	}
}

// TestSweep: cleared entries and old rows of settled batches go.
func TestSweep(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.Database(t)
	a, b := open(t, url), open(t, url)
	key := create(t, a, 1)
	add(t, a, 1, key, 1200)
	server.Exec(t, url, "UPDATE batches SET at = now() - INTERVAL '11 minutes'")
	add(t, b, 1, key, 1)
	if err := b.ClearChannel(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	add(t, a, 1, key, 5)
	for _, tt := range []struct{ what, want string }{
		{"SELECT count(*) FROM entries", "5"},
		{"SELECT count(*) FROM abandoned", "0"},
		{"SELECT count(*) FROM batches", "3"},
	} {
		testenv.Await(t, tt.what+" = "+tt.want, func() bool { return server.Exec(t, url, tt.what) == tt.want })
	}
	if got := values(t, a, 1); len(got) != 5 {
		t.Errorf("the sweep left %d entries, want 5", len(got))
	}
}

// TestWatchThroughAnotherNode: whoever watches at one relay gets what is written through another, once and in order, also
// when the database is lost for a moment.
func TestWatchThroughAnotherNode(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.Database(t)
	proxy := pgtest.NewProxy(t, server.Address)
	a, b := open(t, url), open(t, pgtest.Via(url, proxy.Address))
	key := create(t, a, 1)
	rules := relay.New(b, relay.Limits{})
	view, err := rules.View(t.Context(), 1, "READ1")
	if err != nil {
		t.Fatal(err)
	}
	watch := rules.Watch([]relay.Watched{{View: view, Key: "READ1", From: view.End()}})
	defer watch.End()
	next := int64(1)
	for round := range 4 {
		for range 5 {
			if _, err := a.Commit(t.Context(), named(1, key, "x")); err != nil {
				t.Fatal(err)
			}
		}
		if round%2 == 0 {
			proxy.Cut()
		}
		for want := int64(5*round + 5); next <= want; {
			news, found, err := watch.Next()
			switch {
			case err != nil:
				t.Fatal(err)
			case !found:
				testenv.Receive(t, watch.Woken(), "news from the other node")
			case news.Reset || news.Events.First != next:
				t.Fatalf("instead of entry %d came %d, reset %v", next, news.Events.First, news.Reset)
			default:
				next = news.Events.Last() + 1
			}
		}
	}
}
