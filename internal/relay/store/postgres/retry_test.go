package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/relaytest/pgtest"
	"github.com/fernpost/fernpost/internal/relay/store/postgres"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// values returns the first fields of a channel's entries, which must have the numbers 1, 2, 3 …
func values(t *testing.T, s relay.Store, channel int64) (all []string) {
	t.Helper()
	p, err := s.Position(t.Context(), channel)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Entries(t.Context(), p.Generation, 1, p.Last+9, func(e *thingspeak.Entry) error {
		all = append(all, e.Fields[0].Text)
		if e.ID != int64(len(all)) {
			t.Errorf("entry %d has number %d", len(all), e.ID)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if int64(len(all)) != p.Last {
		t.Errorf("there are %d entries, and the last is %d", len(all), p.Last)
	}
	return all
}

// named is an update with a value of its own.
func named(channel int64, key, value string) []relay.Update {
	u := one(channel, key)
	u.Entries[0].Fields[0] = thingspeak.Text(value)
	return []relay.Update{u}
}

// TestCutAnswers cuts the connection at each of the messages in which the server answers to a batch. The batch is there
// once each time.
func TestCutAnswers(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.Database(t)
	proxy := pgtest.NewProxy(t, server.Address)
	s := open(t, pgtest.Via(url, proxy.Address))
	key := create(t, s, 1)
	add(t, s, 1, key, 1) // so that statements are prepared
	cut := true
	want := []string{strings.Repeat("x", 248)}
	for place := 1; cut; place++ {
		if _, err := s.Position(t.Context(), 1); err != nil { // so that there is a connection
			t.Fatal(err)
		}
		messages := 0
		sprung := proxy.CutAt(func(pgtest.Message) bool {
			messages++
			return messages == place
		})
		value := fmt.Sprint("cut at message ", place)
		d, err := s.Commit(t.Context(), named(1, key, value))
		if err != nil || d[0].Err != nil {
			t.Fatalf("%s: %v, %v", value, d, err)
		}
		want = append(want, value)
		select {
		case <-sprung:
		default:
			cut = false
			proxy.CutAt(func(pgtest.Message) bool { return false })
		}
		if number := d[0].Entries[0].ID; number != int64(len(want)) {
			t.Errorf("%s: answered as entry %d, want %d", value, number, len(want))
		}
	}
	if got := values(t, s, 1); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the channel holds %q, want %q", got, want)
	}
	if len(want) < 10 {
		t.Errorf("only %d places to cut at were found", len(want)-2)
	}
}

// TestCutRequests cuts the connection at each request of a batch, before the server gets it.
func TestCutRequests(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.Database(t)
	gate := newGate(t, server.Address)
	s := open(t, pgtest.Via(url, gate.address))
	key := create(t, s, 1)
	add(t, s, 1, key, 1)
	want := []string{strings.Repeat("x", 248)}
	for request := 1; ; request++ {
		if _, err := s.Position(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		gate.cutAt(request)
		value := fmt.Sprint("cut at request ", request)
		d, err := s.Commit(t.Context(), named(1, key, value))
		if err != nil || d[0].Err != nil {
			t.Fatalf("%s: %v, %v", value, d, err)
		}
		want = append(want, value)
		if !gate.cutAt(0) {
			break
		}
	}
	if got := values(t, s, 1); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the channel holds %q, want %q", got, want)
	}
	if len(want) < 4 { // two requests are what a batch takes
		t.Errorf("only %d requests to cut at were found", len(want)-2)
	}
}

// gate passes connections on, and can cut them before a request, or keep everything to itself.
type gate struct {
	address string
	server  string

	mu    sync.Mutex
	conns []net.Conn
	// left is how many requests may pass before the one at which all is cut, -1 for no such.
	left int
	// silent says that nothing passes any more, without anybody being told.
	silent bool
}

func newGate(t *testing.T, server string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: l.Addr().String(), server: server, left: -1}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { g.pass(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		g.mu.Lock()
		g.cut()
		g.mu.Unlock()
		serving.Wait()
	})
	return g
}

// cutAt lets all connections be cut at the n-th request from now on; 0 is never. It tells whether an earlier cut was
// made.
func (g *gate) cutAt(n int) (done bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	done = g.left < 0
	g.left = n - 1
	return done
}

func (g *gate) setSilent(silent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.silent = silent
}

// cut ends all connections. The caller holds mu.
func (g *gate) cut() {
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

func (g *gate) pass(client net.Conn) {
	server, err := net.Dial("tcp", g.server)
	if err != nil {
		client.Close()
		return
	}
	g.mu.Lock()
	g.conns = append(g.conns, client, server)
	g.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { g.copy(server, client, g.mayPass) })
	both.Go(func() {
		g.copy(client, server, func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			return !g.silent
		})
	})
	both.Wait()
}

// mayPass says whether a request passes.
func (g *gate) mayPass() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.silent {
		return false
	}
	if g.left == 0 {
		g.left = -1
		g.cut()
		return false
	}
	g.left = max(-1, g.left-1)
	return true
}

