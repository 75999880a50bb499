// Package relaytest runs the real relay inside a test, and lets it misbehave on request.
//
//	relay := relaytest.New(t)
//	channel := relay.CreateChannel(t, relay.Settings{})
//	relay.Seed(t, channel.ID, 8000, func(i int) thingspeak.Entry { … })
//	relay.Inject(relaytest.Times(1, relaytest.LoseReply()))
//
//	liar := relaytest.New(t, relaytest.Cheat(cheat.Drop|cheat.Alter))
//
// Where time matters, [InBubble] serves over pipes and from memory, so that everything is idle when nothing happens and
// the clock of a testing/synctest bubble moves on.
package relaytest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fernpost/fernpost/internal/relay"
	"github.com/fernpost/fernpost/internal/relay/cheat"
	"github.com/fernpost/fernpost/internal/relay/httpapi"
	"github.com/fernpost/fernpost/internal/relay/metrics"
	"github.com/fernpost/fernpost/internal/relay/store/sqlite"
	"github.com/fernpost/fernpost/internal/relay/storetest"
	"github.com/fernpost/fernpost/internal/thingspeak"
)

// Server is a relay that serves until the test ends.
type Server struct {
	// URL is the relay's address, without a slash at the end.
	URL string
	// UserKey manages every channel that the server creates.
	UserKey string
	// Relay and Store are what it runs on. With Cheat they tell the truth; what clients get is the lie.
	Relay *relay.Relay
	Store relay.Store

	// Dial connects to the server.
	Dial func(context.Context) (net.Conn, error)

	// handling counts the requests under way, also those whose connection a fault has taken over.
	handling sync.WaitGroup

	// mu guards what follows.
	mu    sync.Mutex
	fault Fault
	seen  []Request
}

// options are what an Option sets.
type options struct {
	limits relay.Limits
	lies   cheat.Lies
	open   func(testing.TB) relay.Store
	counts *metrics.Metrics
}

// Option changes how a Server runs.
type Option func(*options)

// Interval sets the least time between two updates of a channel; it is 0 otherwise.
func Interval(d time.Duration) Option {
	return func(o *options) { o.limits.Interval, o.limits.BulkInterval = d, d }
}

// Limits sets all limits; otherwise they are those of the preset "none".
func Limits(l relay.Limits) Option { return func(o *options) { o.limits = l } }

// Cheat makes the server misbehave as package cheat describes.
func Cheat(l cheat.Lies) Option { return func(o *options) { o.lies = l } }

// Counted counts what the server does.
func Counted(m *metrics.Metrics) Option { return func(o *options) { o.counts = m } }

// InMemory keeps everything in memory instead of SQLite: quicker where thousands of updates are made one by one.
func InMemory() Option {
	return WithStore(func(testing.TB) relay.Store { return storetest.NewMemory() })
}

// OnDisk keeps everything in SQLite, also in a bubble.
func OnDisk() Option { return WithStore(OpenSQLite) }

// OpenSQLite opens a new store in a directory of the test.
func OpenSQLite(t testing.TB) relay.Store {
	t.Helper()
	s, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// WithStore keeps everything in a store that open returns. The server closes it.
func WithStore(open func(testing.TB) relay.Store) Option { return func(o *options) { o.open = open } }

// New starts a relay on a loopback port, with SQLite in a directory of the test.
func New(t testing.TB, with ...Option) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{}
	s := &Server{
		URL: "http://" + listener.Addr().String(),
		Dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", listener.Addr().String())
		},
	}
	s.start(t, listener, with)
	return s
}

// InBubble starts a relay that is reached through [Server.Client], [Server.Transport] and Dial only, and keeps
// everything in memory unless told otherwise. Call it inside of synctest.Test.
func InBubble(t testing.TB, with ...Option) *Server {
	t.Helper()
	listener := newPipeListener()
	s := &Server{URL: "http://127.0.0.1:3000", Dial: listener.dial}
	s.start(t, listener, append([]Option{InMemory()}, with...))
	return s
}