func (g *gate) copy(to, from net.Conn, mayPass func() bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if !mayPass() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestSilence: a server that says nothing any more costs as long as the caller has time, and no connection afterwards.
func TestSilence(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	gate := newGate(t, server.Address)
	s := open(t, pgtest.Via(server.Database(t), gate.address)+"&pool_max_conns=2")
	key := create(t, s, 1)
	gate.setSilent(true)
	var work sync.WaitGroup
	for name, call := range map[string]func(ctx context.Context) error{
		"writing": func(ctx context.Context) error {
			_, err := s.Commit(ctx, []relay.Update{one(1, key)})
			return err
		},
		"reading": func(ctx context.Context) error {
			_, _, err := s.Channel(ctx, 1)
			return err
		},
		"a position": func(ctx context.Context) error {
			_, err := s.Position(ctx, 1)
			return err
		},
		"waiting for a connection": func(ctx context.Context) error {
			_, err := s.Accounts(ctx)
			return err
		},
	} {
		work.Go(func() {
			if err := call(briefly(t)); !errors.Is(err, relay.ErrUnavailable) {
				t.Errorf("%s: %v, want ErrUnavailable", name, err)
			}
		})
	}
	work.Wait()
	gate.setSilent(false)
	gate.mu.Lock()
	gate.cut()
	gate.mu.Unlock()
	add(t, s, 1, key, 1)
	if n := len(values(t, s, 1)); n < 1 || n > 2 {
		t.Errorf("there are %d entries, want the last one and perhaps the one before", n)
	}
}

// TestPatience: without a deadline of the caller's a call gives up after five seconds.
func TestPatience(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	s := open(t, server.Database(t))
	key := create(t, s, 1)
	server.Stop(t)
	var work sync.WaitGroup
	began := time.Now()
	for name, call := range map[string]func() error{
		"writing": func() error {
			_, err := s.Commit(t.Context(), []relay.Update{one(1, key)})
			return err
		},
		"a position": func() error {
			_, err := s.Position(t.Context(), 1)
			return err
		},
	} {
		work.Go(func() {
			err := call()
			if took := time.Since(began); !errors.Is(err, relay.ErrUnavailable) || took < 4*time.Second {
				t.Errorf("%s: %v after %v, want ErrUnavailable after five seconds", name, err, took)
			}
			if err != nil && (strings.Contains(err.Error(), pgtest.Password) || !strings.Contains(err.Error(), "refused")) {
				t.Errorf("%s: the error shows the password, or no reason: %v", name, err)
			}
		})
	}
	work.Wait()
	server.Restart(t)
	add(t, s, 1, key, 1)
	if n := len(values(t, s, 1)); n != 1 {
		t.Errorf("there are %d entries, want 1", n)
	}
}

// TestRestart stops the server hard and starts it again while entries are written and read. Nobody notices.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	a, b := open(t, url), open(t, url)
	keys := map[int64]string{1: create(t, a, 1), 2: create(t, a, 2)}
	const each = 40
	var work sync.WaitGroup
	half := make(chan struct{}, 4*each)
	for i, s := range []*postgres.Store{a, b, a, b} {
		work.Go(func() {
			for n := range each {
				channel := int64(1 + (i+n)%2)
				d, err := s.Commit(t.Context(), named(channel, keys[channel], fmt.Sprint(i, " ", n)))
				if err != nil || d[0].Err != nil {
					t.Errorf("writing: %v, %v", d, err)
					return
				}
				p, err := s.Position(t.Context(), channel)
				if err != nil || p.Last < d[0].Entries[0].ID {
					t.Errorf("after entry %d the channel stands at %+v, %v", d[0].Entries[0].ID, p, err)
				}
				half <- struct{}{}
			}
		})
	}
	for range 3 {
		for range each / 2 {
			<-half
		}
		server.StopHard(t)
		server.Restart(t)
	}
	work.Wait()
	seen := map[string]bool{}
	for channel := range keys {
		for _, v := range values(t, a, channel) {
			seen[v] = true
		}
	}
	if len(seen) != 4*each {
		t.Errorf("%d values are there, want %d", len(seen), 4*each)
	}
}

// TestReadOnly: a server that was demoted under a relay's feet is left alone until it takes writes again.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.Database(t)
	s := open(t, url)
	key := create(t, s, 1)
	database := server.Exec(t, url, "SELECT current_database()")
	server.Exec(t, "postgres", "ALTER DATABASE "+database+" SET default_transaction_read_only = on")
	server.Exec(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "+
		"AND pid <> pg_backend_pid()")
	if _, err := s.Commit(briefly(t), []relay.Update{one(1, key)}); !errors.Is(err, relay.ErrUnavailable) {
		t.Errorf("writing to a server that takes no writes: %v, want ErrUnavailable", err)
	}
	server.Exec(t, "postgres", "ALTER DATABASE "+database+" RESET default_transaction_read_only")
	add(t, s, 1, key, 1)
}