func (s *Server) start(t testing.TB, listener net.Listener, with []Option) {
	t.Helper()
	limits, err := relay.Preset(relay.PresetNone)
	if err != nil {
		t.Fatal(err)
	}
	o := options{limits: limits}
	for _, set := range append([]Option{OnDisk()}, with...) {
		set(&o)
	}
	s.Store = o.open(t)
	accounts, err := s.Store.Accounts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.UserKey = accounts[0].Key
	s.Relay = relay.New(s.Store, o.limits)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	relays := []*relay.Relay{s.Relay}
	var versions []http.Handler
	for _, shown := range cheat.Stores(s.Store, o.lies) {
		rules := relay.New(shown, o.limits)
		relays = append(relays, rules)
		versions = append(versions, httpapi.New(rules, httpapi.Options{Log: log, Loopback: true, Metrics: o.counts}))
	}
	var serving, connections sync.WaitGroup
	server := &http.Server{
		Handler:  s.misbehave(cheat.Versions(versions...)),
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				connections.Add(1)
			case http.StateClosed, http.StateHijacked:
				connections.Done()
			}
		},
	}
	serving.Go(func() {
		if err := server.Serve(httpapi.AnswerVersionless(listener)); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serving: %v", err)
		}
	})
	t.Cleanup(func() {
		// Close, not Shutdown: a fault may still hold a request.
		if err := server.Close(); err != nil {
			t.Errorf("closing the server: %v", err)
		}
		serving.Wait()
		connections.Wait()
		s.handling.Wait()
		for _, rules := range relays {
			rules.Close()
		}
		if err := s.Store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
}

// Transport reaches the server, whatever address a request names. Its idle connections end with the test.
func (s *Server) Transport(t testing.TB) *http.Transport {
	transport := &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) },
		MaxResponseHeaderBytes: 64 << 10, // as package remote has it
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// Client is a client over Transport.
func (s *Server) Client(t testing.TB) *http.Client { return &http.Client{Transport: s.Transport(t)} }

// Channel is a channel of a Server.
type Channel struct {
	ID                int64
	WriteKey, ReadKey string
}

// CreateChannel makes a channel of the account of UserKey.
func (s *Server) CreateChannel(t testing.TB, settings relay.Settings) Channel {
	t.Helper()
	c, err := s.Relay.CreateChannel(t.Context(), relay.LocalAccountID, settings)
	if err != nil {
		t.Fatal(err)
	}
	return Channel{ID: c.ID, WriteKey: c.Keys[0].Text, ReadKey: c.Keys[1].Text}
}

// AllFields are settings of a public or private channel with all eight fields.
func AllFields(public bool) relay.Settings {
	s := relay.Settings{Public: &public}
	for i := range s.Labels {
		s.Labels[i] = new("field")
	}
	return s
}

// Seed stores n entries in a channel, past its interval. make is called with 0 to n-1; an entry without a date gets the
// time of the call. Use it before the channel's clients write.
func (s *Server) Seed(t testing.TB, channel int64, n int, make func(i int) thingspeak.Entry) {
	t.Helper()
	view, err := s.Relay.OwnView(t.Context(), relay.LocalAccountID, channel)
	if err != nil {
		t.Fatal(err)
	}
	// Without limits, and in one commit per thousand.
	var none relay.Limits
	for from := 0; from < n; from += 1000 {
		update := relay.Update{Channel: channel, Key: view.State.WriteKey, Bulk: true, Limits: &none}
		for i := from; i < min(n, from+1000); i++ {
			update.Entries = append(update.Entries, relay.NewEntry{Entry: make(i)})
		}
		decisions, err := s.Store.Commit(t.Context(), []relay.Update{update})
		if err == nil {
			err = decisions[0].Err
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Clear removes a channel's entries, as its owner can.
func (s *Server) Clear(t testing.TB, channel int64) {
	t.Helper()
	if err := s.Relay.ClearChannel(t.Context(), relay.LocalAccountID, channel); err != nil {
		t.Fatal(err)
	}
}

// Entries returns all entries of a channel, in order of number, without going through HTTP.
func (s *Server) Entries(t testing.TB, channel int64) []thingspeak.Entry {
	t.Helper()
	view, err := s.Relay.OwnView(t.Context(), relay.LocalAccountID, channel)
	if err != nil {
		t.Fatal(err)
	}
	var all []thingspeak.Entry
	err = s.Store.Entries(t.Context(), view.State.Generation, 1, view.State.Last, func(e *thingspeak.Entry) error {
		all = append(all, *e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
